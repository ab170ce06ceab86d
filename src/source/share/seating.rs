//! Decides which symbols travel together in one call, and which alone.

use std::collections::HashSet;

use tokio::time::Instant;

use super::{Flights, Inner, Parts, Wait};
use crate::symbol::Symbol;

/// Symbols that travel together.
pub(super) struct Group {
    pub(super) symbols: Vec<Symbol>,
    /// One symbol that may only travel by itself: nobody joins it.
    pub(super) lonely: bool,
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.symbols.len()
    }
}

impl Inner {
    /// Whether a symbol may only travel by itself.
    pub(super) fn travels_alone(&self, flights: &Flights, symbol: &Symbol, now: Instant) -> bool {
        let Parts { board, origin, .. } = &self.parts;
        let never_quoted =
            || board.known(&origin.source, symbol, now).is_none_or(|known| known.outcome.quote.is_none());
        flights.unknown_kills && (flights.alone.contains(symbol) || never_quoted())
    }

    /// Puts symbols into groups that travel together, keeping their order.
    pub(super) fn group(&self, flights: &Flights, left: &[Symbol], now: Instant) -> Vec<Group> {
        let seats = self.parts.batching.seats;
        let mut groups: Vec<Group> = Vec::new();
        let mut filling: Option<usize> = None;
        for symbol in left {
            let lonely = self.travels_alone(flights, symbol, now);
            let open = filling.filter(|_| !lonely).and_then(|index| groups.get_mut(index));
            match open.filter(|group| group.len() < seats) {
                Some(group) => group.symbols.push(symbol.clone()),
                None => {
                    filling = if lonely { filling } else { Some(groups.len()) };
                    groups.push(Group { symbols: vec![symbol.clone()], lonely });
                }
            }
        }
        groups
    }

    /// Whether the source has denied a symbol, and that still stands.
    pub(super) fn is_denied(&self, symbol: &Symbol, now: Instant) -> bool {
        let Parts { board, origin, .. } = &self.parts;
        board.known(&origin.source, symbol, now).is_some_and(|known| known.is_denied(now))
    }

    /// What the board has of denied symbols that are not checked now.
    pub(super) fn denials(&self, denied: &[Symbol], now: Instant) -> Vec<Wait> {
        let Parts { board, origin, .. } = &self.parts;
        let known = denied.iter().filter_map(|symbol| board.known(&origin.source, symbol, now));
        known.map(|known| Wait::Here(Box::new(known.outcome))).collect()
    }

    /// Gives denied symbols the seats that are left, and calls of their own as long as more than the last one can be made at
    /// once. Gives back those for which that was not enough.
    pub(super) fn seat_denied(
        &self,
        flights: &Flights,
        groups: &mut Vec<Group>,
        denied: &[Symbol],
        now: Instant,
    ) -> Vec<Symbol> {
        if denied.is_empty() {
            return Vec::new();
        }
        let before: usize = self.units(groups);
        let all: Vec<Symbol> = groups.iter().flat_map(|group| &group.symbols).chain(denied).cloned().collect();
        let mut seated = self.group(flights, &all, now);
        let wanted = self.units(&seated);
        // one more than wanted has room only where the last is left
        let room = self.parts.account.room(wanted.saturating_add(1), now, now).0.saturating_sub(1);
        let unchecked = self.cut(&mut seated, room.max(before));
        *groups = seated;
        unchecked
    }

    /// Lets symbols that need no call ride along where there is room.
    pub(super) fn seat_riders(&self, flights: &Flights, groups: &mut [Group], riders: &[Symbol], now: Instant) {
        // whoever was refused before may have been given a seat already
        let seated: HashSet<Symbol> = groups.iter().flat_map(|group| group.symbols.iter().cloned()).collect();
        let may_ride = |rider: &&Symbol| {
            !seated.contains(rider) && !flights.is_in_air(rider) && !self.travels_alone(flights, rider, now)
        };
        let mut riders = riders.iter().filter(may_ride);
        for group in groups.iter_mut().filter(|group| !group.lonely) {
            let room = self.parts.batching.seats.saturating_sub(group.len());
            group.symbols.extend(riders.by_ref().take(room).cloned());
        }
    }
}

/// Cuts groups to a number of symbols in all, and gives back the symbols that were cut off.
pub(super) fn split_after(groups: &mut Vec<Group>, symbols: usize) -> Vec<Symbol> {
    let mut left = symbols;
    let mut late = Vec::new();
    for group in groups.iter_mut() {
        let kept = group.len().min(left);
        late.extend(group.symbols.split_off(kept));
        left -= kept;
    }
    groups.retain(|group| group.len() > 0);
    late
}

/// The symbols of groups, in their order.
pub(super) fn symbols(groups: Vec<Group>) -> Vec<Symbol> {
    groups.into_iter().flat_map(|group| group.symbols).collect()
}
