//! Takes what must outlive a restart from a running service, and gives it to one that has just been set up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{State, VERSION};
use crate::clock::{Moment, age};
use crate::profile::Profile;
use crate::service::Quotefold;
use crate::source::Source;
use crate::source::account::{Account, AccountState, CooldownState};
use crate::source::share::SuspectState;

/// How many quotes are kept: forty sources' word on the hundred symbols that fit in one request. A quote takes some 270
/// bytes, so the file stays near a megabyte, and is written within milliseconds.
pub const MOST_QUOTES: usize = 4_096;

/// What accounts that are not configured at the moment remember. A source that is taken out for an hour must not find its
/// day's calls untouched when it comes back.
pub type Strangers = BTreeMap<String, AccountState>;

/// What became of a state, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How old the state was; zero if it lies ahead.
    pub age: Duration,
    /// Whether it says that it was saved later than now: then somebody set the clock back.
    pub is_from_the_future: bool,
    /// Quotes that stand on the board again.
    pub quotes: usize,
    /// Quotes that do not: of a source that is off or described otherwise now, ahead of the present, or of no symbol.
    pub dropped: usize,
    /// Accounts of which something is spent.
    pub spent: usize,
    /// Cooldowns that still hold.
    pub cooldowns: usize,
}

/// Grows with everything that must outlive a restart.
pub fn revision(service: &Quotefold) -> u64 {
    let accounts = accounts(service).values().map(|account| account.revision()).sum::<u64>();
    let shares = service.sources().iter().map(|source| source.share.revision()).sum::<u64>();
    accounts + shares + service.board().revision()
}

/// What must outlive a restart.
pub fn take(service: &Quotefold, strangers: &Strangers, now: Moment) -> State {
    let own = accounts(service).into_iter().map(|(name, account)| (name.to_owned(), account.remember(now)));
    let strangers = strangers.iter().filter(|(_, past)| is_alive(past, now));
    let profiles = service.sources().iter().map(|source| &source.profile);
    State {
        version: VERSION,
        saved_at: now.wall,
        accounts: strangers.map(|(name, past)| (name.clone(), past.clone())).chain(own).collect(),
        meanings: profiles.map(|profile| (profile.name().to_owned(), profile.meaning().clone())).collect(),
        suspects: service.sources().iter().filter_map(suspects).collect(),
        quotes: service.board().remember(MOST_QUOTES),
    }
}

/// Gives a service what an earlier one left, and says what became of it and whose it was that is not here.
pub fn give(service: &Quotefold, mut state: State, now: Moment) -> (Restored, Strangers) {
    let mut restored = Restored {
        age: age(now.wall, state.saved_at),
        is_from_the_future: state.saved_at > now.wall,
        ..Restored::default()
    };
    for (name, account) in accounts(service) {
        let Some(past) = state.accounts.remove(name) else { continue };
        account.restore(&past, state.saved_at, now);
        restored.spent += usize::from(!account.remember(now).spent.is_empty());
        restored.cooldowns += usize::from(account.cooldown(now.monotonic).is_some());
    }
    // a quote whose meaning nothing proves may be about something else; it costs one call to have a new one
    let means_the_same = |profile: &Profile| {
        state.meanings.get(profile.name()).is_some_and(|meaning| meaning.is_same_as(profile.meaning()))
    };
    for source in service.sources().iter().filter(|source| means_the_same(&source.profile)) {
        if let Some(past) = state.suspects.get(source.profile.name()) {
            source.share.restore(past);
        }
    }
    // those that cost most to get again, and the most recently asked, come last: they are kept most firmly here too
    for quote in state.quotes.iter().rev() {
        let source = service.sources().iter().find(|source| source.profile.name() == quote.source);
        let source = source.filter(|source| means_the_same(&source.profile));
        let taken = source.is_some_and(|source| service.board().restore(source.profile.plain_origin(), quote, now));
        restored.quotes += usize::from(taken);
        restored.dropped += usize::from(!taken);
    }
    let strangers = state.accounts.into_iter();
    (restored, strangers.map(|(name, past)| (name, brought_back(past, state.saved_at, now))).collect())
}

fn suspects(source: &Arc<Source>) -> Option<(String, SuspectState)> {
    source.share.remember().map(|past| (source.profile.name().to_owned(), past))
}

fn accounts(service: &Quotefold) -> BTreeMap<&str, &Arc<Account>> {
    service.sources().iter().map(|source| (source.account.name(), &source.account)).collect()
}

/// An account's state after the clock was set back: what lies ahead of the present is now, and a cooldown no longer than it was.
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

/// Whether an account remembers anything that can still matter: no vendor counts for longer than a year.
fn is_alive(past: &AccountState, now: Moment) -> bool {
    const YEAR: i64 = 366 * 86_400;
    let spent = past.spent.last().is_some_and(|(second, _)| *second > now.wall.as_second() - YEAR);
    spent
        || past.cooldown.as_ref().is_some_and(|cooldown| cooldown.until.duration_since(now.wall) > SignedDuration::ZERO)
}
