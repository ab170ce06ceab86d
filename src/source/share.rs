//! Stands at the front of a source: symbols in, one outcome per symbol out, and never two calls in the air for one symbol.
//!
//! Whoever asks for a symbol that is already in the air waits for that call. Symbols of several requests travel in one
//! batch for as long as it waits for its turn. A call goes on while anybody waits for it, and is cancelled with the last who
//! leaves, unless it has spent what is scarce; it waits for its turn as long as the most patient of them. Where one unknown symbol fails a whole call, it is hunted
//! apart from what is known.

mod arrival;
mod attempt;
mod boarding;
mod callers;
mod checks;
mod departure;
mod hunt;
mod orphans;
mod rest;
mod seating;
mod suspects;
mod turns;
mod wait;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;

use super::account::Account;
use super::backoff::Backoff;
use super::batch::{Batch, Reply, Times};
use super::breaker::Breaker;
use super::record::Record;
use crate::board::{Board, Freshness};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::failure::SourceError;
use crate::quote::{Origin, Outcome};
use crate::symbol::Symbol;
use arrival::{Arrival, fly};
use callers::Callers;
use hunt::Hunt;
use orphans::Orphans;
use seating::Group;
pub use suspects::SuspectState;
pub use wait::Wait;

/// A source's stack behind the share: a batch in, a reply out.
pub type Stack = BoxCloneSyncService<Batch, Reply, SourceError>;

/// The front of one source. Cheap to clone.
#[derive(Clone)]
pub struct Share(Arc<Inner>);

/// What a share is made of.
pub struct Parts {
    /// Whose front it is.
    pub origin: Arc<Origin>,
    /// Where outcomes land.
    pub board: Arc<Board>,
    /// Where calls go.
    pub stack: Stack,
    /// The vendor's limits.
    pub account: Arc<Account>,
    /// What is remembered of its calls.
    pub record: Arc<Record>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where its calls run.
    pub tasks: TaskTracker,
    /// How a batch is made up.
    pub batching: Batching,
    /// Whether its description names a symbol, beyond the rules for spelling any.
    pub is_named: Arc<dyn Fn(&Symbol) -> bool + Send + Sync>,
    /// Calls that may be in the air at once.
    pub places: usize,
    /// Whether it is asked at all.
    pub breaker: Arc<Breaker>,
    /// Whether it has failed lately.
    pub backoff: Arc<Backoff>,
    /// What one call may take in all, waiting for its turn included, unless a caller waits longer for it.
    pub budget: Duration,
}

/// How a batch is made up.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Symbols in one call.
    pub seats: usize,
    /// Whether each symbol costs a unit of the limits. Then a batch takes no boarders.
    pub cost_per_symbol: bool,
    /// Whether one unknown symbol fails a whole call. Then what the source has quoted travels apart from what it has not, and
    /// what fails a call is hunted for.
    pub unknown_kills: bool,
    /// Whether every reply holds all there is. Then whatever the source has ever quoted rides along with every call.
    pub holds_all: bool,
}

struct Inner {
    parts: Parts,
    flights: Mutex<Flights>,
}

#[derive(Default)]
struct Flights {
    air: HashMap<Symbol, Flight>,
    next_number: u64,
    /// The newest batches that still have room: that of what the source has quoted, and that of what it has not.
    open: HashMap<bool, (u64, Batch, Callers)>,
    /// Whether one unknown symbol fails a whole call: stated, or found out.
    unknown_kills: bool,
    /// Symbols that were refused for want of room, and until when they are wanted all the same.
    wanted: HashMap<Symbol, Instant>,
    /// What is hunted, because it failed a whole call or may do so.
    hunt: Hunt,
    /// The calls that no caller waits for.
    orphans: Orphans,
}

struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    number: u64,
    batch: Batch,
    /// Who waits for the call.
    callers: Callers,
}

/// Whether a caller waits for its turn at a scarce source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// It does, and reserves may be asked for it.
    #[default]
    Waits,
    /// It takes what can be had at once without harm to others: it waits for no limit and no place, asks no reserve, and what it is
    /// refused concerns it alone.
    OnlyTries,
}

/// What a request asks of a source.
#[derive(Clone, Debug)]
pub struct Ask {
    /// When the request arrived: what landed since then is fresh enough for it.
    pub arrived: Instant,
    /// When the caller leaves. A call may wait until then for its turn, and never less than its budget; what cannot be sent by
    /// then is not started.
    pub until: Instant,
    /// What it needs, in the order in which scarce calls are given out.
    pub due: Vec<(Symbol, Freshness)>,
    /// What it asked for and needs no call; may ride along where there is room.
    pub riders: Vec<Symbol>,
    /// Whose request it is; `None` if it is the service's own.
    pub caller: Option<Caller>,
}

