//! Lets a call run to its end after its last caller has left, where a unit of the limits is too scarce to be thrown away.
//!
//! Callers who wait less than a vendor takes would soon use up its limit for the minute, the day or the month, and none would
//! get a quote. So once such a call is written it goes on as an orphan, and its outcome lands like any other. A caller who
//! asks for its symbols meanwhile waits for it. It gives way if another call needs its place to be answered in time.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::callers::Callers;
use super::{Ask, Flights, Inner};
use crate::failure::SourceError;
use crate::source::KEPT_BACK;
use crate::source::batch::Batch;

/// How many orphans a source has at most; beyond that the oldest gives way.
const MOST: usize = 8;

/// The calls of one source that no caller waits for.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// The numbers of their batches, the oldest first, and what tells each to give way.
    all: Vec<(u64, CancellationToken)>,
    /// Calls that need a place, and found no orphan in it.
    in_need: Vec<(u64, Batch)>,
}

/// What becomes of a call that its last caller has left.
pub(super) enum Fate {
    /// Somebody waits for it again.
    Awaited,
    /// It goes on until it ends, or the token is cancelled.
    Orphan(CancellationToken),
    /// It ends with the failure of an earlier try, of which no caller has been told.
    Failed(SourceError),
    /// It ends, and nothing lands.
    Cancelled,
}

impl Orphans {
    /// Takes a call in. If another one needs its place, it gives way at once.
    fn adopt(&mut self, number: u64) -> CancellationToken {
        let gives_way = CancellationToken::new();
        self.all.push((number, gives_way.clone()));
        self.in_need.retain(|(_, batch)| !batch.has_place());
        if self.all.len() > MOST || self.in_need.pop().is_some() {
            self.oldest_gives_way();
        }
        gives_way
    }

    /// Forgets a call that has ended, or that somebody waits for again.
    pub(super) fn release(&mut self, number: u64) {
        self.all.retain(|(other, _)| *other != number);
        self.in_need.retain(|(other, _)| *other != number);
    }

    fn oldest_gives_way(&mut self) -> bool {
        let oldest = (!self.all.is_empty()).then(|| self.all.remove(0));
        oldest.inspect(|(_, gives_way)| gives_way.cancel()).is_some()
    }
}

impl Flights {
    /// How many calls have a place.
    fn placed(&self) -> usize {
        let mut numbers: Vec<u64> =
            self.air.values().filter(|flight| flight.batch.has_place()).map(|flight| flight.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    }
}

impl Inner {
    /// Decides on a call that its last caller has left. No caller can join it meanwhile.
    pub(super) fn fate_of(&self, number: u64, batch: &Batch, callers: &Callers) -> Fate {
        let mut flights = self.lock();
        let is_scarce = self.parts.account.is_scarce();
        if !callers.are_gone() {
            Fate::Awaited
        } else if is_scarce && batch.is_on_the_wire() {
            batch.abandon();
            Fate::Orphan(flights.orphans.adopt(number))
        } else if is_scarce && let Some(error) = batch.failed_with() {
            Fate::Failed(error)
        } else {
            flights.take_out(number, &batch.symbols());
            Fate::Cancelled
        }
    }

    /// Makes an orphan give way to a call that has no place yet, if that is what it waits for.
    pub(super) fn make_room_for(&self, number: u64, batch: &Batch) {
        let mut flights = self.lock();
        let waits_for_place = !batch.has_place() && flights.placed() >= self.parts.places;
        if waits_for_place && !flights.orphans.oldest_gives_way() {
            flights.orphans.in_need.push((number, batch.clone()));
        }
    }

    /// When a call must have a place for this caller to be answered in time. A caller who leaves sooner than a call takes is
    /// not worth a call of others.
    pub(super) fn hurry_for(&self, ask: &Ask, now: Instant) -> Option<Instant> {
        let kept = KEPT_BACK + self.time_for_a_call();
        ask.until.checked_sub(kept).filter(|at| *at > now)
    }
}
