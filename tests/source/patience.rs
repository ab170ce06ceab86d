//! How long a call waits for its turn: as long as its most patient caller. That does not make an attempt any longer.

use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep, timeout};

use crate::scripted::{ask, quotes, service_with};
use crate::support::{BUDGET, Bench, FORCED, NEED, all_quoted, batching, bench, reason};

const HASTY: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(10);

fn one_a_second() -> Bench {
    bench(&["1/s"], batching(1), |symbols: Vec<Symbol>, clock: Clock| async move {
        sleep(Duration::from_millis(50)).await;
        all_quoted(symbols, &clock)
    })
}

fn named(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("S{number}-USD")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waits_longer_than_a_call_takes_lets_calls_wait_longer() {
    let bench = one_a_second();
    let names = named(12);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let start = Instant::now();
    let outcomes = bench.outcomes(bench.ask_for(&names, NEED, PATIENT)).await;
    let quoted = outcomes.iter().filter(|outcome| reason(outcome) == "ok").count();
    assert_eq!(quoted, 10, "one at once, then one a second as long as the caller waits");
    assert!(outcomes.iter().all(|outcome| ["ok", "throttled"].contains(&reason(outcome))));
    assert!(start.elapsed() <= PATIENT);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_flight_waits_for_its_most_patient_caller_and_a_hasty_one_leaves_in_time() {
    let bench = one_a_second();
    // S0 has its turn at once, S1 after a second
    let patient = bench.ask_for(&["S0-USD", "S1-USD"], NEED, PATIENT);
    let hasty = bench.ask_for(&["S1-USD"], NEED, HASTY);
    assert!(timeout(HASTY, bench.outcomes(hasty)).await.is_err(), "it leaves without an answer");
    assert_eq!(bench.outcomes(patient).await.iter().map(reason).collect::<Vec<_>>(), ["ok", "ok"]);
    assert_eq!(bench.log.calls().len(), 2);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_patient_newcomer_puts_off_the_end_of_a_call_that_waits_for_its_turn() {
    let busy = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let bench = {
        let busy = std::sync::Arc::clone(&busy);
        bench(&[], batching(1), move |symbols: Vec<Symbol>, clock: Clock| {
            let busy = std::sync::Arc::clone(&busy);
            async move {
                let name = symbols[0].to_string();
                if name.starts_with('S') {
                    drop(busy.acquire().await);
                }
                all_quoted(symbols, &clock)
            }
        })
    };
    // eight calls hold every place; each may take as long as a call takes in all
    let names = named(8);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let holding = bench.ask(&names);
    let hasty = bench.ask_for(&["A-USD"], NEED, BUDGET);
    sleep(Duration::from_millis(100)).await;
    let patient = bench.ask_for(&["A-USD"], NEED, PATIENT);
    drop(hasty);
    bench.outcomes(holding).await;
    assert_eq!(reason(&bench.outcomes(patient).await[0]), "ok", "it had to wait until the eight were over");
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_on_the_wire_is_no_longer_for_a_patient_caller() {
    let bench = bench(&[], batching(1), |_, _| std::future::pending());
    let start = Instant::now();
    let outcomes = bench.outcomes(bench.ask_for(&["S-USD"], FORCED, PATIENT)).await;
    assert_eq!(reason(&outcomes[0]), "timeout");
    assert!(start.elapsed() <= BUDGET, "{:?}", start.elapsed());
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_says_with_timeout_how_long_its_calls_may_wait_for_their_turn() {
    let script = |symbols: Vec<Symbol>, clock: Clock| async move { all_quoted(symbols, &clock) };
    let (service, log) = service_with("batch = 1\nlimits = [\"1/s\"]", script);
    let names = named(20);
    let answer = ask(&service, &format!("symbols={}", names[..10].join(","))).await;
    let throttled = |quotes: Vec<&quotefold::fold::Judged>| {
        let failures = quotes.iter().filter_map(|judged| judged.outcome.failure.as_ref());
        failures.filter(|failure| matches!(failure.error, SourceError::Throttled { .. })).count()
    };
    assert_eq!((log.calls().len(), throttled(quotes(&answer))), (2, 8), "server.timeout is 2 s");
    let answer = ask(&service, &format!("symbols={}&timeout=10s", names[10..].join(","))).await;
    assert_eq!((log.calls().len(), throttled(quotes(&answer))), (11, 1), "the first of nine has to wait for its turn");
}
