//! Answers as CSV, text and lines of JSON, chosen by the parameter or by the header.

use crate::support::service::Service;
use crate::support::{Reply, Upstream, read, rows, write};

/// A service over two vendors that quote every symbol at this price, except `NONE-USD`.
fn service(price: &'static str) -> (Service, [Upstream; 2]) {
    let vendor = || {
        Upstream::new(move |call| {
            let asked = call.asked();
            let had = asked.iter().filter(|symbol| *symbol != "NONE-USD");
            call.json(&rows(&had.map(|symbol| (symbol.as_str(), price)).collect::<Vec<_>>()))
        })
    };
    let vendors = [vendor(), vendor()];
    let sources = [vendors[0].source("alpha", "batch = 100"), vendors[1].source("beta", "batch = 100")];
    (Service::over(&sources), vendors)
}

fn get(service: &Service, target: &str, headers: &str) -> Reply {
    read(write(service.address, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n")))
}

/// The cells of a table, without the ages.
fn cells(reply: &Reply, separator: char) -> Vec<Vec<String>> {
    let is_age = |at: &usize| [6, 7].contains(at);
    let row = |line: &str| {
        let cells = line.split(separator).enumerate().filter(|(at, _)| !is_age(at));
        cells.map(|(_, cell)| cell.to_owned()).collect()
    };
    reply.body.split_terminator("\r\n").map(row).collect()
}

#[test]
fn a_table_has_one_row_per_symbol_in_the_order_of_the_request() {
    let (service, _vendors) = service("231.38");
    let reply = get(&service, "/prices?symbols=BTC-USD,NONE-USD,=1%2B1,ETH-USD&format=csv", "");
    assert_eq!((reply.status, reply.header("prices-status")), (200, Some("partial")));
    assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(
        reply.body.lines().next(),
        Some("symbol,status,reason,price,currency,plus_minus,observed_at,age_ms,used,required")
    );
    assert_eq!(
        cells(&reply, ',')[1..],
        [
            ["BTC-USD", "ok", "", "231.38", "USD", "0", "2", "2"],
            ["NONE-USD", "unavailable", "no_answer", "", "USD", "", "0", "2"],
            ["'=1+1", "unknown", "not_a_symbol", "", "", "", "0", "0"],
            ["ETH-USD", "ok", "", "231.38", "USD", "0", "2", "2"],
        ]
        .map(|row| row.map(str::to_owned).to_vec())
    );
    assert!(reply.body.ends_with("\r\n") && !reply.body.contains("\n\n"));
}

#[test]
fn a_table_for_a_spreadsheet_with_a_decimal_comma_is_separated_by_semicolons() {
    let (service, _vendors) = service("1231.5");
    for (parameters, expected) in [
        ("decimal=comma", "BTC-USD;ok;;1231,5;USD;0;"),
        ("decimal=comma&separator=tab", "BTC-USD\tok\t\t1231,5\tUSD\t0\t"),
        ("decimal=comma&separator=comma", "BTC-USD,ok,,\"1231,5\",USD,0,"),
        ("separator=semicolon", "BTC-USD;ok;;1231.5;USD;0;"),
    ] {
        let reply = get(&service, &format!("/prices?symbols=BTC-USD&format=csv&{parameters}"), "");
        assert!(reply.body.lines().nth(1).is_some_and(|row| row.starts_with(expected)), "{parameters}: {reply:?}");
    }
    let entry = get(&service, "/prices/BTC-USD?format=csv", "");
    assert_eq!(entry.body.lines().count(), 2);
}

#[test]
fn a_bare_price_or_a_sentence_with_the_same_code() {
    let (service, _vendors) = service("231.380");
    for target in ["/prices/BTC-USD?format=text", "/prices?symbols=BTC-USD&format=text"] {
        let reply = get(&service, target, "");
        assert_eq!((reply.status, reply.body.as_str()), (200, "231.38\n"), "{target}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    for (symbol, code) in [("NONE-USD", 503), ("not%20a%20symbol", 404)] {
        let (text, json) = (format!("/prices/{symbol}?format=text"), format!("/prices/{symbol}"));
        let (text, json) = (get(&service, &text, ""), get(&service, &json, ""));
        assert_eq!((text.status, text.header("prices-status")), (json.status, json.header("prices-status")));
        assert_eq!(text.status, code);
        assert!(text.body.ends_with('\n') && text.body.lines().count() == 1 && text.body.len() > 20, "{text:?}");
    }
    let several = get(&service, "/prices?symbols=BTC-USD,ETH-USD&format=text", "");
    assert_eq!((several.status, &several.problem()["field"]), (400, &"format".into()));
}

#[test]
fn a_price_that_the_caller_does_not_accept_is_not_written_alone() {
    let vendor = Upstream::new(|call| call.json(&rows(&[("AAPL", "231.38")])));
    let service = Service::over(&[vendor.source("alpha", "")]);
    let degraded = get(&service, "/prices/AAPL?format=text", "");
    assert_eq!((degraded.status, degraded.body.as_str()), (200, "231.38\n"));
    let refused = get(&service, "/prices/AAPL?format=text&require=ok", "");
    assert_eq!(refused.status, 503);
    assert!(refused.body.starts_with("AAPL: ") && refused.header("retry-after").is_some(), "{refused:?}");
}

#[test]
fn lines_of_json_are_the_entries_of_the_answer() {
    let (service, _vendors) = service("231.38");
    let reply = get(&service, "/prices?symbols=BTC-USD,NONE-USD&format=ndjson", "");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<serde_json::Value> = reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(reply.body.ends_with("}\n"));
    let entry = get(&service, "/prices/BTC-USD", "").json();
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&lines[0]), &lines[0]["price"]), (names(&entry), &entry["price"]));
    crate::support::verified(&reply.body);
}

