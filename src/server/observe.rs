//! Shows once a second in the metrics how the service stands. It takes locks that calls and requests hold, so the thread of the
//! connections only reads what was shown last.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::metrics::{Observed, ObservedSource};
use crate::service::Quotefold;
use crate::source::breaker::BreakerState;
use crate::units::Span;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Shows how a service stands, on a runtime, for as long as the service lives.
pub(super) fn begin(service: &Arc<Quotefold>, runtime: &Handle) {
    show(service);
    runtime.spawn(keep(Arc::downgrade(service)));
}

async fn keep(service: Weak<Quotefold>) {
    loop {
        sleep(EVERY).await;
        let Some(service) = service.upgrade() else { return };
        show(&service);
    }
}

fn show(service: &Quotefold) {
    let now = service.clock().now();
    let sources = service.sources().iter().map(|source| ObservedSource {
        name: source.profile.name().to_owned(),
        breaker: match source.breaker.state(now.monotonic) {
            BreakerState::Closed => "closed",
            BreakerState::Open(_) => "open",
            BreakerState::HalfOpen => "half_open",
        },
        last_success: source.statistics.last_success(),
    });
    let mut limits = Vec::new();
    for source in service.sources() {
        let account = &source.account;
        // an account may have several limits for one period, of which the tightest decides
        for left in account.allowance().left(now.monotonic) {
            limits.push((account.name().to_owned(), Span(left.limit.period).to_string(), left.left));
        }
    }
    limits.sort();
    limits.dedup_by(|later, earlier| (&later.0, &later.1) == (&earlier.0, &earlier.1));
    let board_entries = service.board().len();
    service.metrics().show(&Observed { board_entries, sources: sources.collect(), limits });
}
