//! Foresees when units can be granted, from what has ended and from how long calls usually take.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::units::Limit;

/// When each unit stops counting, as far as is known or likely.
pub(super) struct Forecast<'a> {
    limits: &'a [Limit],
    /// When calls ended, never decreasing. Those that lie ahead are among `ending` too.
    ended: &'a VecDeque<Instant>,
    /// How many of them do not lie ahead.
    past: usize,
    /// When the others are likely to end, never decreasing and not before now.
    ending: Vec<Instant>,
    /// How long a call takes from its grant to its end.
    usual: Duration,
    now: Instant,
}

impl<'a> Forecast<'a> {
    /// After what has ended. Calls take as long as `usual`.
    pub(super) fn new(limits: &'a [Limit], ended: &'a VecDeque<Instant>, usual: Duration, now: Instant) -> Self {
        let past = ended.partition_point(|at| *at <= now);
        Forecast { limits, ended, past, ending: ended.range(past..).copied().collect(), usual, now }
    }

    /// Counts units that were granted at an instant, or will be. A call that has taken longer than usual may end now.
    pub(super) fn grant(&mut self, units: usize, at: Instant) {
        let ends = (at + self.usual).max(self.now);
        let place = self.ending.partition_point(|other| *other <= ends);
        self.ending.splice(place..place, std::iter::repeat_n(ends, units));
    }

    /// When this number of units can be granted at one instant, and which limit says so if that is not now.
    pub(super) fn earliest(&self, units: usize) -> (Instant, Option<Limit>) {
        let bound = |limit: &Limit| {
            // how many others the window that ends with the grant may hold
            let others = (limit.calls as usize).saturating_sub(units);
            let counted = self.past + self.ending.len();
            Some((self.end(counted.checked_sub(others + 1)?)? + limit.period, *limit))
        };
        let latest = self.limits.iter().filter_map(bound).max_by_key(|(at, _)| *at).filter(|(at, _)| *at > self.now);
        latest.map_or((self.now, None), |(at, limit)| (at, Some(limit)))
    }

    /// When the unit at this index, in the order of their ends, stops counting.
    fn end(&self, index: usize) -> Option<Instant> {
        match index.checked_sub(self.past) {
            Some(index) => self.ending.get(index).copied(),
            None => self.ended.get(index).copied(),
        }
    }
}

/// How long calls usually take: half of the last ones took no longer. Zero before the first one.
pub(super) fn usual(took: &VecDeque<Duration>) -> Duration {
    let mut sorted: Vec<Duration> = took.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
