//! Shows in the metrics how the service stands. It takes locks that calls and requests hold, and prices what is watched, so the
//! thread of the connections does not do it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::pricing::Pricing;
use crate::clock::age;
use crate::fold::{Price, Status};
use crate::metrics::{Observed, ObservedLimit, ObservedPrice, ObservedSharing, ObservedSource};
use crate::service::Quotefold;
use crate::shared::{Counted, Shared};
use crate::source::Source;
use crate::units::Span;

/// How long a scrape waits for that. If all threads that work on prices are busy for longer, it gets what was shown last.
const LONGEST: Duration = Duration::from_secs(1);

/// Shows how a service stands now, with the checks of its readiness, which need none of the threads that work on prices.
pub(super) async fn observe(pricing: &Pricing, checks: Vec<(String, &'static str)>) {
    let service = Arc::clone(&pricing.service);
    service.metrics().show_checks(checks);
    let _ = timeout(LONGEST, pricing.run(async move { show(&service).await })).await;
}

async fn show(service: &Quotefold) {
    let watched = service.prices_on_board(&service.settings().watch.symbols).await;
    let observed = Observed {
        board_entries: service.board().len(),
        sources: service.sources().iter().map(|source| of_source(source, service)).collect(),
        limits: service.sources().iter().flat_map(|source| of_account(source, service)).collect(),
        watched: watched.iter().map(|price| of_price(price, service)).collect(),
        shared: service.shared().map(|shared| of_sharing(shared, service)),
    };
    service.metrics().show(observed);
}

fn of_source(source: &Source, service: &Quotefold) -> ObservedSource {
    let now = service.clock().now().monotonic;
    ObservedSource {
        name: source.profile.name().to_owned(),
        breaker: source.breaker.state(now).as_str(),
        last_success: source.statistics.last_success(),
        lag: source.statistics.lag(),
        deviation_bps: source.statistics.recent().mean_deviation_bps,
    }
}

/// The limits of a source's account, which it may share with other sources.
fn of_account(source: &Source, service: &Quotefold) -> impl Iterator<Item = ObservedLimit> {
    let (account, now) = (source.account.name().to_owned(), service.clock().now().monotonic);
    source.account.allowance().left(now).into_iter().map(move |left| ObservedLimit {
        account: account.clone(),
        window: Span(left.limit.period).to_string(),
        left: left.left,
        units: left.limit.calls as usize,
    })
}

fn of_sharing(shared: &Shared, service: &Quotefold) -> ObservedSharing {
    let report = shared.report(service.clock().now().monotonic);
    let pairs = |counted: Vec<Counted>| counted.into_iter().map(|counted| (counted.outcome, counted.times)).collect();
    ObservedSharing {
        limits: report.limits,
        replicas: report.replicas,
        reservations: pairs(shared.reservations()),
        quotes: pairs(shared.quotes()),
        leases: pairs(shared.leases()),
    }
}

fn of_price(price: &Price, service: &Quotefold) -> ObservedPrice {
    let now = service.clock().now().wall;
    // the currency of an index may not be known
    let currency = || price.currency.as_ref().map(ToString::to_string).unwrap_or_default();
    ObservedPrice {
        symbol: price.symbol.to_string(),
        is_ok: price.status == Status::Ok,
        price: price.folded.as_ref().map(|folded| (folded.price, currency(), age(now, folded.aged_from))),
        divergence_bps: price.folded.as_ref().and_then(|folded| folded.divergence_bps),
    }
}
