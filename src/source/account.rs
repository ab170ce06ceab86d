//! Counts what one vendor allows us: exact sliding windows of units, and whether it wants to be left alone.
//!
//! The vendor counts a call when it arrives there, and we cannot see that moment. It lies between the grant of the unit and the
//! first byte of the reply, with a handshake or a slow network in between. So a unit counts from its grant until a period
//! after that byte, or after the failure. Then no window at the vendor's end holds more than the limit: whichever call was
//! granted last, enough of the others had arrived a whole period before.
//!
//! The sources of one vendor share an account. Counting is all it does; who waits for room waits in
//! [`super::rate_limit`].

mod forecast;
mod heed;
mod remember;
mod units;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::cooldown::{Cooldown, Cooldowns};
use crate::failure::SourceError;
use crate::fingerprint::Fingerprint;
use crate::units::Limit;
use forecast::{Forecast, usual};
pub use remember::{AccountState, CooldownState};
use units::End;
pub(super) use units::Promise;
pub use units::Units;

/// What one vendor allows us: its limits, what of them is spent, and whether it wants to be left alone.
#[derive(Debug)]
pub struct Account {
    /// Whose it is, for log lines.
    name: String,
    /// Whether a refusal can be the key's fault.
    has_key: bool,
    /// Tells one key from another, and nothing of either.
    key_mark: Option<Fingerprint>,
    limits: Vec<Limit>,
    state: Mutex<State>,
    cooling: watch::Sender<Option<Cooldown>>,
    /// Tells those who wait for room that a unit's end is known now.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When the calls ended that units were spent on, an instant for each unit; never decreasing. The units count for a period
    /// from there. That of a cancelled call may lie ahead.
    ended: VecDeque<Instant>,
    /// The calls that have been granted units and have not ended. Their units count in every window.
    running: Vec<Running>,
    /// The units promised and not yet granted, in the order of the promises.
    promised: Vec<Promised>,
    next_ticket: u64,
    /// Units of batches that have departed and not yet reached the limit: they are as good as spent.
    expected: usize,
    /// How long the last calls took from their grant to their end.
    took: VecDeque<Duration>,
    cooldowns: Cooldowns,
    /// Grows with everything that must outlive a restart.
    revision: u64,
}

#[derive(Debug)]
struct Promised {
    ticket: u64,
    units: usize,
}

#[derive(Debug)]
struct Running {
    ticket: u64,
    units: usize,
    granted: Instant,
    /// When it has ended at the latest.
    over_by: Instant,
}

/// A limit with what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: Limit,
    /// Units that could be spent at once.
    pub left: usize,
}

/// When a call that stands in line may be granted its units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The likely moment, if calls take as long as usual and everybody ahead goes first.
    pub(super) at: Instant,
    /// The first moment there can be, if every running call ended now.
    pub(super) soonest: Instant,
    /// The limit that says so; `None` if it is now.
    pub(super) limit: Option<Limit>,
}

/// How many calls are remembered for how long they take.
const REMEMBERED: usize = 9;

impl Account {
    /// An account with the limits its vendor states.
    ///
    /// A limit over an hour or more also counts as a fifth of it over a fifth of its period, so that no five minutes eat a day.
    pub fn new(name: &str, stated: &[Limit]) -> Self {
        let spread = stated.iter().filter(|limit| limit.period >= Duration::from_secs(3600));
        let spread = spread.map(|limit| Limit { calls: limit.calls.div_ceil(5), period: limit.period / 5 });
        let limits = stated.iter().copied().chain(spread).collect();
        Account {
            name: name.to_owned(),
            has_key: true,
            key_mark: None,
            limits,
            state: Mutex::default(),
            cooling: watch::Sender::new(None),
            freed: Notify::new(),
        }
    }

    /// The same for a vendor that is asked without a key.
    pub fn without_key(self) -> Self {
        Account { has_key: false, ..self }
    }

