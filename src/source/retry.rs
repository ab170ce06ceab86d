//! Decides whether a failed call is retried, and when: a moment later, and only where that can help and does no harm.
//!
//! A new connection can help, or a second try of a gateway. A reply that was read is final. A timeout is not retried: the other
//! sources are the second try. All attempts of a call share the time of one, and each spends a unit of the limits. A call that
//! changes something at the vendor is never retried.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, Sleep, sleep};
use tower::retry::Policy;

use super::batch::{Batch, Reply};
use super::breaker::Breaker;
use crate::failure::SourceError;

/// The longest pause before the first retry; it doubles with each further one. Each pause is drawn at random from zero up to
/// that (full jitter), so that calls that failed together do not come back together.
const PAUSE: Duration = Duration::from_millis(250);

/// What a retry costs, in saved-up time. Time accrues by itself, so that a source that is seldom asked may have one too.
const COST: Duration = Duration::from_secs(1);

/// What an answered call earns: ten of them pay for a retry.
const EARNED: Duration = Duration::from_millis(100);

/// The most that is saved up: ten retries.
const MOST_SAVED: Duration = Duration::from_secs(10);

/// What a source may still spend on retries.
///
/// tower's own budget counts in windows and takes a gap a little longer than one for two of them, so that it would allow up to
/// twice as many retries as we promise.
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
    fn saved(&self, earned: Duration) -> MutexGuard<'_, Saved> {
        let mut saved = self.0.lock();
        let now = Instant::now();
        let more = earned.saturating_add(now.saturating_duration_since(saved.counted_to));
        saved.amount = saved.amount.saturating_add(more).min(MOST_SAVED);
        saved.counted_to = now;
        saved
    }

    /// Adds what an answered call earns.
    fn deposit(&self) {
        drop(self.saved(EARNED));
    }

    /// Pays for a retry, and returns whether there was enough for it.
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
    budget: Arc<Budget>,
    breaker: Arc<Breaker>,
    /// What all attempts of a call may take together.
    attempt: Duration,
}

/// When one call is retried. Each call gets a clone.
#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    shared: Arc<Shared>,
    left: usize,
    /// The longest pause before the next retry.
    pause: Duration,
    /// Why it was retried last, and when it had been sent before.
    last: Option<(SourceError, Option<Instant>)>,
}

impl RetryPolicy {
    /// At most `retries` per call of a source whose attempts take `attempt` at most.
    pub(super) fn new(retries: usize, attempt: Duration, breaker: Arc<Breaker>) -> Self {
        Self::saving(Arc::new(Budget::new(Instant::now())), retries, attempt, breaker)
    }

    /// The same after other settings of the source, with what was saved up under those.
    pub(super) fn after(&self, retries: usize, attempt: Duration, breaker: Arc<Breaker>) -> Self {
        Self::saving(Arc::clone(&self.shared.budget), retries, attempt, breaker)
    }

    fn saving(budget: Arc<Budget>, retries: usize, attempt: Duration, breaker: Arc<Breaker>) -> Self {
        let shared = Shared { budget, breaker, attempt };
        RetryPolicy { shared: Arc::new(shared), left: retries, pause: PAUSE.min(attempt / 4), last: None }
    }

    /// Whether there is a point in a retry, before the budget is asked.
    ///
    /// One half of the attempt's time is for failing, a quarter for the pause, so that the last attempt has at least a quarter.
    fn may_help(&self, error: &SourceError, batch: &Batch, pause: Duration) -> bool {
        let now = Instant::now();
        let was_quick = || batch.tried_for(now).is_some_and(|took| took <= self.shared.attempt / 2);
        let in_time = now + pause < batch.deadlines().sends_by;
        // a retry costs another unit, and no caller waits for an orphan
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
        let pause = Duration::from_micros(fastrand::u64(..=micros(self.pause)));
        if self.may_help(error, batch, pause) && self.shared.budget.withdraw() {
            self.left -= 1;
            self.pause = (self.pause * 2).min(self.shared.attempt / 4);
            self.last = Some((error.clone(), batch.sent()));
            batch.retry_within(self.shared.attempt);
            return Some(sleep(pause));
        }
        // report the earlier failure: the call that was not made is not why there is no quote
        if let Some((last, _)) = self.last.take().filter(|(_, sent)| *sent == batch.sent()) {
            *error = last;
        }
        None
    }

    // also when no retry is left: the end of the last attempt passes here too
    fn clone_request(&mut self, batch: &Batch) -> Option<Batch> {
        Some(batch.clone())
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
