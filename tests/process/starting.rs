//! How the program starts: one line says that it is ready, and at which address.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Configuration, Program, Upstream, get, post, read, run, start, until, write};

/// The line that a script can wait for: these words, then the address with the real port.
fn assert_ready_line(stdout: &str, words: &str, address: SocketAddr) {
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(matches!(lines[..], [line] if line.starts_with(&format!("{words} http://{address}"))), "{stdout:?}");
    assert_ne!(address.port(), 0);
}

#[test]
fn serve_prints_one_line_with_its_address_and_nothing_else_on_stdout() {
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let (program, address) = Program::serve(&configuration, &[("RUST_LOG", "trace")]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200, "the address in the line answers");
    program.signal("INT");
    let ended = program.ended();
    assert_eq!(ended.code, Some(0));
    assert_ready_line(&ended.stdout, "quotefold listens on", address);
}

/// Asserts that a log is JSON from its first line to its last.
fn assert_all_json(stderr: &str) {
    assert!(!stderr.is_empty());
    for line in stderr.lines() {
        let read: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(line);
        assert!(read.is_ok(), "{line:?} is not JSON in {stderr}");
    }
}

#[test]
fn off_a_terminal_every_line_of_the_log_is_json_from_the_first_to_the_last() {
    let sources = Upstream::quoting("100").source("a", "");
    let configuration = Configuration::new(&format!("[server]\ndrain_delay = \"0s\"\n{sources}"));
    let (program, address) = Program::serve(&configuration, &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200);
    program.signal("TERM");
    let ended = program.ended();
    assert_all_json(&ended.stderr);
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.contains("\"level\":\"INFO\"") && first.contains("crypto"), "it says what is covered: {first}");
}

#[test]
fn a_panic_is_a_line_of_the_log_too() {
    const PANICS: &str = "QUOTEFOLD_TEST_PANICS";
    if std::env::var_os(PANICS).is_some() {
        let log = quotefold::settings::LogSettings {
            level: "info".to_owned(),
            format: quotefold::settings::LogFormat::Json,
            requests: quotefold::settings::RequestLog::None,
        };
        quotefold::logging::start(&log).unwrap();
        let _ = std::thread::spawn(|| panic!("as the test\nwants it")).join();
        // each panic waits until the log is written, and a busy machine may need longer than the longest wait
        (0..50).for_each(|_| drop(quotefold::logging::FlushedAtEnd));
        return;
    }
    let mut this_test = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "starting::a_panic_is_a_line_of_the_log_too";
    let this_test = this_test.args(["--exact", name, "--nocapture"]).env(PANICS, "1").output().unwrap();
    let stderr = String::from_utf8(this_test.stderr).unwrap();
    assert!(this_test.status.success(), "{stderr}");
    assert_all_json(&stderr);
    assert!(stderr.contains("as the test\\nwants it") && stderr.contains("starting.rs:"), "{stderr}");
}

#[test]
fn a_wrong_configuration_is_reported_in_plain_text_wherever_stderr_leads() {
    let configuration = Configuration::new("[server]\ntimeout = \"soon\"\n");
    let ended = run(&["serve", "--config", configuration.path()]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("line 2: server.timeout") && !ended.stderr.contains('{'), "{}", ended.stderr);
}

#[test]
fn the_demo_says_where_it_listens_and_that_its_prices_are_invented() {
    let (program, address) = Program::demo();
    let reply = get(address, "/prices?symbols=AAPL,BTC-USD");
    assert_eq!((reply.status, reply.header("quotefold-demo")), (200, Some("true")), "{reply:?}");
    assert_eq!(reply.json()["simulated"], true);
    assert_eq!(get(address, "/prices/AAPL").json()["simulated"], true);
    program.signal("TERM");
    let ended = program.ended();
    assert_eq!(ended.code, Some(0));
    assert_ready_line(&ended.stdout, "quotefold demo listens on", address);
    assert!(ended.stdout.contains("simulated"), "{}", ended.stdout);
}

