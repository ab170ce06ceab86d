//! Callers constantly want more of a source than its limit allows: every call that is made is of use to some caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quotefold::Quotefold;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::failing::{burst, outcome};
use crate::scripted::service_with;
use crate::support::all_quoted;

/// A hundred callers a second, each with a symbol of its own; counts the ways in which they ended.
async fn crowd(service: &Arc<Quotefold>, seconds: usize) -> BTreeMap<&'static str, usize> {
    let mut asking = JoinSet::new();
    for number in 0..100 * seconds {
        let service = Arc::clone(service);
        asking.spawn(async move { outcome(&service, &format!("S{number}-USD")).await });
        sleep(Duration::from_millis(10)).await;
    }
    let mut counts = BTreeMap::new();
    for outcome in asking.join_all().await {
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_call_that_had_to_wait_for_the_limit_is_back_before_its_caller_leaves() {
    for limit in ["1/s", "10/s"] {
        let (service, log) = service_with(&format!("batch = 1\nlimits = [\"{limit}\"]"), |symbols, clock| async move {
            sleep(Duration::from_millis(fastrand::u64(30..70))).await;
            all_quoted(symbols, &clock)
        });
        let counts = crowd(&service, 30).await;
        let (of_use, calls) = (counts["ok"], log.calls().len());
        assert!(of_use * 10 >= calls * 9 && of_use >= 30, "{limit}: {of_use} of {calls} calls were of use");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_begins_to_hang_is_noticed_although_calls_wait_for_its_limit() {
    let hangs = Arc::new(AtomicBool::new(false));
    let (service, log) = {
        let hangs = Arc::clone(&hangs);
        service_with("batch = 1\nlimits = [\"1/s\"]", move |symbols, clock| {
            let hangs = hangs.load(Ordering::Relaxed);
            async move {
                sleep(if hangs { Duration::MAX } else { Duration::from_millis(50) }).await;
                all_quoted(symbols, &clock)
            }
        })
    };
    crowd(&service, 10).await;
    hangs.store(true, Ordering::Relaxed);
    let before = log.calls().len();
    crowd(&service, 60).await;
    assert!(!service.sources()[0].breaker.is_closed());
    // five in a row, then probes after 1, 2, 4, 8, 16 and 32 seconds
    let calls = log.calls().len() - before;
    assert!((6..=13).contains(&calls), "{calls} calls to a source that hangs");
    let page = service.metrics().render().unwrap();
    let count = |outcome: &str| {
        let start = format!("quotefold_source_calls_total{{source=\"vendor\",outcome=\"{outcome}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok()).unwrap()
    };
    assert!(count("timeout") > 0 && count("cancelled") == 0, "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waits_too_long_for_a_place_costs_no_call_and_blames_no_source() {
    // slow, but healthy: of three that come together, the last one has no time left when its turn comes
    let (service, log) = service_with("batch = 1\nconcurrency = 1", |symbols, clock| async move {
        sleep(Duration::from_millis(900)).await;
        all_quoted(symbols, &clock)
    });
    for round in 1..=10 {
        let mut outcomes = burst(&service, 3).await;
        outcomes.sort_unstable();
        assert_eq!((outcomes, log.calls().len()), (vec!["ok", "ok", "throttled"], 2 * round));
        sleep(Duration::from_secs(1)).await;
    }
    assert!(service.sources()[0].breaker.is_closed());
}
