//! This machine's clock: if other clocks show that it is off, missing prices are explained by it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::{Case, assert_priced, own, source_of, verdict};
use crate::support::{After, Call, Configuration, Program, Reply, Upstream, get, start, until};

/// A quote whose time lies this many seconds ahead.
fn ahead(seconds: i64) -> String {
    let stated = jiff::Timestamp::now().as_millisecond() + seconds * 1000;
    format!(r#"{{"p":"100","t":{}.{:03}}}"#, stated / 1000, stated % 1000)
}

/// The `Date` header of a clock that is this many seconds ahead.
fn dated(seconds: i64) -> String {
    let now = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    now.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string()
}

fn sources(names: &[&str]) -> String {
    names.iter().map(|name| own(name, "crypto")).collect()
}

/// The check of the clock in a report on health.
fn clock(health: &Reply) -> Value {
    health.json()["checks"]["clock"][0].clone()
}

fn detail(entry: &Value) -> &str {
    entry["detail"].as_str().unwrap_or_default()
}

/// Asks until the detail of BTC-USD names the clock: on a busy machine a reply may be too slow to count.
fn until_named(address: SocketAddr) -> Value {
    let mut entry = Value::Null;
    until("the clock is named", || {
        entry = get(address, "/prices?symbols=BTC-USD&refresh_after=0s").entry("BTC-USD");
        detail(&entry).contains("; this machine's clock seems to be ")
    });
    entry
}

/// The log's lines about the clock.
fn told(program: &Program) -> Vec<String> {
    let log = program.said_on_stderr();
    log.lines().filter(|line| line.contains("this machine's clock")).map(str::to_owned).collect()
}

#[test]
fn times_thirty_seconds_ahead_at_three_sources_name_our_clock() {
    let case = Case::new(&sources(&["a", "b", "c"]), |call| call.json(&ahead(30)));
    let entry = until_named(case.address);
    assert_priced(&entry, None, Some("USD"), "unavailable / no_quorum");
    for source in ["a", "b", "c"] {
        assert_eq!(verdict(&entry, source), "excluded / future");
    }
    let said = detail(&entry);
    let named = ["29", "30", "31"].map(|by| format!("; this machine's clock seems to be {by} s slow"));
    assert!(named.iter().any(|named| said.ends_with(named)), "{said}");

    let health = case.get("/health");
    let check = clock(&health);
    assert_eq!((health.status, &check["status"]), (200, &"warn".into()), "{health:?}");
    let output = check["output"].as_str().unwrap();
    assert!(output.ends_with(" s slow: the times that 3 sources state say so"), "{output}");
    case.entry("ETH-USD");
    case.get("/health");
    until("it is in the log", || !told(&case.program).is_empty());
    assert_eq!(told(&case.program).len(), 1, "{:?}", told(&case.program));
}

/// The program over three hosts.
struct Hosts {
    program: Program,
    address: SocketAddr,
    /// The configuration.
    text: String,
    _vendors: [Upstream; 3],
}

/// The program over three vendors on different hosts, each with a clock of its own for dates and times.
fn three_hosts(script: impl Fn(&mut Call<'_>) -> After + Clone + Send + Sync + 'static) -> Hosts {
    let vendors = [(); 3].map(|()| Upstream::new(script.clone()));
    let named = ["a", "b", "c"].into_iter().zip(&vendors);
    let text: String =
        named.map(|(name, vendor)| own(name, "crypto").replace("VENDORS", &vendor.address.to_string())).collect();
    let (program, address) = Program::serve(&Configuration::new(&text), &[]);
    Hosts { program, address, text, _vendors: vendors }
}

#[test]
fn dates_of_three_hosts_name_our_clock_too_even_if_it_is_fast() {
    for (off, words) in [(30, " s slow"), (-90, " s fast")] {
        let Hosts { program, address, text, _vendors } = three_hosts(move |call| {
            call.reply(200, &format!("Content-Type: application/json\r\n{}", dated(off)), &ahead(off))
        });
        let entry = until_named(address);
        assert!(entry["status"] != "ok" && detail(&entry).ends_with(words), "{entry:#}");
        let check = clock(&get(address, "/health"));
        let output = check["output"].as_str().unwrap_or_default();
        assert!(output.ends_with(": the dates in the replies of 3 hosts say so"), "{check}");
        // a log line takes a moment to arrive through the pipe
        until("it is in the log", || !told(&program).is_empty());
        assert_eq!(told(&program).len(), 1);

        // `check --live` says the same
        let configuration = Configuration::new(&text);
        let ended = Program::new(&mut start(&["check", "--live", "--config", configuration.path()], &[])).ended();
        assert!(ended.stdout.contains("Note that this machine's clock seems to be "), "{}", ended.stdout);
    }
}

#[test]
fn two_sources_do_not_outweigh_our_clock_and_times_in_the_past_never_do() {
    for times in [[30, 30, -120], [-120, -120, -120]] {
        let case = Case::new(&sources(&["a", "b", "c"]), move |call| {
            let place = match source_of(call) {
                "a" => 0,
                "b" => 1,
                _ => 2,
            };
            call.json(&ahead(times[place]))
        });
        let entry = case.entry("BTC-USD");
        assert!(!detail(&entry).contains("this machine's clock"), "{entry:#}");
        assert_eq!(clock(&case.get("/health")), serde_json::json!({"status": "pass"}));
    }
}

#[test]
fn a_good_price_does_not_mention_the_clock_and_the_log_says_when_it_is_right() {
    let ours_is_right = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&ours_is_right);
    let Hosts { program, address, .. } = &three_hosts(move |call| {
        let off = if mended.load(Ordering::SeqCst) { 0 } else { 30 };
        call.reply(200, &format!("Content-Type: application/json\r\n{}", dated(off)), r#"{"p":"100"}"#)
    });
    for status in ["warn", "pass"] {
        until("health says so, and the price is ok", || {
            let entry = get(*address, "/prices?symbols=BTC-USD&refresh_after=0s").entry("BTC-USD");
            let is_well = entry["status"] == "ok" && entry["sources"]["used"] == 3;
            assert!(!is_well || entry["detail"].is_null(), "{entry:#}");
            is_well && clock(&get(*address, "/health"))["status"] == status
        });
        ours_is_right.store(true, Ordering::SeqCst);
    }
    // the log is written by another thread
    until("the log says that it is over", || told(program).len() > 1);
    let told = told(program);
    assert!(
        matches!(&told[..], [begun, over] if begun.contains("WARN") && over.contains("no longer judged")),
        "{told:?}"
    );
}
