//! Carries symbols through a source's stack: a batch that other callers can join until it is sent, and the reply.
//!
//! The layers of the stack share a batch and note on it what became of its call, so that a layer above can tell a call that
//! waits from one that was sent, and what was granted to it from what was spent.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

use super::allowance::{Expectation, Units};
use crate::board::{Freshness, Known, Told};
use crate::caller::Caller;
use crate::failure::SourceError;
use crate::provider::instruments::InstrumentList;
use crate::quote::Quote;
use crate::shared::Leases;
use crate::symbol::Symbol;
use crate::trace::TraceContext;

/// What a call asks for. Cheap to clone; all clones are one batch.
#[derive(Clone, Debug)]
pub struct Batch {
    state: Arc<Mutex<State>>,
    /// The most symbols it may hold.
    capacity: usize,
    /// Whether each symbol costs a unit of the vendor's limits, or the call as a whole.
    cost_per_symbol: bool,
    /// What the call costs if it asks for a list of what the vendor trades, and for no symbol.
    list_cost: Option<usize>,
    /// The request that it began for.
    context: TraceContext,
    /// When its symbols were asked for.
    began: Instant,
}

/// The deadlines of one call. A caller who joins it and waits longer extends them.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// When it must be sent to be replied to in time. A wait for the limits that would end later is not begun.
    pub sends_by: Instant,
    /// When a reply comes too late: callers keep a part of their time for folding and answering.
    pub replies_by: Instant,
    /// When it is given up, whatever it waits for.
    pub ends_by: Instant,
}

impl Deadlines {
    /// The later of each.
    pub(super) fn or_later(self, other: Deadlines) -> Deadlines {
        Deadlines {
            sends_by: self.sends_by.max(other.sends_by),
            replies_by: self.replies_by.max(other.replies_by),
            ends_by: self.ends_by.max(other.ends_by),
        }
    }
}

/// A symbol in a batch, and where those who wait for its outcome are told.
#[derive(Debug)]
pub(super) struct Waiter {
    /// The symbol.
    pub(super) symbol: Symbol,
    /// Where its outcome is told.
    pub(super) told: watch::Sender<Option<Told>>,
    /// Who asked for it first; `None` for the service itself.
    pub(super) caller: Option<Caller>,
    /// How fresh an outcome must be for those who wait, if that is known: then one that another replica has heard may suffice.
    pub(super) need: Option<Freshness>,
}

impl Waiter {
    /// Whether a caller waits for the outcome. The list of calls in flight holds a receiver too, which does not count.
    pub(super) fn is_awaited(&self) -> bool {
        self.told.receiver_count() > 1
    }
}

/// What a source replied, symbol by symbol. Every symbol of the batch has its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// A quote or a failure for each symbol.
    pub rows: Vec<(Symbol, Result<Quote, SourceError>)>,
}

impl Reply {
    /// The newest time that a quote in it states; `None` if none states one.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        let quotes = self.rows.iter().filter_map(|(_, row)| row.as_ref().ok());
        quotes.filter_map(|quote| quote.observed_at.max(quote.book_at)).max()
    }
}

#[derive(Debug)]
struct State {
    deadlines: Deadlines,
    waiters: Vec<Waiter>,
    /// No other symbol can join.
    is_sealed: bool,
    /// When its latest call was sent.
    sent: Option<Instant>,
    /// When its first call was sent.
    first_sent: Option<Instant>,
    /// How many calls were sent.
    calls: usize,
    /// When a retry must have ended.
    retries_until: Option<Instant>,
    /// Whether the request may have been written, so that the vendor may count it.
    is_written: bool,
    /// What its call was granted of the limits, until the vendor has begun to reply.
    units: Option<Units>,
    /// When the call in flight ends at the latest.
    over_by: Option<Instant>,
    /// When the latest call ended.
    ended: Option<Instant>,
    expected: Option<Expectation>,
    /// When the limits are expected to let it go, once they have promised that; `None` again when the call has ended.
    grant_at: Option<Instant>,
    /// What the latest call that ended failed with.
    failed_with: Option<SourceError>,
    /// Whether its last caller has left, and it goes on without one.
    is_orphan: bool,
    /// Whether its failure counts against the source.
    is_charged: bool,
    /// The list that the call brought, if it asked for one.
    list: Option<InstrumentList>,
    /// What its call does not ask for, because another replica does.
    left_out: Vec<Symbol>,
    /// Whether there must be a call of its own for what is not left out.
    is_split: bool,
    /// What keeps other replicas from asking for the same.
    leases: Option<Leases>,
}

