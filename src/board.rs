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
    /// Set if the failure is a refusal of ours (no call was made): it stands until then and no longer.
    pub stands_until: Option<Instant>,
    /// When the source last answered, well or badly. Our own refusals are no answers.
    pub answered: Option<Instant>,
}

/// What lands on the board.
#[derive(Clone, Debug)]
pub enum Landing {
    /// A quote; it wipes an earlier failure out.
    Quote(Quote),
    /// A failure of a call that took so long; the last quote stays beside it.
    Failure(SourceError, Duration),
    /// A refusal of ours: no call was made, and none will be until then.
    Refusal(SourceError, Instant),
}

/// How fresh an outcome must be for a request to make no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Younger than this since it landed.
    pub refresh_after: Duration,
    /// How long a denial of the symbol is believed.
    pub unknown_for: Duration,
}

impl Known {
    /// Whether there is nothing to call for: the latest word is young enough, or still stands.
    pub fn is_settled(&self, need: Need, now: Instant) -> bool {
        let young = |landed: Option<Instant>, limit: Duration| landed.is_some_and(|at| now < at + limit);
        let Some(failure) = &self.outcome.failure else { return young(self.quote_landed, need.refresh_after) };
        if let Some(until) = self.stands_until {
            return now < until || young(self.quote_landed, need.refresh_after);
        }
        let limit = if failure.error.denies_symbol() { need.unknown_for } else { need.refresh_after };
        young(self.failure_landed, limit)
    }

    /// Whether the source answered at or after an instant.
    pub fn answered_since(&self, instant: Instant) -> bool {
        self.answered.is_some_and(|answered| answered >= instant)
    }

    /// The outcome without a refusal that no longer stands.
    fn at(mut self, now: Instant) -> Self {
        if self.stands_until.is_some_and(|until| until <= now) && self.outcome.quote.is_some() {
            self.outcome.failure = None;
            self.stands_until = None;
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
            entries.by_source.get(source).is_some_and(|known| known.outcome.quote.is_some() && known.outcome.is_able())
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
    pub fn land(
        &self,
        origin: &Arc<Origin>,
        symbol: &Symbol,
        landing: Landing,
        now: Moment,
        retry_at: Option<Instant>,
    ) -> Outcome {
        let mut state = self.lock();
        let before = state.symbols.get(symbol).and_then(|entries| entries.by_source.get(&origin.source)).cloned();
        state.landed += u64::from(matches!(landing, Landing::Quote(_)));
        let known = settle(origin, symbol, before, landing, now, retry_at);
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
fn settle(
    origin: &Arc<Origin>,
    symbol: &Symbol,
    before: Option<Known>,
    landing: Landing,
    now: Moment,
    retry_at: Option<Instant>,
) -> Known {
    let (quote, quote_landed, answered) =
        before.map_or((None, None, None), |known| (known.outcome.quote, known.quote_landed, known.answered));
    let failure =
        |error, latency| Failure { error, latency, at: now.wall, retry_at: retry_at.map(|at| now.wall_at(at)) };
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
            stands_until: None,
            answered: Some(now.monotonic),
        },
        Landing::Failure(error, latency) => Known {
            outcome: outcome(quote, Some(failure(error, Some(latency)))),
            quote_landed,
            failure_landed: Some(now.monotonic),
            stands_until: None,
            answered: Some(now.monotonic),
        },
        Landing::Refusal(error, until) => Known {
            outcome: outcome(quote, Some(failure(error, None))),
            quote_landed,
            failure_landed: Some(now.monotonic),
            stands_until: Some(until),
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
