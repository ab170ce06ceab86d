//! One unknown symbol fails a whole call. It is found with few calls, and the other symbols do not wait for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use quotefold::board::Update;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::quote::{Origin, Quote, Role};
use quotefold::source::coalescer::Batching;
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::support::{Bench, FORCED, NEED, all_quoted, batching, bench, most_in_a_window, reason, symbol};

const KILLS: Batching = Batching { capacity: 20, cost_per_symbol: false, unknown_kills: true, holds_all: false };

/// How long a caller in these tests waits.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A vendor that knows no symbol whose name begins with these letters, and fails every call that asks for one.
fn without(unknown: &'static str, limits: &[&str], batching: Batching) -> Bench {
    bench(limits, batching, move |symbols: Vec<Symbol>, clock: Clock| async move {
        sleep(Duration::from_millis(50)).await;
        if symbols.iter().any(|symbol| symbol.as_str().starts_with(unknown)) {
            return Err(SourceError::UnknownSymbol("Unknown asset pair".to_owned()));
        }
        all_quoted(symbols, &clock)
    })
}

fn named(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}-USD")).collect()
}

/// The outcome of each symbol when one ask is over: `timeout` for a symbol that takes longer than the caller waits.
async fn asked_once(bench: &Bench, symbols: &[String]) -> BTreeMap<String, &'static str> {
    let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let until = Instant::now() + TIMEOUT;
    let mut said = BTreeMap::new();
    for wait in bench.ask_for(&names, NEED, TIMEOUT) {
        let name = wait.symbol().to_string();
        let outcome = timeout_at(until, bench.coalescer.arrive(wait)).await;
        said.insert(name, outcome.as_ref().map_or("timeout", |told| reason(told.outcome())));
    }
    said
}

