//! Which symbols travel in one call, and what happens to the others when one of them fails it.

use std::time::Duration;

use crate::support::{BUDGET, all_quoted, batching, bench, reason, symbol};
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::source::coalescer::Batching;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_batch_never_costs_more_than_a_limit_allows_at_once() {
    let per_symbol = Batching { capacity: 8, cost_per_symbol: true, unknown_kills: false, holds_all: false };
    let bench = bench(&["5/s"], per_symbol, |symbols, clock| async move { all_quoted(symbols, &clock) });
    let start = Instant::now();
    let outcomes = bench.outcomes(bench.ask(&["A", "B", "C", "D", "E", "F", "G", "H"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["ok"; 8]);
    let calls: Vec<_> = bench.log.calls().iter().map(|call| (call.sent - start, call.symbols.len())).collect();
    assert_eq!(calls, [(Duration::ZERO, 5), (Duration::from_secs(1), 3)]);
    assert!(start.elapsed() < BUDGET);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_turns_out_to_fail_for_one_unknown_is_treated_so_from_then_on() {
    let bench = bench(&[], batching(10), |symbols: Vec<Symbol>, clock: Clock| async move {
        if symbols.contains(&symbol("NOSUCH-USD")) {
            return Err(SourceError::UnknownSymbol("Unknown asset pair".to_owned()));
        }
        all_quoted(symbols, &clock)
    });
    let outcomes = bench.outcomes(bench.ask(&["BTC-USD", "NOSUCH-USD"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["ok", "unknown_symbol"], "each is asked alone");
    // symbols that it has quoted no longer travel with symbols that it has not
    advance(Duration::from_secs(6)).await;
    bench.outcomes(bench.ask(&["BTC-USD", "ETH-USD"])).await;
    let calls: Vec<usize> = bench.log.calls().iter().map(|call| call.symbols.len()).collect();
    assert_eq!(calls, [2, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn no_call_is_spent_that_could_not_be_over_in_time() {
    let bench = bench(&["1/s"], batching(1), |symbols: Vec<Symbol>, clock: Clock| async move {
        sleep(Duration::from_millis(300)).await;
        all_quoted(symbols, &clock)
    });
    // from here on, the usual duration of a call is known
    bench.outcomes(bench.ask(&["A-USD"])).await;
    advance(Duration::from_secs(10)).await;
    let outcomes = bench.outcomes(bench.ask(&["B-USD", "C-USD", "D-USD"])).await;
    // a third call would have room only at the very end of the time that a call may take
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["ok", "ok", "throttled"]);
    assert_eq!(bench.log.calls().len(), 3);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn one_call_for_a_file_of_everything_renews_all_that_was_ever_asked_for() {
    let file = Batching { holds_all: true, ..batching(100) };
    let bench = bench(&[], file, |symbols: Vec<Symbol>, clock: Clock| async move { all_quoted(symbols, &clock) });
    bench.outcomes(bench.ask(&["USD-EUR"])).await;
    advance(Duration::from_secs(3)).await;
    bench.outcomes(bench.ask(&["USD-GBP"])).await;
    // the first one rode along, so it stays fresh for three seconds longer than after its own call
    advance(Duration::from_secs(4)).await;
    bench.outcomes(bench.ask(&["USD-EUR"])).await;
    let calls: Vec<usize> = bench.log.calls().iter().map(|call| call.symbols.len()).collect();
    assert_eq!(calls, [1, 2]);
}