#[test]
fn a_demo_venue_breaks_only_in_ways_that_its_format_can_show() {
    let (_program, address) = Program::demo();
    for (path, status) in [
        ("/demo/gamma/label", 200),
        ("/demo/delta/label", 200),
        ("/demo/alpha/label", 400),
        ("/demo/eta/old-trade", 200),
        ("/demo/gamma/old-trade", 400),
        ("/demo/gamma/heal", 200),
        ("/demo/gamma/sleep", 400),
        ("/demo/nobody/lie", 400),
    ] {
        assert_eq!(post(address, path).status, status, "{path}");
    }
    let detail = post(address, "/demo/beta/label").json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.ends_with("these venues can label: delta, gamma"), "{detail}");
}

#[test]
fn a_page_of_another_site_cannot_break_a_venue_of_the_demo() {
    let (_program, address) = Program::demo();
    let tell = |mood: &str, line: &str| {
        let head = format!("POST /demo/alpha/{mood} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n");
        read(write(address, &format!("{head}Connection: close\r\n{line}\r\n")))
    };
    let mood = || get(address, "/demo/venues").json()["venues"][0].clone();
    for line in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let refused = tell("lie", line);
        assert_eq!(
            (refused.status, refused.problem()["type"].as_str()),
            (403, Some("/problems/foreign-page")),
            "{line}"
        );
        assert_eq!(mood()["mood"], "heal", "{line}");
    }
    let own = format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(tell("lie", &own).status, 200);
    let can = ["heal", "lie", "old-trade", "hang", "429", "die"];
    assert_eq!(mood(), serde_json::json!({ "venue": "alpha", "mood": "lie", "can": can }));
    assert_eq!(tell("heal", "").status, 200, "a program that is no browser");
}

#[test]
fn the_demos_page_says_that_it_is_simulated_and_shows_prices() {
    let (_program, address) = Program::demo();
    let page = get(address, "/");
    assert!(page.status == 200 && page.body.contains("<title>Simulated"), "{page:?}");
    assert!(page.body.contains(">Simulated</strong>") && page.body.contains("favicon-simulated.svg"), "{page:?}");
    assert!(page.body.contains(">AAPL</th>") && page.body.contains(" data-simulated"), "{page:?}");
}

#[test]
fn get_says_of_a_demo_that_its_prices_are_simulated_in_every_format() {
    let (_program, address) = Program::demo();
    let url = format!("http://{address}");
    for format in [&[][..], &["--json"], &["--format", "csv"], &["--format", "text"], &["--format", "ndjson"]] {
        let ended = run(&[&["get", "BTC-USD", "--url", &url], format].concat());
        let said = format!("answered by {url} (simulated: every price is invented)\n");
        assert!(ended.stderr.starts_with(&said) && !ended.stdout.contains("invented"), "{format:?}: {ended:?}");
    }
    let vendor = Upstream::quoting("100");
    let configuration = Configuration::new(&format!("{}{}", vendor.source("a", ""), vendor.source("b", "")));
    let (_program, address) = Program::serve(&configuration, &[]);
    let ended = run(&["get", "BTC-USD", "--format", "csv", "--url", &format!("http://{address}")]);
    assert!(!ended.stderr.contains("simulated"), "{ended:?}");
}

#[test]
fn the_option_wins_over_the_variable_and_the_variable_over_the_file() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap();
    let configuration = Configuration::new(&format!("[server]\nlisten = \"{busy}\"\n"));
    let variables = [("QUOTEFOLD_SERVER__LISTEN", "127.0.0.1:0")];
    let by_variable = Program::new(&mut start(&["serve", "--config", configuration.path()], &variables));
    assert_ne!(by_variable.ready(), busy);
    let address = busy.to_string();
    let by_option = ["serve", "--config", configuration.path(), "--listen", &address];
    let ended = Program::new(&mut start(&by_option, &variables)).ended();
    assert!(ended.code != Some(0) && ended.stderr.contains(&address), "{ended:?}");
}

