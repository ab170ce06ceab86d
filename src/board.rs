//! Remembers the latest outcome per source and symbol: its last quote, and its last failure if that came later.
//!
//! The board is the only cache. The plan reads it, and a source looks at it once more before it calls. It is bounded:
//! what costs least to get again is evicted first.
//!
//! An [`Update`] is the only way to write. A source lands each of its calls as one, whether it brought a quote, a
//! failure or a refusal of ours, and also the news that a reply belonged to another symbol. At the start, `state`
//! restores what an earlier process had saved. `heard` takes in what other replicas have been told.

mod by_source;
mod eviction;
mod heard;
mod known;
mod mark;
mod remember;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::clock::Moment;
use crate::failure::SourceError;
use crate::quote::{Origin, Outcome, Quote};
use crate::symbol::Symbol;
use by_source::BySource;
use eviction::{Failures, Quotes, Rank, Use};
pub(crate) use heard::News;
use heard::Others;
pub(crate) use heard::SAME_MOMENT;
use known::settle;
pub use known::{Fault, Freshness, InARow, Known, Openings, Stands, Told, Update};
pub(crate) use mark::Mark;
use mark::Marks;
pub use remember::{QuoteState, SidesState};

/// How many quotes are kept for all sources together; one source may have at most half of them.
pub const CAPACITY: usize = 65_536;

/// The board keeps one failure without a quote per this many quotes: 16,384 failures in all. The last 1,024 of each
/// caller are safe from other callers.
const QUOTES_PER_FAILURE: usize = 4;

/// How many withdrawn quotes are remembered until they land; each lands within its call's time, or never.
const WITHDRAWN: usize = 1_024;

/// One look at the board: at everything known of a symbol, or at what one source said about it.
#[cfg(test)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    All(Symbol),
    One(String, Symbol),
}

#[cfg(test)]
thread_local! {
    /// The looks that a test has had at boards.
    pub(crate) static LOOKS: std::cell::RefCell<Vec<Look>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The latest outcome per source and symbol.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    /// Signals that something has landed.
    landings: watch::Sender<()>,
    /// The number of the latest change of any symbol.
    version: Arc<AtomicU64>,
    /// Other replicas, if they want to know what lands here.
    others: Others,
}

#[derive(Debug)]
struct State {
    symbols: HashMap<Symbol, Entries>,
    quotes: Quotes,
    failures: Failures,
    outcomes: usize,
    /// How often symbols have been asked for so far.
    uses: u64,
    /// How many quotes have landed or were withdrawn so far.
    landed: u64,
    /// Quotes that were withdrawn before they landed, the latest last.
    withdrawn: VecDeque<Withdrawn>,
    /// The origins of sources that are configured no longer, as long as a call of theirs may be under way.
    retired: Vec<Weak<Origin>>,
    /// What tells readers that the outcomes of a symbol have changed.
    marks: Marks,
}

/// A quote that must not land.
#[derive(Debug)]
struct Withdrawn {
    source: String,
    symbol: Symbol,
    /// When it arrived.
    arrived: Timestamp,
    why: SourceError,
}

#[derive(Debug)]
struct Entries {
    last: Use,
    by_source: BySource,
}

#[derive(Debug)]
struct Entry {
    known: Arc<Known>,
    place: Place,
}

/// Where an outcome stands in the order of eviction.
#[derive(Clone, Copy, Debug)]
enum Place {
    Quote(Rank),
    /// A failure without a quote: when it was used, and for whom the call was made.
    Failure(u64, Option<Caller>),
}

impl Entry {
    fn source(&self) -> &str {
        &self.known.outcome.origin.source
    }
}

impl Board {
    /// A board with room for `capacity` quotes, and a quarter as many failures.
    pub fn new(capacity: usize) -> Self {
        let (quotes, failures) = (Quotes::new(capacity), Failures::new(capacity / QUOTES_PER_FAILURE));
        let state = State {
            symbols: HashMap::new(),
            quotes,
            failures,
            outcomes: 0,
            uses: 0,
            landed: 0,
            withdrawn: VecDeque::new(),
            retired: Vec::new(),
            marks: Marks::default(),
        };
        let version = Arc::clone(state.marks.version());
        Board { state: Mutex::new(state), landings: watch::Sender::default(), version, others: Others::default() }
    }

