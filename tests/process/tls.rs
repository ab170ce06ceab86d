//! A service that speaks TLS itself: who gets through, and how its certificate changes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::{Authority, Configuration, Folder, PATIENCE, Program, Upstream, run, start, until};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A service with a certificate for 127.0.0.1.
struct Served {
    program: Program,
    /// What it reads again.
    _own: Configuration,
    /// The same for commands, with the address in it.
    configuration: Configuration,
    address: SocketAddr,
    authority: Authority,
    folder: Folder,
    _vendor: Upstream,
}

/// Serves at a free port, which commands find in the configuration.
fn serve(server: &str, access: &str) -> Served {
    let (folder, authority, vendor) = (Folder::new(), Authority::new(), Upstream::quoting("100"));
    put(&folder, authority.issue("127.0.0.1"));
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.0.join(name).display().to_string());
    let files = format!("certificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n");
    let sources = vendor.source("a", "") + &vendor.source("b", "");
    let listening = |address: &str| {
        let server = format!("[server]\nlisten = \"{address}\"\ndrain_delay = \"0s\"\n{files}{server}");
        Configuration::new(&format!("{server}{access}{sources}"))
    };
    let own = listening("127.0.0.1:0");
    let program = Program::new(&mut start(&["serve", "--config", own.path()], &[]));
    until("it says where it listens", || program.said_on_stdout().ends_with('\n'));
    let said = program.said_on_stdout();
    let address: SocketAddr =
        said.split("https://").nth(1).unwrap().split([' ', ',', '\n']).next().unwrap().parse().unwrap();
    let configuration = listening(&address.to_string());
    Served { program, _own: own, configuration, address, authority, folder, _vendor: vendor }
}

fn put(folder: &Folder, (certificate, key): (String, String)) {
    std::fs::write(folder.0.join("tls.crt"), certificate).unwrap();
    std::fs::write(folder.0.join("tls.key"), key).unwrap();
}

fn connect(address: SocketAddr, client: ClientConfig) -> Secure {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(client), name).unwrap(), stream)
}

/// Asks on a connection that stays open, and returns the reply's status.
fn ask(stream: &mut Secure, target: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
    let mut part = [0; 16 << 10];
    let length = stream.read(&mut part)?;
    Ok(String::from_utf8_lossy(&part[..length]).split(' ').nth(1).unwrap_or_default().to_owned())
}

fn certificate_of(stream: &Secure) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_service_with_a_certificate_speaks_tls_and_nothing_else() {
    let served = serve("", "");
    assert_eq!(served.program.said_on_stdout(), format!("quotefold listens on https://{}\n", served.address));
    let mut client = served.authority.client();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut stream = connect(served.address, client);
    for target in ["/health/live", "/prices?symbols=BTC-USD", "/health/live"] {
        assert_eq!(ask(&mut stream, target).unwrap(), "200", "{target}");
    }
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut only_http_2 = served.authority.client();
    only_http_2.alpn_protocols = vec![b"h2".to_vec()];
    assert!(ask(&mut connect(served.address, only_http_2), "/health/live").is_err());
    assert!(ask(&mut connect(served.address, Authority::new().client()), "/health/live").is_err(), "another authority");
    let mut plain = TcpStream::connect(served.address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    let _ = plain.read_to_end(&mut reply);
    assert!(!String::from_utf8_lossy(&reply).contains("HTTP"), "{reply:?}");
}

#[test]
fn a_handshake_that_stalls_is_given_up() {
    let served = serve("", "");
    let started = Instant::now();
    let mut silent = TcpStream::connect(served.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    silent.write_all(b"\x16\x03\x01").unwrap();
    let _ = silent.read_to_end(&mut Vec::new());
    // far less than an idle connection is kept
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

#[test]
fn a_client_that_reads_nothing_over_tls_takes_no_place_for_long() {
    let served = serve("max_connections = 1\nmax_symbols = 5000\n", "");
    let symbols: Vec<String> = (0..3000).map(|number| format!("X{number}-USD")).collect();
    let form = format!("symbols={}&timeout=1s", symbols.join(","));
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let head = format!("POST /prices HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {}\r\n\r\n", form.len());
    let mut not_reading = connect(served.address, served.authority.client());
    // enough replies to fill what the kernels hold
    for _ in 0..8 {
        if not_reading.write_all(format!("{head}{form}").as_bytes()).is_err() {
            break;
        }
    }
    assert_eq!(ask(&mut connect(served.address, served.authority.client()), "/health/live").unwrap(), "200");
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections_and_the_open_ones_stay() {
    let served = serve("", "");
    let mut open = connect(served.address, served.authority.client());
    assert_eq!(ask(&mut open, "/health/live").unwrap(), "200");
    let first = certificate_of(&open);
    put(&served.folder, served.authority.issue("127.0.0.1"));
    served.program.signal("HUP");
    let shown = || {
        let mut stream = connect(served.address, served.authority.client());
        assert_eq!(ask(&mut stream, "/health/live").unwrap(), "200");
        certificate_of(&stream)
    };
    until("the new one is shown", || shown() != first);
    assert_eq!(ask(&mut open, "/health/live").unwrap(), "200", "on the connection that was open");
    let second = shown();
    // the key of another certificate
    std::fs::write(served.folder.0.join("tls.key"), served.authority.issue("127.0.0.1").1).unwrap();
    served.program.signal("HUP");
    until("the log says why", || served.program.said_on_stderr().contains("is not that of the first certificate"));
    assert_eq!(shown(), second);
}

#[test]
fn the_commands_speak_tls_where_the_configuration_says_so() {
    let served = serve("", "");
    let config = served.configuration.path();
    // the files are being renewed, which is no reason to restart what lives
    std::fs::write(served.folder.0.join("tls.crt"), "-----BEGIN CERT").unwrap();
    std::fs::remove_file(served.folder.0.join("tls.key")).unwrap();
    for command in [&["health", "--live"][..], &["health"], &["get", "BTC-USD"]] {
        let ended = run(&[command, &["--config", config]].concat());
        assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
        let is_served = ended.stderr.contains("answered by the server at https://");
        assert_eq!(is_served, command[0] == "get", "{command:?}: {ended:?}");
    }
}

#[test]
fn the_operators_address_speaks_tls_if_it_is_told_to() {
    let access = "[access]\nadmin_listen = \"127.0.0.1:0\"\nadmin_tls = true\n";
    let served = serve("", access);
    let said = served.program.said_on_stdout();
    let admin: SocketAddr = said.trim().rsplit_once("on https://").unwrap().1.parse().unwrap();
    assert_eq!(ask(&mut connect(admin, served.authority.client()), "/metrics").unwrap(), "200");
    let plain = serve("", "[access]\nadmin_listen = \"127.0.0.1:0\"\n");
    assert!(plain.program.said_on_stdout().contains("and, for its operator, on http://"));
}
