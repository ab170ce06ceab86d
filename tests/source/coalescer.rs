//! One source with many callers: which call and which batch a caller joins, and what is left when callers leave.

use std::time::Duration;

use crate::support::{BUDGET, FORCED, NEED, all_quoted, batching, bench, patient, reason, symbol};
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::source::batch::Reply;
use quotefold::source::coalescer::{Ask, Batching};
use quotefold::symbol::Symbol;
use tokio::time::{Instant, advance, sleep};

async fn after_100_ms(symbols: Vec<Symbol>, clock: Clock) -> Result<Reply, SourceError> {
    sleep(Duration::from_millis(100)).await;
    all_quoted(symbols, &clock)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_equal_asks_are_one_call_and_the_first_to_leave_disturbs_no_other() {
    let bench = bench(&[], batching(1), after_100_ms);
    let mut asks: Vec<_> = (0..1000).map(|_| bench.ask(&["BTC-USD"])).collect();
    sleep(Duration::from_millis(40)).await;
    drop(asks.remove(0));
    for waits in asks {
        assert_eq!(reason(&bench.outcomes(waits).await[0]), "ok");
    }
    assert_eq!(bench.log.calls().len(), 1);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_caller_who_leaves_cancels_the_call_and_nothing_lands() {
    let bench = bench(&[], batching(1), after_100_ms);
    let waits = bench.ask(&["BTC-USD"]);
    sleep(Duration::from_millis(40)).await;
    assert_eq!(bench.log.in_flight(), 1);
    drop(waits);
    sleep(Duration::from_millis(1)).await;
    assert_eq!((bench.log.in_flight(), bench.coalescer.in_flight()), (0, 0));
    sleep(Duration::from_millis(200)).await;
    assert!(bench.board.is_empty());
    // the next caller starts a call of its own
    let waits = bench.ask(&["BTC-USD"]);
    assert_eq!(reason(&bench.outcomes(waits).await[0]), "ok");
    assert_eq!(bench.log.calls().len(), 2);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_right_behind_the_last_to_leave_takes_the_call_over() {
    let bench = bench(&[], batching(1), after_100_ms);
    let waits = bench.ask(&["BTC-USD"]);
    sleep(Duration::from_millis(10)).await;
    drop(waits);
    // the call has not noticed yet
    let waits = bench.ask(&["BTC-USD"]);
    assert_eq!(reason(&bench.outcomes(waits).await[0]), "ok");
    assert_eq!((bench.log.calls().len(), bench.coalescer.in_flight()), (1, 0));
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_quote_that_landed_after_the_request_arrived_satisfies_a_forced_fetch() {
    let bench = bench(&[], batching(1), after_100_ms);
    let arrived = Instant::now();
    bench.outcomes(bench.ask(&["BTC-USD"])).await;
    let late = Ask { arrived, ..patient(vec![(symbol("BTC-USD"), FORCED)], vec![]) };
    bench.outcomes(bench.coalescer.ask(&late)).await;
    assert_eq!(bench.log.calls().len(), 1);
    advance(Duration::from_millis(1)).await;
    bench.outcomes(bench.ask_with(&["BTC-USD"], FORCED)).await;
    assert_eq!(bench.log.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_with_a_symbol_each_cost_two_calls_at_one_call_a_second() {
    let bench = bench(&["1/s"], batching(20), after_100_ms);
    let names: Vec<String> = (0..20).map(|n| format!("S{n}-USD")).collect();
    let start = Instant::now();
    // the first client's call is on the wire before the others' questions are read, all at the same instant
    let mut asks = vec![bench.ask(&[&names[0]])];
    while bench.log.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    asks.extend(names[1..].iter().map(|name| bench.ask(&[name])));
    assert_eq!(Instant::now(), start);
    for waits in asks {
        assert_eq!(reason(&bench.outcomes(waits).await[0]), "ok");
    }
    let calls = bench.log.calls();
    assert_eq!(calls.iter().map(|call| call.symbols.len()).collect::<Vec<_>>(), [1, 19]);
    // the first call counts until a second after its end
    assert_eq!(calls[1].sent - calls[0].sent, Duration::from_millis(1_100));
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_with_the_same_twenty_symbols_cost_one_call() {
    let bench = bench(&["1/s"], batching(20), after_100_ms);
    let names: Vec<String> = (0..20).map(|n| format!("S{n}-USD")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let asks: Vec<_> = (0..20).map(|_| bench.ask(&names)).collect();
    for waits in asks {
        assert!(bench.outcomes(waits).await.iter().all(|outcome| reason(outcome) == "ok"));
    }
    assert_eq!(bench.log.calls().len(), 1);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn symbols_beyond_the_limits_are_throttled_at_once_in_the_order_asked() {
    let bench = bench(&["1/s"], batching(1), after_100_ms);
    let start = Instant::now();
    let outcomes = bench.outcomes(bench.ask(&["A-USD", "B-USD", "C-USD", "D-USD", "E-USD"])).await;
    let of = |name: &str| reason(outcomes.iter().find(|outcome| outcome.symbol.as_str() == name).unwrap());
    // calls at 0, 1 and 2 s fit into the budget of 2 s; the third ends after it
    assert_eq!(["A-USD", "B-USD", "D-USD", "E-USD"].map(of), ["ok", "ok", "throttled", "throttled"]);
    let throttled = outcomes.iter().find(|outcome| outcome.symbol.as_str() == "E-USD").unwrap();
    let failure = throttled.failure.as_ref().unwrap();
    assert!(failure.error.stands_for().is_some() && failure.latency.is_none());
    assert!(start.elapsed() <= BUDGET);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn where_each_symbol_costs_a_batch_is_cut_to_the_units_left_and_nothing_joins() {
    let per_symbol = Batching { capacity: 8, cost_per_symbol: true, unknown_kills: false, holds_all: false };
    let bench = bench(&["8/min"], per_symbol, after_100_ms);
    let first = bench.ask(&["A", "B", "C", "D", "E"]);
    let second = bench.ask(&["F", "G", "H", "I", "J"]);
    let mut outcomes = bench.outcomes(first).await;
    outcomes.extend(bench.outcomes(second).await);
    let throttled = outcomes.iter().filter(|outcome| reason(outcome) == "throttled").count();
    assert_eq!(bench.log.calls().iter().map(|call| call.symbols.len()).sum::<usize>(), 8);
    assert_eq!(throttled, 2);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn where_one_unknown_kills_a_batch_each_symbol_is_answered_for_itself() {
    let kills = Batching { capacity: 10, cost_per_symbol: false, unknown_kills: true, holds_all: false };
    let bench = bench(&[], kills, |symbols: Vec<Symbol>, clock: Clock| async move {
        if symbols.iter().any(|symbol| symbol.as_str().starts_with("NOSUCH")) {
            return Err(SourceError::UnknownSymbol("Unknown asset pair".to_owned()));
        }
        all_quoted(symbols, &clock)
    });
    let outcomes = bench.outcomes(bench.ask(&["BTC-USD", "NOSUCH-USD", "BTC-USDT", "NOSUCH-USDT"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["ok", "unknown_symbol", "ok", "unknown_symbol"]);
    advance(Duration::from_secs(5)).await;
    // symbols that were answered once travel together
    bench.outcomes(bench.ask(&["BTC-USD", "BTC-USDT"])).await;
    assert_eq!(bench.log.calls().last().unwrap().symbols.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_is_gone_takes_its_batch_down_once_and_is_found_out_at_once() {
    let kills = Batching { capacity: 10, cost_per_symbol: false, unknown_kills: true, holds_all: false };
    let bench = bench(&[], kills, |symbols: Vec<Symbol>, clock: Clock| async move {
        let gone = clock.now().wall > "2026-11-20T14:31:01Z".parse().unwrap();
        if gone && symbols.contains(&symbol("OLD-USD")) {
            return Err(SourceError::UnknownSymbol("Unknown asset pair".to_owned()));
        }
        all_quoted(symbols, &clock)
    });
    bench.outcomes(bench.ask(&["BTC-USD", "OLD-USD"])).await;
    advance(Duration::from_secs(6)).await;
    let outcomes = bench.outcomes(bench.ask(&["BTC-USD", "OLD-USD"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["ok", "unknown_symbol"]);
    assert!(outcomes.iter().all(|outcome| outcome.quote.is_some()), "the last quotes stay");
    // from then on it travels alone
    advance(Duration::from_secs(6)).await;
    let outcomes = bench.outcomes(bench.ask(&["BTC-USD"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["ok"]);
    let calls: Vec<usize> = bench.log.calls().iter().map(|call| call.symbols.len()).collect();
    assert_eq!(calls, [2, 2, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_needs_no_call_rides_along_where_there_is_room_but_starts_none() {
    let bench = bench(&[], batching(3), after_100_ms);
    let ask = |due: &[&str], optional: &[&str]| {
        let due = due.iter().map(|text| (symbol(text), NEED)).collect();
        patient(due, optional.iter().map(|text| symbol(text)).collect())
    };
    let outcomes = bench.outcomes(bench.coalescer.ask(&ask(&["A-USD", "B-USD"], &["C-USD", "D-USD"]))).await;
    assert_eq!(outcomes.len(), 2, "optional symbols have their outcome already");
    assert!(bench.board.known("vendor", &symbol("C-USD"), Instant::now()).is_some(), "and get a fresh one");
    assert_eq!(bench.log.calls()[0].symbols, ["A-USD", "B-USD", "C-USD"].map(symbol));
    assert!(bench.coalescer.ask(&ask(&[], &["E-USD"])).is_empty());
    bench.settle().await;
    assert_eq!(bench.log.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_429_the_source_is_left_alone_as_long_as_it_asks_and_no_caller_waits() {
    let bench = bench(&["100/s"], batching(1), |symbols: Vec<Symbol>, clock: Clock| async move {
        sleep(Duration::from_millis(10)).await;
        if clock.now().wall < "2026-11-20T14:31:03Z".parse().unwrap() {
            let retry_after = Some(Duration::from_secs(3));
            return Err(SourceError::RateLimited { detail: "slow down".to_owned(), retry_after });
        }
        all_quoted(symbols, &clock)
    });
    bench.outcomes(bench.ask(&["A-USD"])).await;
    let before = Instant::now();
    let outcomes = bench.outcomes(bench.ask(&["B-USD", "C-USD"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["rate_limited", "rate_limited"]);
    assert_eq!((before.elapsed(), bench.log.calls().len()), (Duration::ZERO, 1));
    advance(Duration::from_secs(3)).await;
    assert_eq!(reason(&bench.outcomes(bench.ask(&["B-USD"])).await[0]), "ok");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_one_internal_failure_and_the_source_goes_on() {
    let bench = bench(&[], batching(1), |symbols: Vec<Symbol>, clock: Clock| async move {
        assert!(!symbols.contains(&symbol("BOOM-USD")), "this call panics on purpose");
        all_quoted(symbols, &clock)
    });
    let outcomes = bench.outcomes(bench.ask(&["BOOM-USD", "BTC-USD"])).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["internal", "ok"]);
    bench.settle().await;
}
