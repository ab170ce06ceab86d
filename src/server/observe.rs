//! Shows in the metrics how the service stands. It takes locks that calls and requests hold, so the thread of the connections does
//! not do it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::pricing::Pricing;
use crate::metrics::{Observed, ObservedSource};
use crate::service::Quotefold;
use crate::units::Span;

/// How long a scrape waits for that. If all threads that work on prices are busy for longer, it gets what was shown last.
const LONGEST: Duration = Duration::from_millis(100);

/// Shows how a service stands now.
pub(super) async fn observe(pricing: &Pricing) {
    let service = Arc::clone(&pricing.service);
    let _ = timeout(LONGEST, pricing.run(async move { show(&service) })).await;
}

fn show(service: &Quotefold) {
    let now = service.clock().now();
    let sources = service.sources().iter().map(|source| ObservedSource {
        name: source.profile.name().to_owned(),
        breaker: source.breaker.state(now.monotonic).as_str(),
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
