//! Callers who only try for a call, beside callers who wait for theirs: attempts are in no caller's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::source::coalescer::{Ask, Patience, Wait};
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep};

use crate::support::{Bench, FORCED, all_quoted, batching, bench, patient, reason, symbol};

/// The waits of a caller who only tries for these symbols.
fn attempt(bench: &Bench, symbols: &[&str]) -> Vec<Wait> {
    let due = symbols.iter().map(|text| (symbol(text), FORCED)).collect();
    bench.coalescer.ask(&Ask { patience: Patience::OnlyTries, ..patient(due, Vec::new()) })
}

fn vendor(limits: &[&str], capacity: usize) -> Bench {
    bench(limits, batching(capacity), |symbols: Vec<Symbol>, clock: Clock| async move {
        sleep(Duration::from_millis(50)).await;
        all_quoted(symbols, &clock)
    })
}

#[tokio::test(start_paused = true)]
async fn an_attempt_joins_a_call_that_is_in_flight() {
    let bench = vendor(&["1/min"], 1);
    let first = bench.ask(&["A-USD"]);
    let second = attempt(&bench, &["A-USD"]);
    assert_eq!(reason(&bench.outcomes(second).await[0]), "ok");
    assert_eq!(reason(&bench.outcomes(first).await[0]), "ok");
    assert_eq!(bench.log.calls().len(), 1);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_takes_no_room_in_a_batch_that_waits_to_be_sent() {
    let bench = vendor(&["1/s"], 2);
    bench.outcomes(bench.ask(&["A-USD"])).await;
    let waiting = bench.ask(&["B-USD"]);
    let tried = bench.outcomes(attempt(&bench, &["C-USD"])).await;
    assert_eq!(reason(&tried[0]), "throttled");
    let joining = bench.ask(&["D-USD"]);
    assert_eq!(reason(&bench.outcomes(joining).await[0]), "ok");
    bench.outcomes(waiting).await;
    let last = bench.log.calls().last().unwrap().symbols.clone();
    assert_eq!(last, [symbol("B-USD"), symbol("D-USD")]);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_gets_only_a_free_place_and_never_the_last_one() {
    let bench = bench(&[], batching(1), |_, _| std::future::pending());
    let others: Vec<_> = (0..6).map(|number| bench.ask(&[&format!("S{number}-USD")])).collect();
    sleep(Duration::from_millis(1)).await;
    let tried = attempt(&bench, &["A-USD", "B-USD"]);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.log.calls().len(), 7, "one of the eight is left");
    let Wait::Ready(refused) = &tried[1] else { panic!("it was refused at once") };
    assert_eq!(
        refused.outcome().failure.as_ref().unwrap().error.to_string(),
        "our own limit of 8 calls at once is used up"
    );
    drop((others, tried));
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_vain_is_not_remembered_as_wanted() {
    let bench = vendor(&["1/min"], 1);
    bench.outcomes(bench.ask(&["A-USD"])).await;
    assert_eq!(reason(&bench.outcomes(attempt(&bench, &["B-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    bench.outcomes(bench.ask(&["A-USD"])).await;
    assert_eq!(called(&bench), ["A-USD", "A-USD"]);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_vain_does_not_replace_a_caller_who_was_refused_the_same() {
    let bench = vendor(&["1/min"], 1);
    bench.outcomes(bench.ask(&["W-USD"])).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(reason(&bench.outcomes(bench.ask_with(&["W-USD"], FORCED)).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    // one that was never answered comes first, and W still waits
    bench.outcomes(bench.ask(&["N-USD"])).await;
    assert_eq!(reason(&bench.outcomes(attempt(&bench, &["W-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    bench.outcomes(bench.ask(&["N-USD"])).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(called(&bench), ["W-USD", "N-USD", "W-USD"]);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn symbols_refused_to_callers_go_before_attempts() {
    let bench = vendor(&["2/min"], 1);
    bench.outcomes(bench.ask(&["A-USD", "B-USD"])).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["W-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    // one of the two units is left to others, so there is one to give
    assert_eq!(reason(&bench.outcomes(attempt(&bench, &["A-USD", "B-USD"])).await[1]), "throttled");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(called(&bench), ["A-USD", "B-USD", "W-USD"]);
    bench.settle().await;
}

fn called(bench: &Bench) -> Vec<String> {
    bench.log.calls().iter().flat_map(|call| &call.symbols).map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn in_a_cooldown_only_the_attempt_is_refused() {
    let refused = Arc::new(AtomicBool::new(false));
    let bench = bench(&[], batching(1), move |symbols: Vec<Symbol>, clock: Clock| {
        let refuse = !refused.swap(true, Ordering::Relaxed);
        async move {
            let no = || SourceError::RateLimited { detail: "no".to_owned(), retry_after: Some(Duration::from_secs(9)) };
            if refuse { Err(no()) } else { all_quoted(symbols, &clock) }
        }
    });
    bench.outcomes(bench.ask(&["A-USD"])).await;
    assert_eq!(reason(&bench.outcomes(attempt(&bench, &["B-USD"])).await[0]), "rate_limited");
    assert!(bench.board.known("vendor", &symbol("B-USD"), Instant::now()).is_none());
    assert_eq!(bench.log.calls().len(), 1);
    bench.settle().await;
}
