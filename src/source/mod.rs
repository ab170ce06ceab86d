//! Asks one source: symbols in, one outcome per symbol out.
//!
//! ```text
//! share       joins what is in the air, else starts a call with the source's own budget
//!   stack     what stands between us and the vendor: see `stack` below
//!     fetch   send → status → content type → bounded body → filter → rows
//! ```

pub mod account;
pub mod agreement;
pub mod backoff;
pub mod batch;
pub mod breaker;
pub mod call;
pub mod cooldown;
pub mod fetch;
pub mod guard;
pub mod rate_limit;
pub mod record;
pub mod retry;
pub mod sandbox;
mod set_up;
pub mod share;
pub mod singled_out;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::board::Board;
use crate::clock::Clock;
use crate::failure::SourceError;
use crate::metrics::Metrics;
use crate::profile::Profile;
use crate::provider::description::{Cost, Unknown};
use account::Account;
use backoff::Backoff;
use batch::{Batch, Reply};
use breaker::Breaker;
use call::Counting;
use cooldown::Cooldown;
use fetch::mirrors::Mirrors;
use guard::GuardLayer;
use record::Record;
use retry::RetryPolicy;
use share::{Batching, Parts, Share, Stack};
use singled_out::SinglingOut;

pub use set_up::{SetupError, set_up};

/// What is kept of a caller's time for folding and answering.
pub const KEPT_BACK: Duration = Duration::from_millis(25);

/// A future that owns all it needs.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One source, ready to be asked.
pub struct Source {
    /// What is known of it without asking.
    pub profile: Arc<Profile>,
    /// Its front.
    pub share: Share,
    /// Its vendor's limits.
    pub account: Arc<Account>,
    /// Whether it is asked at all.
    pub breaker: Arc<Breaker>,
    /// Whether it has failed lately.
    pub backoff: Arc<Backoff>,
    /// How it has done.
    pub record: Arc<Record>,
    /// Which of its vendor's addresses is asked first.
    mirrors: Arc<Mirrors>,
    /// Free places for calls in the air.
    slots: Arc<Semaphore>,
}

/// What sources share with the rest of the service.
#[derive(Clone)]
pub struct Surroundings {
    /// Where outcomes land.
    pub board: Arc<Board>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where calls run.
    pub tasks: TaskTracker,
    /// What one call may take in all, unless a caller waits longer for its turn: `server.timeout`.
    pub budget: Duration,
}

/// What every call of a source passes, and what remembers how it went.
struct Guards {
    account: Arc<Account>,
    breaker: Arc<Breaker>,
    backoff: Arc<Backoff>,
    singled_out: SinglingOut,
    retries: RetryPolicy,
    calls: Counting,
    /// A place for each call in the air at once.
    slots: Arc<Semaphore>,
}

impl Source {
    /// A source over the leaf that speaks to its vendor, or over one that a test scripts.
    pub fn over<S>(
        leaf: S,
        profile: Arc<Profile>,
        account: Arc<Account>,
        metrics: &Metrics,
        around: &Surroundings,
    ) -> Self
    where
        S: Service<Batch, Response = Reply, Error = SourceError, Future: Send + 'static>,
        S: Clone + Send + Sync + 'static,
    {
        let (settings, name) = (&profile.settings, &profile.settings.name);
        let breaker = Arc::new(Breaker::new(name, metrics.clone()));
        let backoff = Arc::new(Backoff::new(profile.waits().clone()));
        let record = Arc::new(Record::new(name, metrics.clone()));
        let slots = Arc::new(Semaphore::new(settings.concurrency));
        let attempt = longest_attempt(settings.timeout, around.budget);
        let guards = Guards {
            account: Arc::clone(&account),
            breaker: Arc::clone(&breaker),
            backoff: Arc::clone(&backoff),
            singled_out: SinglingOut {
                board: Arc::clone(&around.board),
                source: name.clone(),
                serves_for: profile.serves_for(),
            },
            retries: {
                let retries = if settings.idempotent { settings.retries } else { 0 };
                RetryPolicy::new(retries, attempt, Arc::clone(&breaker))
            },
            calls: Counting { record: Arc::clone(&record), clock: around.clock.clone(), longest: attempt },
            slots: Arc::clone(&slots),
        };
        around.board.set_cost(name, account.time_per_unit());
        let share = Share::new(Parts {
            origin: Arc::clone(profile.plain_origin()),
            board: Arc::clone(&around.board),
            stack: stack(leaf, guards),
            account: Arc::clone(&account),
            record: Arc::clone(&record),
            clock: around.clock.clone(),
            tasks: around.tasks.clone(),
            batching: Batching {
                seats: settings.batch,
                cost_per_symbol: settings.cost == Cost::Symbol,
                unknown_kills: settings.unknown == Unknown::Kills,
                holds_all: !settings.asks_by_name(),
            },
            is_named: {
                let profile = Arc::clone(&profile);
                Arc::new(move |symbol| profile.extractor.spelling().names(symbol))
            },
            places: settings.concurrency,
            breaker: Arc::clone(&breaker),
            backoff: Arc::clone(&backoff),
            budget: around.budget,
        });
        Source { profile, share, account, breaker, backoff, record, mirrors: Arc::default(), slots }
    }