/// Asks again and again, like a client that polls, until every symbol has its answer; returns the answers, and how long
/// it took.
async fn asked_until_answered(bench: &Bench, symbols: &[String]) -> (BTreeMap<String, &'static str>, Duration) {
    let start = Instant::now();
    loop {
        let said = asked_once(bench, symbols).await;
        if said.values().all(|reason| ["ok", "unknown_symbol"].contains(reason)) {
            return (said, start.elapsed());
        }
        assert!(start.elapsed() < Duration::from_secs(3600), "no answer within an hour: {said:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Puts quotes of these symbols from another source on the board.
fn quoted_elsewhere(bench: &Bench, symbols: &[String]) {
    let origin = Arc::new(Origin {
        source: "other".into(),
        account: "other".into(),
        role: Role::Primary,
        lag_ms: 0,
        by_isin: false,
    });
    let clock = Clock::starting_at("2026-11-20T14:31:00Z".parse().unwrap());
    for name in symbols {
        let quote = Quote::bare(Decimal::ONE, clock.now().wall);
        bench.board.land(&origin, &symbol(name), Update::Quote(quote), clock.now());
    }
}

/// Waits for all of them at the same time.
async fn together<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (place, future) in waiting.iter_mut().enumerate() {
            if done[place].is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                done[place] = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn sizes(bench: &Bench) -> Vec<usize> {
    bench.log.calls().iter().map(|call| call.symbols.len()).collect()
}

#[tokio::test(start_paused = true)]
async fn twelve_symbols_that_were_never_asked_are_one_call() {
    let bench = without("NO", &["1/s"], KILLS);
    let said = asked_once(&bench, &named("S", 12)).await;
    assert!(said.values().all(|reason| *reason == "ok"), "{said:?}");
    assert_eq!(sizes(&bench), [12]);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn with_one_unknown_among_twelve_the_other_eleven_are_answered_within_6_s() {
    for place in 0..12 {
        let bench = without("NO", &["1/s"], KILLS);
        let mut symbols = named("S", 11);
        symbols.insert(place, "NO-USD".to_owned());
        let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let (start, mut answered) = (Instant::now(), BTreeMap::new());
        while answered.len() < 11 {
            let until = Instant::now() + TIMEOUT;
            let arrivals = bench.ask_for(&names, NEED, TIMEOUT).into_iter().map(|wait| async {
                let outcome = timeout_at(until, bench.coalescer.arrive(wait)).await.ok()?.into_outcome();
                (reason(&outcome) == "ok").then(|| (outcome.symbol, start.elapsed()))
            });
            for (symbol, took) in together(arrivals).await.into_iter().flatten() {
                answered.entry(symbol).or_insert(took);
            }
            sleep(Duration::from_millis(50)).await;
        }
        let last = answered.values().max().unwrap();
        assert!(*last <= Duration::from_secs(6), "{last:?} with the unknown one at {place}: {:?}", sizes(&bench));
        bench.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_matter_which_symbols_are_unknown_all_are_answered_within_few_calls() {
    for seed in 0..60 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (count, unknown) = (chance.usize(1..40), chance.usize(0..6));
        let limits: &[&str] = [&["1/s"][..], &[], &["5/s"], &["20/min", "1/s"]][chance.usize(0..4)];
        let bench = without("NO", limits, KILLS);
        let mut symbols = named("S", count);
        symbols.extend(named("NO", unknown));
        chance.shuffle(&mut symbols);
        let elsewhere: Vec<String> = symbols.iter().filter(|_| chance.bool()).cloned().collect();
        quoted_elsewhere(&bench, &elsewhere);
        let (said, _) = asked_until_answered(&bench, &symbols).await;
        for (name, reason) in &said {
            assert_eq!(*reason, if name.starts_with("NO") { "unknown_symbol" } else { "ok" }, "seed {seed}: {name}");
        }
        // three calls hold all of them; each unknown one costs two for every time that the symbols of a call can be
        // halved
        let most = 4 + unknown * (2 * 5 + 3);
        assert!(sizes(&bench).len() <= most, "seed {seed}: {unknown} of {}: {:?}", symbols.len(), sizes(&bench));
        assert_eq!(bench.log.ever_twice(), None, "seed {seed}");
        bench.settle().await;
        // now that the unknown ones are known, there is no more hunting
        let before = sizes(&bench).len();
        symbols.retain(|name| name.starts_with('S'));
        sleep(Duration::from_secs(60)).await;
        asked_until_answered(&bench, &symbols).await;
        assert_eq!(sizes(&bench).len() - before, symbols.len().div_ceil(20), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_anything_else_is_wanted_at_most_every_second_unit_hunts() {
    let bench = without("NO", &["1/s"], KILLS);
    assert_eq!(asked_once(&bench, &["K-USD".to_owned()]).await["K-USD"], "ok");
    let start = Instant::now() + Duration::from_secs(10);
    sleep_until(start).await;
    let symbols: Vec<String> = named("S", 10).into_iter().chain(named("NO", 4)).collect();
    let hunted = bench.ask_for(&symbols.iter().map(String::as_str).collect::<Vec<_>>(), NEED, TIMEOUT * 4);
    // and a caller wants a known symbol as often as the limit allows
    for second in 0..20 {
        sleep_until(start + Duration::from_millis(1000 * second + 300)).await;
        let asked = Instant::now();
        let outcomes = bench.outcomes(bench.ask_for(&["K-USD"], FORCED, TIMEOUT)).await;
        assert_eq!(reason(&outcomes[0]), "ok");
        // its own turn, and at most one that a hunting call took before; each call counts for a second from its end
        assert!(asked.elapsed() <= Duration::from_millis(2_100), "{:?} in second {second}", asked.elapsed());
    }
    drop(hunted);
    let calls = bench.log.calls();
    let hunts: Vec<bool> = calls[1..].iter().map(|call| !call.symbols.contains(&symbol("K-USD"))).collect();
    // the first call was for all symbols that were never asked for, and not a hunt yet
    for (number, pair) in hunts[1..].windows(2).enumerate() {
        assert!(!(pair[0] && pair[1]), "calls {number} and the next: {hunts:?}");
    }
    assert!(hunts.iter().filter(|hunts| **hunts).count() >= 5, "and the hunt still goes on: {hunts:?}");
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn half_of_a_limit_is_left_to_other_calls_even_while_none_are_wanted() {
    let bench = without("NO", &["10/min"], KILLS);
    let symbols: Vec<String> = named("NO", 18);
    let start = Instant::now();
    // no ask waits until the minute is over
    while start.elapsed() < Duration::from_secs(50) {
        asked_once(&bench, &symbols).await;
        sleep(Duration::from_secs(1)).await;
    }
    // neither the first call nor the call for the cleared symbols was a hunt
    assert_eq!(sizes(&bench), [18, 9, 5, 1, 17, 1, 1]);
    // a symbol that another source has quoted is likely enough to be there, however many were unknown lately
    quoted_elsewhere(&bench, &["K-USD".to_owned()]);
    assert_eq!(asked_once(&bench, &["K-USD".to_owned()]).await["K-USD"], "ok");
    let (said, took) = asked_until_answered(&bench, &symbols).await;
    assert!(said.values().all(|reason| *reason == "unknown_symbol") && took < Duration::from_secs(300), "{took:?}");
    assert!(most_in_a_window(&bench.log, Duration::from_secs(60)) <= 10);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn symbols_quoted_elsewhere_go_apart_where_a_second_call_need_not_wait() {
    let symbols = ["A-USD", "B-USD", "NO-USD"].map(str::to_owned);
    for (limits, calls) in [(&["100/min"][..], vec![2, 1]), (&["1/s"], vec![3, 2, 1])] {
        let bench = without("NO", limits, KILLS);
        quoted_elsewhere(&bench, &symbols[..2]);
        let said = asked_once(&bench, &symbols).await;
        assert_eq!(said.into_values().collect::<Vec<_>>(), ["ok", "ok", "unknown_symbol"]);
        assert_eq!(sizes(&bench), calls, "{limits:?}");
        bench.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn symbols_that_the_source_has_quoted_never_travel_with_others() {
    let bench = without("NO", &["1/s"], KILLS);
    asked_once(&bench, &named("S", 3)).await;
    sleep(Duration::from_secs(10)).await;
    // others have quoted it, but it still fails the call
    quoted_elsewhere(&bench, &["NO-USD".to_owned()]);
    let said = asked_once(&bench, &[named("S", 3), vec!["NO-USD".to_owned()]].concat()).await;
    assert_eq!(said.into_values().collect::<Vec<_>>(), ["unknown_symbol", "ok", "ok", "ok"]);
    assert_eq!(sizes(&bench).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([1, 3]));
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_delisted_symbol_is_found_while_the_others_are_answered_in_the_same_ask() {
    let bench = bench(&["5/s"], KILLS, |symbols: Vec<Symbol>, clock: Clock| async move {
        let gone = clock.now().wall > "2026-11-20T14:31:10Z".parse().unwrap();
        if gone && symbols.contains(&symbol("S7-USD")) {
            return Err(SourceError::UnknownSymbol("Unknown asset pair".to_owned()));
        }
        all_quoted(symbols, &clock)
    });
    let symbols = named("S", 20);
    asked_once(&bench, &symbols).await;
    sleep(Duration::from_secs(20)).await;
    let (start, calls) = (Instant::now(), sizes(&bench).len());
    let said = asked_once(&bench, &symbols).await;
    assert!(said.iter().all(|(name, reason)| (*reason == "ok") == (name != "S7-USD")), "{said:?}");
    assert_eq!(said["S7-USD"], "unknown_symbol");
    assert!(start.elapsed() < Duration::from_secs(2) && sizes(&bench).len() - calls <= 10, "{:?}", sizes(&bench));
    // from then on it fails no call for others, even if it is asked for again
    sleep(Duration::from_secs(6)).await;
    let calls = bench.log.calls().len();
    asked_once(&bench, &symbols).await;
    let calls = bench.log.calls().split_off(calls);
    let with_the_gone = calls.iter().filter(|call| call.symbols.contains(&symbol("S7-USD")));
    assert!(with_the_gone.clone().all(|call| call.symbols.len() == 1), "{calls:?}");
    assert_eq!(calls.len() - with_the_gone.count(), 1, "{calls:?}");
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_ends_the_hunt_for_symbols_that_no_other_wanted() {
    let bench = without("NO", &["1/s"], KILLS);
    let symbols = [named("S", 6), named("NO", 3)].concat();
    let waits = bench.ask_for(&symbols.iter().map(String::as_str).collect::<Vec<_>>(), NEED, TIMEOUT);
    sleep(Duration::from_millis(500)).await;
    drop(waits);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(sizes(&bench), [9], "nothing was hunted yet");
    bench.settle().await;
    assert_eq!(sizes(&bench), [9], "and nothing is");
}

#[tokio::test(start_paused = true)]
async fn where_company_saves_no_unit_symbols_that_were_never_quoted_go_alone() {
    let bench = without("NO", &["20/min"], Batching { cost_per_symbol: true, ..KILLS });
    let said = asked_once(&bench, &["A-USD", "B-USD", "NO-USD"].map(str::to_owned)).await;
    assert_eq!(said.into_values().collect::<Vec<_>>(), ["ok", "ok", "unknown_symbol"]);
    assert_eq!(sizes(&bench), [1, 1, 1]);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_declared_to_fail_whole_calls_is_hunted_at_too() {
    let bench = without("NO", &[], batching(20));
    let symbols = [named("S", 10), named("NO", 1)].concat();
    let said = asked_once(&bench, &symbols).await;
    assert!(said.iter().all(|(name, reason)| (*reason == "ok") != (name == "NO0-USD")), "{said:?}");
    assert!(sizes(&bench).len() <= 9, "{:?}", sizes(&bench));
    bench.settle().await;
}
