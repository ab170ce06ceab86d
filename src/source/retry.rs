//! Decides whether a failed call is sent again: once, a moment later, and only where that can help.
//!
//! What can help is a new connection, or a gateway's second try. A reply that was read is final. A timeout is not tried again,
//! nor is what took as long as one: the other sources are the second try.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tower::retry::Policy;

use super::batch::{Batch, Reply};
use super::breaker::Breaker;
use super::error::SourceError;

/// How long to wait before the second try, in milliseconds, at random: callers that failed together do not come back together.
const PAUSE: std::ops::Range<u64> = 50..251;

/// The time that pays for a second try. Time itself earns it, so that a source that is seldom asked may have one too.
const COST: Duration = Duration::from_secs(1);

/// What an answered call earns: ten of them pay for a second try.
const EARNED: Duration = Duration::from_millis(100);

/// The most that is saved up: ten second tries.
const MOST_SAVED: Duration = Duration::from_secs(10);

/// What a source may still spend on second tries.
///
/// tower's own budget counts in windows and takes a gap a little longer than one for two of them, so that it would let
/// through up to twice as many as we promise.
#[derive(Debug)]
struct Budget(Mutex<Saved>);

#[derive(Debug)]
struct Saved {
    amount: Duration,
    /// Until when time has been counted.
    counted_to: Instant,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Budget(Mutex::new(Saved { amount: MOST_SAVED, counted_to: now }))
    }

    /// What is saved at this moment, with what an answered call earned.
    // a panic elsewhere while the lock was held leaves at worst one try uncounted
    fn saved(&self, earned: Duration) -> MutexGuard<'_, Saved> {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let more = earned.saturating_add(now.saturating_duration_since(saved.counted_to));
        saved.amount = saved.amount.saturating_add(more).min(MOST_SAVED);
        saved.counted_to = now;
        saved
    }

    /// Takes in what an answered call earns.
    fn deposit(&self) {
        drop(self.saved(EARNED));
    }

    /// Pays for a second try; whether there was enough for it.
    fn withdraw(&self) -> bool {
        let mut saved = self.saved(Duration::ZERO);
        let left = saved.amount.checked_sub(COST);
        saved.amount = left.unwrap_or(saved.amount);
        left.is_some()
    }
}

/// What all calls of one source share.
#[derive(Debug)]
struct Shared {
    budget: Budget,
    breaker: Arc<Breaker>,
    /// What failed after more than this was no passing trouble.
    quick: Duration,
}

/// When one call is sent again. Each call gets a clone.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    shared: Arc<Shared>,
    left: usize,
    /// Why it is sent again, and when it was sent first.
    first: Option<(SourceError, Option<Instant>)>,
}

impl RetryPolicy {
    /// At most `retries` per call of a source, whose attempts take `attempt` at most.
    pub fn new(retries: usize, attempt: Duration, breaker: Arc<Breaker>) -> Self {
        let shared = Shared { budget: Budget::new(Instant::now()), breaker, quick: attempt / 2 };
        RetryPolicy { shared: Arc::new(shared), left: retries, first: None }
    }

    /// Whether there is a point in another try, before the budget is asked.
    fn may_help(&self, error: &SourceError, batch: &Batch, pause: Duration) -> bool {
        let now = Instant::now();
        let was_quick = || batch.sent_for(now).is_some_and(|took| took <= self.shared.quick);
        let in_time = now + pause < batch.times().sends_by;
        // a second try is a unit more, and nobody waits for an orphan's
        let is_wanted = !batch.is_orphan();
        self.left > 0 && is_wanted && error.may_pass() && in_time && was_quick() && self.shared.breaker.is_closed()
    }
}

impl Policy<Batch, Reply, SourceError> for RetryPolicy {
    type Future = Sleep;

    fn retry(&mut self, batch: &mut Batch, result: &mut Result<Reply, SourceError>) -> Option<Sleep> {
        let error = match result {
            Ok(_) => {
                self.shared.budget.deposit();
                return None;
            }
            Err(error) => error,
        };
        let pause = Duration::from_millis(fastrand::u64(PAUSE));
        if self.may_help(error, batch, pause) && self.shared.budget.withdraw() {
            self.left -= 1;
            self.first = Some((error.clone(), batch.sent()));
            return Some(sleep(pause));
        }
        // that there was no second call is not why there is no quote
        if let Some((first, _)) = self.first.take().filter(|(_, sent)| *sent == batch.sent()) {
            *error = first;
        }
        None
    }

    // also when none is left: the end of the second call passes here too
    fn clone_request(&mut self, batch: &Batch) -> Option<Batch> {
        Some(batch.clone())
    }
}
