//! More is wanted of a source than it may be asked for, all the time: what it is asked for is of use to somebody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quotefold::Quotefold;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::failing::outcome;
use crate::scripted::service_with;
use crate::support::all_quoted;

/// A hundred callers a second, each for a symbol of its own; how many of them ended in which way.
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
        let counts = crowd(&Arc::new(service), 30).await;
        let (of_use, calls) = (counts["ok"], log.calls().len());
        assert!(of_use * 10 >= calls * 9 && of_use >= 30, "{limit}: {of_use} of {calls} calls were of use");
    }
}