    /// Sets what it costs to get a quote of a source again: the time that one call takes of the source's limits.
    pub(crate) fn set_cost(&self, source: &str, cost: Duration) {
        self.lock().quotes.set_cost(source, cost);
    }

    // a panic while the lock was held leaves at worst one outcome unwritten, so the board carries on
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each source last said about a symbol, in the order of the sources' names. Counts as asking for the symbol.
    pub(crate) fn recall(&self, symbol: &Symbol, now: Instant) -> Vec<Arc<Known>> {
        #[cfg(test)]
        LOOKS.with_borrow_mut(|looks| looks.push(Look::All(symbol.clone())));
        let mut state = self.lock();
        state.touch(symbol);
        let Some(entries) = state.symbols.get(symbol) else { return Vec::new() };
        entries.by_source.all().map(|entry| Known::at(&entry.known, now)).collect()
    }

    /// What one source last said about one symbol.
    pub fn known(&self, source: &str, symbol: &Symbol, now: Instant) -> Option<Arc<Known>> {
        #[cfg(test)]
        LOOKS.with_borrow_mut(|looks| looks.push(Look::One(source.to_owned(), symbol.clone())));
        Some(Known::at(&self.lock().symbols.get(symbol)?.by_source.get(source)?.known, now))
    }

    /// Looks at what is known of one source and one symbol, without copying it.
    pub(crate) fn look<T>(&self, source: &str, symbol: &Symbol, look: impl FnOnce(&Known) -> T) -> Option<T> {
        let state = self.lock();
        state.symbols.get(symbol)?.by_source.get(source).map(|entry| look(&entry.known))
    }

    /// Whether any source has quoted a symbol.
    pub fn is_quoted(&self, symbol: &Symbol) -> bool {
        let state = self.lock();
        let entries = state.symbols.get(symbol);
        entries.is_some_and(|entries| entries.by_source.all().any(|entry| entry.known.outcome.quote.is_some()))
    }

    /// Every symbol that a source has quoted and not denied since.
    pub(crate) fn quoted_by(&self, source: &str) -> Vec<Symbol> {
        let state = self.lock();
        let quoted = state.symbols.iter().filter(|(_, entries)| {
            let known = entries.by_source.get(source).map(|entry| &entry.known);
            known.is_some_and(|known| known.outcome.quote.is_some() && !known.outcome.is_denied())
        });
        quoted.map(|(symbol, _)| symbol.clone()).collect()
    }

    /// Every symbol with a quote on the board, once for each source that has quoted it and not denied it since.
    pub(crate) fn quoted(&self) -> Vec<(Symbol, Arc<Origin>)> {
        let state = self.lock();
        let stands = |outcome: &Outcome| outcome.quote.is_some() && !outcome.is_denied();
        let quoted = state.symbols.iter().flat_map(|(symbol, entries)| {
            let outcomes = entries.by_source.all().map(|entry| &entry.known.outcome).filter(|outcome| stands(outcome));
            outcomes.map(move |outcome| (symbol.clone(), Arc::clone(&outcome.origin)))
        });
        quoted.collect()
    }

    /// Whether a source has quoted other symbols to calls of this replica since an instant, but not this one.
    pub(crate) fn serves_others(&self, source: &str, symbol: &Symbol, since: Instant) -> bool {
        let state = self.lock();
        let is_served = |entries: &Entries| {
            let landed = entries.by_source.get(source).and_then(|entry| entry.known.own_landed);
            landed.is_some_and(|landed| landed >= since)
        };
        !state.symbols.get(symbol).is_some_and(is_served) && state.symbols.values().any(is_served)
    }

    /// Lands what no particular caller asked for, and returns what the source now says about the symbol.
    pub fn land(&self, origin: &Arc<Origin>, symbol: &Symbol, update: Update, now: Moment) -> Outcome {
        self.land_for(None, origin, symbol, update, now).outcome.clone()
    }

