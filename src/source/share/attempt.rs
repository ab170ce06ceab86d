//! Starts calls for somebody who only tries: what can be sent at this moment, and only while there is room for others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::seating::symbols;
use super::{Ask, Flights, Inner, Wait};
use crate::failure::SourceError;
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
        if let Some(rest) = self.rest(now) {
            return self.decline(left.iter(), &rest.refusal(now));
        }
        let (hunted, left) = self.part_hunted(flights, left, now);
        let (mut waits, left) = (self.try_to_hunt(flights, &hunted, ask, now), &left[..]);
        if left.is_empty() {
            return waits;
        }
        let mut groups = self.group(flights, left, now);
        let (mut granted, refusal) = self.room_at_once(self.units(&groups), now);
        if granted < self.units(&groups) {
            let line = self.line_up(flights, left, granted, now);
            groups = self.group(flights, &line, now);
            granted = granted.min(self.units(&groups));
        }
        let mut late = self.cut(&mut groups, granted);
        let places = self.free_places(flights).min(groups.len());
        let crowded = symbols(groups.split_off(places));
        waits.extend(self.send(flights, groups, left, ask, now));
        let asked: HashSet<&Symbol> = left.iter().collect();
        late.retain(|symbol| asked.contains(symbol));
        if let Some(refusal) = &refusal {
            waits.extend(self.decline(late.iter(), refusal));
        }
        let retry_after = self.parts.record.usual_latency().max(SOON);
        let full = SourceError::Throttled { limit: format!("{} calls at once", self.parts.places), retry_after };
        waits.extend(self.decline(crowded.iter().filter(|symbol| asked.contains(symbol)), &full));
        waits
    }

    /// Hunts with one call, if that can be sent at this moment and no other call hunts.
    fn try_to_hunt(self: &Arc<Self>, flights: &mut Flights, symbols: &[Symbol], ask: &Ask, now: Instant) -> Vec<Wait> {
        if symbols.is_empty() {
            return Vec::new();
        }
        let (granted, refusal) = self.room_at_once(1, now);
        let may_call = granted > 0 && !flights.hunt.is_on && self.free_places(flights) > 0;
        let first = if may_call { self.first_to_hunt(flights, symbols) } else { Vec::new() };
        let mut waits = self.hunt(flights, &first, ask, now);
        let retry_after = refusal.as_ref().and_then(SourceError::stands_for).unwrap_or_default();
        let retry_after = retry_after.max(self.parts.record.usual_latency()).max(SOON);
        let limit = "one call at a time for symbols that may be unknown".to_owned();
        let busy = SourceError::Throttled { limit, retry_after };
        waits.extend(self.decline(symbols.iter().filter(|symbol| !first.contains(symbol)), &busy));
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

    /// How many calls could be sent at this moment, likewise without the last. Of a source that has failed only one call at
    /// a time comes back.
    fn free_places(&self, flights: &Flights) -> usize {
        let kept = usize::from(self.parts.places > 1);
        let free = self.parts.places.saturating_sub(flights.batches() + kept);
        let is_tried = !self.parts.breaker.is_closed() || !self.parts.backoff.is_clear();
        if is_tried { free.min(1_usize.saturating_sub(flights.batches())) } else { free }
    }

    /// Refuses symbols to one caller alone.
    pub(super) fn decline<'s>(&self, symbols: impl Iterator<Item = &'s Symbol>, error: &SourceError) -> Vec<Wait> {
        symbols.map(|symbol| Wait::Here(Box::new(self.failed(symbol, error.clone())))).collect()
    }
}
