//! How the program shuts down: no longer ready, then no longer listening, then gone; in time, whatever clients do.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{
    Configuration, Folder, HEARS_HANGUPS, PATIENCE, Program, Upstream, get, hearing_hangups, read, rows, send,
    send_signal, start, until, write,
};

/// How long the slow vendor takes to reply.
const SLOW: Duration = Duration::from_millis(600);

/// Two sources of one vendor, which is slow for BTC-USD, and the times of the shutdown.
fn configuration(vendor: &Upstream, drain_delay: &str, drain_timeout: &str) -> Configuration {
    let server =
        format!("[server]\ntimeout = \"8s\"\ndrain_delay = \"{drain_delay}\"\ndrain_timeout = \"{drain_timeout}\"\n");
    let patient = "timeout = \"8s\"";
    Configuration::new(&format!("{server}{}{}", vendor.source("a", patient), vendor.source("b", patient)))
}

fn slow_vendor() -> Upstream {
    Upstream::new(|call| {
        let asked = call.asked();
        if asked.iter().any(|symbol| symbol == "BTC-USD") {
            sleep(SLOW);
        }
        let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), "100")).collect();
        call.json(&rows(&quotes))
    })
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Asks without `Connection: close`, so that only the server can close the connection.
fn keep_asking(address: SocketAddr, target: &str) -> TcpStream {
    write(address, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

#[test]
fn readiness_fails_first_while_requests_are_still_served() {
    let vendor = slow_vendor();
    let (program, address) = Program::serve(&configuration(&vendor, "8s", "10s"), &[]);
    assert_eq!(get(address, "/health/ready").status, 200);
    let in_flight = keep_asking(address, "/prices?symbols=BTC-USD");
    vendor.until_called(2);
    program.signal("TERM");
    until("not ready", || get(address, "/health/ready").status == 503);
    for target in ["/prices?symbols=ETH-USD", "/health/live", "/sources"] {
        let reply = read(keep_asking(address, target));
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{target}: {reply:?}");
    }
    let reply = read(in_flight);
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(reply.status("BTC-USD"), "ok", "the request in flight got all of its answer");
    assert_eq!(program.ended().code, Some(0));
    assert!(is_refused(address));
}

#[test]
fn a_request_in_flight_when_listening_ends_is_answered_whole() {
    let vendor = slow_vendor();
    let (mut program, address) = Program::serve(&configuration(&vendor, "0s", "10s"), &[]);
    let in_flight = send(address, "/prices?symbols=BTC-USD");
    vendor.until_called(2);
    program.signal("TERM");
    until("no new client is admitted", || is_refused(address));
    assert!(program.runs(), "it ended before its last client was answered");
    let reply = read(in_flight);
    assert_eq!((reply.status, reply.status("BTC-USD").as_str()), (200, "ok"));
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn a_call_that_goes_on_without_a_caller_does_not_hold_up_the_end() {
    let vendor = Upstream::silent();
    let server = "[server]\ntimeout = \"60s\"\nmax_timeout = \"60s\"\ndrain_delay = \"0s\"\n";
    let source = vendor.source("a", "timeout = \"60s\"\nlimits = [\"25/day\"]");
    let (program, address) = Program::serve(&Configuration::new(&format!("{server}{source}")), &[]);
    // on a busy machine a caller may be gone before the call is made
    until("a call is made, and its caller is gone", || {
        get(address, "/prices?symbols=BTC-USD&timeout=50ms");
        vendor.calls() == 1
    });
    assert_eq!((vendor.open(), get(address, "/sources").json()["sources"][0]["in_flight"].as_u64()), (1, Some(1)));
    program.signal("TERM");
    // this call would wait a minute for its vendor
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn clients_that_hold_on_do_not_hold_up_the_end() {
    let vendor = Upstream::silent();
    let (program, address) = Program::serve(&configuration(&vendor, "0s", "500ms"), &[]);
    let _not_reading = not_reading(address);
    let _waiting = send(address, "/prices?symbols=BTC-USD");
    vendor.until_called(2);
    // each of these would have 5 s, the one that waits for the vendor 8 s
    let _half_sent = write(address, "GET /prices HTTP/1.1\r\nHost: x\r\nX-Ha");
    let _silent = TcpStream::connect(address).unwrap();
    // bytes that have not been read at shutdown were never a request
    sleep(Duration::from_millis(200));
    program.signal("TERM");
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // none of them would have lasted long enough to be dropped
    assert!(ended.stderr.contains("\"cancelled\":3"), "half sent, waiting, not reading: {}", ended.stderr);
    assert!(ended.stderr.contains("3 connections did not finish in time and were dropped"), "{}", ended.stderr);
}

/// A client that asks for more than all buffers on the way hold, and reads nothing.
fn not_reading(address: SocketAddr) -> TcpStream {
    let symbols: Vec<String> = (0..100).map(|number| format!("^X{number}")).collect();
    let request = format!("GET /prices?symbols={} HTTP/1.1\r\nHost: x\r\n\r\n", symbols.join(","));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while stream.write_all(request.as_bytes()).is_ok() {}
    let mut answered = String::new();
    until("the server is stuck, because it cannot write", || {
        sleep(Duration::from_millis(500));
        let before = std::mem::replace(&mut answered, answered_by(address));
        answered == before
    });
    stream
}

/// How many requests for prices have been answered.
fn answered_by(address: SocketAddr) -> String {
    let metrics = get(address, "/metrics").body;
    metrics.lines().find(|line| line.contains("route=\"/prices\"")).unwrap_or_default().to_owned()
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let vendor = Upstream::silent();
    for (first, second) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "TERM")] {
        let (program, address) = Program::serve(&configuration(&vendor, "60s", "60s"), &[]);
        let called = vendor.calls();
        let in_flight = send(address, "/prices?symbols=BTC-USD");
        vendor.until_called(called + 2);
        program.signal(first);
        match first {
            "TERM" => until("not ready", || get(address, "/health/ready").status == 503),
            _ => until("closed", || is_refused(address)),
        }
        let started = Instant::now();
        program.signal(second);
        assert_eq!(program.ended().code, Some(0), "{first}, {second}");
        // without the second signal, the shutdown would wait the client's whole 8 s
        assert!(started.elapsed() < Duration::from_secs(5), "{first}, {second}: {:?}", started.elapsed());
        drop(in_flight);
    }
}

#[test]
fn ctrl_c_skips_the_time_for_load_balancers() {
    let vendor = Upstream::quoting("100");
    let (program, address) = Program::serve(&configuration(&vendor, "60s", "60s"), &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200);
    let idle = TcpStream::connect(address).unwrap();
    program.signal("INT");
    // every wait here is shorter than the delay
    assert!(PATIENCE < Duration::from_secs(60));
    assert_eq!(program.ended().code, Some(0));
    drop(idle);
}

#[test]
fn a_signal_right_after_ready_is_a_clean_logged_shutdown() {
    let configuration = configuration(&Upstream::quoting("100"), "0s", "1s");
    for _ in 0..10 {
        let (program, _) = Program::serve(&configuration, &[]);
        program.signal("TERM");
        let ended = program.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for words in ["shutdown requested", "\"cancelled\":0", "every connection was finished"] {
            assert!(ended.stderr.contains(words), "{words:?} is not in {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("dropped"), "{}", ended.stderr);
    }
}

/// A program whose configuration is a pipe without a writer, so that it blocks while reading it.
struct HeldUp {
    program: Program,
    /// The process that reads the pipe.
    id: u32,
    _pipe: File,
}

impl HeldUp {
    /// Starts it with a command-line prefix, before the program's own arguments.
    fn starting(wrapped_in: &[&str]) -> Self {
        let folder = Folder::new();
        let path = folder.0.join("quotefold.toml");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let serve = start(&["serve", "--config", path.to_str().unwrap(), "--listen", "127.0.0.1:0"], &[]);
        let words = wrapped_in.iter().map(OsStr::new).chain([serve.get_program()]).chain(serve.get_args());
        let words: Vec<&OsStr> = words.collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = Program::new(&mut command);
        // opening it waits for a reader
        let opening = std::thread::spawn(move || File::options().write(true).open(path).unwrap());
        until("it reads its configuration", || opening.is_finished());
        let id = last_descendant(program.id());
        HeldUp { program, id, _pipe: opening.join().unwrap() }
    }
}

/// The last process in a chain of only children.
fn last_descendant(id: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_whitespace().next().map_or(id, |child| last_descendant(child.parse().unwrap()))
}

#[test]
fn a_signal_that_comes_while_it_starts_ends_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let held_up = HeldUp::starting(&HEARS_HANGUPS);
        held_up.program.signal(signal);
        let ended = held_up.program.ended();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{signal}: {ended:?}");
    }
}

#[test]
fn a_signal_ends_it_while_it_waits_for_another_process_to_give_its_state_up() {
    let folder = Folder::new();
    let vendor = Upstream::quoting("100");
    let state = format!("[state]\npath = {:?}\n{}", folder.file(), vendor.source("a", ""));
    let configuration = Configuration::new(&state);
    let (_first, _) = Program::serve(&configuration, &[]);
    let serve = ["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"];
    let second = Program::new(&mut start(&serve, &[]));
    until("it waits", || second.said_on_stderr().contains("another process uses this file"));
    second.signal("TERM");
    let ended = second.ended();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.contains("shutdown requested before it was ready"), "{}", ended.stderr);
}

#[test]
fn a_signal_is_not_lost_on_the_first_process_of_a_container() {
    let container = ["unshare", "--pid", "--fork", "--kill-child"];
    if !Command::new("unshare").args([&container[1..], &["true"]].concat()).status().is_ok_and(|ended| ended.success())
    {
        eprintln!("this system does not let us start a first process");
        return;
    }
    for signal in ["TERM", "INT"] {
        let held_up = HeldUp::starting(&[&HEARS_HANGUPS[..], &container].concat());
        assert_ne!(held_up.id, held_up.program.id());
        send_signal(signal, held_up.id);
        let ended = held_up.program.ended();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{signal}: {ended:?}");
    }
}

#[test]
fn a_terminal_that_closes_starts_an_unhurried_shutdown() {
    let vendor = slow_vendor();
    let configuration = configuration(&vendor, "2s", "10s");
    let folder = Folder::new();
    let (said, log) = (folder.0.join("stdout"), folder.0.join("stderr"));
    let program = env!("CARGO_BIN_EXE_quotefold");
    let command = format!(
        "exec {program} serve --config {} --listen 127.0.0.1:0 >{} 2>{}",
        configuration.path(),
        said.display(),
        log.display()
    );
    let written = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    // its stdin is a terminal, which closes with `script`
    let mut script = Command::new(HEARS_HANGUPS[0]);
    script.args(&HEARS_HANGUPS[1..]).args(["script", "-qfec", &command, "/dev/null"]);
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it is ready", || written(&said).ends_with('\n'));
    let address = written(&said).trim().rsplit_once("http://").unwrap().1.parse().unwrap();
    let in_flight = send(address, "/prices?symbols=BTC-USD");
    vendor.until_called(2);
    let id = last_descendant(script.id());
    script.kill().unwrap();
    script.wait().unwrap();
    until("not ready", || get(address, "/health/ready").status == 503);
    // the kernel has sent one, and a shell sends another
    send_signal("HUP", id);
    assert_eq!(get(address, "/prices?symbols=ETH-USD").status, 200, "it still serves, as after SIGTERM");
    assert_eq!(read(in_flight).status("BTC-USD"), "ok");
    until("it ends", || written(&log).contains("\"cancelled\":0"));
}

#[test]
fn a_hangup_without_a_terminal_does_not_end_it() {
    let configuration = configuration(&Upstream::quoting("100"), "0s", "1s");
    let serve = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let program = Program::new(&mut hearing_hangups(&serve));
    let address = program.ready();
    for _ in 0..2 {
        program.signal("HUP");
    }
    until("it has read it again", || program.said_on_stderr().contains("\"by\":\"SIGHUP\""));
    assert_eq!(get(address, "/health/ready").status, 200);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn a_program_under_nohup_outlives_its_terminal() {
    let configuration = configuration(&Upstream::quoting("100"), "0s", "1s");
    let serve = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let mut nohup = Command::new("nohup");
    nohup.arg(serve.get_program()).args(serve.get_args());
    nohup.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = Program::new(&mut nohup);
    let address = program.ready();
    program.signal("HUP");
    sleep(Duration::from_millis(200));
    assert_eq!(get(address, "/health/ready").status, 200);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}