impl Share {
    /// A share over a stack.
    pub fn new(mut parts: Parts) -> Self {
        let batching = &mut parts.batching;
        if batching.cost_per_symbol {
            // the units of a call are spent at one instant: more than a limit allows could never be
            batching.seats = batching.seats.min(parts.account.most_at_once());
        }
        let flights = Flights { unknown_kills: batching.unknown_kills, ..Flights::default() };
        Share(Arc::new(Inner { parts, flights: Mutex::new(flights) }))
    }

    /// Joins what is in the air and starts what is not; never waits itself.
    ///
    /// Gives a claim per due symbol: what is here or in the air first, what is refused last. Dropping a claim gives it up.
    pub fn ask(&self, ask: &Ask) -> Vec<Wait> {
        let now = Instant::now();
        let mut flights = self.0.lock();
        let (mut waits, left) = self.0.join_all(&mut flights, ask, Patience::Waits, now);
        waits.extend(self.0.start(&mut flights, left, ask, now));
        waits
    }

    /// The same for somebody who only tries: joins what is in the air, and starts what can be sent at this moment.
    ///
    /// What cannot is refused to this caller alone: it does not land on the board, and nobody remembers that it was wanted.
    pub fn attempt(&self, ask: &Ask) -> Vec<Wait> {
        let now = Instant::now();
        let mut flights = self.0.lock();
        let (mut waits, left) = self.0.join_all(&mut flights, ask, Patience::OnlyTries, now);
        waits.extend(self.0.try_to_start(&mut flights, &left, ask, now));
        waits
    }

    /// How often something was learned of symbols that fail whole calls.
    pub fn revision(&self) -> u64 {
        self.0.lock().hunt.suspects.revision()
    }

    /// What was learned of symbols that fail whole calls; `None` if that is nothing.
    pub fn remember(&self) -> Option<SuspectState> {
        let flights = self.0.lock();
        let groups = flights.hunt.suspects.remember();
        let text = |group: Vec<Symbol>| group.iter().map(Symbol::to_string).collect();
        let is_news = !groups.is_empty() || flights.unknown_kills != self.0.parts.batching.unknown_kills;
        let unknown_kills = flights.unknown_kills;
        is_news.then(|| SuspectState { unknown_kills, groups: groups.into_iter().map(text).collect() })
    }

    /// Takes over what an earlier process had learned.
    pub fn restore(&self, past: &SuspectState) {
        let symbols = |group: &Vec<String>| group.iter().filter_map(|text| Symbol::parse(text).ok()).collect();
        let mut flights = self.0.lock();
        flights.unknown_kills |= past.unknown_kills;
        flights.hunt.suspects.restore(past.groups.iter().map(symbols).collect());
    }

    /// Batches that were started so far.
    pub fn departures(&self) -> u64 {
        self.0.lock().next_number
    }

    /// Calls in the air.
    pub fn in_flight(&self) -> usize {
        self.0.lock().batches()
    }
}

impl Flights {
    /// Calls in the air.
    fn batches(&self) -> usize {
        self.air.values().map(|flight| flight.number).collect::<HashSet<_>>().len()
    }

    /// Joins the flight of a symbol, if its call goes on. It then waits for its turn as long as its most patient waiter.
    fn join(&self, symbol: &Symbol, times: Times, hurry: Option<Instant>) -> Option<Wait> {
        let flight = self.air.get(symbol)?;
        flight.batch.allow(times);
        let claim = flight.callers.claim(hurry);
        Some(Wait::Air { symbol: symbol.clone(), outcome: flight.outcome.clone(), claim })
    }

    /// Whether a symbol is in the air.
    fn is_in_air(&self, symbol: &Symbol) -> bool {
        self.air.contains_key(symbol)
    }

    fn enter(
        &mut self,
        number: u64,
        batch: &Batch,
        callers: &Callers,
        symbol: &Symbol,
        caller: Option<Caller>,
        hurry: Option<Instant>,
    ) -> Option<Wait> {
        let outcome = batch.board_for(caller, symbol)?;
        let flight = Flight { outcome: outcome.clone(), number, batch: batch.clone(), callers: callers.clone() };
        self.air.insert(symbol.clone(), flight);
        self.wanted.remove(symbol);
        Some(Wait::Air { symbol: symbol.clone(), outcome, claim: callers.claim(hurry) })
    }

