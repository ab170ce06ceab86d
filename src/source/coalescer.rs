//! Stands at the front of a source: symbols in, one outcome per symbol out, and never two calls in flight for one symbol.
//!
//! A caller who asks for a symbol that is in flight joins that call. Symbols of several requests go out in one batch for as
//! long as it waits to be sent, and it waits as long as the most patient of its callers. A call goes on while any caller waits
//! for it. When the last one leaves it is cancelled, unless it has spent a unit of a scarce limit. Where one unknown symbol
//! fails a whole call, that symbol is hunted for in calls of its own.
//!
//! `start` decides what is called for, `deadlines` until when, and `grouping` what goes into one call. `call` runs one and lands
//! its outcomes, `hunt` looks for the symbols that fail calls, and `listing` asks for what the vendor trades. `retire` ends it
//! all when the configuration no longer describes the source.

mod ask;
mod call;
mod callers;
mod deadlines;
mod grouping;
mod hunt;
mod listing;
mod retire;
mod start;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;

use super::account::Account;
use super::backoff::Backoff;
use super::batch::{Batch, Deadlines, Reply};
use super::breaker::{Breaker, BreakerState};
use super::cooldown::Cooldown;
use super::lists::Standing;
use super::statistics::Statistics;
use crate::board::{Board, Openings, Told};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::failure::{Failure, SourceError};
use crate::quote::{Origin, Outcome};
use crate::symbol::Symbol;
pub use ask::{Ask, Patience, Wait};
use call::Orphans;
use callers::Callers;
pub use grouping::Batching;
use grouping::Tier;
use hunt::Hunt;
pub use hunt::SuspectState;
pub(crate) use listing::{Listing, turns};

/// A source's stack behind the coalescer: a batch in, a reply out.
pub(crate) type Stack = BoxCloneSyncService<Batch, Reply, SourceError>;

/// The front of one source. Cheap to clone.
#[derive(Clone)]
pub struct Coalescer(Arc<Inner>);

/// What a coalescer is made of.
pub struct Parts {
    /// The source.
    pub origin: Arc<Origin>,
    /// Where outcomes land.
    pub board: Arc<Board>,
    /// Where calls go.
    pub stack: Stack,
    /// The vendor's limits.
    pub account: Arc<Account>,
    /// How its calls have gone.
    pub statistics: Arc<Statistics>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where its calls run.
    pub tasks: TaskTracker,
    /// How a batch is made up.
    pub batching: Batching,
    /// Whether the source's description names a symbol, beyond the rules for spelling any.
    pub is_named: Arc<dyn Fn(&Symbol) -> bool + Send + Sync>,
    /// The most calls that may be in flight at once.
    pub concurrency: usize,
    /// Whether the source is asked at all.
    pub breaker: Arc<Breaker>,
    /// Whether the source has failed lately.
    pub backoff: Arc<Backoff>,
    /// What one call may take in all, its wait to be sent included, unless a caller waits longer for it.
    pub budget: Duration,
}

struct Inner {
    parts: Parts,
    /// How the vendor is asked what it trades; `None` if it is not.
    listing: Option<Listing>,
    /// Shared with the coalescers that the source had before its settings changed.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    in_flight: HashMap<Symbol, InFlight>,
    /// How many batches were dispatched; the next one's number.
    dispatched: u64,
    /// The newest batches that still have room: that of symbols the source has quoted (`true`), and that of others.
    open: HashMap<bool, Pending>,
    /// Whether one unknown symbol fails a whole call: stated, or found out.
    unknown_kills: bool,
    /// Symbols that were refused for want of room, and how long they keep their turn.
    refused: HashMap<Symbol, Instant>,
    /// What is hunted, because it failed a whole call or may do so.
    hunt: Hunt,
    /// The calls that no caller waits for.
    orphans: Orphans,
    /// Ends the call for a list that is under way.
    list_call: Option<CancellationToken>,
    /// Under which origins its outcomes land: one for each change of its settings whose calls may still be under way.
    origins: Vec<Weak<Origin>>,
    /// Cancelled once the configuration no longer describes the source.
    retired: CancellationToken,
    /// The coalescer with the settings that hold now.
    latest: Weak<Inner>,
}

/// A batch that waits to be sent or is on the wire. Cheap to clone.
#[derive(Clone)]
struct Pending {
    number: u64,
    batch: Batch,
    /// Who waits for it.
    callers: Callers,
}

/// A symbol in a pending batch.
struct InFlight {
    /// Where its outcome will be told.
    outcome: watch::Receiver<Option<Told>>,
    pending: Pending,
}

