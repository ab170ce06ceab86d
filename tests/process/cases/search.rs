//! Symbols found by what was typed, over HTTP and on the command line, without a call to any source.

use serde_json::{Value, json};

use super::{Case, own};
use crate::support::{Configuration, Ended, run};

/// Two sources: one of coins with ids, and one of shares that has quoted what was asked for.
fn configuration() -> String {
    let ids = "ids = { BTC = \"bitcoin\", BCH = \"bitcoin-cash\", DOGE = \"dogecoin\" }\n";
    format!("{}{ids}currencies = [\"USD\", \"EUR\"]\n{}", own("coins", "crypto"), own("shares", "equity"))
}

fn case(more: &str) -> Case {
    Case::new(&format!("{more}{}", configuration()), |call| call.json(r#"{"p":"231.4"}"#))
}

fn found(reply: &Value) -> Vec<&str> {
    reply["symbols"].as_array().unwrap().iter().map(|found| found["symbol"].as_str().unwrap()).collect()
}

#[test]
fn symbols_are_found_by_a_part_of_their_names_the_best_first() {
    let case = case("");
    let reply = case.get("/symbols?q=bitcoin");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let answer = reply.json();
    assert_eq!(found(&answer), ["BTC-USD", "BCH-USD"]);
    let first = json!({
        "symbol": "BTC-USD", "class": "crypto", "match": "exact", "called": "bitcoin", "known": true, "sources": ["coins"]
    });
    assert_eq!(answer["symbols"][0], first);
    assert_eq!((&answer["q"], &answer["more"], &answer["detail"]), (&json!("bitcoin"), &json!(false), &Value::Null));
    let limited = case.get("/symbols?q=bitcoin&limit=1").json();
    assert_eq!((found(&limited), &limited["more"]), (vec!["BTC-USD"], &json!(true)));
    assert_eq!(case.vendors.calls(), 0);
}

#[test]
fn what_a_source_has_quoted_is_known_from_then_on() {
    let case = case("");
    let typed = case.get("/symbols?q=aapl").json();
    assert_eq!((found(&typed), &typed["symbols"][0]["known"]), (vec!["AAPL"], &json!(false)));
    assert!(found(&case.get("/symbols?q=apl").json()).iter().all(|name| *name != "AAPL"));
    case.entry("AAPL");
    let calls = case.vendors.calls();
    for (typed, place, fit) in [("aapl", 0, "exact"), ("aap", 1, "prefix"), ("apl", 1, "part"), ("appl", 1, "near")] {
        let answer = case.get(&format!("/symbols?q={typed}")).json();
        let entry = &answer["symbols"][place];
        assert_eq!((&entry["symbol"], &entry["match"], &entry["known"]), (&json!("AAPL"), &json!(fit), &json!(true)));
        assert_eq!((&entry["class"], &entry["sources"]), (&json!("equity"), &json!(["shares"])), "{answer:#}");
    }
    assert_eq!(case.vendors.calls(), calls, "a search makes no call");
}

#[test]
fn a_client_finds_only_what_it_may_ask_for_and_needs_the_same_key() {
    let more = "[server]\nsymbols = [\"*\", \"!DOGE-*\"]\n[access]\nkeys = [\"correct-horse-battery\"]\n";
    let case = case(more);
    assert_eq!(case.get("/symbols?q=doge").status, 401);
    let with_key = |target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let words = format!("{head}Authorization: Bearer correct-horse-battery\r\n\r\n");
        crate::support::read(crate::support::write(case.address, &words)).json()
    };
    let answer = with_key("/symbols?q=dogecoin");
    assert!(found(&answer).is_empty(), "{answer:#}");
    let denied = with_key("/symbols?q=DOGE-EUR");
    assert!(denied["detail"].as_str().unwrap().contains("server.symbols does not allow"), "{denied:#}");
    assert_eq!(found(&with_key("/symbols?q=bitcoin-cash")), ["BCH-USD"]);
    // what was typed cannot be had, and others fit
    let other = with_key("/symbols?q=BTC-GBP");
    assert!(other["detail"].as_str().unwrap().contains("covers crypto pairs in GBP"), "{other:#}");
}

#[test]
fn a_wrong_search_is_a_problem_that_names_the_parameter() {
    let case = case("");
    let long = format!("/symbols?q={}", "a".repeat(65));
    for (target, field) in [
        ("/symbols", "q"),
        ("/symbols?q=", "q"),
        ("/symbols?q=a%00b", "q"),
        (long.as_str(), "q"),
        ("/symbols?q=a&limit=101", "limit"),
        ("/symbols?q=a&limit=many", "limit"),
        ("/symbols?q=a&page=2", "page"),
    ] {
        let reply = case.get(target);
        let problem = reply.problem();
        assert_eq!((reply.status, &problem["field"]), (400, &json!(field)), "{target}: {problem:#}");
    }
    let nothing = case.get("/symbols?q=%E2%98%83%20no");
    assert_eq!((nothing.status, found(&nothing.json()).len()), (200, 0));
    assert!(nothing.json()["detail"].as_str().is_some());
}

#[test]
fn the_command_line_prints_a_table_or_json_and_ends_with_3_without_a_symbol() {
    let configuration = Configuration::new(&configuration().replace("VENDORS", "127.0.0.1:1"));
    let symbols =
        |arguments: &[&str]| -> Ended { run(&[&["symbols"], arguments, &["--config", configuration.path()]].concat()) };
    let table = symbols(&["bitcoin"]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""), "{table:?}");
    let lines: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["SYMBOL", "CLASS", "MATCH", "CALLED", "SOURCES"]);
    assert_eq!(lines[1], ["BTC-USD", "crypto", "exact", "bitcoin", "coins"]);
    let unknown = symbols(&["aapl"]);
    assert!(unknown.stdout.contains("exact, not known"), "{unknown:?}");
    let json = symbols(&["bitcoin", "--limit", "1", "--json"]);
    let answer: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((found(&answer), &answer["more"]), (vec!["BTC-USD"], &json!(true)));
    assert!(json.stderr.contains("more symbols fit"), "{json:?}");
    let none = symbols(&["^GSPC"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(3), ""), "{none:?}");
    assert!(none.stderr.contains("covers indices"), "{none:?}");
    for wrong in [&[""] as &[&str], &["a", "--limit", "0"], &["a", "--limit", "101"], &["a", "--limit", "x"], &[]] {
        let ended = symbols(wrong);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{wrong:?}: {ended:?}");
    }
    let broken = Configuration::new("[server]\nlisten = 1\n");
    assert_eq!(run(&["symbols", "app", "--config", broken.path()]).code, Some(78));
}
