//! Scarce units and impatient callers: every unit spent brings a quote, or a failure that every caller sees.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::source::batch::Reply;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::scripted::{ask, quotes, service_with};
use crate::support::{BUDGET, Bench, FORCED, all_quoted, batching, bench, reason, symbol};

const HASTY: Duration = Duration::from_millis(50);

async fn after_300_ms(symbols: Vec<Symbol>, clock: Clock) -> Result<Reply, SourceError> {
    sleep(Duration::from_millis(300)).await;
    all_quoted(symbols, &clock)
}

/// Asks for a symbol, and leaves before the reply.
async fn ask_in_haste(bench: &Bench, name: &str) {
    let waits = bench.ask_for(&[name], FORCED, HASTY);
    assert!(timeout(HASTY, bench.outcomes(waits)).await.is_err(), "it leaves before the end");
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_too_early_still_get_the_vendor_to_quote() {
    for (limit, calls, lands) in [("25/day", 1, true), ("9/min", 1, true), ("9/59s", 5, false), ("9/s", 5, false)] {
        let bench = bench(&[limit], batching(1), after_300_ms);
        for _ in 0..5 {
            ask_in_haste(&bench, "A-USD").await;
            sleep(Duration::from_millis(1)).await;
        }
        // if the unit is scarce, they all waited for the first call
        assert_eq!(bench.log.calls().len(), calls, "{limit}");
        assert_eq!(bench.log.in_flight(), usize::from(lands), "{limit}");
        sleep(BUDGET).await;
        let known = bench.board.known("vendor", &symbol("A-USD"), Instant::now());
        assert_eq!(known.is_some_and(|known| known.outcome.quote.is_some()), lands, "{limit}");
        bench.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_asks_for_an_orphans_symbol_joins_it_and_may_leave_it_again() {
    let bench = bench(&["25/day"], batching(1), after_300_ms);
    ask_in_haste(&bench, "A-USD").await;
    let patient = bench.ask(&["A-USD"]);
    ask_in_haste(&bench, "A-USD").await;
    sleep(Duration::from_millis(50)).await;
    drop(patient);
    sleep(Duration::from_millis(50)).await;
    let patient = bench.ask(&["A-USD"]);
    assert_eq!(reason(&bench.outcomes(patient).await[0]), "ok");
    assert_eq!(bench.log.calls().len(), 1);
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_not_been_written_is_cancelled_and_costs_nothing() {
    let bench = bench(&["1/min"], batching(1), after_300_ms);
    bench.outcomes(bench.ask(&["A-USD"])).await;
    advance(Duration::from_secs(59)).await;
    // its turn comes when the minute is over
    let waits = bench.ask(&["B-USD"]);
    sleep(Duration::from_millis(100)).await;
    drop(waits);
    sleep(BUDGET).await;
    assert_eq!((bench.log.calls().len(), bench.coalescer.in_flight()), (1, 0));
    assert_eq!(reason(&bench.outcomes(bench.ask(&["C-USD"])).await[0]), "ok");
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_orphan_gives_way_when_its_place_is_needed_and_no_sooner() {
    let script = |symbols: Vec<Symbol>, clock: Clock| async move {
        let is_slow = symbols[0].as_str() == "A-USD";
        sleep(Duration::from_millis(if is_slow { 1_200 } else { 100 })).await;
        all_quoted(symbols, &clock)
    };
    // how long the second caller waits, what it gets, and how soon the first call had to end for that
    let cases = [("900ms", "ok", Some(625)), ("5s", "ok", None), ("100ms", "timeout", None)];
    for (wait, expected, gave_way_after) in cases {
        let more = "batch = 1\nconcurrency = 1\nlimits = [\"25/day\"]\ntimeout = \"1500ms\"";
        let (service, log) = service_with(more, script);
        let start = Instant::now();
        ask(&service, "symbols=A-USD&timeout=50ms").await;
        let answer = ask(&service, &format!("symbols=B-USD&timeout={wait}")).await;
        assert_eq!(reason(&quotes(&answer)[0].outcome), expected, "{wait}");
        sleep(Duration::from_secs(5)).await;
        let first = service.board().known("vendor", &symbol("A-USD"), Instant::now()).unwrap().outcome.clone();
        let Some(after) = gave_way_after else {
            assert!(first.quote.is_some(), "{wait}");
            assert!(log.calls().iter().skip(1).all(|call| call.sent - start >= Duration::from_millis(1_200)));
            continue;
        };
        let failure = first.failure.unwrap();
        assert_eq!(failure.error.reason(), "timeout", "every caller sees the failure");
        assert!((after..after + 60).contains(&failure.latency.unwrap().as_millis()), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_has_at_most_eight_orphans() {
    let more = "batch = 1\nconcurrency = 20\nlimits = [\"1000/day\"]\ntimeout = \"1500ms\"";
    let (service, log) = service_with(more, |_, _| std::future::pending());
    for number in 0..12 {
        ask(&service, &format!("symbols=S{number}-USD&timeout=50ms")).await;
    }
    // the oldest learns that it must give way when its task runs next
    sleep(Duration::from_millis(1)).await;
    assert_eq!(log.in_flight(), 8);
    let failed = |number: usize| service.board().known("vendor", &symbol(&format!("S{number}-USD")), Instant::now());
    assert!((0..4).all(|number| failed(number).is_some()), "the oldest have given way, and every caller sees that");
    assert!((4..12).all(|number| failed(number).is_none()), "the others go on");
    sleep(Duration::from_secs(5)).await;
    assert!((0..12).all(|number| failed(number).is_some()));
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_fails_is_not_sent_again() {
    let script = |_: Vec<Symbol>, _: Clock| async move {
        sleep(Duration::from_millis(100)).await;
        Err(SourceError::Connection("broken".to_owned()))
    };
    for (wait, calls) in [("50ms", 1), ("2s", 2)] {
        let (service, log) = service_with("limits = [\"9/min\"]", script);
        ask(&service, &format!("symbols=A-USD&timeout={wait}")).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(log.calls().len(), calls, "{wait}");
    }
}

/// Callers of any patience and a vendor of any mood: each unit of a day ends as a quote or a failure on the board.
#[tokio::test(start_paused = true)]
async fn every_unit_of_many_days_ends_as_a_quote_or_a_failure_on_the_board() {
    for seed in 0..12 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let more = [
            "batch = 1\nlimits = [\"25/day\"]",
            "batch = 3\nlimits = [\"10/min\", \"100/day\"]",
            "batch = 1\nconcurrency = 1\nlimits = [\"40/h\"]\nretries = 1",
            "batch = 2\nconcurrency = 30\nlimits = [\"300/day\"]\nretries = 1\ncost = \"symbol\"",
        ][seed as usize % 4];
        let moods = Arc::new(Mutex::new(chance.fork()));
        let (service, log) = service_with(&format!("{more}\ntimeout = \"1500ms\""), move |symbols, clock| {
            let mut moods = moods.lock().unwrap();
            let (mood, after) = (moods.u8(..8), Duration::from_millis(moods.u64(0..1_200)));
            async move {
                sleep(after).await;
                match mood {
                    0 => std::future::pending().await,
                    1 => Err(SourceError::Connection("broken".to_owned())),
                    2 => Err(SourceError::Malformed("no JSON".to_owned())),
                    _ => all_quoted(symbols, &clock),
                }
            }
        });
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..400 {
            let symbols: Vec<String> = (0..chance.usize(1..3)).map(|_| format!("S{}-USD", chance.u8(..40))).collect();
            let wait = if chance.bool() { 50 } else { chance.u64(50..3_000) };
            let force = if chance.bool() { "&refresh_after=0s" } else { "" };
            let query = format!("symbols={}&timeout={wait}ms{force}", symbols.join(","));
            let (service, leaves) = (Arc::clone(&service), Duration::from_millis(chance.u64(1..3_000)));
            callers.spawn(async move {
                // some leave before their answer is there
                let _ = timeout(leaves, ask(&service, &query)).await;
            });
            // now and then all at once, now and then minutes apart
            sleep(Duration::from_millis(10_u64.pow(chance.u32(0..6)))).await;
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        sleep(Duration::from_secs(5)).await;
        assert!(service.sources().iter().all(|source| source.is_at_rest()), "seed {seed}");
        assert!(log.calls().len() >= 5, "seed {seed}: {}", log.calls().len());
        for (place, call) in log.calls().iter().enumerate() {
            for symbol in &call.symbols {
                let known = service.board().known("vendor", symbol, Instant::now());
                let has_landed = known.and_then(|known| known.answered).is_some_and(|answered| answered >= call.sent);
                assert!(has_landed, "seed {seed}: {symbol} of call {place} never landed");
            }
        }
    }
}
