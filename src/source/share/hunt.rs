//! Hunts for the unknown symbols that fail whole calls. Known symbols travel apart from the hunt, and before it.
//!
//! The symbols of a failed call wait here together with their callers, and are asked again in parts: one call at a
//! time, since what to ask next depends on how the last one ended. A hunting call does not queue for a unit of the
//! limits: it takes one that is free, and queues only after it has left one to others. So it takes at most every second
//! unit where other calls want them too, and at most half of the units of a limit that has several.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::arrival::{Arrival, fly};
use super::callers::{Callers, Claim};
use super::seating::Tier;
use super::suspects::Suspects;
use super::{Ask, Flight, Flights, Inner, Wait};
use crate::failure::SourceError;
use crate::quote::Outcome;
use crate::source::batch::{Batch, Passenger, Times};
use crate::symbol::Symbol;

/// The number of the flights that wait to be hunted: that of no batch.
const IN_WAIT: u64 = u64::MAX;

/// What is hunted at one source, and who waits for it.
pub(super) struct Hunt {
    /// What is known of the symbols that may fail a whole call.
    pub(super) suspects: Suspects,
    /// What waits to be asked: a batch of its own for each symbol.
    waiting: Vec<(Symbol, Batch)>,
    /// Whether a task sees to them.
    pub(super) is_on: bool,
    /// Whether the next hunting call has left a unit to others.
    has_yielded: bool,
    /// When hunting calls took units, the oldest first.
    hunted: VecDeque<Instant>,
    /// What a call failed with last.
    last_words: String,
    /// Who waits for what is hunted.
    callers: Callers,
    /// A claim that lasts as long as the source: a hunting call goes on when its caller leaves, because it tells something of
    /// other symbols.
    _kept: Claim,
}

/// What to do next.
enum Step {
    /// A call.
    Call(Arrival),
    /// Nothing before an instant.
    Wait(Instant),
    /// Nothing: no caller waits.
    Over,
}

/// What to ask next.
struct Next {
    symbols: Vec<Symbol>,
    /// Whether that is hunting. A call for symbols that were cleared, or that the source has quoted before, is not.
    hunts: bool,
}

impl Default for Hunt {
    fn default() -> Self {
        let callers = Callers::default();
        Hunt {
            suspects: Suspects::default(),
            waiting: Vec::new(),
            is_on: false,
            has_yielded: false,
            hunted: VecDeque::new(),
            last_words: String::new(),
            _kept: callers.claim(None),
            callers,
        }
    }
}

impl Hunt {
    /// The symbols whose batches satisfy a test, in the order in which they came.
    fn waiting(&self, test: impl Fn(&Batch) -> bool) -> Vec<Symbol> {
        self.waiting.iter().filter(|(_, alone)| test(alone)).map(|(symbol, _)| symbol.clone()).collect()
    }

    fn take(&mut self, symbol: &Symbol) -> Option<Batch> {
        let place = self.waiting.iter().position(|(waiting, _)| waiting == symbol)?;
        Some(self.waiting.remove(place).1)
    }
}

impl Flights {
    /// Whether a symbol is not asked with others, but hunted.
    pub(super) fn is_hunted(&self, symbol: &Symbol, tier: Tier) -> bool {
        let is_doubtful = tier == Tier::Untried && self.hunt.suspects.are_many();
        self.unknown_kills && (is_doubtful || self.hunt.suspects.contains(symbol))
    }

    /// Lets a symbol wait to be hunted.
    fn let_wait(&mut self, symbol: &Symbol, outcome: watch::Receiver<Option<Outcome>>, alone: Batch) {
        let callers = self.hunt.callers.clone();
        self.air.insert(symbol.clone(), Flight { outcome, number: IN_WAIT, batch: alone.clone(), callers });
        self.hunt.waiting.push((symbol.clone(), alone));
    }
}

