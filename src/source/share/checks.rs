//! Checks denied symbols again for callers who want everything fetched anew, at no cost to other callers.

use std::sync::Arc;

use tokio::time::Instant;

use super::seating::Group;
use super::{Ask, Flights, Inner, Parts, Wait};
use crate::symbol::Symbol;

impl Inner {
    /// Whether the source has denied a symbol, and that still stands.
    pub(super) fn is_denied(&self, symbol: &Symbol, now: Instant) -> bool {
        let Parts { board, origin, .. } = &self.parts;
        board.look(&origin.source, symbol, |known| known.is_denied(now)) == Some(true)
    }

    /// What the board has of denied symbols that are not checked now.
    pub(super) fn denials(&self, denied: &[Symbol], now: Instant) -> Vec<Wait> {
        let Parts { board, origin, .. } = &self.parts;
        let known = denied.iter().filter_map(|symbol| board.known(&origin.source, symbol, now));
        known.map(|known| Wait::Here(Box::new(known.outcome))).collect()
    }

    /// Gives denied symbols the seats that are left in `groups`, and calls of their own as long as more than the last one can
    /// be made at once. Gives the waits of those that are not in `groups` then.
    pub(super) fn check_denied(
        self: &Arc<Self>,
        flights: &mut Flights,
        groups: &mut Vec<Group>,
        denied: &[Symbol],
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        if denied.is_empty() {
            return Vec::new();
        }
        let before = self.units(groups);
        // one more than wanted has room only where the last is left
        let spare = |wanted: usize| self.parts.account.room(wanted.saturating_add(1), now, now).0.saturating_sub(1);
        if flights.unknown_kills {
            // it would fail whatever travels with it
            let calls = spare(before + denied.len()).saturating_sub(before);
            let (checked, unchecked) = denied.split_at(calls.min(denied.len()));
            let mut waits = self.hunt(flights, checked, ask, now);
            waits.extend(self.denials(unchecked, now));
            return waits;
        }
        let all: Vec<Symbol> = groups.iter().flat_map(|group| &group.symbols).chain(denied).cloned().collect();
        *groups = self.group(flights, &all, now);
        let unchecked = self.cut(groups, spare(self.units(groups)).max(before));
        self.denials(&unchecked, now)
    }
}