impl Coalescer {
    /// A coalescer in front of a stack.
    pub fn new(parts: Parts) -> Self {
        Self::following(parts, None, None)
    }

    /// The same for a vendor that may be asked what it trades, and after a coalescer that the source had with other settings: what
    /// is in flight there is in flight here, too.
    pub(crate) fn following(mut parts: Parts, listing: Option<Listing>, before: Option<&Coalescer>) -> Self {
        let batching = &mut parts.batching;
        if batching.cost_per_symbol {
            // the units of a call are spent at one instant: more than a limit allows could never be
            batching.capacity = batching.capacity.min(parts.account.allowance().limits().most_at_once());
        }
        let new = || Arc::new(Mutex::new(State { unknown_kills: batching.unknown_kills, ..State::default() }));
        let state = before.map_or_else(new, |before| Arc::clone(&before.0.state));
        let origin = Arc::clone(&parts.origin);
        let inner = Arc::new(Inner { parts, listing, state });
        inner.lock().go_on_as(&inner, &origin);
        Coalescer(inner)
    }

    /// Shares the turns for one list at a time with other sources.
    pub(crate) fn take_turns(&self, turns: &Arc<Semaphore>) {
        if let Some(listing) = &self.0.listing {
            // it is set once, before the first call
            let _ = listing.turns.set(Arc::clone(turns));
        }
    }

    /// Joins what is in flight and starts what is not, as far as the caller's patience goes; never waits itself.
    ///
    /// Returns a claim per due symbol: what is here or in flight first, what is refused last. Dropping a claim gives it up. A
    /// refusal of a caller who only tries does not land on the board, and does not reserve a turn for the symbol.
    pub fn ask(&self, ask: &Ask) -> Vec<Wait> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if state.retired.is_cancelled() {
            return ask.due.iter().map(|(symbol, _)| Wait::Ready(self.0.retired(symbol))).collect();
        }
        let (mut waits, left) = self.0.join_all(&mut state, ask, now);
        waits.extend(self.0.start(&mut state, left, ask, now));
        if self.0.parts.account.shared().is_some() {
            state.note_needs(ask);
        }
        waits
    }

    /// Lets the calls for these symbols wait to be sent for as long as someone who leaves at an instant would, as if that caller
    /// had joined them.
    pub(crate) fn wait_longer<'s>(&self, symbols: impl IntoIterator<Item = &'s Symbol>, until: Instant) {
        let deadlines = self.0.deadlines(Instant::now(), until);
        let state = self.0.lock();
        let in_flight = symbols.into_iter().filter_map(|symbol| state.in_flight.get(symbol));
        in_flight.for_each(|call| call.pending.batch.extend(deadlines));
    }

    /// Waits for an outcome, however long it takes.
    pub async fn arrive(&self, mut wait: Wait) -> Told {
        self.told(&mut wait).await
    }

    /// The same for a caller who may give up in the middle and wait again.
    pub(crate) async fn told(&self, wait: &mut Wait) -> Told {
        match wait {
            Wait::Ready(told) => told.clone(),
            Wait::InFlight { symbol, outcome, .. } => {
                let told = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
                let untold = || SourceError::Internal("the call ended without an outcome".to_owned());
                told.unwrap_or_else(|| self.failed(symbol, untold()))
            }
        }
    }

    /// The outcome for a caller who has waited for this long and leaves: no reply, or, where the call has not even been sent, no
    /// room in our own limits.
    pub(crate) fn gave_up(&self, symbol: &Symbol, waited: Duration) -> Told {
        let is_unsent = self.0.lock().in_flight.get(symbol).is_some_and(|call| call.pending.batch.sent().is_none());
        let now = Instant::now();
        let full = is_unsent.then(|| self.0.parts.account.allowance().room(1, now, now).1).flatten();
        self.failed(symbol, full.unwrap_or(SourceError::Timeout(waited)))
    }

    /// The outcome for a caller who does not wait, because other sources suffice. It shows no earlier quote, which would be older
    /// than the caller accepts.
    pub(crate) fn not_awaited(&self, symbol: &Symbol) -> Told {
        match self.failed(symbol, SourceError::NotAwaited) {
            Told::Alone(outcome, known) => Told::Alone(Box::new(Outcome { quote: None, ..*outcome }), known),
            told @ (Told::OnBoard(_) | Told::Dated(..)) => told,
        }
    }

    /// A failure that concerns one caller alone: it stands beside the last quote, and never lands on the board.
    pub fn failed(&self, symbol: &Symbol, error: SourceError) -> Told {
        self.0.failed(symbol, error)
    }

    /// Until when nothing is asked of the source, and what callers are told meanwhile; `None` if it may be asked.
    pub(crate) fn rest(&self, now: Instant) -> Option<Cooldown> {
        self.0.rest(now)
    }

    /// The first moments at which a call could be sent: the source is not left alone, and its limits have room.
    pub fn openings(&self, now: Instant) -> Openings {
        let rest = self.0.rest(now).map_or(now, |rest| rest.until);
        let allowance = self.0.parts.account.allowance();
        // a check leaves the last unit to others
        let has_spare = allowance.limits().most_at_once() > 1;
        Openings {
            call: rest.max(allowance.room_at(1, now)),
            check: has_spare.then(|| rest.max(allowance.room_at(2, now))),
        }
    }

    /// How many batches were dispatched so far.
    pub fn dispatched(&self) -> u64 {
        self.0.lock().dispatched
    }

    /// How many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.0.lock().calls()
    }

    /// How often something was learned of symbols that fail whole calls.
    pub(crate) fn revision(&self) -> u64 {
        self.0.lock().hunt.revision()
    }

    /// What was learned of symbols that fail whole calls; `None` if that is nothing.
    pub(crate) fn remember(&self) -> Option<SuspectState> {
        let state = self.0.lock();
        let groups = state.hunt.remember();
        let text = |group: Vec<Symbol>| group.iter().map(Symbol::to_string).collect();
        let is_news = !groups.is_empty() || state.unknown_kills != self.0.parts.batching.unknown_kills;
        let unknown_kills = state.unknown_kills;
        is_news.then(|| SuspectState { unknown_kills, groups: groups.into_iter().map(text).collect() })
    }

    /// Takes over what an earlier process had learned.
    pub(crate) fn restore(&self, past: &SuspectState) {
        let symbols = |group: &Vec<String>| group.iter().filter_map(|text| Symbol::written(text)).collect();
        let mut state = self.0.lock();
        state.unknown_kills |= past.unknown_kills;
        state.hunt.restore(past.groups.iter().map(symbols).collect());
    }
}

