//! A source that keeps failing is left alone, costs no caller time in the meantime, and is tried now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::question::Question;
use quotefold::source::batch::Reply;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::failing::{Mood, broken, burst, gateway, outcome, slow_down};
use crate::scripted::{ask, quotes, service, service_with};
use crate::support::{Log, all_quoted, reason};

/// Makes the breaker open: five calls that are in flight at once fail.
async fn fail_until_open(service: &Arc<Quotefold>) {
    burst(service, 5).await;
    assert!(!service.sources()[0].breaker.is_closed(), "it never opened");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_always_fails_gets_only_probes_and_no_caller_waits_for_it() {
    let (service, log) = Mood::of(gateway(false)).service("");
    fail_until_open(&service).await;
    let (before, start) = (log.calls().len(), Instant::now());
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(600) {
        let asked = Instant::now();
        burst(&service, 20).await;
        // only a caller who comes while a call probes waits for the source, and for that call at most
        slowest = slowest.max(asked.elapsed());
        sleep(Duration::from_millis(500)).await;
    }
    let probes = log.calls().split_off(before);
    // 1 + 2 + 4 + 8 + 16 + 32 seconds, then one a minute, each spread by a fifth
    assert!((12..=20).contains(&probes.len()), "{} probes", probes.len());
    let mut waits = probes.windows(2).map(|pair| pair[1].sent - pair[0].sent);
    assert!(waits.all(|wait| wait >= Duration::from_millis(800)), "two probes at once");
    assert!(slowest <= Duration::from_millis(50), "{slowest:?}");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_at_once_and_says_until_when() {
    let (service, log) = Mood::of(gateway(false)).service("");
    fail_until_open(&service).await;
    let (calls, start) = (log.calls().len(), Instant::now());
    let answer = ask(&service, "symbols=NEW-USD").await;
    let judged = quotes(&answer)[0];
    let failure = judged.outcome.failure.as_ref().unwrap();
    assert_eq!((failure.error.reason(), start.elapsed(), log.calls().len()), ("circuit_open", Duration::ZERO, calls));
    assert!(failure.retry_at.is_some() && failure.latency.is_none());
    assert!(failure.error.to_string().contains("status 503"), "{}", failure.error);
    assert!(matches!((answer.code, answer.retry_after), (503, Some(1 | 2))), "{:?}", answer.retry_after);
}

#[tokio::test(start_paused = true)]
async fn the_caller_whose_call_keeps_it_open_is_told_until_when_like_all_others() {
    let (service, _) = Mood::of(gateway(false)).service("");
    fail_until_open(&service).await;
    let probes = async {
        loop {
            let answer = ask(&service, "symbols=B-USD&refresh_after=0s").await;
            let failure = quotes(&answer)[0].outcome.failure.clone().unwrap();
            let wait = service.sources()[0].coalescer.openings(Instant::now()).call - Instant::now();
            if failure.latency.is_some() && wait > Duration::from_secs(65) {
                return (answer.retry_after, wait.as_millis().div_ceil(1000));
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (told, wait) = probes.await;
    // no matter how long that is
    assert_eq!(told.map(u128::from), Some(wait));
}

#[tokio::test(start_paused = true)]
async fn callers_in_line_when_the_circuit_opens_are_refused_without_a_call() {
    for queue in ["concurrency = 5", "limits = [\"5/s\"]"] {
        let (service, log) = service_with(&format!("batch = 1\nretries = 0\n{queue}"), |_, _| async {
            sleep(Duration::from_millis(300)).await;
            Err(broken())
        });
        let start = Instant::now();
        let outcomes = burst(&service, 10).await;
        assert_eq!(log.calls().len(), 5, "{queue}");
        assert!(start.elapsed() < Duration::from_millis(350), "{queue}: {:?}", start.elapsed());
        assert_eq!(outcomes, ["connection"; 10], "{queue}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_line_when_the_circuit_opens_is_refused_too() {
    let count = Arc::new(AtomicU64::new(0));
    let (service, log) = service_with("batch = 1\nlimits = [\"5/s\"]", move |_, _| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            sleep(Duration::from_millis(if is_first { 10 } else { 300 })).await;
            Err(if is_first { broken() } else { gateway(false) })
        }
    });
    let start = Instant::now();
    let outcomes = burst(&service, 5).await;
    assert_eq!(log.calls().len(), 5);
    assert!(start.elapsed() < Duration::from_millis(350), "{:?}", start.elapsed());
    assert!(outcomes.contains(&"connection"), "the failure that was to be retried: {outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_can_serve_once_its_wait_is_over_even_while_a_call_probes() {
    let mood = Mood::of(gateway(false));
    let (service, _) = mood.service("");
    fail_until_open(&service).await;
    let able = |service: &Quotefold| service.sources()[0].rest(Instant::now()).is_none();
    assert!(!able(&service));
    sleep(Duration::from_millis(1_201)).await;
    assert!(able(&service), "without traffic");
    let probe = tokio::spawn({
        let service = Arc::clone(&service);
        async move { outcome(&service, "B-USD").await }
    });
    sleep(Duration::from_millis(10)).await;
    assert!(able(&service));
    assert_eq!(probe.await.unwrap(), "unavailable");
    assert!(!able(&service), "it failed");
}

#[tokio::test(start_paused = true)]
async fn after_the_wait_one_call_probes_and_after_its_success_the_others_go_too() {
    let mood = Mood::of(gateway(false));
    let (service, log) = mood.service("");
    fail_until_open(&service).await;
    mood.becomes(Ok(()));
    let before = log.calls().len();
    sleep(Duration::from_millis(1_201)).await;
    assert_eq!(burst(&service, 20).await, ["ok"; 20]);
    let calls = log.calls().split_off(before);
    let probe_ended = calls[0].sent + Duration::from_millis(20);
    assert!(calls.len() == 20 && calls[1..].iter().all(|call| call.sent >= probe_ended), "exactly one probe");
    assert!(service.sources()[0].breaker.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_meets_a_429_leaves_the_circuit_open() {
    let mood = Mood::of(gateway(false));
    let (service, log) = mood.service("");
    fail_until_open(&service).await;
    mood.becomes(Err(slow_down()));
    sleep(Duration::from_millis(1_201)).await;
    let before = log.calls().len();
    assert_eq!(outcome(&service, "B-USD").await, "rate_limited");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(outcome(&service, "C-USD").await, "circuit_open");
    assert_eq!(log.calls().len() - before, 1);
    // and the outage is not taken to be worse than it was
    mood.becomes(Ok(()));
    sleep(Duration::from_millis(1_201)).await;
    assert_eq!(outcome(&service, "D-USD").await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_leaves_lets_the_next_one_probe() {
    let mood = Mood::of(gateway(false));
    let (service, log) = mood.service("");
    fail_until_open(&service).await;
    mood.becomes(Ok(()));
    sleep(Duration::from_millis(1_201)).await;
    let before = log.calls().len();
    let left = timeout(Duration::from_millis(5), outcome(&service, "B-USD")).await;
    assert!(left.is_err());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(outcome(&service, "C-USD").await, "ok");
    assert_eq!(log.calls().len() - before, 2, "both went over the wire: the first was cancelled");
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_429s_and_our_own_refusals_do_not_count_as_failures() {
    let (service, _) = service(|_, _| std::future::pending());
    for _ in 0..20 {
        // the caller leaves before the attempt is over
        assert_eq!(impatient(&service).await, "timeout");
    }
    assert!(service.sources()[0].breaker.is_closed());
    let (service, log) = Mood::of(slow_down()).service("");
    for _ in 0..20 {
        assert_eq!(outcome(&service, "A-USD").await, "rate_limited");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(service.sources()[0].breaker.is_closed() && log.calls().len() == 20);
    let (service, _) = Mood::of(SourceError::UnknownSymbol("no".to_owned())).service("");
    for number in 0..20 {
        assert_eq!(outcome(&service, &format!("S{number}-USD")).await, "unknown_symbol");
    }
    assert!(service.sources()[0].breaker.is_closed());
}

/// A vendor that serves AAPL and MSFT, and fails with this for everything else.
fn knowing_two(error: SourceError) -> (Arc<Quotefold>, Log) {
    service_with("batch = 1\nretries = 0\nconcurrency = 1", move |symbols, clock| {
        let known = symbols.iter().all(|symbol| matches!(symbol.as_str(), "AAPL" | "MSFT"));
        let error = error.clone();
        async move { if known { all_quoted(symbols, &clock) } else { Err(error) } }
    })
}

#[tokio::test(start_paused = true)]
async fn a_failure_about_one_symbol_never_affects_another() {
    let page = || SourceError::Malformed("the reply is a web page".to_owned());
    let status = || SourceError::HttpStatus { detail: "status 400".to_owned(), is_client_error: true };
    let kinds = [
        (SourceError::UnknownSymbol("no".to_owned()), "unknown_symbol"),
        (SourceError::NotInPlan("no".to_owned()), "not_in_plan"),
        (SourceError::Missing("nothing".to_owned()), "missing"),
        (status(), "http_status"),
        (page(), "missing"),
        (SourceError::TooLarge { limit: 1 }, "missing"),
    ];
    for (error, expected) in kinds {
        let (service, _) = knowing_two(error);
        assert_eq!(outcome(&service, "AAPL").await, "ok");
        for round in 0..4 {
            for letter in 'A'..='F' {
                assert_eq!(outcome(&service, &format!("NOPE{letter}")).await, expected, "round {round}");
            }
            assert_eq!(outcome(&service, "MSFT").await, "ok", "{expected}");
        }
        assert!(service.sources()[0].breaker.is_closed(), "{expected}");
        assert!(service.sources()[0].account.cooldown(Instant::now()).is_none(), "{expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_reply_counts_if_the_source_never_serves_or_served_that_symbol() {
    let page = SourceError::Malformed("the reply is a web page".to_owned());
    let (service, log) = Mood::of(page.clone()).service("");
    assert_eq!(burst(&service, 5).await, ["malformed"; 5]);
    assert!(!service.sources()[0].breaker.is_closed(), "it has never served anything");
    assert_eq!((outcome(&service, "A-USD").await, log.calls().len()), ("circuit_open", 5));
    let mood = Mood::of(page.clone());
    mood.becomes(Ok(()));
    let (service, _) = mood.service("");
    for symbol in ["A-USD", "B-USD"] {
        assert_eq!(outcome(&service, symbol).await, "ok");
    }
    mood.becomes(Err(page.clone()));
    assert_eq!(outcome(&service, "A-USD").await, "malformed", "it has served this one");
    assert!(!service.sources()[0].backoff.is_clear());
    // a quote that is too old to fall back on proves nothing any more
    mood.becomes(Ok(()));
    let (service, _) = mood.service("");
    assert_eq!(outcome(&service, "A-USD").await, "ok");
    mood.becomes(Err(page));
    assert_eq!(outcome(&service, "NEW-USD").await, "missing");
    sleep(Duration::from_secs(25 * 3600)).await;
    assert_eq!(outcome(&service, "NEWER-USD").await, "malformed");
}

async fn impatient(service: &Quotefold) -> &'static str {
    let query = "symbols=A-USD&refresh_after=0s&timeout=100ms";
    let question = Question::parse(query, service.bounds(), service.clock().now()).unwrap();
    reason(&quotes(&service.answer(&question).await)[0].outcome)
}

#[tokio::test(start_paused = true)]
async fn a_hanging_source_is_noticed_even_if_an_attempt_outlasts_every_caller() {
    let (service, _) = service_with("batch = 1\ntimeout = \"2s\"", |_, _| std::future::pending());
    assert_eq!(burst(&service, 5).await, ["timeout"; 5]);
    assert_eq!(outcome(&service, "A-USD").await, "circuit_open");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_counts_like_any_failure() {
    let (service, _) = service_with("batch = 1", |symbols: Vec<Symbol>, _: Clock| async move {
        sleep(Duration::from_millis(20)).await;
        assert!(symbols.is_empty(), "this call panics on purpose");
        Ok(Reply { rows: Vec::new() })
    });
    assert_eq!(burst(&service, 5).await, ["internal"; 5]);
    assert_eq!(outcome(&service, "A-USD").await, "circuit_open");
}

#[tokio::test(start_paused = true)]
async fn flapping_opens_the_circuit_without_five_failures_in_a_row() {
    let count = Arc::new(AtomicU64::new(0));
    let (service, log) = service_with("retries = 0", move |symbols, clock| {
        let fails = count.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        async move { if fails { Err(broken()) } else { all_quoted(symbols, &clock) } }
    });
    while outcome(&service, "A-USD").await != "circuit_open" {
        advance(Duration::from_millis(100)).await;
    }
    assert_eq!(log.calls().len(), 10);
}
