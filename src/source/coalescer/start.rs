//! Starts calls for those symbols of a request that are not in flight, and refuses what the limits cannot bear.
//!
//! Within a request the plan's order decides who gets a scarce call. Between requests it would be luck: the client that asks in
//! the right second would get every call. So a symbol that was refused keeps its turn for a while, and goes before one that was
//! answered later.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::call::Call;
use super::callers::Callers;
use super::grouping::{Group, Tier, merge, symbols};
use super::{Ask, Inner, Parts, Patience, Pending, State, Wait};
use crate::board::{Told, Update};
use crate::caller::Caller;
use crate::failure::SourceError;
use crate::source::batch::Batch;
use crate::symbol::Symbol;
use crate::trace::TraceContext;

/// How long after the end of its refusal a symbol keeps its turn: clients that poll do so more often.
const KEEPS_TURN: Duration = Duration::from_secs(120);

/// The most refused symbols that are remembered.
const MOST_REFUSED: usize = 1_000;

/// How soon a slot may be free again at a source of which no call is known yet.
const SOON: Duration = Duration::from_millis(100);

/// On which terms calls are started for a caller.
#[derive(Clone, Copy)]
struct Terms {
    /// Until when a call may wait for the limits.
    until: Instant,
    /// How many units are left to others.
    spared: usize,
    /// How many units beyond its own a request must see before it goes ahead of symbols that others were refused.
    margin: usize,
    /// Whether a refusal concerns this caller alone.
    is_private: bool,
}

impl Inner {
    /// Starts calls for the symbols that are `left`, in their order. What cannot be sent on the caller's terms is refused at
    /// once. Returns a claim for each.
    pub(super) fn start(self: &Arc<Self>, state: &mut State, left: Vec<Symbol>, ask: &Ask, now: Instant) -> Vec<Wait> {
        if left.is_empty() {
            return Vec::new();
        }
        let (denials, left) = self.deny_unlisted(left, ask, now);
        let mut waits = self.start_undenied(state, left, ask, now);
        waits.extend(denials);
        waits
    }

    /// The same for symbols that no list denies.
    fn start_undenied(self: &Arc<Self>, state: &mut State, left: Vec<Symbol>, ask: &Ask, now: Instant) -> Vec<Wait> {
        if left.is_empty() {
            return Vec::new();
        }
        let terms = self.terms(ask, now);
        // what is denied is only checked, and never at the cost of anything else
        let (denied, left): (Vec<Symbol>, Vec<Symbol>) =
            left.into_iter().partition(|symbol| self.is_denied(symbol, now));
        if let Some(rest) = self.rest(now) {
            let refusal = rest.refusal(now);
            let mut waits = match ask.patience {
                Patience::Waits => self.refuse(&left, &refusal, rest.until, ask.caller),
                Patience::OnlyTries => self.decline(&left, &refusal),
            };
            waits.extend(self.denials(&denied, now));
            return waits;
        }
        state.hunt.forget_old(now);
        let (hunted, left): (Vec<Symbol>, Vec<Symbol>) =
            left.into_iter().partition(|symbol| state.is_hunted(symbol, self.tier(state, symbol)));
        let mut waits = self.start_hunted(state, &hunted, ask, terms, now);
        waits.extend(self.start_others(state, &left, &denied, ask, terms, now));
        waits
    }

    fn terms(&self, ask: &Ask, now: Instant) -> Terms {
        match ask.patience {
            Patience::Waits => {
                // others may have more time than this caller; then a refusal to it says nothing about them
                let (call, caller) = (self.deadlines(now, ask.until).sends_by, self.sends_by_for(ask));
                Terms { until: call.min(caller), spared: 0, margin: 1, is_private: caller < call }
            }
            Patience::OnlyTries => {
                // where a limit bears more than one unit at once, the last is left: the next caller must not wait for this one
                let spared = usize::from(self.parts.account.allowance().limits().most_at_once() > 1);
                Terms { until: now, spared, margin: spared, is_private: true }
            }
        }
    }

    /// How many of the wanted units can be spent on these terms, and the refusal of the next one.
    fn room(&self, wanted: usize, terms: Terms, now: Instant) -> (usize, Option<SourceError>) {
        let allowance = self.parts.account.allowance();
        let (room, refusal) = allowance.room(wanted.saturating_add(terms.spared), now, terms.until);
        (room.saturating_sub(terms.spared), refusal)
    }

