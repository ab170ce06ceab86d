//! Keeps to what a vendor allows: waits for room in its limits where that can end in time, and otherwise refuses at once.
//!
//! What is counted belongs to an [`Allowance`](super::allowance::Allowance).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::account::Account;
use super::allowance::Units;
use super::batch::{Batch, Reply};
use super::guard::{Guard, Next};
use crate::failure::SourceError;

/// How soon a slot may be free for a call that has waited too long for one.
const SOON: Duration = Duration::from_millis(100);

/// Waits for room within the batch's time. During a cooldown it refuses at once.
async fn admit(account: &Account, batch: &Batch) -> Result<Units, SourceError> {
    let (allowance, mut cooling) = (account.allowance(), account.watch_cooldowns());
    let now = Instant::now();
    let sends_by = batch.sends_by();
    if now > sends_by {
        // a call that waited so long for a slot has no time left for a reply
        let limit = "calls at once".to_owned();
        return Err(SourceError::Throttled { limit, retry_after: SOON });
    }
    let promise = allowance.promise(batch.take_expectation(), batch.units(), now, sends_by)?;
    let mut at = promise.likely;
    loop {
        // from here on, so that no end is missed
        let freed = allowance.freed();
        batch.expect_grant(at);
        let now = Instant::now();
        if let Some(cooldown) = account.cooldown(now) {
            return Err(cooldown.refusal(now));
        }
        if at <= now
            && let Some(units) = promise.grant(now, batch.replies_by())
        {
            return Ok(units);
        }
        let estimate = promise.estimate(now);
        if let (true, Some(limit)) = (estimate.soonest > batch.sends_by(), estimate.limit) {
            // the calls ahead took longer than was forecast
            return Err(SourceError::Throttled { limit: limit.to_string(), retry_after: estimate.likely - now });
        }
        at = estimate.likely;
        tokio::select! {
            Ok(()) = cooling.changed() => {}
            () = freed => at = promise.estimate(Instant::now()).likely,
            () = sleep_until(at) => {}
        }
    }
}

/// Settles the units of a call that is cancelled.
struct Spending<'a>(&'a Batch);

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        self.0.settle(true);
    }
}

impl Guard for Arc<Account> {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        batch.spend(admit(&self, &batch).await?);
        let (_spending, sent, key_mark) = (Spending(&batch), Instant::now(), self.key_mark());
        let result = next.oneshot(batch.clone()).await;
        batch.settle(false);
        // what is refused to a key that was replaced meanwhile says nothing of the new one
        if key_mark == self.key_mark() {
            self.apply_refusal(&result, sent, Instant::now());
        }
        result
    }
}
