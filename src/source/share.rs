//! Stands at the front of a source: symbols in, one outcome per symbol out, and never two calls in the air for one symbol.
//!
//! Whoever asks for a symbol that is already in the air waits for that call. Symbols of several requests travel in one
//! batch for as long as it waits for its turn. A call goes on while anybody waits for it, and is cancelled with the last who
//! leaves; how long one caller waits harms nobody else.

mod arrival;
mod seating;
mod turns;
mod wait;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;

use super::account::Account;
use super::batch::{Batch, Reply};
use super::error::SourceError;
use super::record::Record;
use crate::board::{Board, Need};
use crate::clock::Clock;
use crate::quote::{Origin, Outcome};
use crate::symbol::Symbol;
use arrival::{Arrival, fly};
use seating::{Group, split_after, symbols};
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
    /// What one call may take in all, waiting for its turn included.
    pub budget: Duration,
}

/// How a batch is made up.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Symbols in one call.
    pub seats: usize,
    /// Whether each symbol costs a unit of the limits. Then a batch takes no boarders.
    pub cost_per_symbol: bool,
    /// Whether one unknown symbol fails a whole call. Then a symbol the source has never answered is asked alone.
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
    /// The newest batch that still has room.
    open: Option<(u64, Batch, Weak<DropGuard>)>,
    /// Whether one unknown symbol fails a whole call: stated, or found out.
    unknown_kills: bool,
    /// Symbols that were refused for want of room, and until when they are wanted all the same.
    wanted: HashMap<Symbol, Instant>,
    /// Symbols that were in a batch which failed for one unknown among them: asked alone until they answer.
    alone: HashSet<Symbol>,
}

struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    number: u64,
    /// The batch's life: as long as it can be upgraded, somebody waits and the call goes on.
    life: Weak<DropGuard>,
}

/// What a request asks of a source.
#[derive(Clone, Debug)]
pub struct Ask {
    /// When the request arrived: what landed since then is fresh enough for it.
    pub arrived: Instant,
    /// What it needs, in the order in which scarce calls are given out.
    pub due: Vec<(Symbol, Need)>,
    /// What it asked for and needs no call; may ride along where there is room.
    pub riders: Vec<Symbol>,
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
        let mut waits = Vec::with_capacity(ask.due.len());
        let mut left = Vec::new();
        for (symbol, need) in &ask.due {
            let known = self.0.parts.board.known(&self.0.parts.origin.source, symbol, now);
            let fresh = known.filter(|known| known.is_settled(*need, now) || known.answered_since(ask.arrived));
            match fresh {
                Some(known) => waits.push(Wait::Here(Box::new(known.outcome))),
                None => match flights.join(symbol).or_else(|| self.0.board_open(&mut flights, symbol, now)) {
                    Some(wait) => waits.push(wait),
                    None => left.push(symbol.clone()),
                },
            }
        }
        waits.extend(self.0.start(&mut flights, &left, &ask.riders, now));
        waits
    }

    /// Calls in the air.
    pub fn in_flight(&self) -> usize {
        self.0.lock().air.values().map(|flight| flight.number).collect::<HashSet<_>>().len()
    }
}

impl Flights {
    /// Joins the flight of a symbol, if its call goes on.
    fn join(&self, symbol: &Symbol) -> Option<Wait> {
        let flight = self.air.get(symbol)?;
        let life = flight.life.upgrade()?;
        Some(Wait::Air { symbol: symbol.clone(), outcome: flight.outcome.clone(), life })
    }

