//! Counts the units of a vendor's limits in exact sliding windows: what was spent, what is in flight, what may be spent now.
//!
//! The vendor counts a call when it arrives there, and we cannot see that moment. It lies between the grant of the unit and the
//! first byte of the reply, with a handshake or a slow network in between. So a unit counts from its grant until a period
//! after that byte, or after the failure. Then no window at the vendor's end holds more than the limit: before the call that
//! was granted last, enough of the others had arrived a whole period earlier.
//!
//! Pure: there is no lock and no clock in here, and the present is passed in. [`super::allowance`] adds the lock.

mod earlier;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::units::Limit;
use earlier::Earlier;

/// How many calls the usual duration of a call is taken from.
const REMEMBERED: usize = 9;

/// Longer than any call waits to be sent.
const LONGEST_CALL: Duration = Duration::from_secs(3600);

/// The limits that windows are kept for. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Limits(Arc<[Limit]>);

impl Limits {
    /// The limits that a vendor states.
    ///
    /// A limit per hour or longer also counts as a fifth of it over a fifth of its period, so that no five minutes use up a
    /// day.
    pub(super) fn new(stated: &[Limit]) -> Self {
        let spread = stated.iter().filter(|limit| limit.period >= Duration::from_secs(3600));
        let spread = spread.map(|limit| Limit { calls: limit.calls.div_ceil(5), period: limit.period / 5 });
        Limits(stated.iter().copied().chain(spread).collect())
    }

    /// All of them, those that follow from stated ones last.
    pub(super) fn all(&self) -> &[Limit] {
        &self.0
    }

    /// Whether there is no limit at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a unit is too scarce to be thrown away: a limit has a period of a minute or more.
    pub(super) fn is_scarce(&self) -> bool {
        self.0.iter().any(|limit| limit.period >= Duration::from_secs(60))
    }

    /// How much of its time one unit takes of the tightest limit: an hour if 24 a day are allowed.
    pub(super) fn time_per_unit(&self) -> Duration {
        self.0.iter().map(|limit| limit.period / limit.calls).max().unwrap_or_default()
    }

    /// The most units that may be spent at one instant.
    pub(super) fn most_at_once(&self) -> usize {
        self.0.iter().map(|limit| limit.calls as usize).min().unwrap_or(usize::MAX)
    }

    /// The most units that any of the windows holds.
    pub(super) fn most(&self) -> usize {
        self.0.iter().map(|limit| limit.calls as usize).max().unwrap_or_default()
    }

    /// A limit that never has room for this number of units at one instant.
    fn below(&self, units: usize) -> Option<Limit> {
        self.0.iter().copied().find(|limit| (limit.calls as usize) < units)
    }

    /// The longest period: what was spent before it does not count any more.
    pub(super) fn longest(&self) -> Duration {
        self.0.iter().map(|limit| limit.period).max().unwrap_or_default()
    }

    /// When one more unit may go to a purpose that may have at most half of each limit. `used` holds the instants at which that
    /// purpose had units, the oldest first; those that no limit counts any more are taken out.
    pub(super) fn half_at(&self, used: &mut VecDeque<Instant>, now: Instant) -> Instant {
        while used.front().is_some_and(|at| *at + self.longest() <= now) {
            used.pop_front();
        }
        let bound = |limit: &Limit| {
            let half = (limit.calls as usize / 2).max(1);
            Some(used[used.len().checked_sub(half)?] + limit.period)
        };
        self.0.iter().filter_map(bound).max().map_or(now, |at| at.max(now))
    }
}

/// A limit with what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: Limit,
    /// Units that could be spent at once.
    pub left: usize,
}

/// Why units cannot be spent in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// The limit that has no room.
    pub(super) limit: Limit,
    /// How long until it probably has.
    pub(super) wait: Duration,
}

/// When a call that waits for its units may be granted them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// The likely moment, if calls take as long as usual and everything that was promised earlier goes first.
    pub(super) likely: Instant,
    /// The earliest possible moment, if every call in flight ended now.
    pub(super) soonest: Instant,
    /// The limit that decides; `None` if the units can be granted now.
    pub(super) limit: Option<Limit>,
}

/// How a call ended that was granted units.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The vendor had it, or we know why not.
    Known,
    /// Nothing of it was written, so the vendor cannot have counted it.
    NotWritten,
    /// We no longer listen, and the vendor may get it until then; `None` for the time that was stated at the grant.
    Unknown(Option<Instant>),
}

