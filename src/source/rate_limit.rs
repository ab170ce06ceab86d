//! Keeps to what a vendor allows: waits for room where that can end in time, and else refuses at once.
//!
//! What is counted belongs to an [`Account`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::account::Account;
use super::batch::{Batch, Reply};
use super::error::SourceError;
use super::guard::{Guard, Next};

/// How soon a place may be free for one who has waited too long for it.
const SOON: Duration = Duration::from_millis(100);

/// A promise of units; if the call is dropped before it is spent, the units go back.
struct Promise<'a> {
    account: &'a Account,
    ticket: u64,
    spent: bool,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if !self.spent {
            self.account.give_back(self.ticket);
        }
    }
}

/// Waits for room within the batch's time. During a cooldown it refuses at once.
async fn admit(account: &Account, batch: &Batch) -> Result<(), SourceError> {
    let mut cooling = account.watch_cooldowns();
    let refused = |now| account.cooldown(now).map(|cooldown| cooldown.refusal(now));
    let now = Instant::now();
    let sends_by = batch.times().sends_by;
    if now > sends_by {
        // a call that waited so long for a place has no time left for a reply
        let limit = "calls at once".to_owned();
        return Err(SourceError::Throttled { limit, retry_after: SOON });
    }
    let (ticket, mut at) = account.promise(batch.take_expectation(), batch.units(), now, sends_by)?;
    let mut promise = Promise { account, ticket, spent: false };
    loop {
        batch.take_turn(at);
        let now = Instant::now();
        if let Some(error) = refused(now) {
            return Err(error);
        }
        if at <= now {
            match account.spend(ticket, now) {
                Ok(()) => {
                    promise.spent = true;
                    return Ok(());
                }
                Err(later) => at = later,
            }
        }
        tokio::select! {
            Ok(()) = cooling.changed() => {}
            () = sleep_until(at) => {}
        }
    }
}

impl Guard for Arc<Account> {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        admit(&self, &batch).await?;
        let sent = Instant::now();
        let result = next.oneshot(batch).await;
        self.heed(&result, sent, Instant::now());
        result
    }
}
