//! Remembers the latest outcome per source and symbol: its last quote, and its last failure if that came later.
//!
//! The board is the only cache there is. The plan reads it, a source looks once more before it calls, and every outcome
//! lands here. It is bounded: the symbols asked for least recently go first.

mod remember;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Moment;
use crate::quote::{Failure, Origin, Outcome, Quote};
use crate::source::error::SourceError;
use crate::symbol::Symbol;

/// How many outcomes are kept.
pub const CAPACITY: usize = 65_536;

/// The latest outcome per source and symbol.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    symbols: HashMap<Symbol, Entries>,
    /// Who was asked for when: the oldest first.
    by_use: BTreeMap<u64, Symbol>,
    next_use: u64,
    outcomes: usize,
    /// How many quotes have landed so far.
    landed: u64,
}

#[derive(Debug)]
struct Entries {
    last_use: u64,
    by_source: BTreeMap<String, Known>,
}

/// What the board knows of one source and one symbol.
#[derive(Clone, Debug)]
pub struct Known {
    /// The latest outcome.
    pub outcome: Outcome,
    /// When the quote landed, if there is one.
    pub quote_landed: Option<Instant>,
    /// When the failure landed, if there is one.
    pub failure_landed: Option<Instant>,
    /// For how long the failure keeps the symbol from being asked for.
    pub stands: Stands,
    /// Set if the failure is a refusal of ours (no call was made): beside a quote it is shown until then and no longer.
    pub refused_until: Option<Instant>,
    /// What the source's calls brought since its last quote.
    pub in_a_row: InARow,
    /// When the source last answered, well or badly. Our own refusals are no answers.
    pub answered: Option<Instant>,
}

/// For how long a failure keeps its symbol from being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Not by itself: what failed is the source, which is left alone as long as it takes, whatever it is asked for.
    WithSource,
    /// As long as a quote would: the reply was understood, and held nothing for the symbol.
    LikeQuote,
    /// Until then: it is the symbol's own.
    Until(Instant),
}

/// What one source's calls for one symbol brought, one after the other, since its last quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InARow {
    /// How often it said that it has no such symbol, whatever else came between.
    pub denials: u32,
    /// How often the symbol alone failed otherwise.
    pub failures: u32,
}

/// A failure that a call brought, and for how long it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub error: SourceError,
    /// How long the call took.
    pub latency: Duration,
    /// For how long it keeps the symbol from being asked for.
    pub stands: Stands,
    /// Whether it denies a symbol that the source itself has quoted lately: then it is checked before it is believed.
    pub is_doubted: bool,
    /// With this one.
    pub in_a_row: InARow,
}

/// What lands on the board.
#[derive(Clone, Debug)]
pub enum Landing {
    /// A quote; it wipes an earlier failure out.
    Quote(Quote),
    /// A failure that a call brought; the last quote stays beside it, unless it is denied.
    Failure(Fault),
    /// A refusal of ours: no call was made, and none will be until then.
    Refusal(SourceError, Instant),
}

/// How fresh an outcome must be for a request to make no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Younger than this since the quote landed.
    pub refresh_after: Duration,
    /// Younger than this since a reply held nothing for the symbol.
    pub missing_after: Duration,
    /// Younger than this since a denial landed, if the caller wants even that checked. It is always believed otherwise.
    pub denied_after: Option<Duration>,
}

impl Need {
    /// A need without any peculiarity: everything is as fresh as a quote must be, and denials are believed.
    pub fn of(refresh_after: Duration) -> Self {
        Need { refresh_after, missing_after: refresh_after, denied_after: None }
    }
}

impl Known {
    /// Until when a denial that is doubted keeps the symbol from being asked for; `None` if there is none.
    pub fn doubted_until(&self) -> Option<Instant> {
        match (self.stands, &self.outcome.failure) {
            (Stands::Until(until), Some(failure)) if failure.is_doubted => Some(until),
            _ => None,
        }
    }