impl State {
    fn asked(&self) -> impl Iterator<Item = &Symbol> {
        self.waiters.iter().map(|waiter| &waiter.symbol).filter(|symbol| !self.left_out.contains(symbol))
    }
}

impl Batch {
    /// An empty batch with room for `capacity` symbols.
    pub fn new(capacity: usize, cost_per_symbol: bool, deadlines: Deadlines) -> Self {
        let state = State {
            deadlines,
            waiters: Vec::new(),
            is_sealed: false,
            sent: None,
            first_sent: None,
            calls: 0,
            retries_until: None,
            is_written: true,
            units: None,
            over_by: None,
            ended: None,
            expected: None,
            grant_at: None,
            failed_with: None,
            is_orphan: false,
            is_charged: false,
            list: None,
            left_out: Vec::new(),
            is_split: false,
            leases: None,
        };
        let (state, context) = (Arc::new(Mutex::new(state)), TraceContext::default());
        Batch { state, capacity, cost_per_symbol, list_cost: None, context, began: Instant::now() }
    }

    /// The same for a request, whichever joins it later.
    pub(super) fn in_context(self, context: TraceContext) -> Self {
        Batch { context, ..self }
    }

    /// The same for symbols that were asked for earlier.
    pub(super) fn asked_since(self, began: Instant) -> Self {
        Batch { began, ..self }
    }

    /// When its symbols were asked for.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The request that it began for; empty if that was the service itself.
    pub(super) fn context(&self) -> &TraceContext {
        &self.context
    }

    /// A batch of these waiters, which no other symbol can join.
    pub(super) fn of(waiters: Vec<Waiter>, cost_per_symbol: bool, deadlines: Deadlines) -> Self {
        let batch = Batch::new(waiters.len(), cost_per_symbol, deadlines);
        batch.lock().waiters = waiters;
        batch.seal();
        batch
    }

    /// A call for a list of what the vendor trades, which costs this much of the limits. It asks for no symbol.
    pub(super) fn for_list(cost: usize, deadlines: Deadlines) -> Self {
        let batch = Batch { list_cost: Some(cost), ..Batch::new(0, false, deadlines) };
        batch.seal();
        batch
    }

    /// Whether it asks for a list of what the vendor trades.
    pub fn is_for_list(&self) -> bool {
        self.list_cost.is_some()
    }

    /// Hands over the list that the call brought.
    pub fn deliver(&self, list: InstrumentList) {
        self.lock().list = Some(list);
    }

    /// Takes the list that the call brought.
    pub(super) fn take_list(&self) -> Option<InstrumentList> {
        self.lock().list.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Its deadlines as of now.
    pub(super) fn deadlines(&self) -> Deadlines {
        self.lock().deadlines
    }

    /// Gives it as much time as a caller who joins has, if that is more. What one attempt on the wire may take does not change.
    pub(super) fn extend(&self, deadlines: Deadlines) {
        let mut state = self.lock();
        (state.deadlines, state.is_orphan) = (state.deadlines.or_later(deadlines), false);
    }

    /// Adds a symbol without naming a caller. Returns where its outcome will be told, or `None` if the batch is full or sealed.
    pub fn join(&self, symbol: &Symbol) -> Option<watch::Receiver<Option<Told>>> {
        self.join_for(None, symbol)
    }

    /// The same for a caller.
    pub(super) fn join_for(&self, caller: Option<Caller>, symbol: &Symbol) -> Option<watch::Receiver<Option<Told>>> {
        let mut state = self.lock();
        if state.is_sealed || state.waiters.len() >= self.capacity {
            return None;
        }
        let (told, outcome) = watch::channel(None);
        state.waiters.push(Waiter { symbol: symbol.clone(), told, caller, need: None });
        Some(outcome)
    }

    /// Lets no other symbol join.
    pub(super) fn seal(&self) {
        self.lock().is_sealed = true;
    }

    /// Takes its waiters out; no symbol can join any more.
    pub(super) fn take_waiters(&self) -> Vec<Waiter> {
        let mut state = self.lock();
        state.is_sealed = true;
        std::mem::take(&mut state.waiters)
    }

    /// The symbols it asks for so far.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        self.lock().waiters.iter().map(|waiter| waiter.symbol.clone()).collect()
    }

    /// What its call asks for so far: its symbols without those that are left to other replicas.
    pub(super) fn asked(&self) -> Vec<Symbol> {
        self.lock().asked().cloned().collect()
    }

    /// The symbol that its call asks for, if there is exactly one.
    pub(super) fn only_symbol(&self) -> Option<Symbol> {
        let state = self.lock();
        let mut asked = state.asked();
        asked.next().filter(|_| asked.next().is_none()).cloned()
    }

