//! Hands out the units of a vendor's limits, and takes them back when their calls end.
//!
//! `Window` counts; this adds the lock, and gives each unit an owner whose end is the unit's end. Everything here is
//! synchronous, because a coalescer asks for room while it holds its own lock; `rate_limit` is where calls wait.
//!
//! Where replicas share the limits, `Window` counts what this one has spent, and the shared store has the last word. What it has
//! refused is remembered here for as long as it is likely to refuse it again.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

pub use super::window::Left;
use super::window::{End, Full, Limits, Window};
use crate::failure::SourceError;
use crate::shared::{Refusal, SharedUnits};
use crate::units::Limit;

/// The units of one account. Cheap to clone; all clones are of the same account.
#[derive(Clone, Debug)]
pub struct Allowance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    window: Mutex<Window>,
    /// What the store that replicas share has refused last.
    refused: Mutex<Option<Refused>>,
    /// Tells calls that wait for room that a unit's end is known now.
    freed: Notify,
}

/// A refusal of the store that replicas share.
#[derive(Clone, Debug)]
struct Refused {
    limit: String,
    /// When it is likely to grant what it has refused.
    likely: Instant,
    /// When it does at the latest.
    latest: Instant,
}

/// When a call that waits for its units may be granted them.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    /// The likely moment.
    pub(super) likely: Instant,
    /// The earliest possible moment.
    pub(super) soonest: Instant,
    /// The limit that decides; `None` if the units can be granted now.
    pub(super) limit: Option<String>,
}

impl Refused {
    fn error(&self, now: Instant) -> SourceError {
        SourceError::Throttled { limit: self.limit.clone(), retry_after: self.latest.saturating_duration_since(now) }
    }
}

impl Allowance {
    /// The allowance of an account whose vendor states these limits.
    pub(super) fn new(stated: &[Limit]) -> Self {
        let window = Mutex::new(Window::new(Limits::new(stated)));
        Allowance(Arc::new(Inner { window, refused: Mutex::default(), freed: Notify::new() }))
    }

    /// The limits as they are now.
    pub(super) fn limits(&self) -> Limits {
        self.0.window.lock().limits().clone()
    }

    /// Sets the limits that a vendor states from now on. What was spent within the last day counts for them, too.
    pub(super) fn set_limits(&self, stated: &[Limit], now: Instant) {
        self.0.window.lock().set_limits(Limits::new(stated), now);
        // calls that wait may go earlier now, or must wait for longer
        self.0.freed.notify_waiters();
    }

    /// What is left of each limit, the stated ones first. What is promised counts as spent.
    pub fn left(&self, now: Instant) -> Vec<Left> {
        self.0.window.lock().left(now)
    }

    /// How many of the `wanted` units can be spent until an instant, and the refusal of the next one. What other calls are about
    /// to spend comes first.
    pub fn room(&self, wanted: usize, now: Instant, until: Instant) -> (usize, Option<SourceError>) {
        let window = self.0.window.lock();
        if window.limits().is_empty() {
            return (wanted, None);
        }
        if let Some(refused) = self.refused(until) {
            return (0, Some(refused.error(now)));
        }
        let (room, full) = window.room(wanted, now, until);
        (room, full.map(throttled))
    }

    /// Notes that the store that replicas share has refused units, so that it is not asked for them again too soon.
    ///
    /// # Errors
    /// The refusal, if a call should not wait for its end.
    pub(super) fn refuse(&self, refusal: Refusal, now: Instant) -> Result<(), SourceError> {
        let Refusal { limit, longest, likely } = refusal;
        let Some(likely) = likely else { return Err(SourceError::Throttled { limit, retry_after: longest }) };
        *self.0.refused.lock() = Some(Refused { limit, likely: now + likely, latest: now + longest.max(likely) });
        Ok(())
    }

    /// The store's last refusal, if it is likely to stand beyond an instant.
    fn refused(&self, until: Instant) -> Option<Refused> {
        self.0.refused.lock().clone().filter(|refused| refused.likely > until)
    }

    /// When this number of units, at least one, can be spent, after all that other calls are about to spend.
    pub fn room_at(&self, units: usize, now: Instant) -> Instant {
        let at = self.0.window.lock().room_at(units, now);
        self.refused(at).map_or(at, |refused| refused.likely)
    }

    /// How long calls usually take from their grant to the vendor's reply; zero before the first.
    pub(super) fn usual(&self) -> Duration {
        self.0.window.lock().usual()
    }

    /// Whether no unit is promised, expected, or spent on a call that has not ended.
    pub(super) fn is_at_rest(&self) -> bool {
        self.0.window.lock().is_at_rest()
    }

    /// How often something has happened that must outlive a restart.
    pub(super) fn revision(&self) -> u64 {
        self.0.window.lock().revision()
    }

    /// The ends of all units that still count, never decreasing.
    pub(super) fn ends(&self, now: Instant) -> Vec<Instant> {
        self.0.window.lock().ends(now)
    }

    /// The ends of all units of the last day, whatever the limits are. A call in flight ends at the latest moment it can.
    pub(super) fn spent_lately(&self, now: Instant) -> Vec<Instant> {
        self.0.window.lock().spent_lately(now)
    }

    /// Counts units whose calls ended at these instants.
    pub(super) fn restore(&self, ends: Vec<Instant>) {
        self.0.window.lock().restore(ends);
    }