    /// The same for what a caller asked for. A failure counts among that caller's.
    pub(crate) fn land_for(
        &self,
        caller: Option<Caller>,
        origin: &Arc<Origin>,
        symbol: &Symbol,
        update: Update,
        now: Moment,
    ) -> Arc<Known> {
        let mut state = self.lock();
        if state.is_retired(origin) {
            return Arc::new(settle(origin, symbol, None, update, now));
        }
        let entry = state.symbols.get(symbol).and_then(|entries| entries.by_source.get(&origin.source));
        if let Some(entry) = entry
            && entry.known.is_refused_alike(&update)
        {
            return Arc::clone(&entry.known);
        }
        let before = entry.map(|entry| Known::clone(&entry.known));
        if let Update::Withdrawal(arrived, why) = &update
            && !before.as_ref().is_some_and(|known| known.has_quote_of(*arrived))
        {
            let withdrawn = Withdrawn {
                source: origin.source.clone(),
                symbol: symbol.clone(),
                arrived: *arrived,
                why: why.clone(),
            };
            state.keep_off(withdrawn);
            return Arc::new(before.unwrap_or_else(|| settle(origin, symbol, None, update, now)));
        }
        if let Some(known) = before.as_ref().and_then(|known| known.unless_older(&update, now.monotonic)) {
            let known = Arc::new(known);
            state.insert(symbol, Arc::clone(&known), caller);
            drop(state);
            self.landings.send_replace(());
            return known;
        }
        if let (Update::Withdrawal(..), Some(known)) = (&update, &before) {
            self.others.withdraw(known);
        }
        let is_of_vendor = matches!(update, Update::Quote(_) | Update::Failure(_));
        let in_a_row = before.as_ref().map(|known| known.in_a_row).unwrap_or_default();
        let update = state.unless_withdrawn(&origin.source, symbol, update, in_a_row);
        state.landed += u64::from(matches!(update, Update::Quote(_) | Update::Withdrawal(..)));
        let known = Arc::new(settle(origin, symbol, before, update, now));
        state.insert(symbol, Arc::clone(&known), caller);
        drop(state);
        if is_of_vendor {
            self.others.tell(&known);
        }
        self.landings.send_replace(());
        known
    }

    /// Drops everything that a source has said. Nothing lands any more that comes from one of these origins of it.
    pub(crate) fn retire(&self, source: &str, origins: &[Weak<Origin>]) {
        let mut state = self.lock();
        state.retired.retain(|origin| origin.strong_count() > 0);
        state.retired.extend(origins.iter().cloned());
        let of_source = |entries: &Entries| entries.by_source.get(source).map(|entry| entry.place);
        let outcomes = state.symbols.iter().filter_map(|(symbol, entries)| Some((symbol.clone(), of_source(entries)?)));
        for (symbol, place) in outcomes.collect::<Vec<_>>() {
            state.remove(source, &symbol, place);
        }
        drop(state);
        self.landings.send_replace(());
    }

    /// Changes whenever something has landed.
    pub(crate) fn landings(&self) -> watch::Receiver<()> {
        self.landings.subscribe()
    }

    /// The number of the latest change of any symbol. It takes no lock: the thread of the connections reads it.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The mark of a symbol, which tells without a lock whether its outcomes have changed.
    pub(crate) fn mark(&self, symbol: &Symbol) -> Arc<Mark> {
        self.lock().marks.of(symbol)
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
        let mut known = state.symbols.values().flat_map(|entries| entries.by_source.all()).map(|entry| &entry.known);
        known.any(|known| known.outcome.quote.as_ref().is_some_and(|quote| test(&known.outcome, quote)))
    }
}

impl State {
    /// Whether an origin is that of a source that is configured no longer.
    fn is_retired(&self, origin: &Arc<Origin>) -> bool {
        self.retired.iter().any(|retired| std::ptr::eq(retired.as_ptr(), Arc::as_ptr(origin)))
    }

    /// Notes that a quote must not land.
    fn keep_off(&mut self, quote: Withdrawn) {
        if self.withdrawn.len() >= WITHDRAWN {
            self.withdrawn.pop_front();
        }
        self.withdrawn.push_back(quote);
    }

    /// What is to land: for a quote that was withdrawn before it came here, the failure instead.
    fn unless_withdrawn(&mut self, source: &str, symbol: &Symbol, update: Update, in_a_row: InARow) -> Update {
        let Update::Quote(quote) = update else { return update };
        let is_it = |withdrawn: &Withdrawn| {
            withdrawn.arrived == quote.received_at && withdrawn.symbol == *symbol && withdrawn.source == source
        };
        let place = self.withdrawn.iter().position(is_it);
        let Some(Withdrawn { why, .. }) = place.and_then(|place| self.withdrawn.remove(place)) else {
            return Update::Quote(quote);
        };
        let (latency, stands) = (quote.latency, Stands::WithSource);
        Update::Failure(Fault { error: why, latency, stands, is_doubted: false, in_a_row })
    }