    /// Whether there is nothing to call for: the latest word is young enough, or still stands.
    pub fn is_settled(&self, need: Need, now: Instant) -> bool {
        self.due_at(need).is_some_and(|at| now < at)
    }

    /// When there is something to call for again, as far as that is the symbol's matter; `None` if there is now.
    pub fn due_at(&self, need: Need) -> Option<Instant> {
        let Some(failure) = &self.outcome.failure else { return Some(self.quote_landed? + need.refresh_after) };
        match self.stands {
            Stands::WithSource => Some(self.quote_landed? + need.refresh_after),
            Stands::LikeQuote => Some(self.failure_landed? + need.missing_after),
            Stands::Until(until) => match need.denied_after.filter(|_| failure.error.denies_symbol()) {
                Some(denied_after) => Some(until.min(self.failure_landed? + denied_after)),
                None => Some(until),
            },
        }
    }

    /// Whether it is a denial that still stands. A caller who asks all the same only wants it checked.
    pub fn is_denied(&self, now: Instant) -> bool {
        self.outcome.is_denied() && matches!(self.stands, Stands::Until(until) if now < until)
    }

    /// Whether the source answered at or after an instant.
    pub fn answered_since(&self, instant: Instant) -> bool {
        self.answered.is_some_and(|answered| answered >= instant)
    }

    /// The outcome without a refusal that no longer stands.
    fn at(mut self, now: Instant) -> Self {
        if self.refused_until.is_some_and(|until| until <= now) && self.outcome.quote.is_some() {
            self.outcome.failure = None;
            self.refused_until = None;
        }
        self
    }
}

impl Board {
    /// A board for so many outcomes.
    pub fn new(capacity: usize) -> Self {
        Board { state: Mutex::default(), capacity }
    }

    // a panic elsewhere while the lock was held leaves at worst one outcome unwritten: the board goes on
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything known of a symbol, by the names of its sources. Counts as asking for it.
    pub fn recall(&self, symbol: &Symbol, now: Instant) -> BTreeMap<String, Known> {
        let mut state = self.lock();
        state.touch(symbol);
        let entries = state.symbols.get(symbol);
        entries
            .map(|entries| {
                entries.by_source.iter().map(|(name, known)| (name.clone(), known.clone().at(now))).collect()
            })
            .unwrap_or_default()
    }

    /// What is known of one source and one symbol.
    pub fn known(&self, source: &str, symbol: &Symbol, now: Instant) -> Option<Known> {
        let state = self.lock();
        state.symbols.get(symbol)?.by_source.get(source).cloned().map(|known| known.at(now))
    }

    /// Whether any source has quoted a symbol.
    pub fn is_quoted(&self, symbol: &Symbol) -> bool {
        let state = self.lock();
        let entries = state.symbols.get(symbol);
        entries.is_some_and(|entries| entries.by_source.values().any(|known| known.outcome.quote.is_some()))
    }

    /// Every symbol of which there is a quote of a source.
    pub fn quoted_by(&self, source: &str) -> Vec<Symbol> {
        let state = self.lock();
        let quoted = state.symbols.iter().filter(|(_, entries)| {
            entries
                .by_source
                .get(source)
                .is_some_and(|known| known.outcome.quote.is_some() && !known.outcome.is_denied())
        });
        quoted.map(|(symbol, _)| symbol.clone()).collect()
    }

    /// Whether quotes of a source have landed since an instant, and none of them of this symbol.
    pub fn serves_others(&self, source: &str, symbol: &Symbol, since: Instant) -> bool {
        let state = self.lock();
        let is_served = |entries: &Entries| {
            entries.by_source.get(source).is_some_and(|known| known.quote_landed.is_some_and(|landed| landed >= since))
        };
        !state.symbols.get(symbol).is_some_and(is_served) && state.symbols.values().any(is_served)
    }

