//! Decides whether a failed call is sent again: once, a moment later, and only where that can help.
//!
//! What can help is a new connection, or a gateway's second try. A reply that was read is final. A timeout is not tried again,
//! nor is what took as long as one: the other sources are the second try.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};

use super::batch::{Batch, Reply};
use super::breaker::Breaker;
use super::error::SourceError;

/// How long to wait before the second try, in milliseconds, at random: callers that failed together do not come back together.
const PAUSE: std::ops::Range<u64> = 50..251;

/// How long a call counts towards the budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// So many retries a second are allowed whatever the calls were: a source that is seldom asked would never have earned one.
const LEAST_PER_SECOND: u32 = 1;

/// One retry for ten calls that were answered. (The budget counts in whole calls per retry, and rounds what is none.)
const SHARE: f32 = 0.1;

/// What all calls of one source share.
#[derive(Debug)]
struct Shared {
    budget: TpsBudget,
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
    /// At most so many retries per call of a source, whose attempts may take so long.
    pub fn new(retries: usize, attempt: Duration, breaker: Arc<Breaker>) -> Self {
        let budget = TpsBudget::new(BUDGET_WINDOW, LEAST_PER_SECOND, SHARE);
        let shared = Shared { budget, breaker, quick: attempt / 2 };
        RetryPolicy { shared: Arc::new(shared), left: retries, first: None }
    }

    /// Whether there is a point in another try, before the budget is asked.
    fn may_help(&self, error: &SourceError, batch: &Batch, pause: Duration) -> bool {
        let now = Instant::now();
        let was_quick = || batch.sent_for(now).is_some_and(|took| took <= self.shared.quick);
        let in_time = now + pause < batch.times().sends_by;
        self.left > 0 && error.may_pass() && in_time && was_quick() && self.shared.breaker.is_closed()
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