    fn touch(&mut self, symbol: &Symbol) {
        let Some(entries) = self.symbols.get_mut(symbol) else { return };
        self.uses += 1;
        entries.last = Use { number: self.uses, level: self.quotes.level() };
    }

    /// Writes what is known now, and evicts what no longer fits.
    fn insert(&mut self, symbol: &Symbol, known: Arc<Known>, caller: Option<Caller>) {
        self.marks.change(symbol);
        if !self.symbols.contains_key(symbol) {
            self.symbols.insert(symbol.clone(), Entries { last: Use::default(), by_source: BySource::default() });
            self.touch(symbol);
        }
        let Some(entries) = self.symbols.get_mut(symbol) else { return };
        let source = known.outcome.origin.source.clone();
        let place = match known.outcome.quote {
            Some(_) => Place::Quote(self.quotes.rank(&source, entries.last)),
            None => Place::Failure(entries.last.number, caller),
        };
        match entries.by_source.insert(Entry { known, place }) {
            Some(before) => self.leave(&source, symbol, before.place),
            None => self.outcomes += 1,
        }
        self.enter(&source, symbol, place);
        match place {
            Place::Quote(_) => self.evict_quotes(&source),
            Place::Failure(..) => self.evict_failures(),
        }
    }

    fn enter(&mut self, source: &str, symbol: &Symbol, place: Place) {
        match place {
            Place::Quote(rank) => self.quotes.add(source, symbol.clone(), rank),
            Place::Failure(used, caller) => self.failures.add(source, symbol.clone(), used, caller),
        }
    }

    fn leave(&mut self, source: &str, symbol: &Symbol, place: Place) {
        match place {
            Place::Quote(rank) => self.quotes.remove(source, symbol.clone(), rank),
            Place::Failure(used, caller) => self.failures.remove(source, symbol.clone(), used, caller),
        }
    }

    fn evict_quotes(&mut self, came: &str) {
        while let Some((source, symbol, rank)) = self.quotes.next_to_go(came) {
            let last = self.last_use(&symbol);
            let present = self.quotes.rank(&source, last);
            if present > rank {
                self.correct(&source, &symbol, Place::Quote(rank), Place::Quote(present));
            } else {
                self.quotes.raise(rank);
                self.remove(&source, &symbol, Place::Quote(rank));
            }
        }
    }

    fn evict_failures(&mut self) {
        while let Some((source, symbol, used)) = self.failures.next_to_go() {
            let entry = self.symbols.get(&symbol).and_then(|entries| entries.by_source.get(&source));
            let caller = match entry.map(|entry| entry.place) {
                Some(Place::Failure(_, caller)) => caller,
                _ => None,
            };
            let present = self.last_use(&symbol).number;
            if present > used {
                self.correct(&source, &symbol, Place::Failure(used, caller), Place::Failure(present, caller));
            } else {
                self.remove(&source, &symbol, Place::Failure(used, caller));
            }
        }
    }

    fn last_use(&mut self, symbol: &Symbol) -> Use {
        if self.marks.take_asked(symbol) {
            self.touch(symbol);
        }
        self.symbols.get(symbol).map(|entries| entries.last).unwrap_or_default()
    }

    /// Moves an outcome to the place that follows from the last use of its symbol.
    fn correct(&mut self, source: &str, symbol: &Symbol, old: Place, new: Place) {
        self.leave(source, symbol, old);
        let entry = self.symbols.get_mut(symbol).and_then(|entries| entries.by_source.get_mut(source));
        if let Some(entry) = entry {
            entry.place = new;
            self.enter(source, symbol, new);
        }
    }

    fn remove(&mut self, source: &str, symbol: &Symbol, place: Place) {
        self.marks.change(symbol);
        self.leave(source, symbol, place);
        let Some(entries) = self.symbols.get_mut(symbol) else { return };
        self.outcomes -= usize::from(entries.by_source.remove(source).is_some());
        if entries.by_source.is_empty() {
            self.symbols.remove(symbol);
        }
    }
}

#[cfg(test)]
mod tests;
