//! Text from other servers and vendors cannot control the reader's terminal or fill the memory.

use crate::support::{Configuration, Ended, Program, Upstream, run, start};

/// Clears the screen, rings, moves back, reverses the text direction, and starts a new line.
const BAD: &str = "A\u{1b}[2J\u{7}\u{8}\u{9b}31m\u{202e}\u{2066}\u{feff}\rB\nC";

/// Asserts that a process wrote nothing but text.
fn assert_plain(what: &str, ended: &Ended) {
    let shown = format!("{}{}", ended.stdout, ended.stderr);
    let is_bad = |c: &char| c.is_control() && !"\n\t".contains(*c) || ['\u{202e}', '\u{2066}', '\u{feff}'].contains(c);
    assert_eq!(shown.chars().find(is_bad), None, "{what}: {ended:?}");
}

/// A server that replies to everything with the same body.
fn server(body: String) -> Upstream {
    Upstream::new(move |call| call.reply(200, "Prices-Status: complete\r\nContent-Type: application/json\r\n", &body))
}

#[test]
fn a_servers_text_does_not_control_the_terminal() {
    let price = serde_json::json!({
        "symbol": BAD, "status": BAD, "reason": BAD, "price": BAD, "plus_minus": BAD, "currency": BAD, "detail": BAD,
        "sources": { "used": BAD, "asked": BAD }, "age_ms": 1,
    });
    // also JSON with these characters unescaped
    let answer = serde_json::json!({ "status": "complete", "prices": [price] }).to_string();
    let raw = answer.replace("\\u001b", "\u{7f}");
    for body in [answer, raw] {
        let server = server(body);
        let url = format!("http://{}", server.address);
        let table = run(&["get", "AAPL", "--url", &url]);
        assert_eq!(table.code, Some(0), "{table:?}");
        assert_plain("a table", &table);
        assert_eq!(table.stdout.lines().count(), 2, "a head and one row: {}", table.stdout);
        let json = run(&["get", "AAPL", "--json", "--url", &url]);
        assert_plain("JSON", &json);
        let read: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert!(read["prices"][0]["detail"].as_str().unwrap().contains('\u{202e}'), "JSON says the same: {json:?}");
        assert_plain("health", &run(&["health", &url]));
    }
    let problem = serde_json::json!({ "type": "/problems/bad-query", "detail": BAD }).to_string();
    for status in [400, 401, 429, 503] {
        let problem = problem.clone();
        let server = Upstream::new(move |call| call.reply(status, "Content-Type: application/json\r\n", &problem));
        let url = format!("http://{}", server.address);
        assert_plain("a problem", &run(&["get", "AAPL", "--url", &url]));
        assert_plain("no health", &run(&["health", &url]));
    }
}

#[test]
fn a_vendors_text_does_not_control_the_terminal() {
    let said = serde_json::Value::from(BAD).to_string();
    let row = format!("[{{\"s\":{said},\"p\":{said}}},{{\"s\":\"BTC-USD\",\"p\":{said}}}]");
    for (status, body) in [(200, row), (200, format!("{{\"s\":{said}}}")), (500, BAD.to_owned()), (403, said)] {
        let vendor = Upstream::saying(status, body);
        let configuration = Configuration::new(&format!("{}{}", vendor.source("a", ""), vendor.source("b", "")));
        let file = ["--config", configuration.path()];
        let commands: [&[&str]; 5] = [
            &["check", "a", "BTC-USD", "--live"],
            &["check", "--live"],
            &["get", "BTC-USD"],
            &["get", "BTC-USD", "--json"],
            &["sources", "--json"],
        ];
        for command in commands {
            let ended = Program::new(&mut start(&[command, &file].concat(), &[])).ended();
            assert!(!ended.stdout.is_empty(), "{command:?}: {ended:?}");
            assert_plain(&format!("{command:?} of {status}"), &ended);
        }
    }
}

#[test]
fn a_body_that_is_too_long_for_an_answer_is_not_read_to_its_end() {
    for head in ["Prices-Status: complete\r\n", ""] {
        let server = Upstream::new(move |call| {
            call.raw(&format!("HTTP/1.1 200 OK\r\n{head}Content-Type: application/json\r\n\r\n"));
            call.pour(&b"[[[[[[[[".repeat(8192), 1 << 30)
        });
        let url = format!("http://{}", server.address);
        for (command, code) in
            [(&["get", "AAPL", "--url", &url][..], if head.is_empty() { 69 } else { 64 }), (&["health", &url], 1)]
        {
            let ended = run(command);
            assert_eq!(ended.code, Some(code), "{ended:?}");
            assert!(ended.stderr.contains("longer than 8 MiB"), "{ended:?}");
        }
        // in addition to what was in flight when the reader left
        assert!(server.poured() < 64 << 20, "{} bytes were read", server.poured());
    }
}
