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
}

/// How often something has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What became of it.
    pub outcome: &'static str,
    /// How often.
    pub times: u64,
}

impl Counts {
    pub(super) fn all(&self) -> Vec<Counted> {
        let counts = [
            ("granted", &self.granted),
            ("refused", &self.refused),
            ("own_share", &self.own_share),
            ("away", &self.away),
            ("settled", &self.settled),
            ("unsettled", &self.unsettled),
        ];
        counts.map(|(outcome, count)| Counted { outcome, times: count.0.load(Ordering::Relaxed) }).into()
    }
}
