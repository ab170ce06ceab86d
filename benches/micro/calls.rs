//! What stands between callers and a vendor: one call for all who ask at once, and the windows of the vendor's limits.

use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use quotefold::board::{Board, CAPACITY, Freshness};
use quotefold::clock::Clock;
use quotefold::metrics::Metrics;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::quote::Quote;
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::coalescer::{Ask, Patience};
use quotefold::source::{Source, Surroundings};
use quotefold::symbol::Symbol;
use quotefold::units::Limit;
use rust_decimal::Decimal;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::{board, runtime};

/// Fetch anew, whatever is on the board.
const FORCED: Freshness =
    Freshness { refresh_after: Duration::ZERO, missing_after: Duration::ZERO, denied_after: None };

/// A source whose vendor quotes everything at once, within these limits.
fn source(limits: &[&str]) -> Source {
    let settings = board::settings(1);
    let set = &settings.sources[0];
    let clock = Clock::system();
    let around = Surroundings {
        board: Arc::new(Board::new(CAPACITY)),
        clock: clock.clone(),
        tasks: TaskTracker::new(),
        budget: settings.server.timeout,
    };
    let vendor = tower::service_fn(move |batch: Batch| {
        let quote = Quote::bare(Decimal::ONE, clock.now().wall);
        let rows = batch.send().into_iter().map(|symbol| (symbol, Ok(quote.clone()))).collect();
        std::future::ready(Ok(Reply { rows }))
    });
    let limits: Vec<Limit> = limits.iter().map(|limit| Limit::try_from((*limit).to_owned()).unwrap()).collect();
    let account = Arc::new(Account::new("vendor", &limits));
    let profile = Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings));
    Source::over(vendor, profile, account, &Metrics::default(), &around)
}

/// So many callers ask for the same symbols at once, and wait.
async fn ask(source: &Source, callers: usize, symbols: &[Symbol]) {
    let arrived = Instant::now();
    let until = arrived + Duration::from_secs(2);
    let due: Vec<_> = symbols.iter().map(|symbol| (symbol.clone(), FORCED)).collect();
    let ask = Ask { arrived, until, patience: Patience::Waits, due, optional: Vec::new(), caller: None };
    let waits: Vec<_> = (0..callers).flat_map(|_| source.coalescer.ask(&ask)).collect();
    for wait in waits {
        source.coalescer.arrive(wait).await;
    }
}

/// One call for two symbols, from the question to the outcome, by how many ask for it.
#[divan::bench(args = [1, 10, 200])]
fn coalescer(bencher: Bencher<'_, '_>, callers: usize) {
    let (runtime, source, symbols) = (runtime(), source(&[]), board::symbols(2));
    bencher.counter(ItemsCount::new(callers)).bench_local(|| runtime.block_on(ask(&source, callers, &symbols)));
}

/// The same for one caller, with two limits that are never reached.
#[divan::bench]
fn coalescer_within_limits(bencher: Bencher<'_, '_>) {
    let (runtime, symbols) = (runtime(), board::symbols(2));
    let source = source(&["1000000/s", "10000000/min"]);
    bencher.bench_local(|| runtime.block_on(ask(&source, 1, &symbols)));
}

/// Whether there is room for one more call, by how many are in the window.
#[divan::bench(args = [0, 100, 10_000])]
fn window(bencher: Bencher<'_, '_>, spent: usize) {
    let (runtime, symbols) = (runtime(), board::symbols(1));
    let source = source(&["20000/h"]);
    for _ in 0..spent {
        runtime.block_on(ask(&source, 1, &symbols));
    }
    let now = Instant::now();
    bencher.bench_local(|| source.account.allowance().room(1, now, now));
}
