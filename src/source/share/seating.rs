//! Decides which symbols travel together in one call, and which alone.

use std::collections::{BTreeMap, HashSet};

use tokio::time::Instant;

use super::{Flights, Inner, Parts};
use crate::symbol::Symbol;

/// Symbols that travel together.
pub(super) struct Group {
    pub(super) symbols: Vec<Symbol>,
    /// Whether it is one symbol that must travel by itself: no other symbol joins it.
    pub(super) is_lonely: bool,
    /// Whether none of them can fail the others, as far as is known. Nothing else joins such a group.
    pub(super) is_known: bool,
}

/// How likely a source is to have a symbol. Only where one unknown symbol fails a whole call does it matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// It has quoted it.
    Known,
    /// Its description names it, or another source has quoted it.
    Expected,
    /// Nothing speaks for it but its spelling.
    Untried,
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.symbols.len()
    }
}

impl Inner {
    /// How likely the source is to have a symbol.
    pub(super) fn tier(&self, flights: &Flights, symbol: &Symbol) -> Tier {
        let Parts { board, origin, is_named, .. } = &self.parts;
        let has_quoted = || board.look(&origin.source, symbol, |known| known.outcome.quote.is_some()) == Some(true);
        if !flights.unknown_kills || has_quoted() {
            Tier::Known
        } else if is_named(symbol) || board.is_quoted(symbol) {
            Tier::Expected
        } else {
            Tier::Untried
        }
    }

    /// Whether a symbol may only travel by itself: where each costs as much in company, nothing is gained by a risk.
    pub(super) fn travels_alone(&self, tier: Tier) -> bool {
        tier != Tier::Known && self.parts.batching.cost_per_symbol
    }

    /// Puts symbols into groups that travel together, keeping their order. What the source has quoted goes apart from what it
    /// has not; and of the latter, what it probably has apart from the rest, unless a call more would have to wait.
    pub(super) fn group(&self, flights: &Flights, left: &[Symbol], now: Instant) -> Vec<Group> {
        let tiers: Vec<(Tier, &Symbol)> = left.iter().map(|symbol| (self.tier(flights, symbol), symbol)).collect();
        let apart = self.group_by(&tiers);
        let units = self.units(&apart);
        let (at_once, _) = self.parts.account.room(units, now, now);
        if at_once >= units {
            return apart;
        }
        let is_known = |tier| if tier == Tier::Known { Tier::Known } else { Tier::Untried };
        self.group_by(&tiers.into_iter().map(|(tier, symbol)| (is_known(tier), symbol)).collect::<Vec<_>>())
    }

    fn group_by(&self, symbols: &[(Tier, &Symbol)]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut filling: BTreeMap<Tier, usize> = BTreeMap::new();
        for (tier, symbol) in symbols {
            let is_lonely = self.travels_alone(*tier);
            let open = filling.get(tier).and_then(|index| groups.get_mut(*index));
            match open.filter(|group| group.len() < self.parts.batching.seats) {
                Some(group) => group.symbols.push((*symbol).clone()),
                None => {
                    if !is_lonely {
                        filling.insert(*tier, groups.len());
                    }
                    let is_known = *tier == Tier::Known;
                    groups.push(Group { symbols: vec![(*symbol).clone()], is_lonely, is_known });
                }
            }
        }
        groups
    }

    /// Lets symbols that need no call ride along where there is room.
    pub(super) fn seat_riders(&self, flights: &Flights, groups: &mut [Group], riders: &[Symbol]) {
        // whoever was refused before may have been given a seat already
        let seated: HashSet<Symbol> = groups.iter().flat_map(|group| group.symbols.iter().cloned()).collect();
        let may_ride = |rider: &&Symbol| {
            let tier = self.tier(flights, rider);
            let is_known = tier == Tier::Known && !flights.is_hunted(rider, tier);
            is_known && !seated.contains(rider) && !flights.is_in_air(rider)
        };
        let mut riders = riders.iter().filter(may_ride);
        for group in groups.iter_mut().filter(|group| group.is_known) {
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