#[test]
fn a_port_that_is_taken_is_named_with_a_cure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let serve = ["serve", "--config", configuration.path(), "--listen", &address];
    for arguments in [&serve[..], &["demo", "--quiet", "--listen", &address]] {
        let ended = run(arguments);
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert_eq!(ended.stdout, "", "it said that it was ready");
        for words in [address.as_str(), "server.listen", "in use", "--listen"] {
            assert!(ended.stderr.contains(words), "{words:?} is not in {:?}", ended.stderr);
        }
    }
}

#[test]
fn an_unread_log_does_not_stop_the_service() {
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let program = Program::new(command.env("RUST_LOG", "trace").stderr(writer));
    let address = program.ready();
    // the pipe is closed once the command's own end of it is gone
    drop((command, reader));
    for _ in 0..3 {
        assert_eq!(get(address, "/prices?symbols=BTC-USD&refresh_after=0s").status, 200);
        assert_eq!(get(address, "/health/live").status, 200);
    }
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn bytes_that_are_not_http_do_not_stop_the_service() {
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let (mut program, address) = Program::serve(&configuration, &[]);
    for words in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\r\n\r\n\r\n", b"GET\0/ HTTP/9.9\r\n\r\n", &[0xff; 4096]] {
        let mut stream = TcpStream::connect(address).unwrap();
        // whether it reads everything does not matter
        let _ = stream.write_all(words);
    }
    until("it answers again", || get(address, "/health/live").status == 200);
    assert!(program.runs());
}

#[test]
fn a_burst_of_connections_waits_in_the_kernels_queue_and_none_is_refused() {
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let (program, address) = Program::serve(&configuration, &[]);
    // a stopped process accepts no connections
    program.signal("STOP");
    let kernels_own_limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    let burst = kernels_own_limit.trim().parse().map_or(100, |limit: usize| limit.min(1000));
    let connected: Result<Vec<_>, _> =
        (0..burst).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900))).collect();
    program.signal("CONT");
    assert_eq!(connected.map(|streams| streams.len()).map_err(|error| error.kind()), Ok(burst));
    assert_eq!(get(address, "/health/live").status, 200);
}

/// A command whose process, and each of its children, may have this many KiB of address space.
fn within(kib: usize, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_quotefold")])
        .args(arguments);
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn two_hundred_mib_of_address_space_suffice_on_any_number_of_cores() {
    // an own filter runs in a separate process
    let vendor = Upstream::new(|call| {
        let quotes: Vec<_> = call.asked().iter().map(|symbol| format!(r#"{{"s":"{symbol}","p":"100"}}"#)).collect();
        call.json(&format!("[{}]", quotes.join(",")))
    });
    let sources = ["a", "b", "c"].map(|name| vendor.source(name, "timeout = \"30s\"")).concat();
    // on a busy machine, three hundred calls take longer than a caller usually waits
    let patient = "[server]\ndrain_delay = \"0s\"\ntimeout = \"60s\"\nmax_timeout = \"60s\"\n";
    let configuration = Configuration::new(&format!("{patient}{sources}"));
    let check = within(200 << 10, &["check", "--config", configuration.path()]).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    for cores in ["1", "2", "64"] {
        let mut serve = within(200 << 10, &["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"]);
        let program = Program::new(serve.env("TOKIO_WORKER_THREADS", cores));
        let address = program.ready();
        let symbols: Vec<String> = (0..100).map(|number| format!("S{number}-USD")).collect();
        let reply = get(address, &format!("/prices?symbols={}", symbols.join(",")));
        assert_eq!((reply.status, reply.json()["code"].as_u64()), (200, None), "{cores}: {reply:?}");
        assert_eq!(reply.verdict("S99-USD", "c"), "used", "{cores}");
        program.signal("TERM");
        assert_eq!(program.ended().code, Some(0), "{cores}");
    }
}

#[test]
fn with_too_little_address_space_it_says_how_much_it_needs() {
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let ended = Program::new(&mut within(80 << 10, &["serve", "--config", configuration.path()])).ended();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("ulimit -v") && ended.stderr.contains("80 MiB"), "{}", ended.stderr);
}
