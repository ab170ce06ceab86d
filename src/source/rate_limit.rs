//! Keeps to what a vendor allows: waits for room where that can end in time, and else refuses at once.
//!
//! The layer is a gate: always ready, it decides inside its future, so that waiting for room can be cancelled like any other
//! waiting. What is counted belongs to an [`Account`].

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tower::{Layer, Service, ServiceExt};

use super::BoxFuture;
use super::account::Account;
use super::batch::{Batch, Reply};
use super::error::SourceError;

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

/// Waits for room within the batch's time. During a cooldown nobody calls and nobody waits.
async fn admit(account: &Account, batch: &Batch) -> Result<(), SourceError> {
    let mut cooling = account.watch_cooldowns();
    let refused = |now| account.cooldown(now).map(|cooldown| cooldown.refusal(now));
    let now = Instant::now();
    let sends_by = batch.times().sends_by;
    if now > sends_by {
        // whoever waited so long for a place has no time left for a reply
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

/// Puts an account's limits in front of a service.
#[derive(Clone, Debug)]
pub struct RateLimitLayer(pub Arc<Account>);

/// A service behind an account's limits.
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    account: Arc<Account>,
    inner: S,
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { account: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Batch> for RateLimit<S>
where
    S: Service<Batch, Response = Reply, Error = SourceError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = SourceError;
    type Future = BoxFuture<Result<Reply, SourceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: Batch) -> Self::Future {
        let (account, inner) = (Arc::clone(&self.account), self.inner.clone());
        Box::pin(async move {
            admit(&account, &batch).await?;
            let sent = Instant::now();
            let result = inner.oneshot(batch).await;
            account.heed(&result, sent, Instant::now());
            result
        })
    }
}
