//! Asks one source: symbols in, one outcome per symbol out.
//!
//! ```text
//! coalescer   joins what is in flight, else starts a call with the source's own budget
//!   stack     what stands between us and the vendor: see `stack` below
//!     fetch   send → status → content type → bounded body → filter → rows
//! ```

pub mod account;
pub mod allowance;
pub mod attempt;
pub mod backoff;
pub mod batch;
pub mod breaker;
pub mod coalescer;
pub mod cooldown;
mod elsewhere;
pub mod examples;
pub mod fetch;
pub mod guard;
pub mod lists;
mod made_of;
mod outlier_watch;
pub mod rate_limit;
mod retry;
pub mod sandbox;
mod set_up;
mod singled_out;
pub mod statistics;
mod window;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;

use crate::board::Board;
use crate::clock::{Clock, Moment};
use crate::metrics::Metrics;
use crate::permits::resize;
use crate::profile::Profile;
use crate::provider::description::{Cost, SourceSettings, Unknown};
use crate::quote::Origin;
use crate::symbol::Symbol;
use account::Account;
use attempt::Attempts;
use backoff::Backoff;
use breaker::Breaker;
use coalescer::{Batching, Coalescer, Listing, Parts, Stack};
use cooldown::Cooldown;
use elsewhere::Elsewhere;
use fetch::mirrors::Mirrors;
use guard::{GuardLayer, Next};
use lists::{ListState, Lists};
use made_of::MadeOf;
use rate_limit::WithinLimits;
use retry::RetryPolicy;
use singled_out::SinglingOut;
use statistics::Statistics;

pub use set_up::SetupError;
pub(crate) use set_up::{Common, profiles_of_own_filters};

/// The part of a caller's time that is kept for folding and answering.
pub(crate) const KEPT_BACK: Duration = Duration::from_millis(25);

/// A future that owns all it needs.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One source, ready to be asked.
pub struct Source {
    /// What is known of it without asking it.
    pub profile: Arc<Profile>,
    /// Its front: everything that is asked of it goes through here.
    pub coalescer: Coalescer,
    /// Its vendor's limits and cooldowns.
    pub account: Arc<Account>,
    /// Whether its calls keep failing.
    pub breaker: Arc<Breaker>,
    /// Whether its last call failed.
    pub backoff: Arc<Backoff>,
    /// How its calls have gone.
    pub statistics: Arc<Statistics>,
    /// Which of its vendor's addresses is asked first.
    mirrors: Arc<Mirrors>,
    /// Free slots for calls in flight.
    slots: Arc<Semaphore>,
    /// What its vendor trades; `None` if the vendor is not asked that.
    lists: Option<Arc<Lists>>,
    /// When its calls are retried, and what is saved up for that.
    retry_policy: RetryPolicy,
    /// What tells whether a configuration that is read later describes the same source; `None` for one that a test scripts.
    made_of: Option<MadeOf>,
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
    /// What one call may take in all, unless a caller waits longer for it: `server.timeout`.
    pub budget: Duration,
}

/// What every call of a source passes, and what remembers how it went.
struct Guards {
    limits: WithinLimits,
    breaker: Arc<Breaker>,
    backoff: Arc<Backoff>,
    singled_out: Arc<SinglingOut>,
    retries: RetryPolicy,
    attempts: Attempts,
    /// A slot for each call in flight at once.
    slots: Arc<Semaphore>,
}

impl Source {
    /// A source over the leaf that speaks to its vendor, or over a leaf that a test scripts.
    pub fn over<S: Next>(
        leaf: S,
        profile: Arc<Profile>,
        account: Arc<Account>,
        metrics: &Metrics,
        around: &Surroundings,
    ) -> Self {
        Self::following(None, leaf, profile, account, metrics, around)
    }