/// The units of one account.
#[derive(Debug)]
pub(super) struct Window {
    limits: Limits,
    /// When the calls ended that units were spent on, an instant for each unit; never decreasing. The units count for a period
    /// from there. The end of a cancelled call may lie ahead.
    ended: VecDeque<Instant>,
    /// The units that ended so long ago that no limit counts them any more.
    earlier: Earlier,
    /// The calls that have been granted units and have not ended. Their units count in every window.
    in_flight: Vec<Granted>,
    /// The units promised and not yet granted, in the order of the promises.
    promised: Vec<Promised>,
    next_ticket: u64,
    /// Units of batches that were dispatched and have not reached the limit yet: they are as good as spent.
    expected: usize,
    /// How long the last calls took from their grant to their end, the latest first.
    took: VecDeque<Duration>,
    /// Grows with every grant and every end: these must outlive a restart.
    revision: u64,
}

#[derive(Debug)]
struct Promised {
    ticket: u64,
    units: usize,
}

#[derive(Debug)]
struct Granted {
    ticket: u64,
    units: usize,
    at: Instant,
    /// When the call has ended at the latest.
    over_by: Instant,
}

impl Window {
    /// A window in which nothing was spent.
    pub(super) fn new(limits: Limits) -> Self {
        Window {
            limits,
            ended: VecDeque::new(),
            earlier: Earlier::default(),
            in_flight: Vec::new(),
            promised: Vec::new(),
            next_ticket: 0,
            expected: 0,
            took: VecDeque::new(),
            revision: 0,
        }
    }

    /// The limits as they are now.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How long calls usually take: half of the last ones took no longer. Zero before the first one.
    pub(super) fn usual(&self) -> Duration {
        usual(&self.took)
    }

    /// Whether no unit is promised, expected, or spent on a call that has not ended.
    pub(super) fn is_at_rest(&self) -> bool {
        self.promised.is_empty() && self.in_flight.is_empty() && self.expected == 0
    }

    /// How often something has happened that must outlive a restart.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// What is left of each limit, the stated ones first. What is promised counts as spent.
    pub(super) fn left(&self, now: Instant) -> Vec<Left> {
        let in_flight = self.in_flight.iter().map(|granted| granted.units).sum::<usize>();
        let promised = self.promised.iter().map(|promised| promised.units).sum::<usize>();
        let in_period = |limit: &Limit| self.ended.iter().filter(|at| **at + limit.period > now).count();
        let spent_in = |limit: &Limit| in_period(limit) + in_flight + promised;
        let left = |limit: &Limit| (limit.calls as usize).saturating_sub(spent_in(limit));
        self.limits.0.iter().map(|limit| Left { limit: *limit, left: left(limit) }).collect()
    }

    /// How many of the `wanted` units can be spent one after the other until an instant, and what stands in the way of the rest:
    /// the wait of the first unit that comes too late.
    ///
    /// What is promised or expected comes first, and its units may be the ones that come too late. Calls in flight are taken to
    /// last as long as usual.
    pub(super) fn room(&self, wanted: usize, now: Instant, until: Instant) -> (usize, Option<Full>) {
        let mut forecast = self.forecast(now);
        for granted in 0..self.expected + wanted {
            let (at, limit) = forecast.earliest(1);
            if let (true, Some(limit)) = (at > until, limit) {
                return (granted.saturating_sub(self.expected), Some(Full { limit, wait: at - now }));
            }
            forecast.grant(1, at);
        }
        (wanted, None)
    }

    /// When this number of units, at least one, can have been spent one after the other, after all that is promised or expected.
    pub(super) fn room_at(&self, units: usize, now: Instant) -> Instant {
        let mut forecast = self.forecast(now);
        for _ in 1..self.expected + units {
            let (at, _) = forecast.earliest(1);
            forecast.grant(1, at);
        }
        forecast.earliest(1).0
    }

    /// Expects that units will be promised soon.
    pub(super) fn expect(&mut self, units: usize) {
        self.expected += units;
    }

    /// Expects them no longer.
    pub(super) fn unexpect(&mut self, units: usize) {
        self.expected -= units;
    }

