//! Remembers the units of the last day that no present limit counts, so that a limit that is set later starts with them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// For how long a unit is remembered whatever the limits are.
const DAY: Duration = Duration::from_secs(86_400);

/// The most entries. Beyond that, the older ones become coarser.
const MOST: usize = 1024;

/// Units by when their calls ended.
#[derive(Debug, Default)]
pub(super) struct Earlier(VecDeque<Ended>);

/// Units whose calls ended at an instant, or not long before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    at: Instant,
    units: usize,
}

impl Earlier {
    /// Adds a unit whose call ended at an instant.
    pub(super) fn add(&mut self, at: Instant, now: Instant) {
        while self.0.front().is_some_and(|oldest| oldest.at + DAY <= now) {
            self.0.pop_front();
        }
        let place = self.0.partition_point(|other| other.at < at);
        match self.0.get_mut(place).filter(|other| other.at == at) {
            Some(other) => other.units += 1,
            None => self.0.insert(place, Ended { at, units: 1 }),
        }
        if self.0.len() > MOST {
            self.coarsen();
        }
    }

    /// The ends of all of them, never decreasing.
    pub(super) fn all(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().flat_map(|ended| std::iter::repeat_n(ended.at, ended.units))
    }

    /// Takes out the newest units, at most this many: an instant for each, never decreasing.
    pub(super) fn take_newest(&mut self, most: usize) -> Vec<Instant> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(newest) = self.0.back_mut()
        {
            let units = newest.units.min(most - taken.len());
            taken.extend(std::iter::repeat_n(newest.at, units));
            newest.units -= units;
            if newest.units == 0 {
                self.0.pop_back();
            }
        }
        taken.reverse();
        taken
    }

    /// Joins each two of the older half. The later end counts for both, so that no unit is forgotten too early.
    fn coarsen(&mut self) {
        let newer = self.0.split_off(MOST / 2);
        let older: Vec<Ended> = self.0.drain(..).collect();
        let joined = older.chunks(2).filter_map(|pair| {
            let units = pair.iter().map(|ended| ended.units).sum();
            pair.last().map(|last| Ended { at: last.at, units })
        });
        self.0.extend(joined);
        self.0.extend(newer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_back_with_the_moments_at_which_they_ended_for_a_day() {
        let (begin, mut earlier) = (Instant::now(), Earlier::default());
        for hour in [3, 1, 2, 2] {
            let at = begin + Duration::from_secs(hour * 3600);
            earlier.add(at, begin + Duration::from_secs(3 * 3600));
        }
        let hours = |ends: Vec<Instant>| ends.iter().map(|at| (*at - begin).as_secs() / 3600).collect::<Vec<_>>();
        assert_eq!(hours(earlier.take_newest(2)), [2, 3]);
        earlier.add(begin + DAY, begin + DAY + Duration::from_secs(3600));
        assert_eq!(hours(earlier.take_newest(9)), [2, 24]);
        assert_eq!(earlier.take_newest(9), []);
    }

    #[test]
    fn a_million_units_take_little_room_and_none_of_them_is_dated_too_early() {
        let (begin, mut earlier) = (Instant::now(), Earlier::default());
        let at = |unit: u32| begin + Duration::from_millis(1) * unit;
        for unit in 0..1_000_000 {
            earlier.add(at(unit), at(unit));
        }
        assert!(earlier.0.len() <= MOST);
        let ends = earlier.take_newest(usize::MAX);
        assert_eq!(ends.len(), 1_000_000);
        assert!((0..).zip(&ends).all(|(unit, end)| *end >= at(unit)));
        // the newest are exact
        assert!((0..1_000_000).zip(&ends).skip(999_500).all(|(unit, end)| *end == at(unit)));
    }
}
