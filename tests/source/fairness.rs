//! Several clients and a scarce source: no client gets every call by asking in the right second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::source::coalescer::Batching;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{Bench, NEED, all_quoted, batching, bench, bench_naming, patient, reason, symbol};

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
async fn a_refused_symbol_is_fetched_in_its_turn_even_between_two_questions() {
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
async fn a_symbol_that_has_its_turn_and_could_also_ride_along_is_asked_for_once() {
    let bench = bench(&["1/min"], batching(3), |symbols, clock| async move { all_quoted(symbols, &clock) });
    bench.outcomes(bench.ask(&["A-USD"])).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["B-USD"])).await[0]), "throttled");
    sleep(Duration::from_secs(60)).await;
    let due = vec![(symbol("C-USD"), NEED)];
    let waits = bench.coalescer.ask(&patient(due, vec![symbol("B-USD")]));
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

#[tokio::test(start_paused = true)]
async fn in_a_flood_of_refused_symbols_only_as_many_as_calls_can_hold_are_looked_at() {
    let looked = Arc::new(AtomicUsize::new(0));
    let looks = Arc::clone(&looked);
    let is_named = move |_: &Symbol| {
        looks.fetch_add(1, Ordering::Relaxed);
        false
    };
    let batching = Batching { unknown_kills: true, ..batching(2) };
    let bench =
        bench_naming(&["1/min"], batching, is_named, |symbols, clock| async move { all_quoted(symbols, &clock) });
    assert_eq!(reason(&bench.outcomes(bench.ask(&["A-USD"])).await[0]), "ok");
    let junk: Vec<String> = (0..1000).map(|number| format!("JUNK{number}-USD")).collect();
    let junk: Vec<&str> = junk.iter().map(String::as_str).collect();
    assert!(bench.outcomes(bench.ask(&junk)).await.iter().all(|outcome| reason(outcome) == "throttled"));
    sleep(Duration::from_secs(60)).await;
    looked.store(0, Ordering::Relaxed);
    let waits = bench.ask(&["A-USD"]);
    let looked = looked.load(Ordering::Relaxed);
    assert!(looked < 20, "{looked} looks for one symbol");
    bench.outcomes(waits).await;
    sleep(Duration::from_secs(1)).await;
    let sent = &bench.log.calls()[1].symbols;
    assert!(sent.len() == 2 && !sent.contains(&symbol("A-USD")), "symbols that wait longer go first: {sent:?}");
    bench.settle().await;
}
