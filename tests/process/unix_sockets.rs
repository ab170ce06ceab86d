//! Listeners on sockets in the file system: who may connect, who is believed, and what is left when the service ends.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::support::{Configuration, Folder, PATIENCE, Program, Upstream, get, run, start, until};

/// A service on a socket.
struct Served {
    program: Program,
    configuration: Configuration,
    path: PathBuf,
    /// Removed last.
    _folder: Folder,
    _vendor: Upstream,
}

fn serve(more: &str) -> Served {
    let (folder, vendor) = (Folder::new(), Upstream::quoting("100"));
    let path = folder.0.join("quotefold.sock");
    let server = format!("[server]\nlisten = \"unix:{}\"\ndrain_delay = \"0s\"\n", path.display());
    let sources = vendor.source("a", "") + &vendor.source("b", "");
    let configuration = Configuration::new(&format!("{server}{more}{sources}"));
    let program = Program::new(&mut start(&["serve", "--config", configuration.path()], &[]));
    until("it says where it listens", || program.said_on_stdout().ends_with('\n'));
    Served { program, configuration, path, _folder: folder, _vendor: vendor }
}

/// The reply to a request with these lines in its head.
fn ask(path: &Path, target: &str, lines: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn status(reply: &str) -> &str {
    reply.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn a_service_on_a_socket_answers_and_leaves_nothing_behind() {
    let served = serve("");
    let said = served.program.said_on_stdout();
    assert_eq!(said, format!("quotefold listens on unix:{}\n", served.path.display()));
    let mode = std::fs::metadata(&served.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let reply = ask(&served.path, "/prices?symbols=BTC-USD", "");
    assert!(status(&reply) == "200" && reply.contains("\"complete\""), "{reply}");
    served.program.signal("TERM");
    assert_eq!(served.program.ended().code, Some(0));
    assert!(!served.path.exists(), "the file stays behind");
}

#[test]
fn the_commands_speak_to_a_service_on_a_socket() {
    let served = serve("");
    let (config, url) = (served.configuration.path(), format!("unix:{}", served.path.display()));
    for arguments in [
        vec!["health", "--config", config],
        vec!["health", "--live", "--config", config],
        vec!["health", url.as_str()],
        vec!["get", "BTC-USD", "--url", url.as_str()],
        vec!["get", "BTC-USD", "--config", config],
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.contains(&url), arguments[0] == "get", "{arguments:?}: {ended:?}");
    }
    let ended = run(&["health", "unix:quotefold.sock"]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let nobody = format!("{url}.not");
    let ended = run(&["health", &nobody]);
    assert!(ended.code == Some(1) && ended.stderr.contains(&nobody), "{ended:?}");
}

#[test]
fn peers_on_a_socket_are_one_client_unless_they_are_trusted_to_name_theirs() {
    let rate = "[access]\nrate = \"1/h\"\n";
    let served = serve(rate);
    let asks = |path: &Path, client: &str| {
        let reply = ask(path, "/symbols?q=btc", &format!("X-Forwarded-For: {client}\r\n"));
        status(&reply).to_owned()
    };
    assert_eq!([asks(&served.path, "1.2.3.4"), asks(&served.path, "1.2.3.5")], ["200", "429"]);
    let served = serve(&format!("{rate}trusted_proxies = [\"unix\"]\n"));
    let each = ["1.2.3.4", "1.2.3.5", "1.2.3.4"].map(|client| asks(&served.path, client));
    assert_eq!(each, ["200", "200", "429"]);
}

#[test]
fn the_operators_address_can_be_a_socket_beside_a_port() {
    let (folder, vendor) = (Folder::new(), Upstream::quoting("100"));
    let path = folder.0.join("admin.sock");
    let access = format!("[access]\nadmin_listen = \"unix:{}\"\n", path.display());
    let (program, address) = Program::serve(&Configuration::new(&format!("{access}{}", vendor.source("a", ""))), &[]);
    assert!(program.said_on_stdout().contains(&format!("and, for its operator, on unix:{}", path.display())));
    assert_eq!((get(address, "/metrics").status, status(&ask(&path, "/metrics", ""))), (404, "200"));
}

#[test]
fn a_socket_that_is_taken_or_is_none_is_a_wrong_configuration() {
    let folder = Folder::new();
    let path = folder.0.join("quotefold.sock");
    let listen = format!("unix:{}", path.display());
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let serve = || run(&["serve", "--config", configuration.path(), "--listen", &listen]);
    let taken = UnixListener::bind(&path).unwrap();
    let ended = serve();
    assert!(ended.code == Some(78) && ended.stderr.contains("another process listens there"), "{ended:?}");
    assert!(UnixStream::connect(&path).is_ok());
    drop(taken);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    let ended = serve();
    assert!(ended.code == Some(78) && ended.stderr.contains("is not a socket"), "{ended:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn what_a_killed_service_leaves_behind_is_replaced() {
    let served = serve("");
    served.program.signal("KILL");
    until("it is gone", || UnixStream::connect(&served.path).is_err());
    assert!(served.path.exists());
    let again = Program::new(&mut start(&["serve", "--config", served.configuration.path()], &[]));
    until("it listens again", || again.said_on_stdout().ends_with('\n'));
    assert_eq!(status(&ask(&served.path, "/health/live", "")), "200");
}
