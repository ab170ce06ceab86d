//! Whatever happens to the log, the service keeps serving, and ends when it is asked to.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Configuration, Program, Upstream, get, rows, run, start, until, write};

/// How many requests are made; each is a line of the log.
const MANY: usize = 100;

/// A full pipe: the next write to it waits for a reader.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filling = writer.try_clone().unwrap();
    let (page, pages) = channel();
    // this process ends when the last reader leaves
    thread::spawn(move || while filling.write_all(&[b'\n'; 4096]).is_ok_and(|()| page.send(()).is_ok()) {});
    while pages.recv_timeout(Duration::from_millis(300)).is_ok() {}
    (reader, writer)
}

/// A service that logs every request, and shuts down without delay.
fn configuration() -> Configuration {
    let server = "[server]\ndrain_delay = \"0s\"\ndrain_timeout = \"500ms\"\n[log]\nrequests = \"all\"\n";
    Configuration::new(&format!("{server}{}", Upstream::quoting("100").source("a", "")))
}

/// The command that serves it.
fn serve(configuration: &Configuration) -> Command {
    start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[])
}

/// Asserts that a service serves every request, and shuts down as usual.
fn assert_serves_and_ends(what: &str, program: Program, address: SocketAddr) {
    for _ in 0..MANY {
        assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200, "{what}");
    }
    assert_eq!(get(address, "/health/live").status, 200, "{what}");
    let asked = Instant::now();
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0), "{what}");
    // far more than the 200 ms that the log gets
    assert!(asked.elapsed() < Duration::from_secs(5), "{what}: {:?}", asked.elapsed());
}

/// Kinds of stderr that no reader drains.
fn hopeless() -> Vec<(&'static str, OwnedFd, Box<dyn std::any::Any>)> {
    let (stuck, into_stuck) = full_pipe();
    let (gone, into_gone) = std::io::pipe().unwrap();
    drop(gone);
    let full = File::options().write(true).open("/dev/full").unwrap();
    vec![
        ("a pipe without a reader", into_stuck.into(), Box::new(stuck)),
        ("a pipe without a reader", into_gone.into(), Box::new(())),
        ("a full disk", full.into(), Box::new(())),
    ]
}

#[test]
fn the_service_serves_and_ends_whatever_happens_to_its_log() {
    let configuration = configuration();
    for (what, stderr, _reader) in hopeless() {
        let program = Program::new(serve(&configuration).stderr(stderr));
        let address = program.ready();
        assert_serves_and_ends(what, program, address);
    }
}

#[test]
fn it_serves_even_if_stdout_blocks() {
    for (what, stdout, _reader) in hopeless() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let configuration = configuration();
        let arguments = ["serve", "--config", configuration.path(), "--listen", &address.to_string()];
        let program = Program::new(start(&arguments, &[]).stdout(stdout));
        until(what, || TcpStream::connect(address).is_ok());
        assert_serves_and_ends(what, program, address);
    }
}

#[test]
fn an_error_ends_every_command_with_its_code_though_stderr_is_unread() {
    let wrong = Configuration::new("[server]\ntimeout = \"soon\"\n");
    let mut commands: Vec<(Vec<&str>, i32)> = ["serve", "check", "config", "sources", "health"]
        .map(|command| (vec![command, "--config", wrong.path()], 78))
        .into();
    commands.push((vec!["get", "BTC-USD", "--config", wrong.path()], 78));
    commands.push((vec!["get", "BTC-USD", "--url", "http://127.0.0.1:1"], 69));
    commands.push((vec!["serve", "--no-such-option"], 64));
    commands.push((vec!["no-such-command"], 64));
    for (what, stderr, _reader) in hopeless() {
        for (arguments, code) in &commands {
            let ended = Program::new(start(arguments, &[]).stderr(stderr.try_clone().unwrap())).ended();
            assert_eq!(ended.code, Some(*code), "{what}: {arguments:?}");
        }
    }
}

#[test]
fn an_error_that_is_read_late_is_read_whole() {
    // more than a pipe holds
    let long = format!("[server]\n{}", (0..2_000).map(|n| format!("no_such_key_{n} = {n}\n")).collect::<String>());
    let configuration = Configuration::new(&long);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = start(&["check", "--config", configuration.path()], &[]);
    let program = Program::new(command.stderr(writer));
    drop(command);
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert_eq!(program.ended().code, Some(78));
    let whole = run(&["check", "--config", configuration.path()]).stderr;
    assert!(told == whole && told.ends_with('\n'), "{} of {} bytes", told.len(), whole.len());
}

