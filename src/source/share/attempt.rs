//! Starts calls for somebody who only tries: what can be sent at this moment, and only while there is room for others.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::seating::symbols;
use super::{Ask, Flights, Inner, Parts, Wait};
use crate::quote::{Failure, Outcome};
use crate::source::error::SourceError;
use crate::symbol::Symbol;

/// How soon a place may be free again at a source of which no call is known yet.
const SOON: Duration = Duration::from_millis(100);

impl Inner {
    /// Starts batches for what nobody has asked yet, as far as they need not wait. Symbols that were refused to others and
    /// have waited longer go first, as always.
    pub(super) fn try_to_start(
        self: &Arc<Self>,
        flights: &mut Flights,
        left: &[Symbol],
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        if left.is_empty() {
            return Vec::new();
        }
        if let Some(cooldown) = self.parts.account.cooldown(now) {
            return self.decline(left.iter(), &cooldown.refusal(now), cooldown.until);
        }
        if let Some(refusal) = self.parts.breaker.refusal(now) {
            return self.decline(left.iter(), &refusal, now + refusal.stands_for().unwrap_or(SOON));
        }
        let (hunted, left) = self.part_hunted(flights, left, now);
        let (mut waits, left) = (self.try_to_hunt(flights, &hunted, ask, now), &left[..]);
        if left.is_empty() {
            return waits;
        }
        let mut groups = self.group(flights, left, now);
        let (mut granted, refusal) = self.room_at_once(self.units(&groups), now);
        if granted < self.units(&groups) {
            let line = self.line_up(flights, left, now);
            groups = self.group(flights, &line, now);
            granted = granted.min(self.units(&groups));
        }
        let mut late = self.cut(&mut groups, granted);
        let places = self.free_places(flights).min(groups.len());
        let crowded = symbols(groups.split_off(places));
        waits.extend(self.send(flights, groups, left, ask, now));
        late.retain(|symbol| left.contains(symbol));
        if let Some(refusal @ SourceError::Throttled { retry_after, .. }) = &refusal {
            waits.extend(self.decline(late.iter(), refusal, now + *retry_after));
        }
        let retry_after = self.parts.record.usual_latency().max(SOON);
        let full = SourceError::Throttled { limit: format!("{} calls at once", self.parts.places), retry_after };
        waits.extend(self.decline(crowded.iter().filter(|symbol| left.contains(symbol)), &full, now + retry_after));
        waits
    }

    /// Hunts with one call, if that can be sent at this moment and nobody else hunts.
    fn try_to_hunt(self: &Arc<Self>, flights: &mut Flights, symbols: &[Symbol], ask: &Ask, now: Instant) -> Vec<Wait> {
        if symbols.is_empty() {
            return Vec::new();
        }
        let (granted, refusal) = self.room_at_once(1, now);
        let may_call = granted > 0 && !flights.hunt.is_on && self.free_places(flights) > 0;
        let first = if may_call { self.first_to_hunt(flights, symbols, now) } else { Vec::new() };
        let mut waits = self.hunt(flights, &first, ask, now);
        let retry_after = refusal.as_ref().and_then(SourceError::stands_for).unwrap_or_default();
        let retry_after = retry_after.max(self.parts.record.usual_latency()).max(SOON);
        let limit = "one call at a time for symbols that may be unknown".to_owned();
        let busy = SourceError::Throttled { limit, retry_after };
        waits.extend(self.decline(symbols.iter().filter(|symbol| !first.contains(symbol)), &busy, now + retry_after));
        waits
    }

    /// How many of the wanted units can be spent at this moment. Where a limit bears more than one at once, the last is
    /// left: whoever asks next must not wait because somebody tried.
    fn room_at_once(&self, wanted: usize, now: Instant) -> (usize, Option<SourceError>) {
        let account = &self.parts.account;
        let kept = usize::from(account.most_at_once() > 1);
        let (room, refusal) = account.room(wanted.saturating_add(kept), now, now);
        (room.saturating_sub(kept), refusal)
    }

    /// How many calls could be sent at this moment, likewise without the last. Of an open breaker only one call comes back.
    fn free_places(&self, flights: &Flights) -> usize {
        let kept = usize::from(self.parts.places > 1);
        let free = self.parts.places.saturating_sub(flights.batches() + kept);
        if self.parts.breaker.is_closed() { free } else { free.min(1) }
    }

    /// Refuses symbols to one caller alone.
    fn decline<'s>(&self, symbols: impl Iterator<Item = &'s Symbol>, error: &SourceError, until: Instant) -> Vec<Wait> {
        let Parts { board, origin, clock, .. } = &self.parts;
        let now = clock.now();
        let decline = |symbol: &Symbol| {
            let quote = board.known(&origin.source, symbol, now.monotonic).and_then(|known| known.outcome.quote);
            let retry_at = Some(now.wall_at(until));
            let failure = Some(Failure { error: error.clone(), at: now.wall, latency: None, retry_at });
            let (origin, symbol) = (Arc::clone(origin), symbol.clone());
            Wait::Here(Box::new(Outcome { origin, symbol, quote, failure, derivation: None }))
        };
        symbols.map(decline).collect()
    }
}