    /// Notes how fresh an outcome must be for one who waits for it.
    pub(super) fn need(&self, symbol: &Symbol, need: Freshness) {
        let mut state = self.lock();
        let waiter = state.waiters.iter_mut().find(|waiter| waiter.symbol == *symbol);
        if let Some(waiter) = waiter {
            waiter.need = Some(waiter.need.map_or(need, |other| other.and(need)));
        }
    }

    /// Whether those who wait for a symbol need nothing newer than what is known.
    pub(super) fn is_content_with(&self, symbol: &Symbol, known: &Known, now: Instant) -> bool {
        let need = self.lock().waiters.iter().find(|waiter| waiter.symbol == *symbol).and_then(|waiter| waiter.need);
        self.suffices(need, known, now)
    }

    /// Whether what is known is as fresh as is needed, or came after the batch had begun.
    pub(super) fn suffices(&self, need: Option<Freshness>, known: &Known, now: Instant) -> bool {
        known.answered_since(self.began) || need.is_some_and(|need| known.is_settled(need, now))
    }

    /// Leaves symbols to other replicas.
    pub(super) fn leave_out(&self, mut symbols: Vec<Symbol>) {
        self.lock().left_out.append(&mut symbols);
    }

    /// Leaves symbols to other replicas, and asks for no other one either: these need a call of their own.
    pub(super) fn split(&self, elsewhere: Vec<Symbol>) {
        self.seal();
        self.leave_out(elsewhere);
        self.lock().is_split = true;
    }

    /// Whether there must be a call of its own for what is not left out.
    pub(super) fn is_split(&self) -> bool {
        self.lock().is_split
    }

    /// Whether a symbol was left to other replicas.
    pub(super) fn is_left_out(&self, symbol: &Symbol) -> bool {
        self.lock().left_out.contains(symbol)
    }

    /// Holds what keeps other replicas from asking for the same.
    pub(super) fn hold(&self, leases: Option<Leases>) {
        self.lock().leases = leases;
    }

    /// Lets other replicas ask for the same. They have been told what came of these symbols, and when.
    pub(super) fn end_leases(&self, told: impl IntoIterator<Item = (Symbol, Instant)>) {
        let leases = self.lock().leases.take();
        if let Some(leases) = leases {
            leases.end(told.into_iter().collect());
        }
    }

    /// Whether each symbol costs a unit of the vendor's limits.
    pub(super) fn costs_per_symbol(&self) -> bool {
        self.cost_per_symbol
    }

    /// Whether a caller waits for one of its symbols.
    pub(super) fn is_awaited(&self) -> bool {
        self.lock().waiters.iter().any(Waiter::is_awaited)
    }

    /// What it costs of the vendor's limits.
    pub(super) fn units(&self) -> usize {
        match self.list_cost {
            Some(cost) => cost,
            None if self.cost_per_symbol => self.lock().asked().count(),
            None => 1,
        }
    }

    /// Carries the expectation that it will spend units of the limits, until it gets there.
    pub(super) fn announce(&self, expected: Expectation) {
        self.lock().expected = Some(expected);
    }

    /// Takes that expectation out: the batch has reached the limits.
    pub(super) fn take_expectation(&self) -> Option<Expectation> {
        self.lock().expected.take()
    }

    /// Notes when the limits are expected to let it go.
    pub(super) fn expect_grant(&self, at: Instant) {
        self.lock().grant_at = Some(at);
    }

    /// When the limits are expected to let it go; `None` if that is not known yet.
    pub(super) fn grant_at(&self) -> Option<Instant> {
        self.lock().grant_at
    }

    /// Whether its call has a slot, and waits for nothing but the limits and the vendor.
    pub(super) fn has_slot(&self) -> bool {
        self.lock().grant_at.is_some()
    }

    /// Holds what its call was granted of the limits.
    pub(super) fn spend(&self, units: Units) {
        let mut state = self.lock();
        (state.units, state.is_written, state.over_by) = (Some(units), true, None);
    }

    /// Gives back what its call was granted of the limits: it will not be made.
    pub(super) fn give_back(&self) {
        let units = self.lock().units.take();
        units.into_iter().for_each(Units::give_back);
    }

    /// Whether it is too late at an instant to begin a call with what was granted.
    pub(super) fn is_void(&self, at: Instant) -> bool {
        self.lock().units.as_ref().is_some_and(|units| units.are_void(at))
    }

    /// When a call with what was granted must have ended, however long its callers wait; `None` if that is left to them.
    pub(super) fn units_over_by(&self) -> Option<Instant> {
        self.lock().units.as_ref().and_then(Units::over_by)
    }

