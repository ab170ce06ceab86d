//! Hunts for the unknown symbols that fail whole calls. Known symbols are asked for apart from the hunt, and before it.
//!
//! The symbols of a failed call are queued here together with their callers, and are asked for again in parts: one call at a
//! time, since what to ask for next depends on how the last one ended. A hunting call does not queue for a unit of the limits:
//! it takes one that is free, and queues only after it has left one to others. So it takes at most every second unit where
//! other calls want them too, and at most half of the units of a limit that has several.

mod suspects;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::call::Call;
use super::callers::{Callers, Claim};
use super::grouping::Tier;
use super::{Ask, InFlight, Inner, Pending, State, Wait};
use crate::board::{Known, Told};
use crate::failure::SourceError;
use crate::source::batch::{Batch, Deadlines, Waiter};
use crate::symbol::Symbol;
use crate::trace::TraceContext;
pub use suspects::SuspectState;
use suspects::Suspects;

/// The number of symbols that are queued for the hunt: that of no batch.
const QUEUED: u64 = u64::MAX;

/// What is hunted at one source, and who waits for it.
pub(super) struct Hunt {
    /// What is known of the symbols that may fail a whole call.
    suspects: Suspects,
    /// What waits to be asked for: a batch of its own for each symbol, in the order in which they came.
    queue: Vec<(Symbol, Batch)>,
    /// Whether its task runs.
    pub(super) is_on: bool,
    /// Whether the next hunting call has left a unit to others.
    has_yielded: bool,
    /// When hunting calls took units, the oldest first.
    took_units: VecDeque<Instant>,
    /// What a call failed with last.
    last_error: String,
    /// Who waits for what is hunted.
    callers: Callers,
    /// A claim that lasts as long as the source: a hunting call goes on when its caller leaves, because it tells something of
    /// other symbols.
    _kept: Claim,
}

/// What to do next.
enum Step {
    /// Make a call.
    Call(Call),
    /// Wait until an instant.
    Wait(Instant),
    /// End: no symbol is queued.
    End,
}

/// What to ask for next.
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
            queue: Vec::new(),
            is_on: false,
            has_yielded: false,
            took_units: VecDeque::new(),
            last_error: String::new(),
            _kept: callers.claim(None),
            callers,
        }
    }
}

impl Hunt {
    /// The queued symbols whose batches satisfy a test, in the order in which they came.
    fn queued(&self, test: impl Fn(&Batch) -> bool) -> Vec<Symbol> {
        self.queue.iter().filter(|(_, batch)| test(batch)).map(|(symbol, _)| symbol.clone()).collect()
    }

    /// Forgets failures in a row that are too long ago to say anything of what is asked for now.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.suspects.forget_old(now);
    }

    /// How often something has been learned that must outlive a restart.
    pub(super) fn revision(&self) -> u64 {
        self.suspects.revision()
    }

    /// The groups of suspects, the oldest first.
    pub(super) fn remember(&self) -> Vec<Vec<Symbol>> {
        self.suspects.remember()
    }

    /// Takes over groups that an earlier process had.
    pub(super) fn restore(&mut self, groups: Vec<Vec<Symbol>>) {
        self.suspects.restore(groups);
    }

    fn take(&mut self, symbol: &Symbol) -> Option<Batch> {
        let place = self.queue.iter().position(|(queued, _)| queued == symbol)?;
        Some(self.queue.remove(place).1)
    }
}

impl State {
    /// Whether a symbol is not asked for with others, but hunted.
    pub(super) fn is_hunted(&self, symbol: &Symbol, tier: Tier) -> bool {
        let is_doubtful = tier == Tier::Untried && self.hunt.suspects.are_many();
        self.unknown_kills && (is_doubtful || self.hunt.suspects.contains(symbol))
    }

