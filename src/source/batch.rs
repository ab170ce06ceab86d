//! Carries symbols through a source's stack: a batch that others may board until it is sent, and the reply.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::account::{Expectation, Units};
use crate::caller::Caller;
use crate::failure::SourceError;
use crate::quote::{Outcome, Quote};
use crate::symbol::Symbol;

/// What a call asks for. Cheap to clone; all clones share one list of passengers.
#[derive(Clone, Debug)]
pub struct Batch {
    cabin: Arc<Mutex<Cabin>>,
    /// How many may board in all.
    seats: usize,
    /// Whether each symbol costs a unit of the vendor's limits, or the call as a whole.
    per_symbol: bool,
}

/// The deadlines of a call. A caller who joins it and waits longer extends them.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When it must be sent to be replied to in time; a wait for the limits that would end later is not begun.
    pub sends_by: Instant,
    /// When a reply comes too late: those who wait for it keep something back of their time.
    pub replies_by: Instant,
    /// When it is given up, whatever it waits for.
    pub ends_by: Instant,
}

impl Passenger {
    /// Whether a caller waits for it; the list of what is in the air does not count.
    pub(super) fn is_awaited(&self) -> bool {
        self.told.receiver_count() > 1
    }
}

impl Times {
    /// The later of each.
    pub(super) fn or_later(self, other: Times) -> Times {
        Times {
            sends_by: self.sends_by.max(other.sends_by),
            replies_by: self.replies_by.max(other.replies_by),
            ends_by: self.ends_by.max(other.ends_by),
        }
    }
}

#[derive(Debug)]
struct Cabin {
    times: Times,
    passengers: Vec<Passenger>,
    /// Nobody boards any more.
    sealed: bool,
    sent: Option<Instant>,
    /// When its first call was sent.
    first_sent: Option<Instant>,
    /// When a call that is sent again must have ended.
    tries_until: Option<Instant>,
    /// Whether the request may have been written, so that the vendor may count it.
    is_written: bool,
    /// What its call was granted of the limits, until the vendor has begun to reply.
    units: Option<Units>,
    /// When the call under way ends at the latest.
    over_by: Option<Instant>,
    /// When the call that was last sent ended.
    ended: Option<Instant>,
    expected: Option<Expectation>,
    /// When it is promised to be sent, once a limit has promised that; `None` again when the call has ended.
    turn: Option<Instant>,
    /// What the call that ended last failed with.
    failed_with: Option<SourceError>,
    /// Whether its last caller has left, and it goes on without one.
    is_orphan: bool,
    /// Whether its failure was the source's.
    is_charged: bool,
}

/// A symbol in a batch, and where its outcome is told.
#[derive(Debug)]
pub struct Passenger {
    /// What is asked for.
    pub symbol: Symbol,
    /// Who waits for it listens here.
    pub told: watch::Sender<Option<Outcome>>,
    /// Who asked for it first.
    pub caller: Option<Caller>,
}

/// What a source replied, symbol by symbol. Every symbol of the batch has its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// A quote or a failure for each symbol.
    pub rows: Vec<(Symbol, Result<Quote, SourceError>)>,
}

impl Batch {
    /// A batch with room for so many symbols, nobody aboard yet.
    pub fn new(seats: usize, per_symbol: bool, times: Times) -> Self {
        let cabin = Cabin {
            times,
            passengers: Vec::new(),
            sealed: false,
            sent: None,
            first_sent: None,
            tries_until: None,
            is_written: true,
            units: None,
            over_by: None,
            ended: None,
            expected: None,
            turn: None,
            failed_with: None,
            is_orphan: false,
            is_charged: false,
        };
        Batch { cabin: Arc::new(Mutex::new(cabin)), seats, per_symbol }
    }

    /// Until when it has to be where, as of now.
    pub fn times(&self) -> Times {
        self.lock().times
    }

