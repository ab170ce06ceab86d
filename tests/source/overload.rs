//! More requests than can be worked on at once: which wait, which are shed, and what that costs.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use quotefold::clock::Clock;
use quotefold::question::Question;
use quotefold::symbol::Symbol;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use crate::support::all_quoted;
use crate::vendors::{Replies, ScriptedService, crypto, morning};

/// How long each vendor takes.
const LATENCY: Duration = Duration::from_millis(400);

fn slowly(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move {
        sleep(LATENCY).await;
        all_quoted(symbols, &clock)
    })
}

fn scripted(max_weight: usize) -> ScriptedService {
    let more = "batch = 100\nconcurrency = 100";
    let settings = format!("[server]\nmax_weight = {max_weight}\n{}{}", crypto("alpha", more), crypto("beta", more));
    ScriptedService::new(&settings, &morning(), slowly)
}

/// How a request ended, and after how long.
async fn ask(scripted: &ScriptedService, query: &str) -> (Result<u16, ()>, Duration) {
    let started = Instant::now();
    let question = Question::parse(query, scripted.service.bounds(), scripted.service.clock().now()).unwrap();
    let ended =
        scripted.service.answer_in_turn(&question, None).await.map(|in_turn| in_turn.answer.code).map_err(|_| ());
    (ended, started.elapsed())
}

fn calls_for(scripted: &ScriptedService, symbol: &str) -> usize {
    scripted
        .log("alpha")
        .calls()
        .iter()
        .filter(|call| call.symbols.iter().any(|asked| asked.as_str() == symbol))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_its_turn_and_one_whose_time_ends_before_costs_no_call() {
    let scripted = scripted(4);
    let (first, hasty, patient) = tokio::join!(
        ask(&scripted, "symbols=A-USD,B-USD"),
        async {
            sleep(Duration::from_millis(1)).await;
            ask(&scripted, "symbols=C-USD&timeout=200ms").await
        },
        async {
            sleep(Duration::from_millis(2)).await;
            ask(&scripted, "symbols=D-USD").await
        },
    );
    assert_eq!(first, (Ok(200), LATENCY));
    assert_eq!((hasty.0, calls_for(&scripted, "C-USD")), (Err(()), 0));
    assert!(hasty.1 <= Duration::from_millis(200), "{:?}", hasty.1);
    assert_eq!(patient, (Ok(200), LATENCY * 2 - Duration::from_millis(2)));
}

#[tokio::test(start_paused = true)]
async fn a_request_from_the_board_is_answered_at_once_beside_one_that_fills_all() {
    let scripted = scripted(4);
    assert_eq!(ask(&scripted, "symbols=A-USD,B-USD").await.0, Ok(200));
    let (heavy, light) = tokio::join!(ask(&scripted, "symbols=C-USD,D-USD,E-USD,F-USD"), async {
        sleep(Duration::from_millis(1)).await;
        ask(&scripted, "symbols=A-USD,B-USD").await
    });
    assert_eq!(heavy, (Ok(200), LATENCY), "no request is refused for its size");
    assert_eq!(light, (Ok(200), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_while_others_asked_the_same_costs_no_call() {
    let scripted = scripted(2);
    let same = || ask(&scripted, "symbols=A-USD");
    let (first, second, third) = tokio::join!(same(), same(), same());
    assert_eq!([first.0, second.0, third.0], [Ok(200); 3]);
    assert_eq!([second.1, third.1], [LATENCY; 2], "the plan is made anew when the turn comes");
    assert_eq!(calls_for(&scripted, "A-USD"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_waiting_request_is_admitted_by_its_first_symbols_and_answered_whole() {
    let scripted = scripted(4);
    assert_eq!(ask(&scripted, "symbols=A-USD,B-USD").await.0, Ok(200));
    let long = "symbols=A-USD,B-USD,C-USD,D-USD,E-USD,F-USD,G-USD";
    let fresh_at_first = "symbols=A-USD,B-USD,A-EUR,B-EUR";
    let (first, long, mixed) = tokio::join!(
        ask(&scripted, "symbols=X-USD,Y-USD,Z-USD"),
        async {
            sleep(Duration::from_millis(1)).await;
            ask(&scripted, long).await
        },
        async {
            sleep(Duration::from_millis(2)).await;
            ask(&scripted, fresh_at_first).await
        },
    );
    assert_eq!([first.0, long.0, mixed.0], [Ok(200); 3]);
    assert_eq!((long.1, calls_for(&scripted, "G-USD")), (LATENCY * 2 - Duration::from_millis(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_leaves_no_time_for_calls_is_given_to_the_next() {
    let scripted = scripted(2);
    // until then it is not known how long the vendors take
    assert_eq!(ask(&scripted, "symbols=A-USD").await, (Ok(200), LATENCY));
    let (first, late, next) = tokio::join!(
        ask(&scripted, "symbols=B-USD"),
        async {
            sleep(Duration::from_millis(1)).await;
            ask(&scripted, "symbols=C-USD&timeout=500ms").await
        },
        async {
            sleep(Duration::from_millis(2)).await;
            ask(&scripted, "symbols=D-USD&timeout=900ms").await
        },
    );
    assert_eq!(first, (Ok(200), LATENCY));
    assert!(late.0.is_err() && late.1 < LATENCY && calls_for(&scripted, "C-USD") == 0, "{late:?}");
    assert_eq!(next, (Ok(200), LATENCY * 2 - Duration::from_millis(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_request_ends_later_than_its_time_no_matter_how_many_come_at_once(
        max_weight in 1_usize..60,
        requests in prop::collection::vec((0_u64..2000, 1_usize..30, 0_usize..40, 100_u64..3000), 1..30),
    ) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let scripted = Arc::new(scripted(max_weight));
            let tasks: Vec<_> = requests.into_iter().map(|(arrives_ms, count, first, timeout_ms)| {
                let scripted = Arc::clone(&scripted);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(arrives_ms)).await;
                    let symbols: Vec<String> = (first..first + count).map(|number| format!("S{number}-USD")).collect();
                    let query = format!("symbols={}&timeout={timeout_ms}ms", symbols.join(","));
                    let (ended, took) = ask(&scripted, &query).await;
                    assert!(took <= Duration::from_millis(timeout_ms), "{ended:?} after {took:?} of {timeout_ms} ms");
                })
            }).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}
