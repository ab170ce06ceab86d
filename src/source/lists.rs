//! Keeps the newest list of what one vendor trades, and says what follows from it for a symbol.
//!
//! A list is a vendor's word about all symbols at once, and may be hours old. So it confirms a symbol for as long as it is kept,
//! but it denies one only while it is new, and never one that the source quotes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::{Moment, age};
use crate::fingerprint::Fingerprint;
use crate::profile::Profile;
use crate::provider::description::InstrumentSettings;
use crate::provider::instruments::InstrumentList;
use crate::quote::{NoMarket, Quote, Role};
use crate::symbol::Symbol;
use crate::text::as_string;

/// For how long after it came a list denies what is not in it.
pub(super) const NEW_FOR: Duration = Duration::from_secs(3600);

/// For how long a list is compared with the next ones; what a vendor traded before that says nothing.
const FORMER_FOR: Duration = Duration::from_secs(7 * 86_400);

/// The lists of one source.
pub(crate) struct Lists {
    profile: Arc<Profile>,
    settings: InstrumentSettings,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// When the vendor was last asked for a list.
    asked: Option<Instant>,
    /// Whether a call for several symbols failed because of one that nothing but the list confirmed. Then the list confirms no
    /// more, or quoted symbols would keep failing with those that the vendor lists and does not price.
    is_doubted: bool,
    /// Whether a task waits for a moment at which the vendor can be asked.
    is_awaited: bool,
    /// Grows with everything that must outlive a restart.
    revision: u64,
}

/// A list, and when it came.
struct Kept {
    list: InstrumentList,
    symbols: Arc<[Symbol]>,
    landed: Moment,
}

/// What the newest list says of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: there is no list, or it is too old.
    Unsaid,
    /// The vendor trades it.
    Listed,
    /// It is not in the list of this time.
    Unlisted(Moment),
}

/// A list as it outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// A fingerprint of how the list was asked for and read: with another filter it is another list.
    #[serde(default)]
    pub described: Option<Fingerprint>,
    /// When the vendor was last asked for a list.
    #[serde(with = "as_string")]
    pub asked_at: Timestamp,
    /// When the list came; the start of the Unix epoch if there is none.
    #[serde(with = "as_string")]
    pub landed_at: Timestamp,
    /// The vendor's names with the words for halted markets; an empty text for a name without one.
    pub names: BTreeMap<String, String>,
}

impl Lists {
    /// The lists of a source; `None` if its vendor is never asked for one: the description says so, or its calls are scarce.
    pub(super) fn of(profile: &Arc<Profile>) -> Option<Self> {
        let settings = profile.settings.instruments.clone()?;
        let is_scarce = profile.waits().is_scarce() || profile.settings.role == Role::Reserve;
        let is_asked = !is_scarce && !settings.every.is_zero();
        is_asked.then(|| Lists { profile: Arc::clone(profile), settings, state: Arc::default() })
    }

    /// The same with the lists that came before these settings, which ask for them in the same way.
    pub(super) fn after(self, before: &Lists) -> Self {
        Lists { state: Arc::clone(&before.state), ..self }
    }

    /// How the list is asked for.
    pub(super) fn settings(&self) -> &InstrumentSettings {
        &self.settings
    }

    /// Whether a new list is due. If so, the caller looks for a moment to ask for it, and says when that has ended.
    pub(super) fn begin(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let is_due = state.asked.is_none_or(|asked| asked + self.settings.every <= now);
        let begins = is_due && !state.is_awaited;
        state.is_awaited |= begins;
        begins
    }

    /// Ends the search for a moment.
    pub(super) fn end(&self) {
        self.state.lock().is_awaited = false;
    }

    /// Notes that the vendor has been asked, whatever comes of it.
    pub(super) fn ask(&self, now: Instant) {
        let mut state = self.state.lock();
        state.asked = Some(now);
        state.revision += 1;
    }

    /// Takes a list in, if it can be believed after the one before, and returns how many names it has. Takes long, since every
    /// name is turned into a symbol.
    ///
    /// # Errors
    /// Why it is not believed. The list before stays.
    pub(super) fn land(&self, list: &InstrumentList, now: Moment) -> Result<usize, String> {
        let list = self.as_requested(list);
        {
            let state = self.state.lock();
            let counts = |kept: &&Kept| now.monotonic.saturating_duration_since(kept.landed.monotonic) < FORMER_FOR;
            let former = state.kept.as_ref().filter(counts).map(|kept| &kept.list);
            if let Some(former) = former.filter(|former| !list.is_credible_after(former)) {
                let (count, before) = (list.len(), former.len());
                return Err(format!(
                    "of its {count} names, under half of the {before} of the list before are left; that one stays in use"
                ));
            }
        }
        if list.is_empty() {
            return Err("it names no instrument".to_owned());
        }
        let count = list.len();
        self.keep(list, now);
        Ok(count)
    }

    /// The list with the names that calls use, where the vendor's replies, and perhaps its list, use others.
    fn as_requested(&self, list: &InstrumentList) -> InstrumentList {
        let spelling = self.profile.extractor.spelling();
        InstrumentList::new(list.iter().map(|(name, status)| (spelling.requested_as(name), status)))
    }

