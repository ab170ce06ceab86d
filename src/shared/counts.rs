//! Counts what becomes of the units that this replica wants, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Reservations that the store granted.
    pub(super) granted: Count,
    /// Reservations that it refused, or did not reply to in time.
    pub(super) refused: Count,
    /// Calls out of the share of this replica.
    pub(super) own_share: Count,
    /// Calls that were not made while the store was away.
    pub(super) away: Count,
    /// Units whose end the store learned of.
    pub(super) settled: Count,
    /// Units whose end it did not learn of, so that they counted for longer.
    pub(super) unsettled: Count,
    /// Quotes that others were told.
    pub(super) quotes_told: Count,
    /// Quotes of others that were newer than what was here.
    pub(super) quotes_used: Count,
    /// Quotes of others that were not.
    pub(super) quotes_old: Count,
    /// Leases that calls of this replica held.
    pub(super) leases_held: Count,
    /// Calls that were left to other replicas.
    pub(super) leases_left: Count,
}

/// How often something has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What became of it.
    pub outcome: &'static str,
    /// How often.
    pub times: u64,
}

impl Counted {
    fn of((outcome, count): (&'static str, &Count)) -> Self {
        Counted { outcome, times: count.0.load(Ordering::Relaxed) }
    }
}

impl Counts {
    /// What became of units.
    pub(super) fn reservations(&self) -> Vec<Counted> {
        let counts = [
            ("granted", &self.granted),
            ("refused", &self.refused),
            ("own_share", &self.own_share),
            ("away", &self.away),
            ("settled", &self.settled),
            ("unsettled", &self.unsettled),
        ];
        counts.map(Counted::of).into()
    }

    /// What became of quotes that replicas told each other.
    pub(super) fn quotes(&self) -> Vec<Counted> {
        [("told", &self.quotes_told), ("used", &self.quotes_used), ("old", &self.quotes_old)].map(Counted::of).into()
    }

    /// Who made calls that several replicas wanted.
    pub(super) fn leases(&self) -> Vec<Counted> {
        [("held", &self.leases_held), ("left", &self.leases_left)].map(Counted::of).into()
    }
}