    /// Promises units, all to be spent at one instant, and returns a ticket and the likely instant.
    ///
    /// # Errors
    /// There is no room for them until `until`.
    pub(super) fn promise(&mut self, units: usize, now: Instant, until: Instant) -> Result<(u64, Instant), Full> {
        self.forget_old(now);
        if let Some(limit) = self.limits.below(units) {
            return Err(Full { limit, wait: limit.period });
        }
        let (at, limit) = self.forecast(now).earliest(units);
        if let (true, Some(limit)) = (at > until, limit) {
            return Err(Full { limit, wait: at - now });
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.promised.push(Promised { ticket, units });
        Ok((ticket, at))
    }

    /// When a promise can be kept.
    pub(super) fn estimate(&self, ticket: u64, now: Instant) -> Estimate {
        let mut forecast = self.without_promises(self.usual(), now);
        for promised in &self.promised {
            let (likely, limit) = forecast.earliest(promised.units);
            if promised.ticket == ticket {
                // since the promise, a limit was set that never has room for this call
                if let Some(limit) = self.limits.below(promised.units) {
                    let never = now + limit.period.max(LONGEST_CALL);
                    return Estimate { likely: never, soonest: never, limit: Some(limit) };
                }
                let (soonest, _) = self.without_promises(Duration::ZERO, now).earliest(promised.units);
                return Estimate { likely, soonest, limit };
            }
            forecast.grant(promised.units, likely);
        }
        Estimate { likely: now, soonest: now, limit: None }
    }

    /// Grants what was promised, now, for a call that ends by an instant. Returns whether there is room by now: an earlier call
    /// may have been granted its units or have ended later than was forecast.
    ///
    /// Only what was granted counts here, never what is merely promised. So no limit is exceeded, in whatever order those who
    /// wait wake up.
    pub(super) fn grant(&mut self, ticket: u64, now: Instant, over_by: Instant) -> bool {
        let Some(place) = self.promised.iter().position(|promised| promised.ticket == ticket) else { return false };
        let units = self.promised[place].units;
        if self.limits.below(units).is_some() || self.without_promises(Duration::ZERO, now).earliest(units).0 > now {
            return false;
        }
        self.promised.remove(place);
        self.in_flight.push(Granted { ticket, units, at: now, over_by });
        self.note_change();
        true
    }

    /// Lets a call that was granted units have no more than this many.
    pub(super) fn shrink(&mut self, ticket: u64, units: usize) {
        let granted = self.in_flight.iter_mut().find(|granted| granted.ticket == ticket);
        if let Some(granted) = granted {
            granted.units = granted.units.min(units);
        }
    }

    /// Takes a promise back. Returns whether there was one that had not been granted.
    pub(super) fn take_back(&mut self, ticket: u64) -> bool {
        let before = self.promised.len();
        self.promised.retain(|promised| promised.ticket != ticket);
        self.promised.len() < before
    }

    /// Ends a call that was granted units. Returns whether there was one.
    pub(super) fn end(&mut self, ticket: u64, end: End, now: Instant) -> bool {
        let Some(place) = self.in_flight.iter().position(|granted| granted.ticket == ticket) else { return false };
        let Granted { units, at, over_by, .. } = self.in_flight.remove(place);
        let ended = match end {
            End::NotWritten => None,
            End::Known => {
                self.took.truncate(REMEMBERED - 1);
                self.took.push_front(now - at);
                Some(now)
            }
            End::Unknown(latest) => Some(latest.unwrap_or(over_by).max(now)),
        };
        if let Some(ended) = ended {
            let place = self.ended.partition_point(|other| *other <= ended);
            (0..units).for_each(|_| self.ended.insert(place, ended));
        }
        self.forget_old(now);
        self.note_change();
        true
    }

    /// The ends of all units that still count, never decreasing. A call in flight ends at the latest moment it can, since a
    /// killed process cannot tell when it did.
    pub(super) fn ends(&self, now: Instant) -> Vec<Instant> {
        let mut ends: Vec<Instant> = self.ended.iter().copied().collect();
        for granted in &self.in_flight {
            ends.extend(std::iter::repeat_n(granted.over_by.max(now), granted.units));
        }
        ends.retain(|at| *at + self.limits.longest() > now);
        ends.sort_unstable();
        ends
    }

    /// The ends of all units of the last day, whatever the limits are, in any order.
    pub(super) fn spent_lately(&self, now: Instant) -> Vec<Instant> {
        let in_flight =
            self.in_flight.iter().flat_map(|granted| std::iter::repeat_n(granted.over_by.max(now), granted.units));
        self.earlier.all().chain(self.ended.iter().copied()).chain(in_flight).collect()
    }

    /// Counts units whose calls ended at these instants, in any order.
    pub(super) fn restore(&mut self, ends: Vec<Instant>) {
        let mut all = ends;
        all.extend(self.ended.iter());
        all.sort_unstable();
        self.ended = VecDeque::from(all);
    }

    /// What lies ahead if calls take `takes`, without what was only promised.
    fn without_promises(&self, takes: Duration, now: Instant) -> Forecast<'_> {
        let mut forecast = Forecast::new(&self.limits.0, &self.ended, takes, now);
        self.in_flight.iter().for_each(|granted| forecast.grant(granted.units, granted.at));
        forecast
    }

