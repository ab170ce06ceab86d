//! How long a failure is remembered, and what callers are told meanwhile.

use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Case, assert_priced, own, verdict};
use crate::support::{Reply, until};

/// Asserts that a 503 says when to ask again, to the second; returns that many seconds.
fn told(reply: &Reply, source: &str) -> u64 {
    let body = reply.json();
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let entry = &body["prices"][0];
    let quotes = entry["quotes"].as_array().unwrap();
    let quote = quotes.iter().find(|quote| quote["source"] == source).unwrap();
    let wait = time(&quote["retry_at"]).duration_since(time(&entry["as_of"]));
    let told: u64 = reply.header("retry-after").expect("when to ask again").parse().unwrap();
    // both times are shown in milliseconds
    let possible = |shift: i128| u64::try_from((wait.as_millis() + shift).max(1)).unwrap().div_ceil(1000);
    assert!([possible(-1), possible(0), possible(1)].contains(&told), "{told} s, {wait:#}: {body:#}");
    told
}

#[test]
fn a_failed_daily_file_is_retried_within_seconds_and_callers_know_when() {
    let fixing =
        |date: &str| format!(r#"<a><Cube><Cube time="{date}"><Cube currency="USD" rate="1.0842"/></Cube></Cube></a>"#);
    let case = Case::new("[sources.ecb]\nbase_url = \"http://VENDORS\"\n", move |call| match call.number {
        // the second is the retry of the first call
        1 | 2 => call.reply(503, "", "out of order"),
        _ => call.reply(200, "Content-Type: text/xml\r\n", &fixing(&Timestamp::now().strftime("%F").to_string())),
    });
    let ask = || case.get("/prices?symbols=EUR-USD&refresh_after=0s");
    let mut reply = ask();
    assert_eq!((reply.status, verdict(&reply.entry("EUR-USD"), "ecb").as_str()), (503, "failed / unavailable"));
    let wait = told(&reply, "ecb");
    assert!((1..=2).contains(&wait), "a second, give or take a fifth: {wait}");
    sleep(Duration::from_secs(wait));
    reply = ask();
    assert_eq!((reply.status, case.vendors.calls()), (200, 3));
    assert_eq!(reply.entry("EUR-USD")["price"], "1.0842");
    // the file itself is still fetched only once a day
    assert_eq!((ask().status, case.vendors.calls()), (200, 3));
}

#[test]
fn zeros_for_a_share_just_quoted_are_doubted_once() {
    let case = Case::new("[sources.finnhub]\nkey = \"k\"\nbase_url = \"http://VENDORS\"\n", |call| {
        let now = Timestamp::now().as_second();
        match call.number {
            1 => call.json(&format!(r#"{{"c":12,"pc":11.9,"t":{now}}}"#)),
            2 => call.json(r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#),
            _ => call.json(&format!(r#"{{"c":12.5,"pc":11.9,"t":{now}}}"#)),
        }
    });
    let ask = || case.get("/prices?symbols=AAPL&refresh_after=0s").entry("AAPL");
    assert_priced(&ask(), Some("12"), Some("USD"), "degraded / few_sources");
    let doubted = ask();
    assert_priced(&doubted, Some("12"), Some("USD"), "degraded / few_sources");
    assert_eq!(verdict(&doubted, "finnhub"), "used");
    let quote = &doubted["quotes"][0];
    assert_eq!(quote["failure"], "unknown_symbol", "{quote:#}");
    assert!(quote["retry_at"].is_string(), "{quote:#}");
    until("the third call", || {
        ask();
        case.vendors.calls() >= 3
    });
    assert_priced(&ask(), Some("12.5"), Some("USD"), "degraded / few_sources");
}

#[test]
fn a_caller_too_impatient_for_a_limit_learns_at_once_when_it_has_room() {
    let limited = format!("{}limits = [\"1/20s\"]\n", own("a", "crypto"));
    let case = Case::new(&limited, |call| call.json(r#"{"p":"100"}"#));
    assert_eq!(case.get("/prices?symbols=BTC-USD").status, 200);
    let reply = case.get("/prices?symbols=ETH-USD&timeout=300ms");
    assert_eq!((reply.status, verdict(&reply.entry("ETH-USD"), "a").as_str()), (503, "failed / throttled"));
    let wait = told(&reply, "a");
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(case.vendors.calls(), 1);
}