    /// Gives it as much time as a newcomer has, if that is more. What one attempt on the wire may take is not among it.
    pub fn allow(&self, newcomer: Times) {
        let mut cabin = self.lock();
        (cabin.times, cabin.is_orphan) = (cabin.times.or_later(newcomer), false);
    }

    /// A batch of these passengers, which no other symbol joins.
    pub(super) fn of(passengers: Vec<Passenger>, per_symbol: bool, times: Times) -> Self {
        let batch = Batch::new(passengers.len(), per_symbol, times);
        batch.lock().passengers = passengers;
        batch.seal();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Cabin> {
        self.cabin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a symbol aboard without a caller's name and says where its outcome will be told; `None` if it is full or has
    /// left.
    pub fn board(&self, symbol: &Symbol) -> Option<watch::Receiver<Option<Outcome>>> {
        self.board_for(None, symbol)
    }

    /// The same for a caller.
    pub fn board_for(&self, caller: Option<Caller>, symbol: &Symbol) -> Option<watch::Receiver<Option<Outcome>>> {
        let mut cabin = self.lock();
        if cabin.sealed || cabin.passengers.len() >= self.seats {
            return None;
        }
        let (told, outcome) = watch::channel(None);
        cabin.passengers.push(Passenger { symbol: symbol.clone(), told, caller });
        Some(outcome)
    }

    /// Lets nobody board any more.
    pub fn seal(&self) {
        self.lock().sealed = true;
    }

    /// Seals the batch, now that a connection is sought for its call, and says what to ask for. Nothing has been written yet.
    pub fn connect(&self) -> Vec<Symbol> {
        let mut cabin = self.lock();
        cabin.sealed = true;
        // a second try is a call of its own: how long it took is counted from here
        let now = Instant::now();
        (cabin.sent, cabin.is_written, cabin.ended) = (Some(now), false, None);
        cabin.first_sent.get_or_insert(now);
        cabin.passengers.iter().map(|passenger| passenger.symbol.clone()).collect()
    }

    /// Takes note that the request is about to be written.
    pub fn write(&self) {
        self.lock().is_written = true;
    }

    /// Both at once, for a call that needs no connection.
    pub fn send(&self) -> Vec<Symbol> {
        let asked = self.connect();
        self.write();
        asked
    }

    /// Holds what its call was granted of the limits.
    pub(super) fn spend(&self, units: Units) {
        let mut cabin = self.lock();
        (cabin.units, cabin.is_written, cabin.over_by) = (Some(units), true, None);
    }

    /// Takes note that the vendor has begun to reply, so that it had the call before.
    pub fn hear(&self) {
        let units = self.lock().units.take();
        drop(units);
    }

    /// Takes note of when the call under way ends at the latest.
    pub(super) fn end_by(&self, latest: Instant) {
        self.lock().over_by = Some(latest);
    }

    /// Settles what its call was granted of the limits, now that the call has ended or `is_cancelled`, unless the vendor had
    /// begun to reply. Where nothing was written, it is given back.
    pub(super) fn settle(&self, is_cancelled: bool) {
        let (units, is_written, over_by) = {
            let mut cabin = self.lock();
            (cabin.units.take(), cabin.is_written, cabin.over_by)
        };
        match units {
            Some(units) if !is_written => units.give_back(),
            Some(units) if is_cancelled => units.cancel(over_by),
            units => drop(units),
        }
    }

    /// The symbols it asks for so far.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        self.lock().passengers.iter().map(|passenger| passenger.symbol.clone()).collect()
    }

    /// The symbol it asks for, if it is one alone.
    pub fn only_symbol(&self) -> Option<Symbol> {
        match &self.lock().passengers[..] {
            [passenger] => Some(passenger.symbol.clone()),
            _ => None,
        }
    }

    /// When it was last sent; `None` if no call was made.
    pub fn sent(&self) -> Option<Instant> {
        self.lock().sent
    }

    /// Takes note that the call which was last sent has ended, and of what it failed with: what follows is no part of it.
    pub fn end(&self, failed_with: Option<SourceError>) {
        let mut cabin = self.lock();
        (cabin.ended, cabin.turn, cabin.failed_with) = (Some(Instant::now()), None, failed_with);
    }

    /// What the call that ended last failed with.
    pub(super) fn failed_with(&self) -> Option<SourceError> {
        self.lock().failed_with.clone()
    }

    /// Whether its request has been written, and its call has not ended.
    pub(super) fn is_on_the_wire(&self) -> bool {
        let cabin = self.lock();
        cabin.sent.is_some() && cabin.is_written && cabin.ended.is_none()
    }

    /// Whether its call has a place, and waits for nothing but the limits and the vendor.
    pub(super) fn has_place(&self) -> bool {
        self.lock().turn.is_some()
    }

    /// Lets it go on without a caller, until somebody joins it.
    pub(super) fn abandon(&self) {
        self.lock().is_orphan = true;
    }

    /// Whether it goes on without a caller.
    pub(super) fn is_orphan(&self) -> bool {
        self.lock().is_orphan
    }

    /// How long the last call took, or has been taking; `None` if no call was made.
    pub fn sent_for(&self, now: Instant) -> Option<Duration> {
        let cabin = self.lock();
        cabin.sent.map(|sent| cabin.ended.unwrap_or(now).saturating_duration_since(sent))
    }

    /// How long it has been tried, all calls and the waits between them together; `None` if no call was made.
    pub(super) fn tried_for(&self, now: Instant) -> Option<Duration> {
        self.lock().first_sent.map(|sent| now.saturating_duration_since(sent))
    }

    /// Bounds the next try: it must have ended so long after the first one was sent.
    pub(super) fn try_again_within(&self, span: Duration) {
        let mut cabin = self.lock();
        cabin.tries_until = cabin.first_sent.map(|sent| sent + span);
    }

    /// When the next call must have ended to be replied to in time.
    pub(super) fn replies_by(&self) -> Instant {
        let cabin = self.lock();
        cabin.tries_until.map_or(cabin.times.replies_by, |until| until.min(cabin.times.replies_by))
    }

    /// When the next call must be sent to be replied to in time.
    pub(super) fn sends_by(&self) -> Instant {
        let cabin = self.lock();
        let latest_again = cabin.tries_until.zip(cabin.first_sent).map(|(until, first)| until - (until - first) / 4);
        latest_again.map_or(cabin.times.sends_by, |latest| latest.min(cabin.times.sends_by))
    }

    /// What it costs of the vendor's limits.
    pub fn units(&self) -> usize {
        if self.per_symbol { self.lock().passengers.len() } else { 1 }
    }

    /// Carries the word that it will spend units of the limits, until it gets there.
    pub fn announce(&self, expected: Expectation) {
        self.lock().expected = Some(expected);
    }

    /// Takes that word back: it has got there.
    pub fn take_expectation(&self) -> Option<Expectation> {
        self.lock().expected.take()
    }

    /// Takes note of when a limit promises that it can be sent.
    pub fn take_turn(&self, at: Instant) {
        self.lock().turn = Some(at);
    }

    /// When it is promised to be sent; `None` if that is not known yet.
    pub fn turn(&self) -> Option<Instant> {
        self.lock().turn
    }

    /// Takes note that its failure says something of the source, whatever it was asked for.
    pub fn charge(&self) {
        self.lock().is_charged = true;
    }

    /// Whether its failure says something of the source.
    pub fn is_charged(&self) -> bool {
        self.lock().is_charged
    }

    /// Whether a caller waits for one of its symbols.
    pub(super) fn is_awaited(&self) -> bool {
        self.lock().passengers.iter().any(Passenger::is_awaited)
    }

    /// Empties it: whoever is aboard, nobody boarding after.
    pub fn disembark(&self) -> Vec<Passenger> {
        let mut cabin = self.lock();
        cabin.sealed = true;
        std::mem::take(&mut cabin.passengers)
    }
}