    /// Notes when the call in flight ends at the latest.
    pub(super) fn end_by(&self, latest: Instant) {
        self.lock().over_by = Some(latest);
    }

    /// Seals the batch because its call now looks for a connection, and says what to ask for. Nothing has been written yet.
    pub fn connect(&self) -> Vec<Symbol> {
        let mut state = self.lock();
        state.is_sealed = true;
        // a retry is a call of its own: its latency is counted from here
        let now = Instant::now();
        (state.sent, state.is_written, state.ended) = (Some(now), false, None);
        state.first_sent.get_or_insert(now);
        state.calls += 1;
        state.asked().cloned().collect()
    }

    /// Notes that the request is about to be written.
    pub fn write(&self) {
        self.lock().is_written = true;
    }

    /// Both at once, for a call that needs no connection.
    pub fn send(&self) -> Vec<Symbol> {
        let asked = self.connect();
        self.write();
        asked
    }

    /// Notes that the vendor has begun to reply: it must have counted the call by now.
    pub fn begin_reply(&self) {
        let units = self.lock().units.take();
        drop(units);
    }

    /// Settles what its call was granted of the limits, now that the call has ended or `is_cancelled`, unless the vendor had
    /// begun to reply. Units of a call of which nothing was written are given back.
    pub(super) fn settle(&self, is_cancelled: bool) {
        let (units, is_written, over_by) = {
            let mut state = self.lock();
            (state.units.take(), state.is_written, state.over_by)
        };
        match units {
            Some(units) if !is_written => units.give_back(),
            Some(units) if is_cancelled => units.cancel(over_by),
            units => drop(units),
        }
    }

    /// Notes that its latest call has ended, and what it failed with: what follows is no part of it.
    pub(super) fn end(&self, failed_with: Option<SourceError>) {
        let mut state = self.lock();
        (state.ended, state.grant_at, state.failed_with) = (Some(Instant::now()), None, failed_with);
    }

    /// What the latest call that ended failed with.
    pub(super) fn failed_with(&self) -> Option<SourceError> {
        self.lock().failed_with.clone()
    }

    /// Notes that its failure counts against the source, whatever it asked for.
    pub(super) fn charge(&self) {
        self.lock().is_charged = true;
    }

    /// Whether its failure counts against the source.
    pub(super) fn is_charged(&self) -> bool {
        self.lock().is_charged
    }

    /// When its latest call was sent; `None` if no call was made.
    pub(super) fn sent(&self) -> Option<Instant> {
        self.lock().sent
    }

    /// How many calls were sent for it.
    pub(super) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// How long its latest call took, or has taken so far; `None` if no call was made.
    pub(super) fn sent_for(&self, now: Instant) -> Option<Duration> {
        let state = self.lock();
        state.sent.map(|sent| state.ended.unwrap_or(now).saturating_duration_since(sent))
    }

    /// Whether its request has been written, and its call has not ended.
    pub(super) fn is_on_the_wire(&self) -> bool {
        let state = self.lock();
        state.sent.is_some() && state.is_written && state.ended.is_none()
    }

    /// Lets it go on without a caller, until one joins it.
    pub(super) fn abandon(&self) {
        self.lock().is_orphan = true;
    }

    /// Whether it goes on without a caller.
    pub(super) fn is_orphan(&self) -> bool {
        self.lock().is_orphan
    }

    /// How long it has been tried, all calls and the pauses between them together; `None` if no call was made.
    pub(super) fn tried_for(&self, now: Instant) -> Option<Duration> {
        self.lock().first_sent.map(|sent| now.saturating_duration_since(sent))
    }

    /// Bounds the next attempt: it must have ended this long after the first one was sent.
    pub(super) fn retry_within(&self, span: Duration) {
        let mut state = self.lock();
        state.retries_until = state.first_sent.map(|sent| sent + span);
    }

    /// When the next call must have ended to be replied to in time.
    pub(super) fn replies_by(&self) -> Instant {
        let state = self.lock();
        state.retries_until.map_or(state.deadlines.replies_by, |until| until.min(state.deadlines.replies_by))
    }

    /// When the next call must be sent to be replied to in time. A retry has at least a quarter of an attempt's time left.
    pub(super) fn sends_by(&self) -> Instant {
        let state = self.lock();
        let latest_retry = state.retries_until.zip(state.first_sent).map(|(until, first)| until - (until - first) / 4);
        latest_retry.map_or(state.deadlines.sends_by, |latest| latest.min(state.deadlines.sends_by))
    }
}
