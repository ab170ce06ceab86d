//! A scripted vendor behind a real coalescer: what tests of one source have in common.

use std::sync::Arc;
use std::time::Duration;

use quotefold::board::{Board, Freshness};
use quotefold::clock::{Clock, Moment};
use quotefold::failure::SourceError;
use quotefold::metrics::Metrics;
use quotefold::profile::waits::Waits;
use quotefold::quote::{Origin, Outcome, Quote, Role};
use quotefold::source::account::Account;
use quotefold::source::attempt::Attempts;
use quotefold::source::backoff::Backoff;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::breaker::Breaker;
use quotefold::source::coalescer::{Ask, Batching, Coalescer, Parts, Patience, Wait};
use quotefold::source::guard::GuardLayer;
use quotefold::source::rate_limit::WithinLimits;
use quotefold::source::statistics::Statistics;
use quotefold::symbol::Symbol;
use quotefold::units::Limit;
use rust_decimal::Decimal;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;

pub(crate) use crate::shared::scripted::Log;

/// A coalescer with everything around it.
pub(crate) struct Bench {
    pub(crate) coalescer: Coalescer,
    pub(crate) board: Arc<Board>,
    pub(crate) log: Log,
    pub(crate) tasks: TaskTracker,
}

pub(crate) const BUDGET: Duration = Duration::from_secs(2);
pub(crate) const NEED: Freshness =
    Freshness { refresh_after: Duration::from_secs(5), missing_after: Duration::from_secs(5), denied_after: None };

/// The guard that keeps calls to the limits of an account.
pub(crate) fn within(account: &Arc<Account>) -> GuardLayer<WithinLimits> {
    GuardLayer(WithinLimits::new(account, BUDGET))
}

/// The freshness that a caller needs who wants everything fetched anew.
pub(crate) const FORCED: Freshness = Freshness { refresh_after: Duration::ZERO, missing_after: Duration::ZERO, ..NEED };

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).expect("a symbol")
}

pub(crate) fn limit(text: &str) -> Limit {
    Limit::try_from(text.to_owned()).expect("a limit")
}

pub(crate) fn batching(capacity: usize) -> Batching {
    Batching { capacity, cost_per_symbol: false, unknown_kills: false, holds_all: false }
}

pub(crate) fn quote(now: Moment) -> Quote {
    Quote { observed_at: Some(now.wall), ..Quote::bare(Decimal::ONE_HUNDRED, now.wall) }
}

/// The answer of a vendor that has every symbol.
pub(crate) fn all_quoted(symbols: Vec<Symbol>, clock: &Clock) -> Result<Reply, SourceError> {
    Ok(Reply { rows: symbols.into_iter().map(|symbol| (symbol, Ok(quote(clock.now())))).collect() })
}

/// The question of a caller who has as much time as a call.
pub(crate) fn patient(due: Vec<(Symbol, Freshness)>, optional: Vec<Symbol>) -> Ask {
    let arrived = Instant::now();
    Ask { arrived, until: arrived + BUDGET, patience: Patience::Waits, due, optional, caller: None }
}

/// A coalescer in front of a vendor that behaves as `script` says.
pub(crate) fn bench<F>(
    limits: &[&str],
    batching: Batching,
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> Bench
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    bench_naming(limits, batching, |_| false, script)
}

/// The same, with a description that names symbols.
pub(crate) fn bench_naming<F>(
    limits: &[&str],
    batching: Batching,
    is_named: impl Fn(&Symbol) -> bool + Send + Sync + 'static,
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> Bench
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    let clock = Clock::starting_at("2026-11-20T14:31:00Z".parse().expect("a time"));
    let (log, tasks) = (Log::default(), TaskTracker::new());
    let limits: Vec<Limit> = limits.iter().map(|text| limit(text)).collect();
    let account = Arc::new(Account::new("vendor", &limits));
    let origin = Arc::new(Origin {
        source: "vendor".into(),
        account: "vendor".into(),
        role: Role::Primary,
        lag_ms: 0,
        by_isin: false,
    });
    let leaf = {
        let (log, clock) = (log.clone(), clock.clone());
        tower::service_fn(move |batch: Batch| {
            let asked = batch.send();
            let in_flight = log.enter(&asked);
            let reply = script(asked, clock.clone());
            async move {
                let reply = reply.await;
                drop(in_flight);
                reply
            }
        })
    };
    let statistics = Arc::new(Statistics::new("vendor", &Metrics::default()));
    let stack = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::new(8))
        .layer(within(&account))
        .layer(GuardLayer(Attempts { statistics: Arc::clone(&statistics), clock: clock.clone(), longest: BUDGET }))
        .service(leaf);
    let board = Arc::new(Board::new(1000));
    let coalescer = Coalescer::new(Parts {
        origin,
        board: Arc::clone(&board),
        stack: BoxCloneSyncService::new(stack),
        account: Arc::clone(&account),
        statistics,
        clock,
        tasks: tasks.clone(),
        batching,
        is_named: Arc::new(is_named),
        concurrency: 8,
        breaker: Arc::new(Breaker::new("vendor", Metrics::default())),
        backoff: Arc::new(Backoff::new(Waits::default())),
        budget: BUDGET,
    });
    Bench { coalescer, board, log, tasks }
}

impl Bench {
    /// The waits of a request that arrives now.
    pub(crate) fn ask(&self, symbols: &[&str]) -> Vec<Wait> {
        self.ask_with(symbols, NEED)
    }

    pub(crate) fn ask_with(&self, symbols: &[&str], need: Freshness) -> Vec<Wait> {
        self.ask_for(symbols, need, BUDGET)
    }

    /// The waits of a request that arrives now and waits this long.
    pub(crate) fn ask_for(&self, symbols: &[&str], need: Freshness, timeout: Duration) -> Vec<Wait> {
        let due = symbols.iter().map(|text| (symbol(text), need)).collect();
        self.coalescer.ask(&Ask { until: Instant::now() + timeout, ..patient(due, Vec::new()) })
    }

    pub(crate) async fn outcomes(&self, waits: Vec<Wait>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for wait in waits {
            outcomes.push(self.coalescer.arrive(wait).await.into_outcome());
        }
        outcomes
    }

    /// Asserts that nothing is left behind: no flight, no task, nothing on the wire.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(BUDGET * 2).await;
        assert_eq!(self.coalescer.in_flight(), 0, "flights");
        assert_eq!(self.tasks.len(), 0, "tasks");
        assert_eq!(self.log.in_flight(), 0, "calls on the wire");
    }
}

/// The reason of an outcome's failure, or `ok`.
pub(crate) fn reason(outcome: &Outcome) -> &'static str {
    outcome.failure.as_ref().map_or("ok", |failure| failure.error.reason())
}

/// The most calls in any window of this length.
pub(crate) fn most_in_a_window(log: &Log, window: Duration) -> usize {
    let sent: Vec<Instant> = log.calls().iter().map(|call| call.sent).collect();
    let ends = |start: Instant| sent.partition_point(|at| *at < start + window);
    sent.iter().enumerate().map(|(index, start)| ends(*start) - index).max().unwrap_or(0)
}
