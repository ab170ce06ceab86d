//! Connections that break, are refused, lead elsewhere, or were closed while idle.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Market;
use crate::support::{After, NOBODY, Service, Upstream, rows, until};

#[test]
fn a_reply_shorter_than_its_announced_length_is_a_broken_connection() {
    let market = Market::of(Upstream::new(|call| {
        let body = r#"[{"s":"BTC-USD","p":"1"}]"#;
        call.raw(&format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{body}"));
        After::Close
    }));
    market.assert_failed("connection", "");
    // one retry, on a new connection
    assert_eq!((market.faulty.calls(), market.faulty.connections()), (2, 2));
}

#[test]
fn a_connection_that_breaks_once_costs_no_quote() {
    let market = Market::of(Upstream::new(|call| match call.number {
        // closed without a reply, as by a server that is being replaced
        1 | 3 => After::Close,
        _ => call.json(&rows(&[("BTC-USD", "100.05")])),
    }));
    for calls in [2, 4] {
        let reply = market.service.prices("BTC-USD");
        assert_eq!(reply.verdict("BTC-USD", "a"), "used");
        assert!(reply.quote("BTC-USD", "a")["failure"].is_null(), "{reply:?}");
        assert_eq!(market.faulty.calls(), calls);
    }
}

#[test]
fn a_connection_that_is_reset_costs_one_quote() {
    for reply in ["", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n[{\"s\":"] {
        let (vendor, connections) = resetting(reply);
        let honest = [Upstream::quoting("100"), Upstream::quoting("100")];
        let service = Service::over(&[
            crate::support::source("a", vendor, ""),
            honest[0].source("b", ""),
            honest[1].source("c", ""),
        ]);
        let answer = service.prices("BTC-USD");
        assert_eq!(answer.verdict("BTC-USD", "a"), "failed / connection", "after {reply:?}");
        assert_eq!((answer.status, answer.status("BTC-USD").as_str()), (200, "ok"));
        assert_eq!(connections.load(Ordering::SeqCst), 2, "it is tried once more");
    }
}

/// A vendor that resets every connection after sending these bytes, and how many it accepted. Closing with an unread byte causes
/// the reset.
fn resetting(reply: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1]);
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    (address, connections)
}

#[test]
fn a_refused_connection_is_known_at_once() {
    let honest = [Upstream::quoting("100"), Upstream::quoting("100")];
    let started = Instant::now();
    let refused = format!("url = \"http://{NOBODY}/{{symbols}}\"\ntimeout = \"8s\"");
    let service =
        Service::over(&[honest[0].source("a", &refused), honest[0].source("b", ""), honest[1].source("c", "")]);
    let answer = service.prices("BTC-USD");
    assert_eq!(answer.verdict("BTC-USD", "a"), "failed / connection");
    assert!(started.elapsed() < Duration::from_secs(6), "it was waited for: {:?}", started.elapsed());
    let detail = answer.quote("BTC-USD", "a")["detail"].to_string();
    assert!(detail.contains("refused"), "{detail}");
}

#[test]
fn a_redirect_is_not_followed() {
    let internal = Upstream::quoting("1");
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: http://{}/quotes?ids=BTC-USD\r\n", internal.address);
        let market = Market::of(Upstream::new(move |call| call.reply(status, &location, "")));
        let target = internal.address;
        market.assert_failed("http_status", &format!("status {status}: a redirect to http://{target}/quotes, which"));
    }
    assert_eq!(internal.calls(), 0, "the internal host was asked");
}

#[test]
fn a_connection_closed_while_idle_costs_no_quote() {
    let market = Market::of(Upstream::new(|call| {
        // says keep-alive, and closes
        call.json(&rows(&[("BTC-USD", "100.05")]));
        After::Close
    }));
    for _ in 0..3 {
        let reply = market.service.prices("BTC-USD");
        assert_eq!(reply.verdict("BTC-USD", "a"), "used");
        assert!(reply.quote("BTC-USD", "a")["failure"].is_null(), "{reply:?}");
        market.faulty.until_left();
        // we must learn of it before the next call
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((market.faulty.calls(), market.faulty.connections()), (3, 3));
}

#[test]
fn a_connection_is_used_again_if_its_reply_was_whole() {
    let market = Market::of(Upstream::quoting("100.05"));
    for _ in 0..3 {
        assert_eq!(market.service.prices("BTC-USD").verdict("BTC-USD", "a"), "used");
    }
    until("three calls", || market.faulty.calls() == 3);
    assert_eq!(market.faulty.connections(), 1);
}

#[test]
fn with_all_sources_down_each_states_its_reason_and_retry_time() {
    let vendors = [Upstream::saying(500, "{}"), Upstream::saying(200, "<"), Upstream::saying(429, "{}")];
    let names = ["a", "b", "c"];
    let mut sources: Vec<String> = vendors.iter().zip(names).map(|(vendor, name)| vendor.source(name, "")).collect();
    sources.push(vendors[0].source("d", &format!("url = \"http://{NOBODY}/{{symbols}}\"")));
    let service = Service::over(&sources);
    let reply = service.prices("BTC-USD,ETH-USD");
    assert_eq!((reply.status, reply.header("prices-status")), (503, Some("none")));
    let wait: u64 = reply.header("retry-after").and_then(|wait| wait.parse().ok()).expect("a time in seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(reply.json()["status"], "none");
    for symbol in ["BTC-USD", "ETH-USD"] {
        assert_eq!(reply.status(symbol), "unavailable / no_answer");
        for (source, reason) in [("a", "unavailable"), ("b", "malformed"), ("c", "rate_limited"), ("d", "connection")] {
            assert_eq!(reply.verdict(symbol, source), format!("failed / {reason}"), "{symbol}");
        }
    }
    assert_eq!(service.get("/health/live").status, 200);
}
