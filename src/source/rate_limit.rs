//! Keeps to what a vendor allows: waits for room in its limits where that can end in time, and otherwise refuses at once.
//!
//! What is counted belongs to an [`Allowance`](super::allowance::Allowance). Where replicas share the limits, a call that this
//! one would let go also needs units of the shared store.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::account::Account;
use super::allowance::Units;
use super::batch::{Batch, Reply};
use super::elsewhere::{Elsewhere, Leaving};
use super::guard::{Guard, Next};
use crate::failure::SourceError;
use crate::shared::{Reserved, Wish};

/// How soon a slot may be free for a call that has waited too long for one.
const SOON: Duration = Duration::from_millis(100);

/// The guard that keeps the calls of one source to the limits of its account.
#[derive(Clone, Debug)]
pub struct WithinLimits {
    account: Arc<Account>,
    /// What one attempt may take.
    longest: Duration,
    /// What can be left to other replicas; `None` if nothing can.
    elsewhere: Option<Elsewhere>,
}

impl WithinLimits {
    /// A guard of calls whose attempts take up to `longest`.
    pub fn new(account: &Arc<Account>, longest: Duration) -> Self {
        WithinLimits { account: Arc::clone(account), longest, elsewhere: None }
    }

    /// The same, which leaves to other replicas what they ask for already.
    pub(super) fn leaving_to_others(self, elsewhere: Elsewhere) -> Self {
        WithinLimits { elsewhere: Some(elsewhere), ..self }
    }

    /// Waits for room in the limits, also in the shared store, if there is one. `None` if this call is not made: other replicas have
    /// heard everything that the batch asks for, or ask for a part of it, so that it is split.
    async fn admit(&self, batch: &Batch) -> Result<Option<Units>, SourceError> {
        let mut leaving = Leaving::of(batch, self.longest);
        loop {
            let units = admit(&self.account, batch).await?;
            let Some(shared) = self.account.shared() else { return Ok(Some(units)) };
            let units = units.unless_refused();
            if self.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.has_all(batch)) {
                return Ok(None);
            }
            let (allowance, now) = (self.account.allowance(), Instant::now());
            let longest = self.longest.min(batch.replies_by().saturating_duration_since(now));
            // heard from before the store is asked, so that no end is missed
            let ends = self.elsewhere.as_ref().and_then(|elsewhere| elsewhere.ends(&shared));
            let leases = self.elsewhere.as_ref().and_then(|elsewhere| elsewhere.wish(&shared, batch, leaving));
            let per_symbol = leases.as_ref().filter(|_| batch.costs_per_symbol());
            let needed = per_symbol.map_or_else(|| batch.units(), |wish| wish.symbols.len());
            let wish = Wish { units: needed, longest, usual: allowance.usual(), leases };
            match shared.reserve(wish).await {
                Ok(Reserved::Granted { units: shared, leases, elsewhere }) => {
                    batch.hold(leases);
                    batch.leave_out(elsewhere);
                    return Ok(Some(units.shared(shared, needed)));
                }
                Ok(Reserved::Split(elsewhere)) => {
                    batch.split(elsewhere);
                    return Ok(None);
                }
                Ok(Reserved::Elsewhere(lease_ends)) => {
                    drop(units);
                    if let Some((elsewhere, ends)) = self.elsewhere.as_ref().zip(ends) {
                        elsewhere.wait(ends, batch, &mut leaving, lease_ends).await;
                    }
                }
                Err(refusal) => {
                    drop(units);
                    allowance.refuse(refusal, Instant::now())?;
                }
            }
        }
    }
}

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
            return Err(SourceError::Throttled { limit, retry_after: estimate.likely - now });
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

/// Makes a call. One that has not been written when its units lapse ends with `None`: the timers alone would let a process that was
/// stopped during a handshake write a request whose units others may have by then.
async fn in_time<T>(call: impl Future<Output = T>, batch: &Batch) -> Option<T> {
    let Some(over_by) = batch.units_over_by() else { return Some(call.await) };
    let mut call = pin!(call);
    poll_fn(|context| {
        if Instant::now() > over_by && !batch.is_on_the_wire() {
            return Poll::Ready(None);
        }
        call.as_mut().poll(context).map(Some)
    })
    .await
}

impl Guard for WithinLimits {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        let Some(units) = self.admit(&batch).await? else {
            // those who wait are told what has landed, or wait for another call
            return Err(SourceError::Throttled {
                limit: "calls that other replicas make".to_owned(),
                retry_after: SOON,
            });
        };
        batch.spend(units);
        let account = &self.account;
        let (_spending, sent, key_mark) = (Spending(&batch), Instant::now(), account.key_mark());
        if let Some(cooldown) = account.cooldown(sent).filter(|_| account.shared().is_some()) {
            // it began while the shared store was asked
            batch.give_back();
            return Err(cooldown.refusal(sent));
        }
        if batch.is_void(sent) {
            // the process was stopped meanwhile, or starved
            batch.give_back();
            let limit = "calls soon after the shared store has granted them".to_owned();
            return Err(SourceError::Throttled { limit, retry_after: SOON });
        }
        let result = in_time(next.oneshot(batch.clone()), &batch).await;
        let result = result.unwrap_or(Err(SourceError::Timeout(self.longest)));
        batch.settle(false);
        if result.is_err() {
            // another replica may try at once
            batch.end_leases([]);
        }
        // what is refused to a key that was replaced meanwhile says nothing of the new one
        if key_mark == account.key_mark() {
            account.apply_refusal(&result, sent, Instant::now());
        }
        result
    }
}