    fn enter(&mut self, number: u64, batch: &Batch, life: &Arc<DropGuard>, symbol: &Symbol) -> Option<Wait> {
        let outcome = batch.board(symbol)?;
        let flight = Flight { outcome: outcome.clone(), number, life: Arc::downgrade(life) };
        self.air.insert(symbol.clone(), flight);
        self.wanted.remove(symbol);
        Some(Wait::Air { symbol: symbol.clone(), outcome, life: Arc::clone(life) })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Boards the batch that is still waiting for its turn, if there is one with room.
    fn board_open(&self, flights: &mut Flights, symbol: &Symbol, now: Instant) -> Option<Wait> {
        let (number, batch, life) = flights.open.clone()?;
        let life = life.upgrade()?;
        if self.travels_alone(flights, symbol, now) {
            return None;
        }
        flights.enter(number, &batch, &life, symbol)
    }

    /// Starts batches for what nobody has asked yet, in order; what the limits cannot bear is refused at once.
    fn start(self: &Arc<Self>, flights: &mut Flights, left: &[Symbol], riders: &[Symbol], now: Instant) -> Vec<Wait> {
        if left.is_empty() {
            return Vec::new();
        }
        if let Some(cooldown) = self.parts.account.cooldown(now) {
            return self.refuse(left, &cooldown.refusal(now), cooldown.until);
        }
        let ends_by = now + self.parts.budget;
        // a call that leaves later is spent for nothing: nobody would wait for its end
        let sends_by = ends_by.checked_sub(self.parts.record.usual_latency()).map_or(now, |at| at.max(now));
        let costs_per_symbol = self.parts.batching.cost_per_symbol;
        let units =
            |groups: &[Group]| if costs_per_symbol { groups.iter().map(Group::len).sum() } else { groups.len() };
        let room = |units| self.parts.account.room(units, now, sends_by);
        let mut groups = self.group(flights, left, now);
        if room(units(&groups) + 1).0 <= units(&groups) {
            // this request takes the last there is: others may have waited longer
            let line = self.line_up(flights, left, now);
            groups = self.group(flights, &line, now);
        }
        let (granted, refusal) = room(units(&groups));
        let late =
            if costs_per_symbol { split_after(&mut groups, granted) } else { symbols(groups.split_off(granted)) };
        if !costs_per_symbol {
            let quoted = self.parts.batching.holds_all.then(|| self.parts.board.quoted_by(&self.parts.origin.source));
            self.seat_riders(flights, &mut groups, quoted.as_deref().unwrap_or(riders), now);
        }
        let mut waits = Vec::new();
        for group in &groups {
            let batch = Batch::new(self.parts.batching.seats, costs_per_symbol, ends_by, sends_by);
            waits.extend(self.depart(flights, group, batch, group.symbols.iter().any(|symbol| left.contains(symbol))));
        }
        // whoever rides along has its outcome from the board already, and whoever goes first is another's
        waits.retain(|wait| left.contains(wait.symbol()));
        if let Some(refusal @ SourceError::Throttled { retry_after, .. }) = &refusal {
            let until = now + *retry_after;
            let late: Vec<Symbol> = late.into_iter().filter(|symbol| left.contains(symbol)).collect();
            late.iter().for_each(|symbol| flights.want(symbol, until));
            waits.extend(self.refuse(&late, refusal, until));
        }
        waits
    }

    /// Sends a batch on its way: its flights are entered and its task is spawned, all under the lock.
    ///
    /// One that nobody waits for now, because those who wanted it were refused before, is not cancelled for that.
    fn depart(self: &Arc<Self>, flights: &mut Flights, group: &Group, batch: Batch, awaited: bool) -> Vec<Wait> {
        let batching = self.parts.batching;
        let number = flights.next_number;
        flights.next_number += 1;
        let cancelled = CancellationToken::new();
        let life = Arc::new(cancelled.clone().drop_guard());
        let waits = group.symbols.iter().filter_map(|symbol| flights.enter(number, &batch, &life, symbol)).collect();
        if group.lonely || batching.cost_per_symbol {
            batch.seal();
        } else if group.len() < batching.seats {
            flights.open = Some((number, batch.clone(), Arc::downgrade(&life)));
        }
        batch.announce(self.parts.account.expect(batch.units()));
        let kept = (!awaited).then(|| Arc::clone(&life));
        let arrival = Arrival::of(Arc::clone(self), batch, number, kept);
        self.parts.tasks.spawn(fly(arrival, cancelled));
        waits
    }
}
