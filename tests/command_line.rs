//! The program as scripts see it: exit codes, and what stands on stdout and on stderr.

// the helpers are tests too, which clippy cannot see
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

/// The program, as on a machine without variables and files of ours.
fn quotefold(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotefold"));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir());
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = quotefold(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A server that gives one reply, and its address.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
        let body = "{\"status\":\"…\"}";
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        stream.write_all(reply.as_bytes()).unwrap();
    });
    address
}

#[test]
fn exit_codes_follow_the_table() {
    let (ready, draining) = (server("200 OK"), server("503 Service Unavailable"));
    let table: [(&[&str], i32); 16] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["config"], 0),
        (&["config", "--default"], 0),
        (&["sources", "--json"], 0),
        (&["health", &ready], 0),
        (&["health", &draining], 1),
        (&["health", "http://127.0.0.1:1"], 1),
        (&[], 64),
        (&["sell"], 64),
        (&["get"], 64),
        (&["get", "AAPL", "--url", "http://x", "--config", "y"], 64),
        // a slip is not a server that is down
        (&["get", "AAPL", "--url", "127.0.0.1:8080"], 64),
        (&["get", "AAPL", "--url", "http://127.0.0.1:1"], 69),
        (&["health", "prices.internal"], 64),
        (&["config", "--config", "/no/where.toml"], 78),
    ];
    for (arguments, code) in table {
        let (ended, stdout, stderr) = run(arguments);
        assert_eq!(ended, Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    }
}

#[test]
fn a_wrong_configuration_is_told_on_stderr_alone() {
    let (code, stdout, stderr) = run(&["sources", "--config", "/no/where.toml"]);
    assert_eq!((code, stdout.as_str()), (Some(78), ""));
    assert!(stderr.starts_with("/no/where.toml: "), "{stderr}");
}

#[test]
fn the_default_is_printed_as_it_is_built_in() {
    let (_, stdout, _) = run(&["config", "--default"]);
    assert_eq!(stdout, quotefold::settings::load::find::DEFAULT);
}

#[test]
fn config_says_what_was_read_and_shows_no_key() {
    let output = quotefold(&["config"]).env("FINNHUB_API_KEY", "s3cr3t-value").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("#   the built-in configuration\n#   variable FINNHUB_API_KEY\n"), "{text}");
    assert!(text.contains("key = \"***\"") && !text.contains("s3cr3t-value"), "{text}");
    toml::from_str::<toml::Table>(&text).unwrap();
}

#[test]
fn every_source_stands_in_the_table_with_what_it_takes() {
    let (_, stdout, _) = run(&["sources"]);
    for (name, says) in
        [("coinbase", " on "), ("finnhub", "set FINNHUB_API_KEY"), ("yahoo", "set QUOTEFOLD_UNOFFICIAL=1")]
    {
        let line = stdout.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(says), "{line}");
    }
    let (_, json, _) = run(&["sources", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["sources"].as_array().unwrap().len() + 1, stdout.lines().count());
}

#[test]
fn answers_are_printed_in_the_order_in_which_they_are_documented() {
    let (_, json, _) = run(&["sources", "--json"]);
    let fields: Vec<&str> = json.lines().skip(3).map(|line| line.trim().split(':').next().unwrap()).take(3).collect();
    assert_eq!(fields, ["\"name\"", "\"about\"", "\"on\""], "{json}");
}

#[test]
fn a_source_is_not_checked_with_what_it_would_never_be_asked_for() {
    let (code, stdout, _) = run(&["check", "kraken", "btc/usd", "EUR-USD"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("  BTC-USD: asked for as \"XBTUSD\"\n  EUR-USD: asked for as \"EURUSD\"\n"), "{stdout}");
    for arguments in [&["check", "kraken", "AAPL"][..], &["check", "kraken", "AAPL", "--live"]] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(64));
        assert_eq!(stderr, "kraken does not cover AAPL (equity); ask it for another symbol of crypto, fx\n");
    }
    let (code, _, stderr) = run(&["check", "kraken", "A B"]);
    assert!(code == Some(64) && stderr.contains("a symbol consists of"), "{stderr}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = quotefold(&["config"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