    /// The same source with other settings, which hold for its next calls. What is in flight, its breaker and its statistics
    /// stay.
    fn following<S: Next>(
        before: Option<&Source>,
        leaf: S,
        profile: Arc<Profile>,
        account: Arc<Account>,
        metrics: &Metrics,
        around: &Surroundings,
    ) -> Self {
        let (settings, name) = (&profile.settings, &profile.settings.name);
        let waits = profile.waits().clone();
        let breaker = match before {
            Some(before) => Arc::clone(&before.breaker),
            None => Arc::new(Breaker::new(name, metrics.clone())),
        };
        let backoff = Arc::new(match before {
            Some(before) => before.backoff.with(waits),
            None => Backoff::new(waits),
        });
        let statistics = match before {
            Some(before) => Arc::clone(&before.statistics),
            None => Arc::new(Statistics::new(name, metrics)),
        };
        let slots = match before {
            Some(before) => {
                resize(&before.slots, before.profile.settings.concurrency, settings.concurrency);
                Arc::clone(&before.slots)
            }
            None => Arc::new(Semaphore::new(settings.concurrency)),
        };
        let attempt = longest_attempt(settings.timeout, around.budget);
        let retries = if settings.idempotent { settings.retries } else { 0 };
        let retry_policy = match before {
            Some(before) => before.retry_policy.after(retries, attempt, Arc::clone(&breaker)),
            None => RetryPolicy::new(retries, attempt, Arc::clone(&breaker)),
        };
        let elsewhere = Elsewhere { board: Arc::clone(&around.board), source: name.clone() };
        let guards = Guards {
            limits: WithinLimits::new(&account, attempt).leaving_to_others(elsewhere),
            breaker: Arc::clone(&breaker),
            backoff: Arc::clone(&backoff),
            singled_out: Arc::new(SinglingOut {
                board: Arc::clone(&around.board),
                source: name.clone(),
                serves_for: profile.serves_for(),
            }),
            retries: retry_policy.clone(),
            attempts: Attempts { statistics: Arc::clone(&statistics), clock: around.clock.clone(), longest: attempt },
            slots: Arc::clone(&slots),
        };
        around.board.set_cost(name, account.allowance().limits().time_per_unit());
        let lists_before = before.and_then(|before| before.lists.as_deref());
        let lists = Lists::of(&profile).map(|lists| match lists_before {
            Some(before) => lists.after(before),
            None => lists,
        });
        let lists = lists.map(Arc::new);
        let listing = lists.clone().map(|lists| {
            let limits = WithinLimits::new(&account, lists.settings().timeout);
            let stack = list_stack(leaf.clone(), limits, Arc::clone(&slots));
            Listing { lists, stack, turns: OnceLock::new() }
        });
        let parts = Parts {
            origin: Arc::clone(profile.plain_origin()),
            board: Arc::clone(&around.board),
            stack: stack(leaf, guards),
            account: Arc::clone(&account),
            statistics: Arc::clone(&statistics),
            clock: around.clock.clone(),
            tasks: around.tasks.clone(),
            batching: Batching {
                capacity: settings.batch,
                cost_per_symbol: settings.cost == Cost::Symbol,
                unknown_kills: settings.unknown == Unknown::Kills,
                holds_all: !settings.asks_by_name(),
            },
            is_named: {
                let profile = Arc::clone(&profile);
                Arc::new(move |symbol| profile.extractor.spelling().names(symbol))
            },
            concurrency: settings.concurrency,
            breaker: Arc::clone(&breaker),
            backoff: Arc::clone(&backoff),
            budget: around.budget,
        };
        let coalescer = Coalescer::following(parts, listing, before.map(|before| &before.coalescer));
        let (mirrors, made_of) = (Arc::default(), None);
        Source {
            profile,
            coalescer,
            account,
            breaker,
            backoff,
            statistics,
            mirrors,
            slots,
            lists,
            retry_policy,
            made_of,
        }
    }

    /// The same, with the addresses that its leaf chooses among.
    pub(crate) fn asked_at(self, mirrors: Arc<Mirrors>) -> Self {
        Source { mirrors, ..self }
    }

    /// The same, with what it was made of.
    fn made_of(self, made_of: MadeOf) -> Self {
        Source { made_of: Some(made_of), ..self }
    }

    /// What tells it from a source that another process describes differently, and its origin; `None` for one that a test scripts.
    fn identity(&self) -> Option<(String, Arc<Origin>)> {
        Some((self.made_of.as_ref()?.identity(), Arc::clone(self.profile.plain_origin())))
    }

    /// Whether a configuration that is read later describes this source.
    fn is_described_by(&self, made_of: &MadeOf, settings: &SourceSettings) -> bool {
        let is_alike = self.made_of.as_ref().is_some_and(|own| own.describes_the_same_as(made_of));
        is_alike && self.profile.name() == settings.name
    }

    /// Whether this is a source from before a change of the configuration, perhaps with other scalars.
    pub(crate) fn goes_on_as(&self, other: &Source) -> bool {
        let is_alike = self
            .made_of
            .as_ref()
            .zip(other.made_of.as_ref())
            .is_some_and(|(own, other)| own.describes_the_same_as(other));
        is_alike && self.profile.name() == other.profile.name()
    }

    /// The hosts that it is asked at, in the order in which they are tried now.
    pub fn hosts(&self) -> Vec<String> {
        self.mirrors.hosts(&self.profile)
    }