impl Inner {
    /// Lets symbols of a request wait to be hunted.
    pub(super) fn hunt(
        self: &Arc<Self>,
        flights: &mut Flights,
        symbols: &[Symbol],
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        let times = self.schedule(now, ask.until);
        let mut waits = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let alone = Batch::new(1, self.parts.batching.cost_per_symbol, times);
            let Some(outcome) = alone.board_for(ask.caller, symbol) else { continue };
            let claim = flights.hunt.callers.claim(None);
            waits.push(Wait::Air { symbol: symbol.clone(), outcome: outcome.clone(), claim });
            flights.let_wait(symbol, outcome, alone);
        }
        self.see_to_the_hunt(flights);
        waits
    }

    /// Whether a call for several symbols failed because of one of them: the vendor denies it, or finds fault with the call where
    /// it is known to do so for one unknown symbol.
    pub(super) fn is_for_one_of(&self, error: &SourceError) -> bool {
        error.denies_symbol() || error.is_about_call() && self.lock().unknown_kills
    }

    /// A call for several symbols failed because one of them is unknown: those that are waited for are asked again in parts.
    pub(super) fn hunt_among(self: &Arc<Self>, failed: &Batch, passengers: Vec<Passenger>, error: &SourceError) {
        let mut flights = self.lock();
        flights.unknown_kills = true;
        flights.hunt.last_words = error.to_string();
        let symbols: Vec<Symbol> = passengers.iter().map(|passenger| passenger.symbol.clone()).collect();
        flights.hunt.suspects.fail(&symbols, Instant::now());
        self.wait_again(&mut flights, failed, passengers);
    }

    /// A call failed because of symbols that the vendor names: the others in it, which it did not look at, are asked again
    /// without those.
    pub(super) fn ask_again(self: &Arc<Self>, failed: &Batch, overlooked: Vec<(Passenger, SourceError)>) {
        let Some((_, error)) = overlooked.first() else { return };
        let mut flights = self.lock();
        flights.unknown_kills = true;
        flights.hunt.last_words = error.to_string();
        let passengers = overlooked.into_iter().map(|(passenger, _)| passenger).collect();
        self.wait_again(&mut flights, failed, passengers);
    }

    /// Lets those of a failed call that are waited for wait to be asked again. The others are as they were before.
    fn wait_again(self: &Arc<Self>, flights: &mut Flights, failed: &Batch, passengers: Vec<Passenger>) {
        for passenger in passengers.into_iter().filter(Passenger::is_awaited) {
            let (symbol, outcome) = (passenger.symbol.clone(), passenger.told.subscribe());
            let alone = Batch::of(vec![passenger], self.parts.batching.cost_per_symbol, failed.times());
            flights.let_wait(&symbol, outcome, alone);
        }
        self.see_to_the_hunt(flights);
    }

    /// Which of these symbols the hunt would ask first.
    pub(super) fn first_to_hunt(&self, flights: &Flights, symbols: &[Symbol]) -> Vec<Symbol> {
        let tier = |symbol: &Symbol| self.tier(flights, symbol);
        let mut wanted = symbols.to_vec();
        wanted.sort_by_key(tier);
        let mut first = flights.hunt.suspects.next(&wanted, |symbol| tier(symbol) != Tier::Untried);
        if first.is_empty() {
            // nothing is known of them, except that most of what was asked lately is unknown
            first.extend(wanted.into_iter().take(1));
        }
        first.truncate(self.parts.batching.seats);
        first
    }

    /// Starts the task that hunts, if symbols wait and it does not run yet.
    fn see_to_the_hunt(self: &Arc<Self>, flights: &mut Flights) {
        if !flights.hunt.is_on && !flights.hunt.waiting.is_empty() {
            flights.hunt.is_on = true;
            self.parts.tasks.spawn(see_to(Ending { share: Arc::clone(self), is_over: false }));
        }
    }

    /// What the hunt does next. Symbols whose callers would leave before a call can be made are refused on the way.
    fn next_step(self: &Arc<Self>) -> Step {
        let mut flights = self.lock();
        let now = Instant::now();
        flights.hunt.suspects.forget_old(now);
        for symbol in flights.hunt.waiting(|alone| !alone.is_awaited()) {
            flights.hunt.take(&symbol);
            flights.air.remove(&symbol);
        }
        if let Some(rest) = self.rest(now) {
            let all = flights.hunt.waiting(|_| true);
            self.refuse_hunted(&mut flights, &all, &rest.refusal(now), rest.until);
        }
        while !flights.hunt.waiting.is_empty() {
            let (room, full) = self.parts.account.room(1, now, now);
            let wait = full.as_ref().and_then(SourceError::stands_for).filter(|_| room == 0);
            let free_at = wait.map_or(now, |wait| now + wait);
            let half_at = self.parts.account.half_at(&mut flights.hunt.hunted, now);
            let next = self.next_to_ask(&flights, half_at <= free_at);
            let half_at = if next.hunts { half_at } else { now };
            let at = free_at.max(half_at);
            let late = flights.hunt.waiting(|alone| alone.times().sends_by < at);
            if !late.is_empty() {
                let error = self.no_call_in_time(&flights, full, at, now);
                self.refuse_hunted(&mut flights, &late, &error, at);
                continue;
            }
            if next.hunts && at > now && (half_at > now || !flights.hunt.has_yielded) {
                flights.hunt.has_yielded = true;
                return Step::Wait(at);
            }
            return Step::Call(self.call_for(&mut flights, &next, now));
        }
        flights.hunt.is_on = false;
        Step::Over
    }

    /// What to ask next of all that waits. Symbols that were cleared but never quoted wait until the unknown one of
    /// their former group is found, unless the hunt may not take the next unit.
    fn next_to_ask(&self, flights: &Flights, may_hunt: bool) -> Next {
        let tier = |symbol: &Symbol| self.tier(flights, symbol);
        let waiting = flights.hunt.waiting(|_| true);
        let mut cleared: Vec<&Symbol> =
            waiting.iter().filter(|symbol| !flights.is_hunted(symbol, tier(symbol))).collect();
        cleared.sort_by_key(|symbol| tier(symbol));
        let hunts = |symbols: &[Symbol]| !symbols.iter().any(|symbol| tier(symbol) == Tier::Known);
        let Some(first) = cleared.first().map(|symbol| tier(symbol)) else {
            let symbols = self.first_to_hunt(flights, &waiting);
            return Next { hunts: hunts(&symbols), symbols };
        };
        if first != Tier::Known && may_hunt {
            let symbols = flights.hunt.suspects.next_at_once(&waiting, |symbol| tier(symbol) != Tier::Untried);
            if !symbols.is_empty() {
                return Next { hunts: hunts(&symbols), symbols };
            }
        }
        // what the source has quoted never travels with what it has not
        let alike = cleared.into_iter().filter(|symbol| (tier(symbol) == Tier::Known) == (first == Tier::Known));
        Next { symbols: alike.take(self.parts.batching.seats).cloned().collect(), hunts: false }
    }

    /// Makes a call for symbols that wait.
    fn call_for(self: &Arc<Self>, flights: &mut Flights, next: &Next, now: Instant) -> Arrival {
        flights.hunt.has_yielded = false;
        if next.hunts {
            flights.hunt.hunted.push_back(now);
        }
        let alone: Vec<Batch> = next.symbols.iter().filter_map(|symbol| flights.hunt.take(symbol)).collect();
        let times = alone.iter().map(Batch::times).reduce(Times::or_later).unwrap_or_else(|| self.schedule(now, now));
        let passengers = alone.iter().flat_map(Batch::disembark).collect();
        let batch = Batch::of(passengers, self.parts.batching.cost_per_symbol, times);
        let number = flights.next_number;
        flights.next_number += 1;
        for symbol in &next.symbols {
            if let Some(flight) = flights.air.get_mut(symbol) {
                (flight.number, flight.batch) = (number, batch.clone());
            }
        }
        batch.announce(self.parts.account.expect(batch.units()));
        Arrival::of(Arc::clone(self), batch, number, true)
    }

    /// Why there is no call before an instant.
    fn no_call_in_time(&self, flights: &Flights, full: Option<SourceError>, at: Instant, now: Instant) -> SourceError {
        match full {
            Some(SourceError::Throttled { limit, .. }) => SourceError::Throttled { limit, retry_after: at - now },
            _ if at > now => {
                let limit = "half of what the vendor allows for symbols that may be unknown".to_owned();
                SourceError::Throttled { limit, retry_after: at - now }
            }
            _ => SourceError::Missing(format!(
                "one of the symbols in the call failed them all ({}); they are asked in smaller calls next time",
                flights.hunt.last_words
            )),
        }
    }

    /// Refuses symbols that wait to be hunted: the refusal stands until an instant.
    fn refuse_hunted(&self, flights: &mut Flights, symbols: &[Symbol], error: &SourceError, until: Instant) {
        for symbol in symbols {
            let passengers = flights.hunt.take(symbol).map(|alone| alone.disembark()).unwrap_or_default();
            let caller = passengers.first().and_then(|passenger| passenger.caller);
            let refused = self.refuse(std::slice::from_ref(symbol), error, until, caller).pop();
            flights.air.remove(symbol);
            if let Some(Wait::Here(outcome)) = refused {
                passengers.iter().for_each(|passenger| drop(passenger.told.send_replace(Some((*outcome).clone()))));
            }
        }
    }
}

/// Sees to all that waits, until no caller waits any more.
async fn see_to(mut ending: Ending) {
    loop {
        match ending.share.next_step() {
            // no caller who leaves ends it: what it tells concerns others too
            Step::Call(arrival) => {
                let callers = ending.share.lock().hunt.callers.clone();
                fly(arrival, callers).await;
            }
            Step::Wait(until) => sleep_until(until).await,
            Step::Over => break,
        }
    }
    ending.is_over = true;
}

/// Cleans up when the task of a hunt ends. If it is cut short, by a panic say, no symbol is left waiting for it.
struct Ending {
    share: Arc<Inner>,
    is_over: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_over {
            let mut flights = self.share.lock();
            flights.hunt.waiting.clear();
            flights.hunt.is_on = false;
            flights.air.retain(|_, flight| flight.number != IN_WAIT);
        }
    }
}
