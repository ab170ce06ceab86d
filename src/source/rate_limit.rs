//! Keeps to what a vendor allows: waits for room where that can end in time, and else refuses at once.
//!
//! What is counted belongs to an [`Account`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::account::{Account, Promise, Units};
use super::batch::{Batch, Reply};
use super::guard::{Guard, Next};
use crate::failure::SourceError;

/// How soon a place may be free for one who has waited too long for it.
const SOON: Duration = Duration::from_millis(100);

/// Waits for room within the batch's time. During a cooldown it refuses at once.
async fn admit(account: &Arc<Account>, batch: &Batch) -> Result<Units, SourceError> {
    let mut cooling = account.watch_cooldowns();
    let now = Instant::now();
    let sends_by = batch.sends_by();
    if now > sends_by {
        // a call that waited so long for a place has no time left for a reply
        let limit = "calls at once".to_owned();
        return Err(SourceError::Throttled { limit, retry_after: SOON });
    }
    let (ticket, mut at) = account.promise(batch.take_expectation(), batch.units(), now, sends_by)?;
    let _promise = Promise { account, ticket };
    loop {
        // from here on, so that no end is missed
        let freed = account.freed();
        batch.take_turn(at);
        let now = Instant::now();
        if let Some(cooldown) = account.cooldown(now) {
            return Err(cooldown.refusal(now));
        }
        if at <= now
            && let Some(units) = account.grant(ticket, now, batch.replies_by())
        {
            return Ok(units);
        }
        let turn = account.turn(ticket, now);
        if let (true, Some(limit)) = (turn.soonest > batch.sends_by(), turn.limit) {
            // the calls ahead took longer than was forecast
            return Err(SourceError::Throttled { limit: limit.to_string(), retry_after: turn.at - now });
        }
        at = turn.at;
        tokio::select! {
            Ok(()) = cooling.changed() => {}
            () = freed => at = account.turn(ticket, Instant::now()).at,
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
        let (_spending, sent) = (Spending(&batch), Instant::now());
        let result = next.oneshot(batch.clone()).await;
        batch.settle(false);
        self.heed(&result, sent, Instant::now());
        result
    }
}