    /// The same at the addresses that its leaf chooses among.
    pub(crate) fn asked_at(self, mirrors: Arc<Mirrors>) -> Self {
        Source { mirrors, ..self }
    }

    /// The hosts it is asked at, in the order in which they are tried now.
    pub fn hosts(&self) -> Vec<String> {
        self.mirrors.hosts(&self.profile)
    }

    /// Whether nothing is under way: no call in the air, every place free, nothing of its limits promised to anybody.
    pub fn is_at_rest(&self) -> bool {
        let all_free = self.slots.available_permits() == self.profile.settings.concurrency;
        all_free && self.share.in_flight() == 0 && self.account.owes_nothing()
    }

    /// Until when it is not asked at all, and why; `None` if it is able to serve. That comes back by itself, without traffic.
    pub fn rest(&self, now: Instant) -> Option<Cooldown> {
        self.share.rest(now)
    }
}

/// What one attempt may take: a source that hangs must fail before the last caller leaves, or its failures would never count.
fn longest_attempt(stated: Duration, budget: Duration) -> Duration {
    stated.min(time_to_reply(budget))
}

/// How long after its start a call may be replied to: callers keep something back of their time, and leave before its end.
fn time_to_reply(budget: Duration) -> Duration {
    budget.saturating_sub(2 * KEPT_BACK).max(budget / 2)
}

/// What stands between us and a vendor, outermost first. Every layer sees a call as a whole, body and filter included.
///
/// - A 429 comes back as an error of the leaf; the rate limit sees it pass, and until the time it names nobody calls this
///   account and nobody waits for it. It is not sent again, and says nothing of the source's health.
/// - When the last caller who waits leaves, the share drops the call's future, and with it everything below: the place in the
///   queue, the slot, the promise of the rate limit, the connection; a probe of the breaker is up for the next caller. Nobody
///   is told, nothing lands on the board, the breaker is not charged. But where a limit is over a minute or more, a call that
///   has been written goes on as an orphan.
/// - A panic in a filter is caught where the filter runs and comes back as `internal`; it is one failed call of one source,
///   and counts for the breaker like any other.
fn stack<S>(leaf: S, guards: Guards) -> Stack
where
    S: Service<Batch, Response = Reply, Error = SourceError, Future: Send + 'static> + Clone + Send + Sync + 'static,
{
    let stack = ServiceBuilder::new()
        // Whether it is tried: after a failure nothing is asked for a while, and then one call goes first.
        .layer(GuardLayer(guards.backoff))
        // Whether to send again. Everything below sees each attempt; while it pauses, a call holds nothing.
        .layer(RetryLayer::new(guards.retries))
        // Open, it refuses before anything is waited for.
        .layer(GuardLayer(guards.breaker))
        // The bulkhead: calls of one slow source never take more than their own slots.
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(guards.slots))
        // The vendor's limits; the scarcest thing is spent last, right before the call.
        .layer(GuardLayer(guards.account))
        // What is about one symbol alone is neither a failure of the source nor a refusal of the key.
        .layer(GuardLayer(guards.singled_out))
        // What passes here goes over the wire, and is counted; it is one attempt, and has an attempt's time. Queueing above is
        // not part of it: the share bounds the call in all.
        .layer(GuardLayer(guards.calls))
        .service(leaf);
    BoxCloneSyncService::new(stack)
}