    /// Remembers which symbols of a call are known, and which would fail a whole call. `is_alone`: it asked for one symbol only.
    /// `is_news`: it asked for symbols that the source had not quoted yet.
    pub(super) fn learn(&mut self, told: &[(Waiter, Arc<Known>)], is_alone: bool, is_news: bool) {
        if !self.unknown_kills {
            return;
        }
        for (Waiter { symbol, .. }, known) in told {
            match &known.outcome.failure {
                None => self.hunt.suspects.clear(symbol, is_news),
                Some(failure) if is_alone && (failure.error.denies_symbol() || failure.error.is_about_call()) => {
                    self.hunt.suspects.fail(std::slice::from_ref(symbol), Instant::now());
                }
                Some(failure) if failure.error.denies_symbol() => self.hunt.suspects.name(symbol),
                Some(_) => {}
            }
        }
    }

    /// Queues a symbol for the hunt, in a batch of its own.
    fn queue_for_hunt(&mut self, symbol: &Symbol, outcome: watch::Receiver<Option<Told>>, batch: Batch) {
        let pending = Pending { number: QUEUED, batch: batch.clone(), callers: self.hunt.callers.clone() };
        self.in_flight.insert(symbol.clone(), InFlight { outcome, pending });
        self.hunt.queue.push((symbol.clone(), batch));
    }
}

