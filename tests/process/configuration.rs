//! A wrong configuration ends the program before it listens, with messages that say what to do.

use std::net::TcpListener;

use crate::support::{Configuration, run};

const DESK: &str = "[sources.desk]\nclasses = [\"equity\"]\nurl = \"http://127.0.0.1:9/q?ids={symbols}\"\n";

/// A wrong file, the line and key of the error, and what the message must contain.
fn table() -> Vec<(String, &'static str, &'static str, Vec<&'static str>)> {
    let filter = |jq: &str| format!("{DESK}jq = '{jq}'\n");
    vec![
        ("[server]\ntimout = \"1s\"\n".into(), "line 3", "server.timout", vec!["did you mean `timeout`?"]),
        (format!("{DESK}timeout = \"9s\"\njq = \".\"\n"), "line 5", "sources.desk.timeout", vec!["9s", "2s"]),
        ("[sources.krakn]\n".into(), "line 2", "sources.krakn", vec!["did you mean kraken?"]),
        (
            format!("{DESK}headers = {{ authorization = \"Bearer ${{DESK_TOKEN}}\" }}\njq = \".\"\n"),
            "line 5",
            "sources.desk.headers.authorization",
            vec!["DESK_TOKEN is not set", "set it"],
        ),
        (filter("{key: env.HOME}"), "line 5", "sources.desk.jq", vec!["line 1", "column 7", "`env`", "sees the reply"]),
        (filter(".a | halt"), "line 5", "sources.desk.jq", vec!["column 6", "`halt`", "no exit"]),
        (filter("def f: f; f"), "line 5", "sources.desk.jq", vec!["column 5", "`def f`", "cannot define"]),
        (filter(".a | test(\"x\")"), "line 5", "sources.desk.jq", vec!["column 6", "`test`", "use split"]),
        (
            filter("..|.price?"),
            "line 5",
            "sources.desk.jq",
            vec!["column 1", "`..`", "walk the reply with .[]", "never end"],
        ),
        (filter(".a | {"), "line 5", "sources.desk.jq", vec!["line 1", "expected"]),
    ]
}

#[test]
fn what_is_wrong_is_named_by_file_line_key_and_cure_and_nothing_listens() {
    for (text, line, key, words) in table() {
        // this test holds the port: a program that tried to listen would complain about that instead
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap().to_string();
        let configuration = Configuration::new(&format!("\n{text}"));
        for command in ["serve", "check", "sources", "config"] {
            let mut arguments = vec![command, "--config", configuration.path()];
            if command == "serve" {
                arguments.extend(["--listen", &address]);
            }
            let ended = run(&arguments);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{arguments:?} {text}\n{ended:?}");
            let place = format!("{}: {line}: {key}: ", configuration.path());
            assert!(ended.stderr.starts_with(&place), "{place:?} is not at the front of {}", ended.stderr);
            for words in &words {
                assert!(ended.stderr.contains(words), "{words:?} is not in {}", ended.stderr);
            }
            assert!(!ended.stderr.contains("cannot listen"), "{}", ended.stderr);
        }
    }
}

#[test]
fn several_errors_are_reported_together() {
    let text = format!("{DESK}jq = 'now'\n[sources.krakn]\n[freshness]\nusable_for = \"1h\"\n");
    let ended = run(&["serve", "--config", Configuration::new(&text).path()]);
    assert_eq!(ended.code, Some(78));
    for words in ["line 4: sources.desk.jq: ", "line 5: sources.krakn: ", "line 7: freshness.usable_for: "] {
        assert!(ended.stderr.contains(words), "{words:?} is not in {}", ended.stderr);
    }
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let ended = run(&["serve", "--config", "/nowhere/quotefold.toml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    assert!(ended.stderr.starts_with("/nowhere/quotefold.toml: ") && ended.stderr.contains("--config"), "{ended:?}");
    let ended = run(&["serve", "--config", Configuration::new("[server\n").path()]);
    assert!(ended.code == Some(78) && ended.stderr.contains("line 1: this is not TOML"), "{ended:?}");
}