    /// Counts units as about to be spent, for as long as the expectation is kept.
    pub(super) fn expect(&self, units: usize) -> Expectation {
        self.0.window.lock().expect(units);
        Expectation { allowance: self.clone(), units }
    }

    /// Promises units, all to be spent at one instant. What was expected of them ends in the same moment, so that they are
    /// counted once.
    ///
    /// # Errors
    /// There is no room for them until `until`.
    pub(super) fn promise(
        &self,
        expected: Option<Expectation>,
        units: usize,
        now: Instant,
        until: Instant,
    ) -> Result<Promise, SourceError> {
        let expected = expected.map_or(0, Expectation::into_units);
        let mut window = self.0.window.lock();
        window.unexpect(expected);
        if let Some(refused) = self.refused(until) {
            return Err(refused.error(now));
        }
        let (ticket, likely) = window.promise(units, now, until).map_err(throttled)?;
        let likely = self.refused(likely).map_or(likely, |refused| refused.likely);
        Ok(Promise { allowance: self.clone(), ticket, likely })
    }

    /// Ends when the end of any unit becomes known from now on.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.0.freed.notified()
    }
}

fn throttled(Full { limit, wait }: Full) -> SourceError {
    SourceError::Throttled { limit: limit.to_string(), retry_after: wait }
}

/// Units that a dispatched batch is about to spend. It ends when it is dropped: when they are promised, or when the batch never
/// gets there.
#[derive(Debug)]
pub(super) struct Expectation {
    allowance: Allowance,
    units: usize,
}

impl Expectation {
    /// The units, which the caller now answers for.
    fn into_units(mut self) -> usize {
        std::mem::take(&mut self.units)
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        if self.units > 0 {
            self.allowance.0.window.lock().unexpect(self.units);
        }
    }
}

/// A promise of units. When it is dropped, it is taken back, unless the units were granted.
#[derive(Debug)]
pub(super) struct Promise {
    allowance: Allowance,
    ticket: u64,
    /// When it can probably be kept, as of when it was made.
    pub(super) likely: Instant,
}

impl Promise {
    /// When it can be kept.
    pub(super) fn estimate(&self, now: Instant) -> Estimate {
        let estimate = self.allowance.0.window.lock().estimate(self.ticket, now);
        match self.allowance.refused(estimate.likely) {
            Some(Refused { limit, likely, .. }) => Estimate { likely, soonest: likely, limit: Some(limit) },
            None => Estimate {
                likely: estimate.likely,
                soonest: estimate.soonest,
                limit: estimate.limit.map(|limit| limit.to_string()),
            },
        }
    }

    /// Grants the units, now, for a call that ends by an instant; `None` if there is no room for them yet.
    pub(super) fn grant(&self, now: Instant, over_by: Instant) -> Option<Units> {
        if self.allowance.refused(now).is_some() {
            return None;
        }
        let is_granted = self.allowance.0.window.lock().grant(self.ticket, now, over_by);
        is_granted.then(|| Units {
            allowance: self.allowance.clone(),
            ticket: self.ticket,
            end: End::Known,
            shared: None,
        })
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.allowance.0.window.lock().take_back(self.ticket) {
            self.allowance.0.freed.notify_waiters();
        }
    }
}

/// Units that were granted to a call. When they are dropped, the call has ended: they count for a period from then.
#[derive(Debug)]
pub(super) struct Units {
    allowance: Allowance,
    ticket: u64,
    end: End,
    /// The same units in the store that replicas share.
    shared: Option<SharedUnits>,
}

impl Units {
    /// The same, given back if they are dropped before the store that replicas share has granted them, too.
    pub(super) fn unless_refused(mut self) -> Self {
        self.end = End::NotWritten;
        self
    }

    /// The same, also granted by the store that replicas share, for a call that needs this many of them.
    pub(super) fn shared(mut self, shared: SharedUnits, needed: usize) -> Self {
        self.allowance.0.window.lock().shrink(self.ticket, needed);
        self.allowance.0.freed.notify_waiters();
        (self.shared, self.end) = (Some(shared), End::Known);
        self
    }

    /// When their call must have ended, if the store that replicas share has granted them.
    pub(super) fn over_by(&self) -> Option<Instant> {
        self.shared.as_ref().map(SharedUnits::over_by)
    }

    /// Whether it is too late to begin a call with them.
    pub(super) fn are_void(&self, now: Instant) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.are_void(now))
    }

    /// Gives them back: nothing of the call has been written, so the vendor has not counted it.
    pub(super) fn give_back(mut self) {
        self.end = End::NotWritten;
    }

    /// Lets them count from the latest moment at which the call could have ended, by default the one stated at the grant: it
    /// was cancelled, and what is written may still be on its way.
    pub(super) fn cancel(mut self, latest: Option<Instant>) {
        self.end = End::Unknown(latest);
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        let now = Instant::now();
        if self.allowance.0.window.lock().end(self.ticket, self.end, now) {
            self.allowance.0.freed.notify_waiters();
        }
        match (self.shared.take(), self.end) {
            (Some(shared), End::Known) => shared.settle(now),
            (Some(shared), End::NotWritten) => shared.give_back(),
            // the store counts them until their call can have ended at the latest
            (None, _) | (Some(_), End::Unknown(_)) => {}
        }
    }
}