#[test]
fn lines_that_a_stalled_reader_missed_are_counted_when_it_reads_again() {
    // each line has more than half a kilobyte; together they are more than the 1 MiB backlog and the kernel's buffers
    let requests = 2500;
    let url = format!("/nowhere?{}", "x".repeat(600));
    let (mut reader, writer) = full_pipe();
    let configuration = configuration();
    let program = Program::new(serve(&configuration).stderr(writer));
    let address = program.ready();
    for _ in 0..requests {
        assert_eq!(get(address, &url).status, 404);
    }
    let metric = |name: &str| -> u64 {
        let page = get(address, "/metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
    };
    let dropped = metric("quotefold_log_lines_dropped_total");
    assert!(dropped > 0);
    let reading = thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    // once stderr is read again, lines arrive again
    let last = "/the-last-one";
    until("the log goes on", || {
        let before = metric("quotefold_log_lines_dropped_total");
        assert_eq!(get(address, last).status, 404);
        metric("quotefold_log_lines_dropped_total") == before
    });
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
    let log = reading.join().unwrap().unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts: Vec<u64> = lines.iter().filter_map(|line| line["dropped"].as_u64()).collect();
    let [count] = counts[..] else { panic!("not one count: {counts:?}") };
    assert!(count >= dropped, "{count}, {dropped}");
    let told = lines.iter().filter(|line| line["url"].as_str().is_some_and(|url| url.starts_with("/nowhere"))).count();
    assert!(told as u64 >= requests - count, "lines are missing that were not counted");
    let at = |text: &str| lines.iter().position(|line| line.to_string().contains(text)).unwrap();
    assert!(at("\"dropped\"") < at(last), "the count comes where lines are missing");
    assert_eq!(lines[at("\"dropped\"")]["level"], "WARN");
}

#[test]
fn a_process_that_panics_does_not_wait_for_its_log_either() {
    const PANICS: &str = "QUOTEFOLD_TEST_PANICS_INTO_A_FULL_PIPE";
    if std::env::var_os(PANICS).is_some() {
        let log = quotefold::settings::LogSettings {
            level: "info".to_owned(),
            format: quotefold::settings::LogFormat::Text,
            requests: quotefold::settings::RequestLog::None,
        };
        quotefold::logging::start(&log).unwrap();
        let _last = quotefold::logging::FlushedAtEnd;
        for _ in 0..100 {
            let _ = thread::spawn(|| panic!("as the test wants it")).join();
        }
        return;
    }
    let (_reader, writer) = full_pipe();
    let mut this_test = Command::new(std::env::current_exe().unwrap());
    let name = "logs::a_process_that_panics_does_not_wait_for_its_log_either";
    // the test harness reports on stdout
    this_test.args(["--exact", name, "--nocapture"]).env(PANICS, "1").stdout(Stdio::null()).stderr(writer);
    assert_eq!(Program::new(&mut this_test).ended().code, Some(0));
}

#[test]
fn a_port_that_is_taken_ends_it_with_78_wherever_stderr_leads() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (configuration, address) = (configuration(), taken.local_addr().unwrap().to_string());
    for (what, stderr, _reader) in hopeless() {
        let arguments = ["serve", "--config", configuration.path(), "--listen", &address];
        assert_eq!(Program::new(start(&arguments, &[]).stderr(stderr)).ended().code, Some(78), "{what}");
    }
}

#[test]
fn an_outage_logs_a_few_lines_that_count_the_others() {
    let vendor = Upstream::saying(500, "{}");
    let text = format!("[server]\ndrain_delay = \"0s\"\n{}{}", vendor.source("a", ""), vendor.source("b", ""));
    // sent at once, and enough of them that more than ten fall into one second on any machine
    let requests = 1000;
    let request = "GET /prices?symbols=BTC-USD&require=ok HTTP/1.1\r\nHost: x\r\n";
    let all = format!("{request}\r\n").repeat(requests - 1) + request + "Connection: close\r\n\r\n";
    let failed = |which: &str| {
        let configuration = Configuration::new(&format!("[log]\nrequests = \"{which}\"\n{text}"));
        let program = Program::new(&mut serve(&configuration));
        let mut stream = write(program.ready(), &all);
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        assert_eq!(replies.matches("HTTP/1.1 503 ").count(), requests);
        program.signal("TERM");
        let log = program.ended().stderr;
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
        assert!(answered.iter().all(|line| line["lacking"] == "BTC-USD unavailable / no_answer"), "{answered:?}");
        let answered = answered.len();
        let repeated = lines.iter().filter(|line| line["about"] == "status=503").map(|line| line["repeated"].as_u64());
        (answered, repeated.flatten().sum::<u64>() as usize)
    };
    let (answered, repeated) = failed("errors");
    assert_eq!(answered + repeated, requests, "{answered} and {repeated}");
    assert!(repeated > 0 && answered >= 10, "{answered} and {repeated}");
    assert_eq!(failed("all"), (requests, 0), "every request has its line if all are logged");
}

/// The lines at `info` and above about a source or an account, as level, message and the line itself.
fn lines_about(name: &str, log: &str) -> Vec<(String, String, serde_json::Value)> {
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let about = lines.filter(|line| line["source"] == name || line["account"] == name);
    let word = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    about.map(|line| (word(&line, "level"), word(&line, "message"), line)).collect()
}

#[test]
fn a_vendor_that_refuses_us_for_a_while_has_one_line_when_that_begins_and_one_when_it_ends() {
    let is_well: Arc<AtomicBool> = Arc::default();
    let well = Arc::clone(&is_well);
    let vendor = Upstream::new(move |call| match well.load(Ordering::SeqCst) {
        true => call.json(&rows(&[("BTC-USD", "100")])),
        false => call.reply(429, "Retry-After: 1\r\n", "{}"),
    });
    let configuration = Configuration::new(&format!("[server]\ndrain_delay = \"0s\"\n{}", vendor.source("a", "")));
    let (program, address) = Program::serve(&configuration, &[]);
    let asked = |what: &str, holds: &dyn Fn() -> bool| {
        until(what, || {
            get(address, "/prices?symbols=BTC-USD&refresh_after=0s");
            holds()
        });
    };
    asked("it refuses again and again", &|| vendor.calls() >= 3);
    is_well.store(true, Ordering::SeqCst);
    asked("it answers again", &|| program.said_on_stderr().contains("answered again"));
    program.signal("TERM");
    let log = program.ended().stderr;
    let [(warn, begins, _), (info, ends, line)] = &lines_about("a", &log)[..] else { panic!("{log}") };
    assert_eq!((warn.as_str(), info.as_str(), ends.as_str()), ("WARN", "INFO", "its calls are answered again"));
    assert!(begins.starts_with("no call for "), "{begins}");
    assert!(line["refused"].as_u64() >= Some(3) && line["reason"] == "rate_limited", "{line}");
}
