//! The whole path with scripted vendors: what a caller reads when its sources misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::Verdict;
use quotefold::quote::Quote;
use quotefold::source::batch::Reply;
use tokio::time::{Instant, advance, sleep};

use crate::scripted::{ask, quotes, service, service_by};
use crate::support::{all_quoted, quote, reason};

#[tokio::test(start_paused = true)]
async fn a_symbol_that_rides_along_is_still_answered_once() {
    let (service, log) = service(|symbols, clock| async move {
        sleep(Duration::from_millis(100)).await;
        all_quoted(symbols, &clock)
    });
    ask(&service, "symbols=A-USD").await;
    advance(Duration::from_secs(1)).await;
    let answer = ask(&service, "symbols=A-USD,B-USD").await;
    assert_eq!(log.calls().last().unwrap().symbols.len(), 2, "A-USD rides along with B-USD");
    assert!(answer.prices().iter().all(|price| price.quotes.len() == 1), "{:#?}", answer.prices());
}

#[tokio::test(start_paused = true)]
async fn a_bug_of_ours_is_shown_beside_the_last_quote_like_any_failure() {
    let (service, _) = service(|symbols, clock: Clock| async move {
        assert!(clock.now().wall < "2026-11-20T14:31:05Z".parse().unwrap(), "this call panics on purpose");
        all_quoted(symbols, &clock)
    });
    ask(&service, "symbols=A-USD").await;
    advance(Duration::from_secs(6)).await;
    let answer = ask(&service, "symbols=A-USD").await;
    let [judged] = quotes(&answer)[..] else { panic!("one source, one symbol") };
    assert_eq!((reason(&judged.outcome), judged.verdict), ("internal", Verdict::Used));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_when_the_source_is_asked_again() {
    let (service, log) = service(|_, _| async {
        Err(SourceError::RateLimited { detail: "slow down".to_owned(), retry_after: Some(Duration::from_secs(1)) })
    });
    // the second after the 429 is over long before a quote would be asked for again
    let answer = ask(&service, "symbols=AAPL").await;
    assert_eq!((answer.code, answer.retry_after), (503, Some(1)));
    sleep(Duration::from_millis(999)).await;
    ask(&service, "symbols=AAPL").await;
    assert_eq!(log.calls().len(), 1);
    sleep(Duration::from_millis(1)).await;
    ask(&service, "symbols=AAPL").await;
    assert_eq!(log.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_did_not_wait_long_enough_may_ask_again_at_once() {
    let (service, _) = service(|symbols, clock| async move {
        sleep(Duration::from_millis(500)).await;
        all_quoted(symbols, &clock)
    });
    let start = Instant::now();
    let answer = ask(&service, "symbols=AAPL&timeout=100ms").await;
    assert_eq!((answer.code, start.elapsed()), (503, Duration::from_millis(75)));
    assert_eq!(answer.retry_after, Some(1), "the source was not at fault, and nothing landed");
}

#[tokio::test(start_paused = true)]
async fn a_hasty_client_leaves_with_what_there_is_and_one_who_joined_gets_the_reply() {
    let (service, log) = service(|symbols, clock| async move {
        sleep(Duration::from_millis(500)).await;
        all_quoted(symbols, &clock)
    });
    let start = Instant::now();
    let hasty = async { (ask(&service, "symbols=AAPL&timeout=300ms").await, start.elapsed()) };
    let patient = async {
        sleep(Duration::from_millis(100)).await;
        (ask(&service, "symbols=AAPL&timeout=3s").await, start.elapsed())
    };
    let ((hasty, left), (patient, answered)) = tokio::join!(hasty, patient);
    assert_eq!((hasty.code, reason(&quotes(&hasty)[0].outcome), left), (503, "timeout", Duration::from_millis(275)));
    assert_eq!((patient.code, answered, log.calls().len()), (200, Duration::from_millis(500), 1));
}

#[tokio::test(start_paused = true)]
async fn a_system_clock_that_jumps_back_makes_nothing_old_late_or_from_the_future() {
    let (jump, start) = (Arc::new(AtomicI64::new(0)), Instant::now());
    let clock = {
        let jump = Arc::clone(&jump);
        let noon: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        Clock::from_fn(move || {
            let passed = SignedDuration::try_from(start.elapsed()).unwrap();
            noon + passed + SignedDuration::from_secs(jump.load(Ordering::Relaxed))
        })
    };
    // a source that states no time: its quotes have only the time of arrival
    let (service, log) = service_by(&clock, "batch = 3", |symbols, clock: Clock| async move {
        let untimed = || Quote { observed_at: None, ..quote(clock.now()) };
        Ok(Reply { rows: symbols.into_iter().map(|symbol| (symbol, Ok(untimed()))).collect() })
    });
    ask(&service, "symbols=AAPL").await;
    jump.store(-3600, Ordering::Relaxed);
    advance(Duration::from_secs(30)).await;
    let answer = ask(&service, "symbols=AAPL").await;
    assert_eq!((quotes(&answer)[0].verdict, log.calls().len()), (Verdict::Used, 1));
    let body: serde_json::Value = serde_json::from_slice(&answer.body(service.clock().now().wall).unwrap()).unwrap();
    assert_eq!(body["prices"][0]["age_ms"], 0);
    // and it is fetched anew when its minute is over, not an hour later
    advance(Duration::from_secs(30)).await;
    ask(&service, "symbols=AAPL").await;
    assert_eq!(log.calls().len(), 2);
}
