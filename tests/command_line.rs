//! The program as scripts see it: exit codes, stdout and stderr.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod support;

use support::{After, Ended, Upstream, start};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Ended { code, stdout, stderr } = support::run(arguments);
    (code, stdout, stderr)
}

/// A server that lives and whose readiness has this status.
fn server(status: u16) -> Upstream {
    Upstream::new(move |call| {
        let is_alive = call.head.starts_with("GET /health/live HTTP/1.1\r\n");
        assert!(is_alive || call.head.starts_with("GET /health/ready HTTP/1.1\r\n"), "{}", call.head);
        call.reply(if is_alive { 200 } else { status }, "Connection: close\r\n", "{\"status\":\"…\"}");
        After::Close
    })
}

#[test]
fn exit_codes_follow_the_table() {
    let servers = [200, 503].map(server);
    let [ready, draining] = servers.each_ref().map(Upstream::base);
    let table: [(&[&str], i32); 26] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["config"], 0),
        (&["config", "--default"], 0),
        (&["sources", "--json"], 0),
        (&["health", &ready], 0),
        (&["health", &draining], 1),
        (&["health", "http://127.0.0.1:1"], 1),
        // a server without prices lives all the same
        (&["health", "--live", &ready], 0),
        (&["health", "--live", &draining], 0),
        (&["health", "--live", "http://127.0.0.1:1"], 1),
        (&["health", "--alive"], 64),
        (&["health", &ready, "--config", "y"], 64),
        // what is wrong in the command line is not a wrong configuration
        (&["serve", "--listen", "nowhere"], 64),
        (&["serve", "--listen", "8080"], 64),
        (&["serve", "--listen"], 64),
        (&["demo", "--listen", "http://127.0.0.1:1"], 64),
        (&["symbols", "app", "--limit", "0"], 64),
        (&[], 64),
        (&["sell"], 64),
        (&["get"], 64),
        (&["get", "AAPL", "--url", "http://x", "--config", "y"], 64),
        // a typing error is not a server that is down
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
fn a_wrong_address_in_the_command_line_is_answered_with_what_to_write() {
    let (_, stdout, stderr) = run(&["serve", "--listen", "nowhere"]);
    assert!(stdout.is_empty() && stderr.contains("'nowhere'") && stderr.contains("127.0.0.1:8080"), "{stderr}");
}

#[test]
fn a_wrong_configuration_is_reported_on_stderr_only() {
    let (code, stdout, stderr) = run(&["sources", "--config", "/no/where.toml"]);
    assert_eq!((code, stdout.as_str()), (Some(78), ""));
    assert!(stderr.starts_with("/no/where.toml: "), "{stderr}");
}

#[test]
fn the_default_configuration_is_printed_as_it_is_built_in() {
    let (_, stdout, _) = run(&["config", "--default"]);
    assert_eq!(stdout, quotefold::settings::load::find::DEFAULT);
}

#[test]
fn config_says_what_was_read_and_shows_no_key() {
    let output = start(&["config"], &[("FINNHUB_API_KEY", "s3cr3t-value")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("#   the built-in configuration\n#   variable FINNHUB_API_KEY\n"), "{text}");
    assert!(text.contains("key = \"***\"") && !text.contains("s3cr3t-value"), "{text}");
    toml::from_str::<toml::Table>(&text).unwrap();
}

#[test]
fn every_source_is_listed_with_what_switches_it_on() {
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
fn a_source_is_not_checked_with_a_symbol_that_it_does_not_cover() {
    let (code, stdout, _) = run(&["check", "kraken", "btc/usd", "EUR-USD"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("  BTC-USD: asked for as \"XBTUSD\"\n  EUR-USD: asked for as \"EURUSD\"\n"), "{stdout}");
    for arguments in [&["check", "kraken", "AAPL"][..], &["check", "kraken", "AAPL", "--live"]] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(64));
        assert_eq!(stderr, "kraken does not cover AAPL (equity); ask it for another symbol of crypto, fx\n");
    }
    let (code, _, stderr) = run(&["check", "kraken", "A B"]);
    assert!(code == Some(64) && stderr.contains("did you mean A.B?"), "{stderr}");
}

#[test]
fn a_reader_that_leaves_is_not_an_error() {
    let mut child = start(&["config"], &[]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn the_shells_accept_their_completions_which_know_every_command_and_option() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, stderr) = run(&["completions", shell]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{shell}");
        for words in ["completions", "--watch", "--currency", "--live", "--default", "--dir"] {
            let named = script.contains(words) || script.contains(&format!("-l {}", words.trim_start_matches('-')));
            assert!(named, "{words} is not in the script for {shell}");
        }
        assert!(!script.contains("run-filter"), "people do not run it: {shell}");
        if shell == "bash" {
            let file = std::env::temp_dir().join(format!("quotefold-completions-{}", std::process::id()));
            std::fs::write(&file, &script).unwrap();
            let checked = std::process::Command::new("bash").arg("-n").arg(&file).output().unwrap();
            std::fs::remove_file(&file).unwrap();
            assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).0, Some(64));
    assert_eq!(run(&["completions"]).0, Some(64));
}

#[test]
fn manual_pages_go_to_stdout_or_into_a_folder() {
    let (code, page, stderr) = run(&["man"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(page.contains(".TH QUOTEFOLD 1 \"\" \"quotefold 0.") && page.contains(".SH \"EXIT CODES\""), "{page}");
    let (code, page, _) = run(&["man", "get"]);
    assert!(code == Some(0) && page.contains(".SH EXAMPLES\n.nf\nquotefold get AAPL MSFT"), "{page}");
    let (code, _, stderr) = run(&["man", "gte"]);
    assert!(code == Some(64) && stderr.contains("did you mean get?"), "{stderr}");
    let folder = std::env::temp_dir().join(format!("quotefold-man-{}", std::process::id()));
    let (code, stdout, stderr) = run(&["man", "--dir", folder.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert_eq!(std::fs::read_to_string(folder.join("quotefold-get.1")).unwrap(), page);
    assert!(folder.join("quotefold.1").exists() && !folder.join("quotefold-run-filter.1").exists());
    std::fs::remove_dir_all(folder).unwrap();
}
