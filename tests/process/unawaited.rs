//! Answers that do not wait for every vendor: over HTTP, in every form of a question, and when the program ends.

use std::thread::sleep;
use std::time::Duration;

use crate::support::{Configuration, Program, Upstream, get, read, until, write};

/// Two vendors that agree and one that never replies, with a minute for every call.
fn with_a_silent_one(server: &str, vendors: [&Upstream; 3]) -> Configuration {
    let server = format!("[server]\ntimeout = \"60s\"\nmax_timeout = \"60s\"\ndrain_delay = \"0s\"\n{server}");
    let [one, two, silent] = vendors;
    let patient = "timeout = \"60s\"";
    let sources = [one.source("one", patient), silent.source("silent", patient), two.source("two", patient)];
    Configuration::new(&format!("{server}{}", sources.concat()))
}

#[test]
fn a_silent_vendor_holds_up_no_answer_with_a_quorum_and_not_the_end() {
    let (one, two, silent) = (Upstream::quoting("100"), Upstream::quoting("100"), Upstream::silent());
    let (program, address) = Program::serve(&with_a_silent_one("", [&one, &two, &silent]), &[]);
    let many = get(address, "/prices?symbols=BTC-USD&wait=quorum");
    assert_eq!((many.status, many.status("BTC-USD").as_str()), (200, "ok"));
    assert_eq!(many.verdict("BTC-USD", "silent"), "failed / not_awaited");
    let single = get(address, "/prices/ETH-USD?wait=10ms").json();
    assert_eq!(single["status"], "ok", "{single:#}");
    let form = "symbols=LTC-USD&wait=quorum";
    let head =
        "POST /prices HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded";
    let posted = read(write(address, &format!("{head}\r\nContent-Length: {}\r\n\r\n{form}", form.len())));
    assert_eq!(posted.verdict("LTC-USD", "silent"), "failed / not_awaited");
    // the calls that were left behind go on, until the program ends
    silent.until_called(3);
    assert_eq!(silent.open(), 3);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn the_servers_default_is_used_where_a_request_says_nothing() {
    let (one, two, silent) = (Upstream::quoting("100"), Upstream::quoting("100"), Upstream::silent());
    let (_program, address) = Program::serve(&with_a_silent_one("wait = \"quorum\"\n", [&one, &two, &silent]), &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").verdict("BTC-USD", "silent"), "failed / not_awaited");
    let waits = get(address, "/prices?symbols=BTC-USD&wait=all&timeout=300ms");
    assert_eq!(waits.verdict("BTC-USD", "silent"), "failed / timeout");
}

#[test]
fn what_is_due_is_fetched_behind_the_answer_and_does_not_hold_up_the_end() {
    let (one, two, silent) = (Upstream::quoting("100"), Upstream::quoting("100"), Upstream::silent());
    let behind = "[class.crypto]\nrefresh_after = \"10ms\"\nusable_for = \"10m\"\nrefresh = \"background\"\n";
    let server = format!("wait = \"quorum\"\n{behind}");
    let (program, address) = Program::serve(&with_a_silent_one(&server, [&one, &two, &silent]), &[]);
    until("the first answer is there", || get(address, "/prices/BTC-USD").json()["status"] == "ok");
    let calls = one.calls();
    until("an answer does not wait", || {
        sleep(Duration::from_millis(20));
        get(address, "/prices/BTC-USD").json()["refreshing"] == true
    });
    until("and the next one has what was fetched behind it", || one.calls() > calls);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}