impl State {
    /// How many calls are in flight.
    fn calls(&self) -> usize {
        self.in_flight.values().map(|call| call.pending.number).collect::<HashSet<_>>().len()
    }

    /// How many calls have a slot.
    fn calls_with_slot(&self) -> usize {
        let pending = self.in_flight.values().map(|call| &call.pending);
        pending.filter(|pending| pending.batch.has_slot()).map(|pending| pending.number).collect::<HashSet<_>>().len()
    }

    /// Notes how fresh the outcomes of what is in flight must be for a request.
    fn note_needs(&self, ask: &Ask) {
        for (symbol, need) in &ask.due {
            if let Some(call) = self.in_flight.get(symbol) {
                call.pending.batch.need(symbol, *need);
            }
        }
    }

    /// Whether a symbol is in flight.
    fn is_in_flight(&self, symbol: &Symbol) -> bool {
        self.in_flight.contains_key(symbol)
    }

    /// The number of the next batch.
    fn next_number(&mut self) -> u64 {
        let number = self.dispatched;
        self.dispatched += 1;
        number
    }

    /// Joins the call for a symbol, if there is one. The call then waits to be sent as long as its most patient caller.
    fn join(&self, symbol: &Symbol, deadlines: Deadlines, slot_by: Option<Instant>) -> Option<Wait> {
        let InFlight { outcome, pending } = self.in_flight.get(symbol)?;
        pending.batch.extend(deadlines);
        let claim = pending.callers.claim(slot_by);
        Some(Wait::InFlight { symbol: symbol.clone(), outcome: outcome.clone(), claim })
    }

    /// Enters a symbol as in flight in a batch, if the batch has room.
    fn enter(
        &mut self,
        symbol: &Symbol,
        pending: &Pending,
        caller: Option<Caller>,
        slot_by: Option<Instant>,
    ) -> Option<Wait> {
        let outcome = pending.batch.join_for(caller, symbol)?;
        self.in_flight.insert(symbol.clone(), InFlight { outcome: outcome.clone(), pending: pending.clone() });
        self.refused.remove(symbol);
        Some(Wait::InFlight { symbol: symbol.clone(), outcome, claim: pending.callers.claim(slot_by) })
    }

