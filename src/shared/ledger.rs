//! Remembers the units that this replica has spent, whether or not the store does.
//!
//! A store that comes back empty is told them again, and a replica that is cut off counts by them. Pure: the present is passed in.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::units::Limit;

/// The units of one account, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// When the call of each ended, or will have ended at the latest.
    ends: BTreeMap<u64, Instant>,
    /// The number of entries at which those that no limit counts any more are dropped.
    full: usize,
}

/// The least number of entries among which old ones are looked for.
const FEW: usize = 256;

impl Ledger {
    /// Adds units whose calls will have ended by an instant.
    pub(super) fn add(&mut self, numbers: impl Iterator<Item = u64>, ends: Instant, longest: Duration, now: Instant) {
        self.ends.extend(numbers.map(|number| (number, ends)));
        if self.ends.len() >= self.full {
            self.forget_old(longest, now);
            self.full = FEW.max(self.ends.len() * 2);
        }
    }

    /// Notes when the call of a unit ended.
    pub(super) fn settle(&mut self, number: u64, ended: Instant) {
        if let Some(ends) = self.ends.get_mut(&number) {
            *ends = ended.min(*ends);
        }
    }

    /// Forgets a unit that no vendor has counted.
    pub(super) fn forget(&mut self, number: u64) {
        self.ends.remove(&number);
    }

    /// Every unit with the instant at which its call ended or will have ended at the latest.
    pub(super) fn all(&mut self, longest: Duration, now: Instant) -> impl Iterator<Item = (u64, Instant)> {
        self.forget_old(longest, now);
        self.ends.iter().map(|(number, ends)| (*number, *ends))
    }

    /// How long until this number of units fits into a limit, by this replica's own count; `None` if it does now.
    pub(super) fn wait(&self, units: usize, limit: Limit, now: Instant) -> Option<Duration> {
        let mut counted: Vec<Instant> = self.ends.values().copied().filter(|ends| *ends + limit.period > now).collect();
        let excess = (counted.len() + units).checked_sub(limit.calls as usize).filter(|excess| *excess > 0)?;
        counted.sort_unstable();
        Some(counted.get(excess - 1).map_or(limit.period, |ends| *ends + limit.period - now))
    }

    fn forget_old(&mut self, longest: Duration, now: Instant) {
        self.ends.retain(|_, ends| *ends + longest > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_unit_counts_for_a_period_from_the_end_of_its_call() {
        let (begin, mut ledger) = (Instant::now(), Ledger::default());
        let limit = Limit { calls: 2, period: Duration::from_secs(1) };
        let after = |ms| begin + Duration::from_millis(ms);
        ledger.add([1, 2].into_iter(), after(1_250), MINUTE, begin);
        assert_eq!(ledger.wait(1, limit, begin), Some(Duration::from_millis(2_250)));
        ledger.settle(1, after(40));
        assert_eq!(ledger.wait(1, limit, after(50)), Some(Duration::from_millis(990)));
        assert_eq!(ledger.wait(2, limit, after(50)), Some(Duration::from_millis(2_200)));
        ledger.forget(2);
        assert_eq!(ledger.wait(1, limit, after(50)), None);
        // a unit that has ended is not moved to a later end
        ledger.settle(1, after(900));
        assert_eq!(ledger.wait(2, limit, after(1_041)), None);
        // more than the limit never fit
        assert_eq!(ledger.wait(3, limit, after(5_000)), Some(limit.period));
    }

    #[test]
    fn what_no_limit_counts_any_more_is_forgotten() {
        let (begin, mut ledger) = (Instant::now(), Ledger::default());
        for second in 0..10_000 {
            let now = begin + Duration::from_secs(second);
            ledger.add([second].into_iter(), now, MINUTE, now);
        }
        assert!(ledger.ends.len() < 1_000);
        let now = begin + Duration::from_secs(10_000);
        assert_eq!(ledger.all(MINUTE, now).count(), 59);
    }
}