    /// The symbols that its vendor lists as traded, in our spelling and in alphabetical order; at most 10,000. Empty as long as
    /// no list has come, which is always so where the vendor is not asked for one.
    pub fn listed(&self) -> Arc<[Symbol]> {
        self.lists.as_ref().map(|lists| lists.symbols()).unwrap_or_default()
    }

    /// How many names are in the newest list of what its vendor trades, and when that came.
    pub(crate) fn list_summary(&self) -> Option<(usize, jiff::Timestamp)> {
        self.lists.as_ref()?.summary()
    }

    /// How often something of its lists has changed that must outlive a restart.
    pub(crate) fn list_revision(&self) -> u64 {
        self.lists.as_ref().map_or(0, |lists| lists.revision())
    }

    /// What of its lists must outlive a restart; `None` if that is nothing.
    pub(crate) fn remember_list(&self, now: Moment) -> Option<ListState> {
        self.lists.as_ref()?.remember(now)
    }

    /// Takes over what an earlier process had of its lists.
    pub(crate) fn restore_list(&self, past: &ListState, now: Moment) {
        if let Some(lists) = &self.lists {
            lists.restore(past, now);
        }
    }

    /// Whether nothing is under way: no call in flight, every slot free, and none of its limits' units promised.
    pub fn is_at_rest(&self) -> bool {
        let all_free = self.slots.available_permits() == self.profile.settings.concurrency;
        all_free && self.coalescer.in_flight() == 0 && self.account.allowance().is_at_rest()
    }

    /// Until when nothing is asked of it, and why; `None` if it can serve. It comes back by itself, without traffic.
    pub fn rest(&self, now: Instant) -> Option<Cooldown> {
        self.coalescer.rest(now)
    }
}

/// What one attempt may take. A source that hangs must fail before the last caller leaves, or its failures would never count.
fn longest_attempt(stated: Duration, budget: Duration) -> Duration {
    stated.min(time_to_reply(budget))
}

/// How long after its start a call may be replied to. Callers keep a part of their time back, and leave before its end.
fn time_to_reply(budget: Duration) -> Duration {
    budget.saturating_sub(2 * KEPT_BACK).max(budget / 2)
}

/// What stands between us and a vendor, outermost first. Every layer sees a call as a whole, body and filter included.
///
/// - A 429 comes back as an error of the leaf. The rate-limit layer notices it: until the time that it names, no call to this
///   account is made or queued. It is not retried, and does not count against the source.
/// - When the last caller who waits leaves, the coalescer drops the call's future, and with it everything below: the place in
///   the queue, the slot, the promise of units, the connection. If it was the breaker's probe, the next call becomes the
///   probe. No caller is told, nothing lands on the board, and the breaker is not charged. But where a limit has a period of a
///   minute or more, a call that has been written goes on without a caller.
/// - A panic in a filter is caught where the filter runs, and comes back as `internal`. It is one failed call of one source, and
///   counts for the breaker like any other.
fn stack<S: Next>(leaf: S, guards: Guards) -> Stack {
    let stack = ServiceBuilder::new()
        // Whether the source is tried: after a failure nothing is asked for a while, and then one call goes first.
        .layer(GuardLayer(guards.backoff))
        // Whether to retry. Everything below sees each attempt; while a call pauses between two, it holds nothing.
        .layer(RetryLayer::new(guards.retries))
        // An open breaker refuses before anything is waited for.
        .layer(GuardLayer(guards.breaker))
        // The bulkhead: calls of one slow source never take more than their own slots.
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(guards.slots))
        // The vendor's limits. The scarcest thing is spent last, right before the call.
        .layer(GuardLayer(guards.limits))
        // What concerns one symbol alone is neither a failure of the source nor a refusal of the key.
        .layer(GuardLayer(guards.singled_out))
        // What passes here goes over the wire and is counted. It is one attempt and has an attempt's time; waiting above does
        // not count towards that, since the coalescer bounds the call in all.
        .layer(GuardLayer(guards.attempts))
        .service(leaf);
    BoxCloneSyncService::new(stack)
}

/// What stands between us and a vendor that is asked for a list of what it trades: the slots and the limits. If that fails, it
/// says nothing of the source's prices, so no other layer learns of it.
fn list_stack<S: Next>(leaf: S, limits: WithinLimits, slots: Arc<Semaphore>) -> Stack {
    let stack = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(slots))
        .layer(GuardLayer(limits))
        .service(leaf);
    BoxCloneSyncService::new(stack)
}