    /// Takes the flights of a batch out, whose symbols these are, never those of a successor. What else is in the air is not
    /// looked at: that may be much.
    fn take_out(&mut self, number: u64, symbols: &[Symbol]) {
        for symbol in symbols {
            if self.air.get(symbol).is_some_and(|flight| flight.number == number) {
                self.air.remove(symbol);
            }
        }
        self.open.retain(|_, (other, ..)| *other != number);
        self.orphans.release(number);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts batches for what is not in the air yet, in order; what the limits cannot bear in the caller's time is refused at
    /// once.
    fn start(self: &Arc<Self>, flights: &mut Flights, left: Vec<Symbol>, ask: &Ask, now: Instant) -> Vec<Wait> {
        if left.is_empty() {
            return Vec::new();
        }
        // what is denied is only checked, and never at the cost of anything else
        let (denied, left): (Vec<Symbol>, Vec<Symbol>) =
            left.into_iter().partition(|symbol| self.is_denied(symbol, now));
        if let Some(rest) = self.rest(now) {
            let mut waits = self.refuse(&left, &rest.refusal(now), rest.until, ask.caller);
            waits.extend(self.denials(&denied, now));
            return waits;
        }
        let (hunted, left) = self.part_hunted(flights, &left, now);
        let mut waits = self.start_hunted(flights, &hunted, ask, now);
        waits.extend(self.start_others(flights, &left, &denied, ask, now));
        waits
    }

    /// Until when a caller lets calls wait for the limits, and whether that is less than such calls have in any case.
    fn patience(&self, ask: &Ask, now: Instant) -> (Instant, bool) {
        let (call, caller) = (self.schedule(now, ask.until).sends_by, self.sends_by_for(ask));
        (call.min(caller), caller < call)
    }

    /// Lets symbols wait to be hunted, unless the caller leaves before there is room for a call.
    fn start_hunted(self: &Arc<Self>, flights: &mut Flights, hunted: &[Symbol], ask: &Ask, now: Instant) -> Vec<Wait> {
        let (until, is_hasty) = self.patience(ask, now);
        match self.parts.account.room(1, now, until) {
            (0, Some(refusal)) if is_hasty => self.decline(hunted.iter(), &refusal),
            _ => self.hunt(flights, hunted, ask, now),
        }
    }

    fn start_others(
        self: &Arc<Self>,
        flights: &mut Flights,
        left: &[Symbol],
        denied: &[Symbol],
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        if left.is_empty() && denied.is_empty() {
            return Vec::new();
        }
        let (until, is_hasty) = self.patience(ask, now);
        let room = |units| self.parts.account.room(units, now, until);
        let mut groups = self.group(flights, left, now);
        let (bearable, _) = room(self.units(&groups) + 1);
        if bearable <= self.units(&groups) {
            // this request takes the last there is: others may have waited longer
            let line = self.line_up(flights, left, bearable, now);
            groups = self.group(flights, &line, now);
        }
        let (granted, refusal) = room(self.units(&groups));
        let late = self.cut(&mut groups, granted);
        let mut waits = match late.is_empty() {
            true => self.check_denied(flights, &mut groups, denied, ask, now),
            false => self.denials(denied, now),
        };
        let own: Vec<Symbol> = left.iter().chain(denied).cloned().collect();
        waits.extend(self.send(flights, groups, &own, ask, now));
        if let Some(refusal @ SourceError::Throttled { retry_after, .. }) = &refusal {
            let until = now + *retry_after;
            let asked: HashSet<&Symbol> = left.iter().collect();
            let late: Vec<Symbol> = late.into_iter().filter(|symbol| asked.contains(symbol)).collect();
            late.iter().for_each(|symbol| flights.want(symbol, until));
            // others may have more time than this caller: then it is no word to them
            waits.extend(match is_hasty {
                true => self.decline(late.iter(), refusal),
                false => self.refuse(&late, refusal, until, ask.caller),
            });
        }
        waits
    }

    /// The symbols that are hunted, and the others.
    fn part_hunted(&self, flights: &mut Flights, symbols: &[Symbol], now: Instant) -> (Vec<Symbol>, Vec<Symbol>) {
        flights.hunt.suspects.forget_old(now);
        let is_hunted = |symbol: &Symbol| flights.is_hunted(symbol, self.tier(flights, symbol));
        symbols.iter().cloned().partition(is_hunted)
    }

    /// Sends a batch on its way: its flights are entered and its task is spawned, all under the lock.
    ///
    /// One that nobody waits for now, because those who wanted it were refused before, is not cancelled for that.
    fn depart(
        self: &Arc<Self>,
        flights: &mut Flights,
        group: &Group,
        batch: Batch,
        caller: Option<Caller>,
        awaited: bool,
        hurry: Option<Instant>,
    ) -> Vec<Wait> {
        let batching = self.parts.batching;
        let number = flights.next_number;
        flights.next_number += 1;
        let callers = Callers::default();
        let hurry = hurry.filter(|_| awaited);
        let enter = |symbol| flights.enter(number, &batch, &callers, symbol, caller, hurry);
        let waits = group.symbols.iter().filter_map(enter).collect();
        if group.is_lonely || batching.cost_per_symbol {
            batch.seal();
        } else if group.len() < batching.seats {
            flights.open.insert(group.is_known, (number, batch.clone(), callers.clone()));
        }
        batch.announce(self.parts.account.expect(batch.units()));
        let kept = (!awaited).then(|| callers.claim(None));
        let arrival = Arrival::of(Arc::clone(self), batch, number, !group.is_known).keeping(kept);
        self.parts.tasks.spawn(fly(arrival, callers));
        waits
    }
}