    /// Queues symbols for the hunt, unless no call can be made for them on these terms.
    fn start_hunted(
        self: &Arc<Self>,
        state: &mut State,
        hunted: &[Symbol],
        ask: &Ask,
        terms: Terms,
        now: Instant,
    ) -> Vec<Wait> {
        if hunted.is_empty() {
            return Vec::new();
        }
        let (room, refusal) = self.room(1, terms, now);
        match (ask.patience, refusal) {
            (Patience::Waits, Some(refusal)) if room == 0 && terms.is_private => self.decline(hunted, &refusal),
            (Patience::Waits, _) => self.hunt(state, hunted, ask, now),
            (Patience::OnlyTries, refusal) => {
                // one call, if it can be sent now and no other call hunts
                let may_call = room > 0 && !state.hunt.is_on && self.free_slots(state) > 0;
                let first = if may_call { self.first_to_hunt(state, hunted) } else { Vec::new() };
                let mut waits = self.hunt(state, &first, ask, now);
                let stands_for = refusal.as_ref().and_then(SourceError::stands_for).unwrap_or_default();
                let retry_after = stands_for.max(self.parts.statistics.usual_latency()).max(SOON);
                let limit = "one call at a time for symbols that may be unknown".to_owned();
                let busy = SourceError::Throttled { limit, retry_after };
                waits.extend(self.decline(hunted.iter().filter(|symbol| !first.contains(symbol)), &busy));
                waits
            }
        }
    }

    /// Starts calls for symbols that are not hunted, and checks the denied ones if that costs nothing.
    fn start_others(
        self: &Arc<Self>,
        state: &mut State,
        left: &[Symbol],
        denied: &[Symbol],
        ask: &Ask,
        terms: Terms,
        now: Instant,
    ) -> Vec<Wait> {
        if left.is_empty() && denied.is_empty() {
            return Vec::new();
        }
        let batching = self.parts.batching;
        let mut groups = self.group(state, left, now);
        let needed = batching.units(&groups) + terms.margin;
        let (bearable, _) = self.parts.account.allowance().room(needed, now, terms.until);
        if bearable < needed {
            // this request would take the last there is, and others may have waited longer
            let line = self.line_up(state, left, bearable.saturating_sub(terms.spared), now);
            groups = self.group(state, &line, now);
        }
        let (room, refusal) = self.room(batching.units(&groups), terms, now);
        let late = batching.cut(&mut groups, room);
        let mut waits = match late.is_empty() {
            true => self.check_denied(state, &mut groups, denied, ask, now),
            false => self.denials(denied, now),
        };
        let crowded = match ask.patience {
            Patience::Waits => Vec::new(),
            Patience::OnlyTries => symbols(groups.split_off(self.free_slots(state).min(groups.len()))),
        };
        // a group may hold symbols that others were refused
        let own: HashSet<&Symbol> = left.iter().chain(denied).collect();
        let own_of = |symbols: Vec<Symbol>| -> Vec<Symbol> {
            symbols.into_iter().filter(|symbol| own.contains(symbol)).collect()
        };
        waits.extend(self.dispatch_all(state, groups, &own, ask, now));
        if let Some(refusal @ SourceError::Throttled { retry_after, .. }) = &refusal {
            waits.extend(self.refuse_late(state, &own_of(late), refusal, now + *retry_after, ask, terms));
        }
        let retry_after = self.parts.statistics.usual_latency().max(SOON);
        let full = SourceError::Throttled { limit: format!("{} calls at once", self.parts.concurrency), retry_after };
        waits.extend(self.decline(&own_of(crowded), &full));
        waits
    }

    /// Refuses symbols for which there is no room until an instant. They keep their turn, unless the caller only tries.
    fn refuse_late(
        &self,
        state: &mut State,
        late: &[Symbol],
        refusal: &SourceError,
        until: Instant,
        ask: &Ask,
        terms: Terms,
    ) -> Vec<Wait> {
        if ask.patience == Patience::Waits {
            late.iter().for_each(|symbol| state.keep_turn(symbol, until));
        }
        match terms.is_private {
            true => self.decline(late, refusal),
            false => self.refuse(late, refusal, until, ask.caller),
        }
    }

