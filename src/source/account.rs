//! Counts what one vendor allows us: exact sliding windows of what was spent, and whether it wants to be left alone.
//!
//! The sources of one vendor share an account. Counting is all it does; who waits for room waits in
//! [`super::rate_limit`].

mod heed;
mod remember;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::cooldown::{Cooldown, Cooldowns};
use super::error::SourceError;
use crate::settings::units::Limit;
use crate::state::mark::Mark;

/// What one vendor allows us: its limits, what of them is spent, and whether it wants to be left alone.
#[derive(Debug)]
pub struct Account {
    /// Whose it is, for log lines.
    name: String,
    /// Whether a refusal can be the key's fault.
    has_key: bool,
    /// Tells one key from another, and nothing of either.
    key_mark: Option<Mark>,
    limits: Vec<Limit>,
    state: Mutex<State>,
    cooling: watch::Sender<Option<Cooldown>>,
}

#[derive(Debug, Default)]
struct State {
    /// The instants of the last units spent, never decreasing.
    spent: VecDeque<Instant>,
    /// The units promised and not yet spent, in the order of the promises.
    promised: VecDeque<Promised>,
    next_ticket: u64,
    /// Units of batches that have departed and not yet reached the limit: they are as good as spent.
    expected: usize,
    cooldowns: Cooldowns,
    /// Grows with everything that must outlive a restart.
    revision: u64,
}

#[derive(Debug)]
struct Promised {
    ticket: u64,
    at: Instant,
}

/// A limit with what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: Limit,
    /// Units that could be spent at once.
    pub left: usize,
}

impl State {
    /// Units spent and promised.
    fn units(&self) -> usize {
        self.spent.len() + self.promised.len()
    }

    /// When a unit was spent, or is promised to be.
    fn instant(&self, index: usize) -> Option<Instant> {
        let promised = || self.promised.get(index.checked_sub(self.spent.len())?).map(|unit| unit.at);
        self.spent.get(index).copied().or_else(promised)
    }
}

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
        }
    }

    /// The same for a vendor that is asked without a key.
    pub fn without_key(self) -> Self {
        Account { has_key: false, ..self }
    }

    /// The same with a mark of its key.
    pub fn marked(self, key_mark: Option<Mark>) -> Self {
        Account { key_mark, ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no unit is promised to anybody, or on its way to be spent.
    pub(super) fn owes_nothing(&self) -> bool {
        let state = self.lock();
        state.promised.is_empty() && state.expected == 0
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
    /// What others are on their way to spend comes first.
    pub fn room(&self, wanted: usize, now: Instant, until: Instant) -> (usize, Option<SourceError>) {
        let mut state = self.lock();
        let (length, ahead) = (state.promised.len(), state.expected);
        let mut granted = 0;
        let mut refusal = None;
        while granted < ahead + wanted {
            let (at, limit) = self.earliest(&state, state.units(), now);
            if let (true, Some(limit)) = (at > until, limit) {
                refusal = Some(SourceError::Throttled { limit: limit.to_string(), retry_after: at - now });
                break;
            }
            state.promised.push_back(Promised { ticket: u64::MAX, at });
            granted += 1;
        }
        // it was only a try
        state.promised.truncate(length);
        (granted.saturating_sub(ahead), refusal)
    }

    /// When one more unit can be spent, after all that others are on their way to spend.
    pub fn room_at(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        let (length, ahead) = (state.promised.len(), state.expected);
        let mut room_at = now;
        for _ in 0..=ahead {
            (room_at, _) = self.earliest(&state, state.units(), now);
            state.promised.push_back(Promised { ticket: u64::MAX, at: room_at });
        }
        // it was only a try
        state.promised.truncate(length);
        room_at
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
        let in_period = |limit: &Limit| state.spent.iter().filter(|at| **at + limit.period > now).count();
        let spent_in = |limit: &Limit| in_period(limit) + state.promised.len();
        self.limits
            .iter()
            .map(|limit| Left { limit: *limit, left: (limit.calls as usize).saturating_sub(spent_in(limit)) })
            .collect()
    }

    /// When the unit at an index may be spent at the earliest, and which limit says so if it is not now.
    fn earliest(&self, state: &State, index: usize, now: Instant) -> (Instant, Option<Limit>) {
        let bound = |limit: &Limit| {
            let before = state.instant(index.checked_sub(limit.calls as usize)?)?;
            Some((before + limit.period, *limit))
        };
        let latest = self.limits.iter().filter_map(bound).max_by_key(|(at, _)| *at).filter(|(at, _)| *at > now);
        latest.map_or((now, None), |(at, limit)| (at, Some(limit)))
    }

    /// Promises units, all to be spent at one instant, or says that it would take too long.
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
        if self.limits.is_empty() {
            return Ok((0, now));
        }
        self.forget_old(&mut state, now);
        let length = state.promised.len();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let mut at = now;
        for _ in 0..units {
            let (earliest, limit) = self.earliest(&state, state.units(), now);
            if let (true, Some(limit)) = (earliest > until, limit) {
                state.promised.truncate(length);
                return Err(SourceError::Throttled { limit: limit.to_string(), retry_after: earliest - now });
            }
            at = earliest.max(at);
            state.promised.push_back(Promised { ticket, at });
        }
        for unit in state.promised.iter_mut().skip(length) {
            unit.at = at;
        }
        Ok((ticket, at))
    }

    /// Spends what was promised, now; or says until when to wait on, because an earlier call left later than promised.
    ///
    /// Only what was spent counts here, never what is merely promised: so no window is exceeded, whoever wakes first.
    pub(super) fn spend(&self, ticket: u64, now: Instant) -> Result<(), Instant> {
        let mut state = self.lock();
        let units = state.promised.iter().filter(|unit| unit.ticket == ticket).count();
        let last = (state.spent.len() + units).saturating_sub(1);
        let (at, _) = self.earliest(&state, last, now);
        if at > now {
            state.promised.iter_mut().filter(|unit| unit.ticket == ticket).for_each(|unit| unit.at = at);
            return Err(at);
        }
        state.promised.retain(|unit| unit.ticket != ticket);
        state.spent.extend(std::iter::repeat_n(now, units));
        // where nothing is limited, nothing is remembered
        state.revision += u64::from(units > 0);
        Ok(())
    }

    pub(super) fn give_back(&self, ticket: u64) {
        self.lock().promised.retain(|unit| unit.ticket != ticket);
    }

    fn forget_old(&self, state: &mut State, now: Instant) {
        while state.spent.front().is_some_and(|at| *at + self.longest() <= now) {
            state.spent.pop_front();
        }
    }
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