    /// The same with a mark of its key.
    pub fn marked(self, key_mark: Option<Fingerprint>) -> Self {
        Account { key_mark, ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no unit is promised to anybody, on its way to be spent, or spent on a call that has not ended.
    pub(super) fn owes_nothing(&self) -> bool {
        let state = self.lock();
        state.promised.is_empty() && state.running.is_empty() && state.expected == 0
    }

    /// Whether a unit is too scarce to be thrown away: a limit is over a minute or more.
    pub(super) fn is_scarce(&self) -> bool {
        self.limits.iter().any(|limit| limit.period >= Duration::from_secs(60))
    }

    /// How much of its time one unit takes of the tightest limit: an hour if 24 a day are allowed.
    pub fn time_per_unit(&self) -> Duration {
        self.limits.iter().map(|limit| limit.period / limit.calls).max().unwrap_or_default()
    }

    /// The most units that may be spent at one instant.
    pub(super) fn most_at_once(&self) -> usize {
        self.limits.iter().map(|limit| limit.calls as usize).min().unwrap_or(usize::MAX)
    }

    /// How many of the wanted units can be spent until an instant, and what stands in the way of the next one.
    ///
    /// What others are on their way to spend comes first. Calls under way are taken to last as long as usual.
    pub fn room(&self, wanted: usize, now: Instant, until: Instant) -> (usize, Option<SourceError>) {
        if self.limits.is_empty() {
            return (wanted, None);
        }
        let state = self.lock();
        let (mut forecast, ahead) = (self.forecast(&state, now), state.expected);
        for granted in 0..ahead + wanted {
            let (at, limit) = forecast.earliest(1);
            if let (true, Some(limit)) = (at > until, limit) {
                return (granted.saturating_sub(ahead), Some(throttled(limit, at - now)));
            }
            forecast.grant(1, at);
        }
        (wanted, None)
    }

    /// When one more unit can be spent, after all that others are on their way to spend.
    pub fn room_at(&self, now: Instant) -> Instant {
        let state = self.lock();
        let mut forecast = self.forecast(&state, now);
        for _ in 0..state.expected {
            let (at, _) = forecast.earliest(1);
            forecast.grant(1, at);
        }
        forecast.earliest(1).0
    }

    /// From when on one more unit may be hunted with, if at most half of what each limit bears at once may be. `hunted` are the
    /// instants of those that were, the oldest first; what no limit counts any more is taken out.
    pub(super) fn half_at(&self, hunted: &mut VecDeque<Instant>, now: Instant) -> Instant {
        while hunted.front().is_some_and(|at| *at + self.longest() <= now) {
            hunted.pop_front();
        }
        let bound = |limit: &Limit| {
            let half = (limit.calls as usize / 2).max(1);
            Some(hunted[hunted.len().checked_sub(half)?] + limit.period)
        };
        self.limits.iter().filter_map(bound).max().map_or(now, |at| at.max(now))
    }

    /// Says that units are on their way to be spent, for as long as the expectation is kept.
    pub fn expect(self: &Arc<Self>, units: usize) -> Expectation {
        self.lock().expected += units;
        Expectation { account: Arc::clone(self), units }
    }

    /// What is left of each limit, the stated ones first.
    pub fn left(&self, now: Instant) -> Vec<Left> {
        let state = self.lock();
        let granted = state.running.iter().map(|running| running.units).sum::<usize>();
        let promised = state.promised.iter().map(|promised| promised.units).sum::<usize>();
        let in_period = |limit: &Limit| state.ended.iter().filter(|at| **at + limit.period > now).count();
        let spent_in = |limit: &Limit| in_period(limit) + granted + promised;
        self.limits
            .iter()
            .map(|limit| Left { limit: *limit, left: (limit.calls as usize).saturating_sub(spent_in(limit)) })
            .collect()
    }

    /// What lies ahead if calls take so long, of those under way alone.
    fn under_way<'a>(&'a self, state: &'a State, takes: Duration, now: Instant) -> Forecast<'a> {
        let mut forecast = Forecast::new(&self.limits, &state.ended, takes, now);
        state.running.iter().for_each(|running| forecast.grant(running.units, running.granted));
        forecast
    }

    /// What lies ahead if calls take as long as usual: calls under way first, then those that were promised units.
    fn forecast<'a>(&'a self, state: &'a State, now: Instant) -> Forecast<'a> {
        let mut forecast = self.under_way(state, usual(&state.took), now);
        for promised in &state.promised {
            let (at, _) = forecast.earliest(promised.units);
            forecast.grant(promised.units, at);
        }
        forecast
    }

    /// Promises units, all to be spent at one instant, or says that it would take too long. Gives a ticket, and the likely
    /// instant.
    ///
    /// What was expected of them ends in the same moment, so that nobody else counts them twice or not at all.
    pub(super) fn promise(
        &self,
        mut expected: Option<Expectation>,
        units: usize,
        now: Instant,
        until: Instant,
    ) -> Result<(u64, Instant), SourceError> {
        let mut state = self.lock();
        state.expected -= expected.as_mut().map_or(0, |expected| std::mem::take(&mut expected.units));
        self.forget_old(&mut state, now);
        let (at, limit) = self.forecast(&state, now).earliest(units);
        if let (true, Some(limit)) = (at > until, limit) {
            return Err(throttled(limit, at - now));
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.promised.push(Promised { ticket, units });
        Ok((ticket, at))
    }

    /// When the turn of a promise comes.
    pub(super) fn turn(&self, ticket: u64, now: Instant) -> Turn {
        let state = self.lock();
        let mut forecast = self.under_way(&state, usual(&state.took), now);
        for promised in &state.promised {
            let (at, limit) = forecast.earliest(promised.units);
            if promised.ticket == ticket {
                let (soonest, _) = self.under_way(&state, Duration::ZERO, now).earliest(promised.units);
                return Turn { at, soonest, limit };
            }
            forecast.grant(promised.units, at);
        }
        Turn { at: now, soonest: now, limit: None }
    }

    /// Grants what was promised, now, for a call that has ended by an instant; or not, because an earlier call was granted or
    /// ended later than was forecast.
    ///
    /// Only what was granted counts here, never what is merely promised: so no window is exceeded, in whatever order waiters wake.
    pub(super) fn grant(self: &Arc<Self>, ticket: u64, now: Instant, over_by: Instant) -> Option<Units> {
        let mut state = self.lock();
        let place = state.promised.iter().position(|promised| promised.ticket == ticket)?;
        let units = state.promised[place].units;
        if self.under_way(&state, Duration::ZERO, now).earliest(units).0 > now {
            return None;
        }
        state.promised.remove(place);
        if !self.limits.is_empty() {
            // where nothing is limited, nothing is remembered
            state.running.push(Running { ticket, units, granted: now, over_by });
            state.revision += 1;
        }
        Some(Units::new(Arc::clone(self), ticket))
    }

    /// Takes a promise back that was not granted.
    fn take_back(&self, ticket: u64) {
        let mut state = self.lock();
        let promises = state.promised.len();
        state.promised.retain(|promised| promised.ticket != ticket);
        if state.promised.len() < promises {
            self.freed.notify_waiters();
        }
    }

    /// Ends a call that was granted units.
    fn end(&self, ticket: u64, end: End) {
        let mut state = self.lock();
        let now = Instant::now();
        let Some(place) = state.running.iter().position(|running| running.ticket == ticket) else { return };
        let Running { units, granted, over_by, .. } = state.running.remove(place);
        let ended = match end {
            End::NotWritten => None,
            End::Known => {
                state.took.truncate(REMEMBERED - 1);
                state.took.push_front(now - granted);
                Some(now)
            }
            End::Unknown(latest) => Some(latest.unwrap_or(over_by).max(now)),
        };
        if let Some(at) = ended {
            let place = state.ended.partition_point(|other| *other <= at);
            (0..units).for_each(|_| state.ended.insert(place, at));
        }
        state.revision += 1;
        self.freed.notify_waiters();
    }

    /// Hears of every unit whose end is known from now on.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    fn forget_old(&self, state: &mut State, now: Instant) {
        while state.ended.front().is_some_and(|at| *at + self.longest() <= now) {
            state.ended.pop_front();
        }
    }
}

fn throttled(limit: Limit, retry_after: Duration) -> SourceError {
    SourceError::Throttled { limit: limit.to_string(), retry_after }
}

/// Units that a departed batch is about to spend. Dropped when they are promised, or when the batch never gets there.
#[derive(Debug)]
pub struct Expectation {
    account: Arc<Account>,
    units: usize,
}

impl Drop for Expectation {
    fn drop(&mut self) {
        self.account.lock().expected -= self.units;
    }
}
