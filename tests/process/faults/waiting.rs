//! Waiting: a slow vendor, a thousand clients at once, and clients that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Market;
use crate::support::{Reply, Service, Upstream, read, rows, send, until};

/// A vendor that quotes every symbol after this time.
fn slow(price: &'static str, milliseconds: u64) -> Upstream {
    Upstream::new(move |call| {
        sleep(Duration::from_millis(milliseconds));
        let asked = call.asked();
        let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), price)).collect();
        call.json(&rows(&quotes))
    })
}

#[test]
fn the_answer_comes_by_the_clients_deadline_whichever_source_hangs() {
    let honest = [Upstream::quoting("100"), Upstream::quoting("100.1"), Upstream::quoting("100.2")];
    let hanging = Upstream::new(|call| if call.number == 1 { call.hang() } else { call.json(&rows(&[])) });
    let service = Service::over(&[
        honest[0].source("a", ""),
        honest[1].source("b", ""),
        honest[2].source("c", ""),
        hanging.source("d", "timeout = \"8s\""),
    ]);
    let started = Instant::now();
    let reply = service.get("/prices?symbols=BTC-USD,ETH-USD&timeout=600ms");
    let took = started.elapsed();
    println!("answered after {took:?}");
    assert!(took < Duration::from_millis(6500), "{took:?}");
    assert_eq!((reply.status, reply.header("prices-status")), (200, Some("complete")));
    for symbol in ["BTC-USD", "ETH-USD"] {
        assert_eq!(reply.verdict(symbol, "d"), "failed / timeout");
        assert_eq!(reply.quote(symbol, "d")["detail"], "no reply within 600 ms");
        let entry = reply.entry(symbol);
        assert_eq!((&entry["price"], &entry["sources"]["used"]), (&"100.1".into(), &3.into()), "{entry:#}");
    }
    hanging.until_left();
}

#[test]
fn after_a_good_answer_a_hanging_source_is_used_with_its_failure() {
    let honest = [Upstream::quoting("100"), Upstream::quoting("100")];
    let turning =
        Upstream::new(|call| if call.number == 1 { call.json(&rows(&[("BTC-USD", "100")])) } else { call.hang() });
    let sources = [honest[0].source("a", ""), honest[1].source("b", ""), turning.source("d", "")];
    let service = Service::over(&sources);
    assert_eq!(service.prices("BTC-USD").verdict("BTC-USD", "d"), "used");
    let reply = service.get("/prices?symbols=BTC-USD&refresh_after=0s&timeout=600ms");
    let quote = reply.quote("BTC-USD", "d");
    assert_eq!((&quote["status"], &quote["failure"]), (&"used".into(), &"timeout".into()), "{quote:#}");
    assert_eq!((reply.status, reply.status("BTC-USD").as_str()), (200, "ok"));
    assert!(reply.quote("BTC-USD", "a")["failure"].is_null());
}

/// A vendor that quotes every symbol, but replies only once the gate is open.
fn behind(gate: &Arc<AtomicBool>, price: &'static str) -> Upstream {
    let gate = Arc::clone(gate);
    Upstream::new(move |call| {
        until("the gate is open", || gate.load(Ordering::SeqCst));
        let asked = call.asked();
        let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), price)).collect();
        call.json(&rows(&quotes))
    })
}

#[test]
fn a_thousand_equal_requests_are_one_call_though_the_first_leaves() {
    let gate = Arc::new(AtomicBool::new(false));
    let vendors = [behind(&gate, "100"), behind(&gate, "100.1")];
    // opening this many connections takes a while
    let settings = "[server]\ntimeout = \"60s\"\nmax_timeout = \"60s\"\nmax_requests = 1000\n";
    let patient = "timeout = \"60s\"";
    let service = Service::with(settings, &[vendors[0].source("a", patient), vendors[1].source("b", patient)]);
    let target = "/prices?symbols=BTC-USD,ETH-USD&refresh_after=0s";
    let first = send(service.address, target);
    vendors.iter().for_each(|vendor| vendor.until_called(1));
    let others: Vec<_> = (0..999).map(|_| send(service.address, target)).collect();
    // as long as a thousand requests are in flight, there is no room for another one, whatever it asks for
    let is_full = || service.get("/none").status == 503;
    until("all of them wait", is_full);
    drop(first);
    until("the first has left", || !is_full());
    gate.store(true, Ordering::SeqCst);
    let mut replies: Vec<Reply> = others.into_iter().map(read).collect();
    replies.dedup_by_key(|reply| (reply.status, reply.header("prices-status").map(str::to_owned)));
    assert!(matches!(&replies[..], [one] if one.status == 200 && one.status("ETH-USD") == "ok"), "{replies:?}");
    assert_eq!(vendors.each_ref().map(Upstream::calls), [1, 1]);
}

#[test]
fn a_lone_client_that_leaves_takes_its_calls_with_it() {
    let vendors = [Upstream::silent(), Upstream::silent()];
    let patient = "timeout = \"8s\"";
    let service = Service::over(&[vendors[0].source("a", patient), vendors[1].source("b", patient)]);
    let client = send(service.address, "/prices?symbols=BTC-USD");
    vendors.iter().for_each(|vendor| vendor.until_called(1));
    assert!(vendors.iter().all(|vendor| vendor.open() == 1) && service.in_flight() == 2);
    let left = Instant::now();
    drop(client);
    vendors.iter().for_each(Upstream::until_left);
    until("nothing in flight", || service.in_flight() == 0);
    // an attempt's own time is 8 s
    assert!(left.elapsed() < Duration::from_secs(5), "{:?}", left.elapsed());
    // no source is blamed for it
    let overview = service.get("/sources").json();
    for source in overview["sources"].as_array().into_iter().flatten() {
        assert!(source["last_error"].is_null() && source["failed"] == serde_json::json!({}), "{source:#}");
    }
}

#[test]
fn a_client_with_less_time_leaves_alone_and_the_call_goes_on_for_the_other() {
    let vendors = [slow("100", 700), slow("100", 700)];
    let service = Service::over(&[vendors[0].source("a", ""), vendors[1].source("b", "")]);
    let patient = send(service.address, "/prices?symbols=BTC-USD&timeout=8s");
    vendors.iter().for_each(|vendor| vendor.until_called(1));
    let hasty = service.get("/prices?symbols=BTC-USD&timeout=100ms");
    assert_eq!((hasty.status, hasty.verdict("BTC-USD", "a").as_str()), (503, "failed / timeout"));
    let patient = read(patient);
    assert_eq!((patient.status, patient.status("BTC-USD").as_str()), (200, "ok"));
    // the next client gets the result that the other one waited for
    assert_eq!(service.get("/prices?symbols=BTC-USD&timeout=100ms").status("BTC-USD"), "ok");
    assert_eq!(vendors.each_ref().map(Upstream::calls), [1, 1]);
}

#[test]
fn a_fresh_answer_makes_no_call_and_a_forced_one_makes_one() {
    let market = Market::of(Upstream::quoting("100.05"));
    let calls = || market.faulty.calls();
    market.service.get("/prices?symbols=BTC-USD");
    assert_eq!(calls(), 1);
    let again = market.service.get("/prices?symbols=BTC-USD&refresh_after=1h");
    assert_eq!((again.status("BTC-USD").as_str(), calls()), ("ok", 1));
    market.service.prices("BTC-USD");
    assert_eq!(calls(), 2);
}
