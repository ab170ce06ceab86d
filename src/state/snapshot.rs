//! Takes the state of a running service, and restores it to one that has just been set up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{State, VERSION};
use crate::clock::{Moment, age};
use crate::profile::Profile;
use crate::service::Quotefold;
use crate::source::Source;
use crate::source::account::{AccountState, CooldownState};
use crate::source::coalescer::SuspectState;
use crate::source::lists::ListState;

/// The most quotes that are kept: those of forty sources for the hundred symbols that fit in one request. A quote takes some
/// 270 bytes, so the file stays near a megabyte, and is written within milliseconds.
pub const MOST_QUOTES: usize = 4_096;

/// What was spent on accounts that are not configured at the moment, by name. A source that is removed for an hour must not come
/// back with a fresh day's limit.
pub type UnconfiguredAccounts = BTreeMap<String, AccountState>;

/// What was restored of a state, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How old the state was; zero if it was saved in the future.
    pub age: Duration,
    /// Whether it was saved later than now, because the clock has been set back since.
    pub is_from_the_future: bool,
    /// Quotes that are on the board again.
    pub quotes: usize,
    /// Quotes that were dropped: their source is off or described differently now, they are from the future, or their symbol is
    /// invalid.
    pub dropped: usize,
    /// Accounts of which some units are spent.
    pub spent: usize,
    /// Cooldowns that still apply.
    pub cooldowns: usize,
}

/// A number that grows with every change that must outlive a restart.
pub(crate) fn revision(service: &Quotefold) -> u64 {
    let accounts = service.accounts().values().map(|account| account.revision()).sum::<u64>();
    let shares = service.sources().iter().map(|source| source.coalescer.revision()).sum::<u64>();
    let lists = service.sources().iter().map(|source| source.list_revision()).sum::<u64>();
    accounts + shares + lists + service.board().revision()
}

/// Takes what must outlive a restart.
pub fn take(service: &Quotefold, unconfigured: &UnconfiguredAccounts, now: Moment) -> State {
    // of what replicas share, the store that they share keeps more than one of them knows
    let own = service.accounts().into_iter().filter(|(_, account)| !account.is_shared());
    let own = own.map(|(name, account)| (name, account.remember(now)));
    let unconfigured = unconfigured.iter().filter(|(_, past)| is_alive(past, now));
    let profiles = service.sources().iter().map(|source| &source.profile);
    State {
        version: VERSION,
        saved_at: now.wall,
        accounts: unconfigured.map(|(name, past)| (name.clone(), past.clone())).chain(own).collect(),
        meanings: profiles.map(|profile| (profile.name().to_owned(), profile.meaning().clone())).collect(),
        suspects: service.sources().iter().filter_map(suspects).collect(),
        lists: service.sources().iter().filter_map(|source| list(source, now)).collect(),
        quotes: service.board().remember(MOST_QUOTES),
    }
}

/// Restores what an earlier service left. Returns what was restored, and the accounts that are not configured here.
pub fn give(service: &Quotefold, mut state: State, now: Moment) -> (Restored, UnconfiguredAccounts) {
    let mut restored = Restored {
        age: age(now.wall, state.saved_at),
        is_from_the_future: state.saved_at > now.wall,
        ..Restored::default()
    };
    for (name, account) in service.accounts() {
        let Some(past) = state.accounts.remove(&name).filter(|_| !account.is_shared()) else { continue };
        account.restore(&past, state.saved_at, now);
        restored.spent += usize::from(!account.remember(now).spent.is_empty());
        restored.cooldowns += usize::from(account.cooldown(now.monotonic).is_some());
    }
    // without a matching fingerprint, a quote may be about something else; a new one costs one call
    let means_the_same = |profile: &Profile| {
        state.meanings.get(profile.name()).is_some_and(|meaning| meaning.is_same_as(profile.meaning()))
    };
    for source in service.sources().iter().filter(|source| means_the_same(&source.profile)) {
        if let Some(past) = state.suspects.get(source.profile.name()) {
            source.coalescer.restore(past);
        }
        if let Some(past) = state.lists.get(source.profile.name()) {
            source.restore_list(past, now);
        }
    }
    // in reverse, so that quotes that cost most to get again, and the most recently asked, are evicted last
    for quote in state.quotes.iter().rev() {
        let source = service.sources().iter().find(|source| source.profile.name() == quote.source);
        let source = source.filter(|source| means_the_same(&source.profile));
        let taken = source.is_some_and(|source| service.board().restore(source.profile.plain_origin(), quote, now));
        restored.quotes += usize::from(taken);
        restored.dropped += usize::from(!taken);
    }
    let unconfigured = state.accounts.into_iter();
    (restored, unconfigured.map(|(name, past)| (name, brought_back(past, state.saved_at, now))).collect())
}

fn suspects(source: &Arc<Source>) -> Option<(String, SuspectState)> {
    source.coalescer.remember().map(|past| (source.profile.name().to_owned(), past))
}

fn list(source: &Arc<Source>, now: Moment) -> Option<(String, ListState)> {
    source.remember_list(now).map(|past| (source.profile.name().to_owned(), past))
}

/// The state of an account after the clock was set back: calls in the future count as made now, and a cooldown is as long as it
/// was.
fn brought_back(past: AccountState, saved_at: Timestamp, now: Moment) -> AccountState {
    let ahead = saved_at.duration_since(now.wall);
    if ahead <= SignedDuration::ZERO {
        return past;
    }
    let spent = past.spent.into_iter().map(|(second, units)| (second.min(now.wall.as_second()), units)).collect();
    let cooldown = past.cooldown.map(|cooldown| {
        let until = cooldown.until.saturating_sub(ahead).unwrap_or(cooldown.until);
        CooldownState { until, ..cooldown }
    });
    AccountState { spent, cooldown, ..past }
}

/// Whether an account remembers anything that still matters: no vendor counts calls for longer than a year.
fn is_alive(past: &AccountState, now: Moment) -> bool {
    const YEAR: i64 = 366 * 86_400;
    let spent = past.spent.last().is_some_and(|(second, _)| *second > now.wall.as_second() - YEAR);
    spent
        || past.cooldown.as_ref().is_some_and(|cooldown| cooldown.until.duration_since(now.wall) > SignedDuration::ZERO)
}