    /// Puts symbols into groups, keeping their order. What the source has quoted is apart from what it has not; and of the
    /// latter, what it probably has is apart from the rest, unless one more call would have to wait.
    fn group(&self, state: &State, left: &[Symbol], now: Instant) -> Vec<Group> {
        let batching = self.parts.batching;
        let tiers: Vec<(Tier, &Symbol)> = left.iter().map(|symbol| (self.tier(state, symbol), symbol)).collect();
        let apart = batching.group(&tiers);
        let units = batching.units(&apart);
        let (at_once, _) = self.parts.account.allowance().room(units, now, now);
        if at_once >= units { apart } else { batching.group_in_two(tiers) }
    }

    /// The symbols of a request in their order, and between them those that others were refused and that have waited longer
    /// for an answer, as far as this many units have room for them.
    fn line_up(&self, state: &mut State, own: &[Symbol], units: usize, now: Instant) -> Vec<Symbol> {
        let Parts { board, origin, batching, .. } = &self.parts;
        let answered = |symbol: &Symbol| board.look(&origin.source, symbol, |known| known.answered).flatten();
        state.refused.retain(|_, until| *until > now);
        let state = &*state;
        let asked: HashSet<&Symbol> = own.iter().collect();
        let refused = state.refused.keys().filter(|symbol| !asked.contains(symbol));
        let mut refused: Vec<_> = refused.map(|symbol| (answered(symbol), symbol)).collect();
        refused.sort_unstable();
        let can_be_called =
            |symbol: &Symbol| !state.is_in_flight(symbol) && !state.is_hunted(symbol, self.tier(state, symbol));
        let refused = refused.into_iter().filter(|(_, symbol)| can_be_called(symbol));
        // a flood of junk is refused, too: symbols beyond what the calls can hold are not looked at
        let refused = refused.take(units.saturating_mul(batching.capacity));
        merge(own.iter().map(|symbol| (answered(symbol), symbol)), refused)
    }

    /// Whether the source has denied a symbol, and that still stands.
    fn is_denied(&self, symbol: &Symbol, now: Instant) -> bool {
        let Parts { board, origin, .. } = &self.parts;
        board.look(&origin.source, symbol, |known| known.is_denied(now)) == Some(true)
    }

    /// What the board has of denied symbols that are not checked now.
    fn denials(&self, denied: &[Symbol], now: Instant) -> Vec<Wait> {
        let Parts { board, origin, .. } = &self.parts;
        let known = denied.iter().filter_map(|symbol| board.known(&origin.source, symbol, now));
        known.map(|known| Wait::Ready(Told::OnBoard(known))).collect()
    }

    /// Checks denied symbols again, for a caller who wants everything fetched anew: they get the room that is left in `groups`,
    /// and calls of their own as long as more than the last one can be made at once. Returns the claims of those that are not in
    /// `groups` then.
    fn check_denied(
        self: &Arc<Self>,
        state: &mut State,
        groups: &mut Vec<Group>,
        denied: &[Symbol],
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        if denied.is_empty() {
            return Vec::new();
        }
        let batching = self.parts.batching;
        let before = batching.units(groups);
        // there is room for one more than wanted only where the last is left
        let allowance = self.parts.account.allowance();
        let spare = |wanted: usize| allowance.room(wanted.saturating_add(1), now, now).0.saturating_sub(1);
        if state.unknown_kills {
            // it would fail whatever else is in the call
            let calls = spare(before + denied.len()).saturating_sub(before);
            let (checked, unchecked) = denied.split_at(calls.min(denied.len()));
            let mut waits = self.hunt(state, checked, ask, now);
            waits.extend(self.denials(unchecked, now));
            return waits;
        }
        let all: Vec<Symbol> = groups.iter().flat_map(|group| &group.symbols).chain(denied).cloned().collect();
        *groups = self.group(state, &all, now);
        let unchecked = batching.cut(groups, spare(batching.units(groups)).max(before));
        self.denials(&unchecked, now)
    }