    /// Writes an outcome down, and says what the source's word on the symbol is now.
    pub fn land(&self, origin: &Arc<Origin>, symbol: &Symbol, landing: Landing, now: Moment) -> Outcome {
        let mut state = self.lock();
        let before = state.symbols.get(symbol).and_then(|entries| entries.by_source.get(&origin.source)).cloned();
        state.landed += u64::from(matches!(landing, Landing::Quote(_)));
        let known = settle(origin, symbol, before, landing, now);
        let outcome = known.outcome.clone();
        state.insert(symbol, known);
        state.evict(self.capacity);
        outcome
    }

    /// How many outcomes are on the board.
    pub fn len(&self) -> usize {
        self.lock().outcomes
    }

    /// Whether nothing is on the board yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any quote on the board satisfies the test.
    pub fn any_quote(&self, test: impl Fn(&Outcome, &Quote) -> bool) -> bool {
        let state = self.lock();
        let mut known = state.symbols.values().flat_map(|entries| entries.by_source.values());
        known.any(|known| known.outcome.quote.as_ref().is_some_and(|quote| test(&known.outcome, quote)))
    }
}

/// What is known after something new has landed on what was known before.
fn settle(origin: &Arc<Origin>, symbol: &Symbol, before: Option<Known>, landing: Landing, now: Moment) -> Known {
    let in_a_row = before.as_ref().map(|known| known.in_a_row).unwrap_or_default();
    let (quote, quote_landed, answered) =
        before.map_or((None, None, None), |known| (known.outcome.quote, known.quote_landed, known.answered));
    let failure = |error, latency, is_doubted| Failure { error, latency, is_doubted, at: now.wall, retry_at: None };
    let outcome = |quote, failure| Outcome {
        origin: Arc::clone(origin),
        symbol: symbol.clone(),
        quote,
        failure,
        derivation: None,
    };
    match landing {
        Landing::Quote(quote) => Known {
            outcome: outcome(Some(quote), None),
            quote_landed: Some(now.monotonic),
            failure_landed: None,
            stands: Stands::WithSource,
            refused_until: None,
            in_a_row: InARow::default(),
            answered: Some(now.monotonic),
        },
        Landing::Failure(Fault { error, latency, stands, is_doubted, in_a_row }) => {
            // a denial that is believed takes the quote with it: nothing that fails later brings it back
            let stays = is_doubted || !error.denies_symbol();
            Known {
                outcome: outcome(quote.filter(|_| stays), Some(failure(error, Some(latency), is_doubted))),
                quote_landed: quote_landed.filter(|_| stays),
                failure_landed: Some(now.monotonic),
                stands,
                refused_until: None,
                in_a_row,
                answered: Some(now.monotonic),
            }
        }
        Landing::Refusal(error, until) => Known {
            outcome: outcome(quote, Some(failure(error, None, false))),
            quote_landed,
            failure_landed: Some(now.monotonic),
            stands: Stands::WithSource,
            refused_until: Some(until),
            in_a_row,
            answered,
        },
    }
}

impl State {
    fn touch(&mut self, symbol: &Symbol) {
        let Some(entries) = self.symbols.get_mut(symbol) else { return };
        self.by_use.remove(&entries.last_use);
        entries.last_use = self.next_use;
        self.by_use.insert(self.next_use, symbol.clone());
        self.next_use += 1;
    }

    fn insert(&mut self, symbol: &Symbol, known: Known) {
        if !self.symbols.contains_key(symbol) {
            self.symbols.insert(symbol.clone(), Entries { last_use: self.next_use, by_source: BTreeMap::new() });
            self.touch(symbol);
        }
        let Some(entries) = self.symbols.get_mut(symbol) else { return };
        let source = known.outcome.origin.source.clone();
        self.outcomes += usize::from(entries.by_source.insert(source, known).is_none());
    }

    fn evict(&mut self, capacity: usize) {
        while self.outcomes > capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            let gone = self.symbols.remove(&oldest).map_or(0, |entries| entries.by_source.len());
            self.outcomes -= gone;
        }
    }
}

#[cfg(test)]
mod tests;