    /// Removes a call that asks for these symbols, and never a later one for any of them. Other calls are not looked at: there
    /// may be many.
    fn remove(&mut self, number: u64, symbols: &[Symbol]) {
        for symbol in symbols {
            if self.in_flight.get(symbol).is_some_and(|call| call.pending.number == number) {
                self.in_flight.remove(symbol);
            }
        }
        self.open.retain(|_, pending| pending.number != number);
        self.orphans.release(number);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What is here or in flight already, and the symbols that are not.
    fn join_all(&self, state: &mut State, ask: &Ask, now: Instant) -> (Vec<Wait>, Vec<Symbol>) {
        let mut waits = Vec::with_capacity(ask.due.len());
        let mut left = Vec::new();
        let (deadlines, slot_by) = (self.deadlines(now, ask.until), self.slot_by(ask, now));
        for (symbol, need) in &ask.due {
            let known = self.parts.board.known(&self.parts.origin.source, symbol, now);
            let fresh = known.filter(|known| known.is_settled(*need, now) || known.answered_since(ask.arrived));
            let ready = fresh.map(|known| Wait::Ready(Told::OnBoard(known)));
            let join = || state.join(symbol, deadlines, slot_by).inspect(|_| self.parts.statistics.coalesced());
            let wait = ready.or_else(join).or_else(|| match ask.patience {
                Patience::Waits => self.join_open(state, symbol, ask, deadlines, now),
                // a batch that waits to be sent has room for those who wait with it
                Patience::OnlyTries => None,
            });
            match wait {
                Some(wait) => waits.push(wait),
                None => left.push(symbol.clone()),
            }
        }
        (waits, left)
    }

    /// Adds a symbol to the batch that is still to be sent, if there is one with room and it will be sent while this caller
    /// waits.
    fn join_open(
        &self,
        state: &mut State,
        symbol: &Symbol,
        ask: &Ask,
        deadlines: Deadlines,
        now: Instant,
    ) -> Option<Wait> {
        let tier = self.tier(state, symbol);
        if self.parts.batching.asks_alone(tier) || state.is_hunted(symbol, tier) {
            return None;
        }
        let open = state.open.get(&(tier == Tier::Known)).cloned()?;
        let by = self.sends_by_for(ask);
        let in_time = match open.batch.grant_at() {
            Some(at) => at <= by,
            // the newest of those that are on their way to the limits
            None => self.parts.account.allowance().room(0, now, by).1.is_none(),
        };
        if !in_time {
            return None;
        }
        let wait = state.enter(symbol, &open, ask.caller, self.slot_by(ask, now))?;
        open.batch.extend(deadlines);
        Some(wait)
    }

    /// How likely the source is to have a symbol.
    fn tier(&self, state: &State, symbol: &Symbol) -> Tier {
        let Parts { board, origin, is_named, .. } = &self.parts;
        let is_denied = || board.look(&origin.source, symbol, |known| known.outcome.is_denied()) == Some(true);
        let standing = self.standing(symbol, Instant::now());
        if matches!(standing, Standing::Unlisted(_)) {
            Tier::Unlisted
        } else if !state.unknown_kills || self.has_quoted(symbol) || standing == Standing::Listed && !is_denied() {
            Tier::Known
        } else if is_named(symbol) || board.is_quoted(symbol) {
            Tier::Expected
        } else {
            Tier::Untried
        }
    }

    /// Until when nothing is asked of the source, and what callers are told meanwhile: its vendor wants that, its breaker is
    /// open, or its last call failed. Each of these must be over, so the latest decides.
    fn rest(&self, now: Instant) -> Option<Cooldown> {
        let open = match self.parts.breaker.state(now) {
            BreakerState::Open(until) => self.parts.breaker.refusal(now).map(|error| Cooldown { until, error }),
            // a probe is in flight: callers who come now wait for its end
            BreakerState::Closed | BreakerState::HalfOpen => None,
        };
        let all = [self.parts.account.cooldown(now), open, self.parts.backoff.rest(now)];
        let until = all.iter().flatten().map(|rest| rest.until).max()?;
        // the vendor's word comes first, then the breaker's: they say more than the last failure, even if that lasts longer
        let error = all.into_iter().flatten().next()?.error;
        Some(Cooldown { until, error })
    }

    /// A failure that concerns one caller alone.
    fn failed(&self, symbol: &Symbol, error: SourceError) -> Told {
        let Parts { board, origin, clock, .. } = &self.parts;
        let now = clock.now();
        let known = board.known(&origin.source, symbol, now.monotonic);
        let quote = known.as_ref().and_then(|known| known.outcome.quote.clone());
        let failure = Failure { error, at: now.wall, latency: None, is_doubted: false, retry_at: None };
        let (origin, symbol) = (Arc::clone(origin), symbol.clone());
        Told::Alone(Box::new(Outcome { origin, symbol, quote, failure: Some(Box::new(failure)) }), known)
    }
}