    /// What lies ahead if calls take as long as usual: calls in flight first, then those that were promised units.
    fn forecast(&self, now: Instant) -> Forecast<'_> {
        let mut forecast = self.without_promises(self.usual(), now);
        for promised in &self.promised {
            let (at, _) = forecast.earliest(promised.units);
            forecast.grant(promised.units, at);
        }
        forecast
    }

    /// Sets other limits from now on. What was spent within the last day counts for them, too; what was promised is granted when
    /// they allow it.
    pub(super) fn set_limits(&mut self, limits: Limits, now: Instant) {
        self.limits = limits;
        let mut ended = self.earlier.take_newest(self.limits.most());
        ended.extend(self.ended.drain(..));
        ended.sort_unstable();
        self.ended = ended.into();
        self.forget_old(now);
        self.revision += 1;
    }

    fn forget_old(&mut self, now: Instant) {
        let longest = self.limits.longest();
        while let Some(at) = self.ended.pop_front_if(|at| *at + longest <= now) {
            self.earlier.add(at, now);
        }
    }

    /// Notes a grant or an end. Where nothing is limited, it need not outlive a restart.
    fn note_change(&mut self) {
        self.revision += u64::from(!self.limits.is_empty());
    }
}

fn usual(took: &VecDeque<Duration>) -> Duration {
    let mut sorted: Vec<Duration> = took.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// When each unit stops counting, as far as that is known or likely.
struct Forecast<'w> {
    limits: &'w [Limit],
    /// When calls ended, never decreasing. Those that lie ahead are in `ending` too.
    ended: &'w VecDeque<Instant>,
    /// How many of them do not lie ahead.
    past: usize,
    /// When the others are likely to end, never decreasing and not before now.
    ending: Vec<Instant>,
    /// How long a call takes from its grant to its end.
    usual: Duration,
    now: Instant,
}

impl<'w> Forecast<'w> {
    /// After what has ended. Calls take as long as `usual`.
    fn new(limits: &'w [Limit], ended: &'w VecDeque<Instant>, usual: Duration, now: Instant) -> Self {
        let past = ended.partition_point(|at| *at <= now);
        Forecast { limits, ended, past, ending: ended.range(past..).copied().collect(), usual, now }
    }

    /// Counts units that were granted at an instant, or will be. A call that has taken longer than usual may end now.
    fn grant(&mut self, units: usize, at: Instant) {
        let ends = (at + self.usual).max(self.now);
        let place = self.ending.partition_point(|other| *other <= ends);
        self.ending.splice(place..place, std::iter::repeat_n(ends, units));
    }

    /// When this number of units can be granted at one instant, and which limit decides if that is not now.
    fn earliest(&self, units: usize) -> (Instant, Option<Limit>) {
        let bound = |limit: &Limit| {
            // how many others the window that ends with the grant may hold
            let others = (limit.calls as usize).saturating_sub(units);
            let counted = self.past + self.ending.len();
            Some((self.end(counted.checked_sub(others + 1)?)? + limit.period, *limit))
        };
        let latest = self.limits.iter().filter_map(bound).max_by_key(|(at, _)| *at).filter(|(at, _)| *at > self.now);
        latest.map_or((self.now, None), |(at, limit)| (at, Some(limit)))
    }

    /// When the unit at this index ended or will end, in the order of the ends.
    fn end(&self, index: usize) -> Option<Instant> {
        match index.checked_sub(self.past) {
            Some(index) => self.ending.get(index).copied(),
            None => self.ended.get(index).copied(),
        }
    }
}

#[cfg(test)]
mod tests;
