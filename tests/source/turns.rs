//! Several clients and a scarce source: nobody gets every call by asking in the right second.

use std::collections::BTreeMap;
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{Bench, NEED, all_quoted, batching, bench, patient, reason, symbol};

fn scarce(limit: &'static str) -> Bench {
    bench(&[limit], batching(1), |symbols: Vec<Symbol>, clock: Clock| async move {
        sleep(Duration::from_millis(50)).await;
        all_quoted(symbols, &clock)
    })
}

fn calls(bench: &Bench) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for symbol in bench.log.calls().iter().flat_map(|call| &call.symbols) {
        *calls.entry(symbol.to_string()).or_default() += 1;
    }
    calls
}

#[tokio::test(start_paused = true)]
async fn a_client_that_always_asks_a_little_late_gets_its_turns_too() {
    let bench = scarce("1/min");
    let start = Instant::now();
    for minute in 0..60 {
        for (second, symbol) in [(0, "A-USD"), (5, "B-USD"), (10, "A-USD"), (15, "B-USD")] {
            sleep_until(start + Duration::from_secs(minute * 60 + second)).await;
            bench.outcomes(bench.ask(&[symbol])).await;
        }
    }
    let calls = calls(&bench);
    assert!(calls["A-USD"] >= 25 && calls["B-USD"] >= 25, "{calls:?}");
    assert!(calls["A-USD"] + calls["B-USD"] >= 59, "and no turn is wasted: {calls:?}");
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_fetched_in_its_turn_even_if_its_client_is_between_two_questions() {
    let bench = scarce("1/min");
    bench.outcomes(bench.ask(&["A-USD"])).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["B-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    // B was never answered and A was, so the next call is B's, though only A asks
    assert_eq!(reason(&bench.outcomes(bench.ask(&["A-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["B-USD"])).await[0]), "ok");
    assert_eq!(calls(&bench), BTreeMap::from([("A-USD".to_owned(), 1), ("B-USD".to_owned(), 1)]));
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn what_gets_its_turn_and_could_ride_along_as_well_is_asked_for_once() {
    let bench = bench(&["1/min"], batching(3), |symbols, clock| async move { all_quoted(symbols, &clock) });
    bench.outcomes(bench.ask(&["A-USD"])).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["B-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    let due = vec![(symbol("C-USD"), NEED)];
    let waits = bench.share.ask(&patient(due, vec![symbol("B-USD")]));
    assert_eq!(reason(&bench.outcomes(waits).await[0]), "ok");
    assert_eq!(bench.log.calls()[1].symbols.len(), 2, "{:?}", bench.log.calls()[1]);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_comes_back_costs_no_call_once_it_is_forgotten() {
    let bench = scarce("1/min");
    bench.outcomes(bench.ask(&["A-USD"])).await;
    bench.outcomes(bench.ask(&["B-USD"])).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["A-USD"])).await[0]), "ok");
    assert_eq!(calls(&bench), BTreeMap::from([("A-USD".to_owned(), 2)]));
    bench.settle().await;
}
