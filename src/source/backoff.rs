//! Leaves a source alone for a while after one of its calls failed, and then lets one call try before the others go.
//!
//! A call that fails as a whole is the source's failure, whichever symbols it asked for. So there is one backoff for all of
//! them, and while it lasts nothing is asked. When it is over, the next call tries. Calls that come meanwhile wait for the end
//! of that trial; then they go too, or are told what it failed with and until when. A success resets the backoff.
//!
//! The breaker stands behind it. The backoff counts consecutive failures; the breaker sees those of many calls at once, and
//! those that alternate with successes. Both must let a call through.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::ServiceExt;

use super::batch::{Batch, Reply};
use super::breaker::{circuit::Signal, signal};
use super::cooldown::Cooldown;
use super::guard::{Guard, Next};
use crate::failure::SourceError;
use crate::profile::waits::{Kind, Waits, spread};

/// Whether one source has failed lately, and when it is tried again.
#[derive(Debug)]
pub struct Backoff {
    waits: Waits,
    state: Arc<Mutex<State>>,
    /// Grows with each change, for calls that wait for the end of a trial or to be sent.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// The last failure, unless a success came after it.
    failing: Option<Failing>,
    /// Failures of each kind since the last success.
    passing: u32,
    proxy: u32,
    lasting: u32,
    /// When it last answered.
    served: Option<Instant>,
    /// Whether a trial is in flight: the call that tries whether the source is back.
    is_tried: bool,
    /// Whether a failure or a success has changed something of which waiting calls have not been told yet.
    is_news: bool,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    until: Instant,
    error: SourceError,
}

/// A call that was let through. Whatever ends it, the backoff is told.
struct Permit {
    backoff: Arc<Backoff>,
    is_trial: bool,
    has_ended: bool,
}

impl Backoff {
    /// The backoff of a source that has not failed yet.
    pub fn new(waits: Waits) -> Self {
        Backoff { waits, state: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// The same backoff, whose next failures are believed for as long as these settings say.
    pub(super) fn with(&self, waits: Waits) -> Self {
        Backoff { waits, state: Arc::clone(&self.state), changes: self.changes.clone() }
    }

    /// For how long its failures are believed.
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Whether the last call that says anything of the source succeeded.
    pub fn is_clear(&self) -> bool {
        self.state.lock().failing.is_none()
    }

    /// Until when nothing is asked of the source, and for which failure; `None` once it may be tried.
    pub fn rest(&self, now: Instant) -> Option<Cooldown> {
        self.state.lock().rest(now)
    }

    /// Lets a call through; `None` if the call must wait for the end of a trial.
    fn admit(self: &Arc<Self>, now: Instant) -> Result<Option<Permit>, SourceError> {
        let mut state = self.state.lock();
        if let Some(rest) = state.rest(now) {
            return Err(rest.error);
        }
        let is_trial = state.failing.is_some();
        if is_trial && state.is_tried {
            return Ok(None);
        }
        state.is_tried = is_trial;
        Ok(Some(Permit { backoff: Arc::clone(self), is_trial, has_ended: false }))
    }

    /// Whether the end of a call shows that the source is out of order. A 4xx finds fault with the call, so it shows that only
    /// where no other call has succeeded lately.
    fn is_failure(&self, result: &Result<Reply, SourceError>, batch: &Batch, now: Instant) -> bool {
        match result {
            // one unknown symbol fails the call for several, and each of them is still to be asked for
            Err(error) if error.is_about_call() && self.waits.unknown_kills() && batch.only_symbol().is_none() => false,
            Err(error) if error.is_about_call() => {
                let served = self.state.lock().served;
                served.is_none_or(|served| served + self.waits.serves_for() < now)
            }
            // the vendor has no part in it, but no call gets through either
            Err(SourceError::Proxy { .. }) => true,
            result => signal(result) == Signal::Failure,
        }
    }

    /// Starts or lengthens the backoff, after a call that was sent at an instant failed. A call that was sent before the last
    /// failure does not lengthen it.
    fn fail(&self, error: &SourceError, sent: Option<Instant>, now: Instant) {
        let mut state = self.state.lock();
        if state.failing.as_ref().is_some_and(|failing| sent.is_none_or(|sent| sent < failing.since)) {
            return;
        }
        let kind = Kind::of(error);
        let before = match kind {
            Kind::Passing => &mut state.passing,
            Kind::Proxy => &mut state.proxy,
            Kind::Lasting => &mut state.lasting,
        };
        let announced = match error {
            SourceError::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        };
        let wait = spread(self.waits.of_source(kind, *before)).max(announced.unwrap_or_default());
        *before = before.saturating_add(1);
        state.failing = Some(Failing { since: now, until: now + wait, error: error.clone() });
        state.is_news = true;
    }

    /// Resets the backoff.
    fn succeed(&self, now: Instant) {
        let mut state = self.state.lock();
        (state.passing, state.proxy, state.lasting) = (0, 0, 0);
        state.is_news |= state.failing.is_some();
        (state.failing, state.served) = (None, Some(now));
    }

    /// Tells waiting calls that a call has ended, unless that changes nothing for them: telling them wakes them all. If it was a
    /// trial, the next call may be one.
    fn end(&self, was_trial: bool) {
        let mut state = self.state.lock();
        let is_news = std::mem::take(&mut state.is_news) || was_trial;
        state.is_tried &= !was_trial;
        drop(state);
        if is_news {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }
}

impl State {
    fn rest(&self, now: Instant) -> Option<Cooldown> {
        let failing = self.failing.as_ref().filter(|failing| now < failing.until)?;
        Some(Cooldown { until: failing.until, error: failing.error.clone() })
    }
}

impl Permit {
    fn settle(mut self, batch: &Batch, result: &Result<Reply, SourceError>) {
        self.has_ended = true;
        let now = Instant::now();
        match result {
            Err(error) if self.backoff.is_failure(result, batch, now) => {
                batch.charge();
                self.backoff.fail(error, batch.sent(), now);
            }
            _ if signal(result) == Signal::Success => self.backoff.succeed(now),
            _ => {}
        }
        self.backoff.end(self.is_trial);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // its last caller left before its end, or it panicked
        if std::thread::panicking() {
            let panicked = SourceError::Internal("the call panicked".to_owned());
            let now = Instant::now();
            self.backoff.fail(&panicked, Some(now), now);
        }
        self.backoff.end(self.is_trial);
    }
}

impl Guard for Arc<Backoff> {
    /// Leaves a source alone after failures. Retries are part of a call.
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        let mut changes = self.changes.subscribe();
        let permit = loop {
            match self.admit(Instant::now())? {
                Some(permit) => break permit,
                // the sender lives as long as the backoff
                None => drop(changes.changed().await),
            }
        };
        let mut call = std::pin::pin!(next.oneshot(batch.clone()));
        loop {
            tokio::select! {
                // a call that waits for a slot must learn of the failure before it is given one
                biased;
                // a call that waits to be sent when another fails would only fail as well
                Ok(()) = changes.changed(), if !permit.is_trial && batch.sent().is_none() => {
                    let rest = self.rest(Instant::now()).filter(|_| batch.sent().is_none());
                    if let Some(rest) = rest {
                        return Err(rest.error);
                    }
                }
                result = &mut call => {
                    permit.settle(&batch, &result);
                    return result;
                }
            }
        }
    }
}