    /// Notes that the list has confirmed a symbol that the vendor does not price.
    pub(super) fn doubt(&self) {
        self.state.lock().is_doubted = true;
    }

    fn keep(&self, list: InstrumentList, landed: Moment) {
        let list = list.keeping_halts(&self.settings);
        let symbols = {
            let back = self.profile.extractor.spelling().back();
            let mut symbols: Vec<Symbol> = list.iter().filter_map(|(name, _)| back.symbol(name)).collect();
            symbols.sort_unstable();
            symbols.dedup();
            Arc::from(symbols)
        };
        let mut state = self.state.lock();
        state.kept = Some(Kept { list, symbols, landed });
        state.is_doubted = false;
        state.revision += 1;
    }

    /// What the newest list says of a symbol.
    pub(super) fn standing(&self, symbol: &Symbol, now: Instant) -> Standing {
        let state = self.state.lock();
        let Some(kept) = state.kept.as_ref().filter(|kept| self.is_kept_at(kept, now)) else { return Standing::Unsaid };
        let spelling = self.profile.extractor.spelling();
        match spelling.name_of(symbol) {
            None => Standing::Unsaid,
            Some(name) if kept.list.has(&name) => {
                if state.is_doubted {
                    Standing::Unsaid
                } else {
                    Standing::Listed
                }
            }
            // a vendor may take a name that its list does not use, and the user says that this one does
            Some(_) if spelling.is_exception(symbol) => Standing::Unsaid,
            Some(_) => Standing::Unlisted(kept.landed),
        }
    }

    /// Whether a list still says something: the next one is not long overdue.
    fn is_kept_at(&self, kept: &Kept, now: Instant) -> bool {
        now.saturating_duration_since(kept.landed.monotonic) < self.settings.every.saturating_mul(2)
    }

    /// Labels a quote of a symbol whose market is halted according to the newest list.
    pub(super) fn label(&self, symbol: &Symbol, quote: &mut Quote, now: Instant) {
        let state = self.state.lock();
        let Some(kept) = state.kept.as_ref().filter(|kept| self.is_kept_at(kept, now)) else { return };
        let name = self.profile.extractor.spelling().name_of(symbol);
        let is_halted = name.is_some_and(|name| kept.list.status(&name).is_some());
        if is_halted && quote.no_market.is_none() {
            quote.no_market = Some(NoMarket::ListedAsHalted);
        }
    }

    /// The symbols in the newest list, in alphabetical order: at most 10,000.
    pub(super) fn symbols(&self) -> Arc<[Symbol]> {
        self.state.lock().kept.as_ref().map(|kept| Arc::clone(&kept.symbols)).unwrap_or_default()
    }

    /// How many names the newest list has, and when it came.
    pub(super) fn summary(&self) -> Option<(usize, Timestamp)> {
        self.state.lock().kept.as_ref().map(|kept| (kept.list.len(), kept.landed.wall))
    }

    /// How often something has happened that must outlive a restart.
    pub(super) fn revision(&self) -> u64 {
        self.state.lock().revision
    }

    /// What must outlive a restart; `None` if the vendor has not been asked.
    pub(super) fn remember(&self, now: Moment) -> Option<ListState> {
        let state = self.state.lock();
        let asked_at = now.wall_at(state.asked?);
        let kept = state.kept.as_ref();
        let landed_at = kept.map_or(Timestamp::UNIX_EPOCH, |kept| now.wall_at(kept.landed.monotonic));
        let names = kept.into_iter().flat_map(|kept| kept.list.iter());
        let names = names.map(|(name, status)| (name.to_owned(), status.unwrap_or_default().to_owned())).collect();
        Some(ListState { described: Some(self.described()), asked_at, landed_at, names })
    }

    /// A fingerprint of how the list is asked for and read.
    fn described(&self) -> Fingerprint {
        let InstrumentSettings { url, filter, .. } = &self.settings;
        Fingerprint::of([url.as_str(), filter.as_str()], 16)
    }

    /// Takes over what an earlier process had, if it asked for the same list. A time that lies ahead counts as now, and a list from longer ago than this machine
    /// runs is forgotten.
    pub(super) fn restore(&self, past: &ListState, now: Moment) {
        if past.described.as_ref().is_none_or(|described| !described.is_same_as(&self.described())) {
            return;
        }
        let instant = |at: Timestamp| now.monotonic.checked_sub(age(now.wall, at));
        if !past.names.is_empty()
            && let Some(monotonic) = instant(past.landed_at)
        {
            let status = |status: &'_ String| (!status.is_empty()).then(|| status.clone());
            let rows: Vec<_> = past.names.iter().map(|(name, word)| (name.as_str(), status(word))).collect();
            let list = InstrumentList::new(rows.iter().map(|(name, status)| (*name, status.as_deref())));
            self.keep(list, Moment { wall: past.landed_at.min(now.wall), monotonic });
        }
        self.state.lock().asked = instant(past.asked_at);
    }
}