impl Inner {
    /// Queues symbols of a request for the hunt.
    pub(super) fn hunt(self: &Arc<Self>, state: &mut State, symbols: &[Symbol], ask: &Ask, now: Instant) -> Vec<Wait> {
        let deadlines = self.deadlines(now, ask.until);
        let mut waits = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let batch = Batch::new(1, self.parts.batching.cost_per_symbol, deadlines);
            let batch = batch.in_context(TraceContext::current());
            let Some(outcome) = batch.join_for(ask.caller, symbol) else { continue };
            let claim = state.hunt.callers.claim(None);
            waits.push(Wait::InFlight { symbol: symbol.clone(), outcome: outcome.clone(), claim });
            state.queue_for_hunt(symbol, outcome, batch);
        }
        self.start_hunt(state);
        waits
    }

    /// Whether a call for several symbols failed because of one of them: the vendor denies it, or finds fault with the call where
    /// it is known to do so for one unknown symbol.
    pub(super) fn is_for_one_of(&self, error: &SourceError) -> bool {
        error.denies_symbol() || error.is_about_call() && self.lock().unknown_kills
    }

    /// A call for several symbols failed because one of them is unknown: those that callers wait for are asked for again in
    /// parts.
    pub(super) fn hunt_among(self: &Arc<Self>, failed: &Batch, waiters: Vec<Waiter>, error: &SourceError) {
        let mut state = self.lock();
        let waiters = self.unless_retired(&state, waiters);
        state.unknown_kills = true;
        state.hunt.last_error = error.to_string();
        let symbols: Vec<Symbol> = waiters.iter().map(|waiter| waiter.symbol.clone()).collect();
        let (quoted, listed): (Vec<Symbol>, Vec<Symbol>) =
            symbols.into_iter().partition(|symbol| self.has_quoted(symbol));
        let suspects = if quoted.is_empty() || listed.is_empty() {
            [quoted, listed].concat()
        } else {
            // only a list confirmed the others: what was quoted is asked for without them
            self.doubt_list();
            listed
        };
        state.hunt.suspects.fail(&suspects, Instant::now());
        self.queue_again(&mut state, failed, waiters);
    }

    /// A call failed because of symbols that the vendor names: the others in it, which it did not look at, are asked for again
    /// without those.
    pub(super) fn ask_again(self: &Arc<Self>, failed: &Batch, overlooked: Vec<(Waiter, SourceError)>) {
        let Some((_, error)) = overlooked.first() else { return };
        let mut state = self.lock();
        state.unknown_kills = true;
        state.hunt.last_error = error.to_string();
        let waiters = overlooked.into_iter().map(|(waiter, _)| waiter).collect();
        let waiters = self.unless_retired(&state, waiters);
        self.queue_again(&mut state, failed, waiters);
    }

    /// Queues those symbols of a failed call that callers wait for. Nothing was learned of the others.
    fn queue_again(self: &Arc<Self>, state: &mut State, failed: &Batch, waiters: Vec<Waiter>) {
        for waiter in waiters.into_iter().filter(Waiter::is_awaited) {
            let (symbol, outcome) = (waiter.symbol.clone(), waiter.told.subscribe());
            let batch = Batch::of(vec![waiter], self.parts.batching.cost_per_symbol, failed.deadlines());
            let batch = batch.in_context(failed.context().clone()).asked_since(failed.began());
            state.queue_for_hunt(&symbol, outcome, batch);
        }
        self.start_hunt(state);
    }

    /// Which of these symbols the hunt would ask for first.
    pub(super) fn first_to_hunt(&self, state: &State, symbols: &[Symbol]) -> Vec<Symbol> {
        let tier = |symbol: &Symbol| self.tier(state, symbol);
        let mut wanted = symbols.to_vec();
        wanted.sort_by_key(tier);
        let mut first = state.hunt.suspects.next(&wanted, |symbol| tier(symbol) < Tier::Untried);
        if first.is_empty() {
            // nothing is known of them, except that most of what was asked for lately is unknown
            first.extend(wanted.into_iter().take(1));
        }
        first.truncate(self.parts.batching.capacity);
        first
    }

    /// Starts the task that hunts, if symbols are queued and it does not run yet.
    fn start_hunt(self: &Arc<Self>, state: &mut State) {
        if !state.hunt.is_on && !state.hunt.queue.is_empty() {
            state.hunt.is_on = true;
            self.parts.tasks.spawn(run(Running { coalescer: Arc::clone(self), is_over: false }));
        }
    }

    /// What the hunt does next. Symbols whose callers would leave before a call can be made are refused on the way.
    fn next_step(self: &Arc<Self>) -> Step {
        let mut state = self.lock();
        let now = Instant::now();
        state.hunt.suspects.forget_old(now);
        for symbol in state.hunt.queued(|batch| !batch.is_awaited()) {
            state.hunt.take(&symbol);
            state.in_flight.remove(&symbol);
        }
        if let Some(rest) = self.rest(now) {
            let all = state.hunt.queued(|_| true);
            self.refuse_queued(&mut state, &all, &rest.refusal(now), rest.until);
        }
        let allowance = self.parts.account.allowance();
        while !state.hunt.queue.is_empty() {
            let (room, full) = allowance.room(1, now, now);
            let wait = full.as_ref().and_then(SourceError::stands_for).filter(|_| room == 0);
            let free_at = wait.map_or(now, |wait| now + wait);
            let half_at = allowance.limits().half_at(&mut state.hunt.took_units, now);
            let next = self.next_to_ask(&state, half_at <= free_at);
            let half_at = if next.hunts { half_at } else { now };
            let at = free_at.max(half_at);
            let late = state.hunt.queued(|batch| batch.deadlines().sends_by < at);
            if !late.is_empty() {
                let error = self.no_call_in_time(&state, full, at, now);
                self.refuse_queued(&mut state, &late, &error, at);
                continue;
            }
            if next.hunts && at > now && (half_at > now || !state.hunt.has_yielded) {
                state.hunt.has_yielded = true;
                return Step::Wait(at);
            }
            return Step::Call(self.call_for(&mut state, &next, now));
        }
        state.hunt.is_on = false;
        Step::End
    }

    /// What to ask for next of all that is queued. Symbols that were cleared but never quoted wait until the unknown one of
    /// their former group is found, unless the hunt may not take the next unit.
    fn next_to_ask(&self, state: &State, may_hunt: bool) -> Next {
        let tier = |symbol: &Symbol| self.tier(state, symbol);
        let queued = state.hunt.queued(|_| true);
        let mut cleared: Vec<&Symbol> = queued.iter().filter(|symbol| !state.is_hunted(symbol, tier(symbol))).collect();
        cleared.sort_by_key(|symbol| tier(symbol));
        let hunts = |symbols: &[Symbol]| !symbols.iter().any(|symbol| tier(symbol) == Tier::Known);
        let Some(first) = cleared.first().map(|symbol| tier(symbol)) else {
            let symbols = self.first_to_hunt(state, &queued);
            return Next { hunts: hunts(&symbols), symbols };
        };
        if first != Tier::Known && may_hunt {
            let symbols = state.hunt.suspects.next_at_once(&queued, |symbol| tier(symbol) < Tier::Untried);
            if !symbols.is_empty() {
                return Next { hunts: hunts(&symbols), symbols };
            }
        }
        // what the source has quoted is never asked for with what it has not
        let alike = cleared.into_iter().filter(|symbol| (tier(symbol) == Tier::Known) == (first == Tier::Known));
        Next { symbols: alike.take(self.parts.batching.capacity).cloned().collect(), hunts: false }
    }

    /// The call for symbols that are queued.
    fn call_for(self: &Arc<Self>, state: &mut State, next: &Next, now: Instant) -> Call {
        state.hunt.has_yielded = false;
        if next.hunts {
            state.hunt.took_units.push_back(now);
        }
        let alone: Vec<Batch> = next.symbols.iter().filter_map(|symbol| state.hunt.take(symbol)).collect();
        let deadlines = alone.iter().map(Batch::deadlines).reduce(Deadlines::or_later);
        let deadlines = deadlines.unwrap_or_else(|| self.deadlines(now, now));
        let waiters = alone.iter().flat_map(Batch::take_waiters).collect();
        // for that request whose symbol comes first
        let context = alone.first().map(Batch::context).cloned().unwrap_or_default();
        let began = alone.iter().map(Batch::began).max().unwrap_or(now);
        let batch = Batch::of(waiters, self.parts.batching.cost_per_symbol, deadlines);
        let batch = batch.in_context(context).asked_since(began);
        let number = state.next_number();
        for symbol in &next.symbols {
            if let Some(InFlight { pending, .. }) = state.in_flight.get_mut(symbol) {
                (pending.number, pending.batch) = (number, batch.clone());
            }
        }
        state.end_list_for(self.parts.concurrency);
        batch.announce(self.parts.account.allowance().expect(batch.units()));
        let callers = state.hunt.callers.clone();
        Call::new(Arc::clone(self), Pending { number, batch, callers }, true)
    }

    /// Why there is no call before an instant.
    fn no_call_in_time(&self, state: &State, full: Option<SourceError>, at: Instant, now: Instant) -> SourceError {
        match full {
            Some(SourceError::Throttled { limit, .. }) => SourceError::Throttled { limit, retry_after: at - now },
            _ if at > now => {
                let limit = "half of what the vendor allows for symbols that may be unknown".to_owned();
                SourceError::Throttled { limit, retry_after: at - now }
            }
            _ => SourceError::Missing(format!(
                "one of the symbols in the call failed them all ({}); they are asked in smaller calls next time",
                state.hunt.last_error
            )),
        }
    }

    /// Refuses symbols that are queued: the refusal stands until an instant.
    fn refuse_queued(&self, state: &mut State, symbols: &[Symbol], error: &SourceError, until: Instant) {
        for symbol in symbols {
            let waiters = state.hunt.take(symbol).map(|batch| batch.take_waiters()).unwrap_or_default();
            let caller = waiters.first().and_then(|waiter| waiter.caller);
            let refused = self.refuse(std::slice::from_ref(symbol), error, until, caller).pop();
            state.in_flight.remove(symbol);
            if let Some(Wait::Ready(told)) = refused {
                waiters.iter().for_each(|waiter| drop(waiter.told.send_replace(Some(told.clone()))));
            }
        }
    }
}

/// Asks for all that is queued, until nothing is.
async fn run(mut running: Running) {
    loop {
        running.coalescer = running.coalescer.latest();
        match running.coalescer.next_step() {
            // no caller who leaves ends it: what it tells concerns others too
            Step::Call(call) => call.run().await,
            Step::Wait(until) => sleep_until(until).await,
            Step::End => break,
        }
    }
    running.is_over = true;
}

/// Cleans up when the task of a hunt ends. If the task is cut short, by a panic say, no symbol is left waiting for it.
struct Running {
    coalescer: Arc<Inner>,
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = self.coalescer.lock();
            state.hunt.queue.clear();
            state.hunt.is_on = false;
            state.in_flight.retain(|_, call| call.pending.number != QUEUED);
        }
    }
}