    /// How many calls could be sent at this moment if the last slot is left to others. Of a source that has failed, one call at
    /// a time comes back.
    fn free_slots(&self, state: &State) -> usize {
        let kept = usize::from(self.parts.concurrency > 1);
        let free = self.parts.concurrency.saturating_sub(state.calls() + kept);
        let has_failed = !self.parts.breaker.is_closed() || !self.parts.backoff.is_clear();
        if has_failed { free.min(1_usize.saturating_sub(state.calls())) } else { free }
    }

    /// Dispatches groups, filled up with optional symbols, and returns the claims to the caller's `own` symbols.
    fn dispatch_all(
        self: &Arc<Self>,
        state: &mut State,
        mut groups: Vec<Group>,
        own: &HashSet<&Symbol>,
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        let Parts { batching, board, origin, .. } = &self.parts;
        if !batching.cost_per_symbol {
            let quoted = batching.holds_all.then(|| board.quoted_by(&origin.source));
            batching.fill(&mut groups, quoted.as_deref().unwrap_or(&ask.optional), |symbol| {
                let tier = self.tier(state, symbol);
                tier == Tier::Known && !state.is_hunted(symbol, tier) && !state.is_in_flight(symbol)
            });
        }
        let mut waits = Vec::new();
        for group in &groups {
            let is_awaited = group.symbols.iter().any(|symbol| own.contains(symbol));
            waits.extend(self.dispatch(state, group, ask, is_awaited, now));
        }
        // optional symbols have their outcome from the board already, and refused ones are another caller's
        waits.retain(|wait| own.contains(wait.symbol()));
        waits
    }

    /// Dispatches one batch: all under the lock, its symbols are entered as in flight and its task is spawned.
    ///
    /// A batch that no caller waits for now, because those who wanted it were refused before, is not cancelled for that.
    fn dispatch(
        self: &Arc<Self>,
        state: &mut State,
        group: &Group,
        ask: &Ask,
        is_awaited: bool,
        now: Instant,
    ) -> Vec<Wait> {
        let Parts { batching, account, tasks, .. } = &self.parts;
        let batch = Batch::new(batching.capacity, batching.cost_per_symbol, self.deadlines(now, ask.until));
        let batch = batch.in_context(TraceContext::current());
        let pending = Pending { number: state.next_number(), batch, callers: Callers::default() };
        let slot_by = self.slot_by(ask, now).filter(|_| is_awaited);
        let enter = |symbol| state.enter(symbol, &pending, ask.caller, slot_by);
        let waits = group.symbols.iter().filter_map(enter).collect();
        state.end_list_for(self.parts.concurrency);
        if group.is_alone || batching.cost_per_symbol {
            pending.batch.seal();
        } else if group.symbols.len() < batching.capacity {
            state.open.insert(group.is_known, pending.clone());
        }
        pending.batch.announce(account.allowance().expect(pending.batch.units()));
        let kept = (!is_awaited).then(|| pending.callers.claim(None));
        tasks.spawn(Call::new(Arc::clone(self), pending, !group.is_known).keeping(kept).run());
        waits
    }

    /// Refuses symbols to a caller without a call. The refusal lands on the board and stands until an instant.
    pub(super) fn refuse(
        &self,
        symbols: &[Symbol],
        error: &SourceError,
        until: Instant,
        caller: Option<Caller>,
    ) -> Vec<Wait> {
        let Parts { board, origin, clock, .. } = &self.parts;
        let refuse = |symbol| {
            let update = Update::Refusal(error.clone(), until);
            Wait::Ready(Told::OnBoard(board.land_for(caller, origin, symbol, update, clock.now())))
        };
        symbols.iter().map(refuse).collect()
    }

    /// Refuses symbols to one caller alone.
    fn decline<'s>(&self, symbols: impl IntoIterator<Item = &'s Symbol>, error: &SourceError) -> Vec<Wait> {
        let decline = |symbol| Wait::Ready(self.failed(symbol, error.clone()));
        symbols.into_iter().map(decline).collect()
    }
}

impl State {
    /// Remembers that a symbol was refused until an instant.
    fn keep_turn(&mut self, symbol: &Symbol, refused_until: Instant) {
        if self.refused.len() < MOST_REFUSED || self.refused.contains_key(symbol) {
            self.refused.insert(symbol.clone(), refused_until + KEEPS_TURN);
        }
    }
}
