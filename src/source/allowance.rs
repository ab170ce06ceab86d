//! Hands out the units of a vendor's limits, and takes them back when their calls end.
//!
//! `Window` counts; this adds the lock, and gives each unit an owner whose end is the unit's end. Everything here is
//! synchronous, because a coalescer asks for room while it holds its own lock; `rate_limit` is where calls wait.
//!
//! Replicas that are to share one limit through a lease, in Redis say, need a file of their own and a line in `set_up`: a task that
//! takes what the others have leased out of this allowance as `Units`, like any call, and gives it back with the lease.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

pub use super::window::Left;
use super::window::{End, Estimate, Full, Limits, Window};
use crate::failure::SourceError;
use crate::units::Limit;

/// The units of one account. Cheap to clone; all clones are of the same account.
#[derive(Clone, Debug)]
pub struct Allowance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    window: Mutex<Window>,
    /// Tells calls that wait for room that a unit's end is known now.
    freed: Notify,
}

impl Allowance {
    /// The allowance of an account whose vendor states these limits.
    pub(super) fn new(stated: &[Limit]) -> Self {
        let window = Mutex::new(Window::new(Limits::new(stated)));
        Allowance(Arc::new(Inner { window, freed: Notify::new() }))
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
        let (room, full) = window.room(wanted, now, until);
        (room, full.map(throttled))
    }

    /// When this number of units, at least one, can be spent, after all that other calls are about to spend.
    pub fn room_at(&self, units: usize, now: Instant) -> Instant {
        self.0.window.lock().room_at(units, now)
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
        let (ticket, likely) = window.promise(units, now, until).map_err(throttled)?;
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
        self.allowance.0.window.lock().estimate(self.ticket, now)
    }

    /// Grants the units, now, for a call that ends by an instant; `None` if there is no room for them yet.
    pub(super) fn grant(&self, now: Instant, over_by: Instant) -> Option<Units> {
        let is_granted = self.allowance.0.window.lock().grant(self.ticket, now, over_by);
        is_granted.then(|| Units { allowance: self.allowance.clone(), ticket: self.ticket, end: End::Known })
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
}

impl Units {
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
        if self.allowance.0.window.lock().end(self.ticket, self.end, Instant::now()) {
            self.allowance.0.freed.notify_waiters();
        }
    }
}
