//! Vendors that stay broken, and vendors that rate-limit: they are paused, while the others make the price.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::Market;
use crate::support::{After, Call, NOBODY, Reply, Service, Upstream, get, until};

/// A little less than the second for which the vendor's limit counts: calls take different times to arrive.
const WINDOW: Duration = Duration::from_millis(950);

/// A vendor that holds its first replies until this many calls have arrived, so that none fails before the others are in
/// flight.
fn all_at_once(calls: usize, reply: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Upstream {
    let here = AtomicUsize::new(0);
    Upstream::new(move |call| {
        here.fetch_add(1, Ordering::SeqCst);
        until("all calls are there", || here.load(Ordering::SeqCst) >= calls);
        reply(call)
    })
}

/// This many symbols that no source knows.
fn symbols(count: usize) -> String {
    (0..count).map(|number| format!("S{number}-USD")).collect::<Vec<_>>().join(",")
}

/// Whether an answer shows that `a` was called; otherwise it was paused.
fn was_called(reply: &Reply) -> bool {
    !reply.quote("BTC-USD", "a")["latency_ms"].is_null()
}

#[test]
fn a_source_that_always_fails_is_probed_and_paused_in_between() {
    let market = Market::of(Upstream::saying(500, "{}"));
    let started = Instant::now();
    let mut calls = 0;
    // 0.8 to 1.2 s, then twice that: in three seconds there is room for two more
    while started.elapsed() < Duration::from_secs(3) {
        let reply = market.ask();
        assert_eq!(reply.verdict("BTC-USD", "a"), "failed / unavailable");
        let quote = reply.quote("BTC-USD", "a");
        assert!(quote["retry_at"].is_string(), "{quote:#}");
        assert!(quote["detail"].as_str().is_some_and(|detail| detail.contains("status 500")), "{quote:#}");
        calls += usize::from(was_called(&reply));
    }
    assert_eq!(market.faulty.calls(), calls);
    assert!((2..=3).contains(&calls), "{calls} calls");
    until("a pause shows", || {
        // if the last pause is over by now, this begins another one
        market.ask();
        let overview = market.service.get("/sources").json();
        assert!(overview["sources"][1]["failing"].is_null(), "{overview:#}");
        overview["sources"][0]["failing"]["reason"] == "unavailable"
    });
}

#[test]
fn a_source_of_which_five_calls_fail_at_once_is_left_alone_by_its_breaker() {
    let vendor = all_at_once(5, |call| call.reply(500, "", "{}"));
    let market = Market::with(vendor, "batch = 1\nconcurrency = 20\ntimeout = \"7s\"");
    market.service.prices(&symbols(5));
    let reply = market.ask();
    assert_eq!(reply.verdict("BTC-USD", "a"), "failed / circuit_open");
    let quote = reply.quote("BTC-USD", "a");
    assert!(quote["retry_at"].is_string() && quote["latency_ms"].is_null(), "{quote:#}");
    assert!(quote["detail"].as_str().is_some_and(|detail| detail.contains("status 500")), "{quote:#}");
    let overview = market.service.get("/sources").json();
    assert_eq!(overview["sources"][0]["breaker"]["state"], "open", "{overview:#}");
    assert_eq!(overview["sources"][1]["breaker"]["state"], "closed", "{overview:#}");
    assert_eq!(market.faulty.calls(), 5);
}

#[test]
fn a_source_that_hangs_costs_its_time_once_and_then_no_more() {
    let market = Market::of_hanging(Upstream::silent());
    market.assert_failed("timeout", "no reply within 400 ms");
    let started = Instant::now();
    let called = (0..100).filter(|_| was_called(&market.ask())).count();
    let took = started.elapsed();
    println!("100 answers took {took:?}, {called} of them made a call");
    // waits of at least 0.8 s double up to 24 s, so a slower machine has room for little more
    let room = 1.0 + (took.as_secs_f64() / 0.8 + 1.0).log2() + took.as_secs_f64() / 24.0;
    assert!(called as f64 <= room, "{called} of 100 within {took:?}");
}

/// The state of the breaker of `a`.
fn standing(market: &Market) -> String {
    let overview = market.service.get("/sources").json();
    overview["sources"][0]["breaker"]["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn each_kind_of_breaking_counts_once_per_call() {
    type Breaks = fn(&mut Call<'_>) -> After;
    let kinds: [(&str, usize, Breaks); 5] = [
        ("malformed", 5, |call| call.json(r#"[{"s":"BTC-USD","p":"1"}"#)),
        ("malformed", 5, |call| call.reply(200, "Content-Type: text/html\r\n", "<html>")),
        ("too_large", 5, |call| call.json(&format!("[{}]", " ".repeat(300 << 10)))),
        ("http_status", 5, |call| call.reply(302, "Location: http://10.0.0.1/\r\n", "")),
        // both attempts count
        ("unavailable", 3, |call| call.reply(502, "Content-Type: application/json\r\n", "{}")),
    ];
    for (reason, enough, breaks) in kinds {
        for (calls, stands) in [(enough - 1, "closed"), (enough, "open")] {
            let vendor = all_at_once(calls, breaks);
            let market = Market::with(vendor, "batch = 1\nconcurrency = 20\ntimeout = \"7s\"");
            let reply = market.service.prices(&symbols(calls));
            assert_eq!(reply.verdict("S0-USD", "a"), format!("failed / {reason}"));
            assert_eq!(standing(&market), stands, "{reason}, {calls} calls");
        }
    }
}

#[test]
fn a_refusal_by_a_working_vendor_never_counts_against_it() {
    for (status, body) in [
        (400, "{}"),
        (401, "{}"),
        (402, "{}"),
        (403, "{}"),
        (404, "<html>Not Found</html>"),
        (410, ""),
        (418, "{}"),
        (422, "{}"),
        (429, "{}"),
        (451, "{}"),
        (200, "[]"),
    ] {
        let market = Market::of(Upstream::saying(status, body));
        for number in 0..12 {
            // each for another symbol: a known one is not asked for again
            market.service.prices(&format!("S{number}-USD"));
        }
        assert_eq!(standing(&market), "closed", "{status}");
    }
}

#[test]
fn a_burst_of_refusals_is_not_doubled_by_second_tries() {
    let more = "batch = 1\nconcurrency = 20\ntimeout = \"7s\"";
    let market = Market::with(all_at_once(20, |call| call.reply(503, "", "{}")), more);
    let reply = market.service.prices(&symbols(20));
    assert_eq!((reply.status, reply.header("prices-status")), (200, Some("complete")));
    let calls = market.faulty.calls();
    assert!((5..=24).contains(&calls), "{calls} calls for 20 symbols");
    market.assert_failed("circuit_open", "status 503");
    assert_eq!(market.faulty.calls(), calls);
}

#[test]
fn with_every_source_left_alone_it_is_ready_again_without_being_asked() {
    let nobody = format!("url = \"http://{NOBODY}/{{symbols}}\"\nretries = 0");
    let vendor = Upstream::quoting("1");
    let service = Service::over(&[vendor.source("a", &nobody), vendor.source("b", &nobody)]);
    let ready = || service.get("/health/ready");
    assert_eq!(ready().status, 200);
    let mut report = ready();
    until("both are left alone", || {
        service.prices("BTC-USD");
        report = ready();
        report.status == 503
    });
    assert_eq!((report.status, report.json()["checks"]["prices"][0]["status"].as_str()), (503, Some("fail")));
    assert_eq!(report.json()["checks"]["source:a"][0]["status"], "warn");
    assert_eq!(get(service.address, "/health/live").status, 200);
    until("ready", || ready().status == 200);
}

#[test]
fn a_vendor_that_says_two_seconds_is_paused_for_two_and_called_once() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let market = Market::of(Upstream::new(move |call| {
        seen.lock().expect("no script panicked").push(Instant::now());
        call.reply(429, "Retry-After: 2\r\n", "slow down")
    }));
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(3500) {
        market.assert_failed("rate_limited", "slow down");
        sleep(Duration::from_millis(5));
    }
    let calls = calls.lock().expect("no script panicked");
    let waits: Vec<Duration> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("waits between calls: {waits:?}");
    // the two processes have different clocks, and the first reply needed time to travel
    assert!(!waits.is_empty() && waits.iter().all(|wait| *wait >= Duration::from_millis(1990)), "{waits:?}");
}

#[test]
fn forced_refreshes_never_exceed_a_vendors_limit() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&seen);
    let market = Market::with(
        Upstream::new(move |call| {
            calls.lock().expect("no script panicked").push(Instant::now());
            call.json(r#"[{"s":"BTC-USD","p":"100.05"}]"#)
        }),
        "limits = [\"5/s\"]",
    );
    let started = Instant::now();
    let answers: usize = thread::scope(|scope| {
        let ask = || {
            let mut answers = 0;
            // for four seconds, or longer on a machine that is busy
            let are_few = || seen.lock().expect("no script panicked").len() < 16;
            while started.elapsed() < Duration::from_secs(4) || are_few() && started.elapsed() < Duration::from_secs(60)
            {
                // the price is folded from the others, whatever `a` says
                let reply = market.service.prices("BTC-USD");
                assert_eq!((reply.status, reply.header("prices-status")), (200, Some("complete")), "{reply:?}");
                answers += 1;
            }
            answers
        };
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().expect("each answer is complete")).sum()
    });
    let calls = seen.lock().expect("no script panicked").clone();
    let in_window = |from: Instant| calls.iter().filter(|at| **at >= from && **at - from < WINDOW).count();
    let most = calls.iter().map(|from| in_window(*from)).max();
    println!("{answers} answers, {} calls, at most {most:?} within {WINDOW:?}", calls.len());
    assert_eq!(most, Some(5), "{} calls", calls.len());
    assert!(calls.len() >= 16, "the limit is also made use of: {} calls", calls.len());
}