#[test]
fn the_header_chooses_and_the_parameter_wins() {
    let (service, _vendors) = service("231.38");
    let kind = |target: &str, accept: &str| {
        let reply = get(&service, target, &format!("Accept: {accept}\r\n"));
        assert_eq!(reply.header("vary"), Some("Accept"), "{reply:?}");
        reply.header("content-type").unwrap().split(';').next().unwrap().to_owned()
    };
    // the second time the answer is ready, which must not decide
    for _ in 0..3 {
        assert_eq!(kind("/prices?symbols=BTC-USD", "*/*"), "application/json");
        assert_eq!(kind("/prices?symbols=BTC-USD", "text/csv"), "text/csv");
        assert_eq!(kind("/prices?symbols=BTC-USD", "text/plain, application/x-ndjson;q=0.9"), "text/plain");
        assert_eq!(
            kind("/prices?symbols=BTC-USD", "application/json;q=0.1, application/x-ndjson"),
            "application/x-ndjson"
        );
        assert_eq!(kind("/prices?symbols=BTC-USD", "image/png, text/html;q=0.9"), "application/json");
        assert_eq!(kind("/prices?symbols=BTC-USD&format=json", "text/csv"), "application/json");
        assert_eq!(kind("/prices/BTC-USD", "text/csv, application/json;q=0.9"), "text/csv");
    }
    let form = "symbols=BTC-USD&format=csv";
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let head = format!(
        "POST /prices HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    assert!(read(write(service.address, &head)).body.starts_with("symbol,status,"));
}

#[test]
fn what_a_spreadsheet_adds_to_get_round_its_cache_is_ignored() {
    let (service, vendors) = service("231.38");
    for changing in 0..5 {
        for format in ["csv", "ndjson", "text"] {
            let reply = get(&service, &format!("/prices?symbols=BTC-USD&format={format}&_={changing}"), "");
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    }
    assert_eq!(vendors[0].calls(), 1, "it asks for the same");
    let refused = get(&service, "/prices?symbols=BTC-USD&_=1", "");
    assert_eq!((refused.status, &refused.problem()["field"]), (400, &"_".into()));
}

#[test]
fn paths_that_are_nearly_right_are_told_what_to_write() {
    let (service, _vendors) = service("231.38");
    for (path, says) in [
        ("/prices/BTC/USD", "Write /prices/BTC-USD or /prices/BTC%2FUSD"),
        ("/api/prices?symbols=BTC-USD", "have it remove /api from their paths"),
        ("/prices/", "write /prices without further slashes"),
    ] {
        let reply = get(&service, path, "");
        let problem = reply.problem();
        assert_eq!((reply.status, &problem["type"]), (404, &"/problems/no-such-path".into()));
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let list = get(&service, "/prices?symbols=BTC-USD&symbols=ETH-USD", "");
    assert_eq!(list.json()["prices"].as_array().unwrap().len(), 2);
}
