//! Decides which symbols are asked for in one call, and in which order they are served. Pure: what is known of each symbol is
//! passed in.

use std::collections::{BTreeMap, HashSet};

use tokio::time::Instant;

use crate::symbol::Symbol;

/// How a batch is made up.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// The most symbols in one call.
    pub capacity: usize,
    /// Whether each symbol costs a unit of the limits, or the call as a whole. Where it does, nothing joins a batch that was
    /// dispatched.
    pub cost_per_symbol: bool,
    /// Whether one unknown symbol fails a whole call. Then symbols that the source has quoted are asked for apart from those that
    /// it has not, and the symbol that fails a call is hunted for.
    pub unknown_kills: bool,
    /// Whether every reply holds all there is. Then every call also asks for all symbols that the source has ever quoted.
    pub holds_all: bool,
}

/// How likely a source is to have a symbol. It matters only where one unknown symbol fails a whole call, or where the vendor
/// lists what it trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// The source has quoted it, or lists it.
    Known,
    /// The source's description names it, or another source has quoted it.
    Expected,
    /// Nothing speaks for it but its spelling.
    Untried,
    /// The vendor's list of what it trades does not have it.
    Unlisted,
}

/// Symbols that are asked for in one call.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) symbols: Vec<Symbol>,
    /// Whether it is one symbol that must be asked for by itself: no other symbol joins it.
    pub(super) is_alone: bool,
    /// Whether the source has quoted all of them. Only such symbols join a group that is known.
    pub(super) is_known: bool,
}

impl Batching {
    /// Whether a symbol of this tier is only asked for by itself: where each costs as much in company, a risk gains nothing; and
    /// what the vendor does not list is probably unknown.
    pub(super) fn asks_alone(&self, tier: Tier) -> bool {
        tier == Tier::Unlisted || tier != Tier::Known && self.cost_per_symbol
    }

    /// Puts symbols into groups, keeping their order: each tier apart from the others.
    pub(super) fn group(&self, symbols: &[(Tier, &Symbol)]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut filling: BTreeMap<Tier, usize> = BTreeMap::new();
        for (tier, symbol) in symbols {
            let is_alone = self.asks_alone(*tier);
            let open = filling.get(tier).and_then(|index| groups.get_mut(*index));
            match open.filter(|group| group.symbols.len() < self.capacity) {
                Some(group) => group.symbols.push((*symbol).clone()),
                None => {
                    if !is_alone {
                        filling.insert(*tier, groups.len());
                    }
                    let is_known = *tier == Tier::Known;
                    groups.push(Group { symbols: vec![(*symbol).clone()], is_alone, is_known });
                }
            }
        }
        groups
    }

    /// The same in fewer groups: only what the source has quoted is apart from what it has not.
    pub(super) fn group_in_two(&self, symbols: Vec<(Tier, &Symbol)>) -> Vec<Group> {
        let known_or_not = |tier| match tier {
            Tier::Expected => Tier::Untried,
            other => other,
        };
        let symbols: Vec<_> = symbols.into_iter().map(|(tier, symbol)| (known_or_not(tier), symbol)).collect();
        self.group(&symbols)
    }

    /// What groups cost of the vendor's limits.
    pub(super) fn units(&self, groups: &[Group]) -> usize {
        if self.cost_per_symbol { groups.iter().map(|group| group.symbols.len()).sum() } else { groups.len() }
    }

    /// Cuts groups to this many units, and returns the symbols that were cut off.
    pub(super) fn cut(&self, groups: &mut Vec<Group>, units: usize) -> Vec<Symbol> {
        if !self.cost_per_symbol {
            return symbols(groups.split_off(units.min(groups.len())));
        }
        let mut left = units;
        let mut late = Vec::new();
        for group in groups.iter_mut() {
            let kept = group.symbols.len().min(left);
            late.extend(group.symbols.split_off(kept));
            left -= kept;
        }
        groups.retain(|group| !group.symbols.is_empty());
        late
    }

    /// Adds symbols that need no call to known groups where there is room, if they `may_join`.
    pub(super) fn fill(&self, groups: &mut [Group], optional: &[Symbol], may_join: impl Fn(&Symbol) -> bool) {
        // a symbol that was refused before may have been put into a group already
        let grouped: HashSet<Symbol> = groups.iter().flat_map(|group| group.symbols.iter().cloned()).collect();
        let mut optional = optional.iter().filter(|symbol| may_join(symbol) && !grouped.contains(symbol));
        for group in groups.iter_mut().filter(|group| group.is_known) {
            let room = self.capacity.saturating_sub(group.symbols.len());
            group.symbols.extend(optional.by_ref().take(room).cloned());
        }
    }
}

/// The symbols of groups, in their order.
pub(super) fn symbols(groups: Vec<Group>) -> Vec<Symbol> {
    groups.into_iter().flat_map(|group| group.symbols).collect()
}

/// Merges the symbols of a request, in their order, with symbols that others were refused: of two symbols the one goes first
/// that has waited longer for an answer. Each comes with when the source last answered for it; `refused` is sorted by that.
pub(super) fn merge<'s>(
    own: impl IntoIterator<Item = (Option<Instant>, &'s Symbol)>,
    refused: impl IntoIterator<Item = (Option<Instant>, &'s Symbol)>,
) -> Vec<Symbol> {
    let mut refused = refused.into_iter().peekable();
    let mut merged = Vec::new();
    for (answered, symbol) in own {
        while let Some((_, other)) = refused.next_if(|(theirs, _)| *theirs < answered) {
            merged.push(other.clone());
        }
        merged.push(symbol.clone());
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn symbol(number: usize) -> Symbol {
        Symbol::parse(&format!("S{number}-USD")).unwrap()
    }

    fn tier() -> impl Strategy<Value = Tier> {
        prop_oneof![Just(Tier::Known), Just(Tier::Expected), Just(Tier::Untried), Just(Tier::Unlisted)]
    }

    proptest! {
        #[test]
        fn every_symbol_is_in_one_group_within_capacity_and_known_ones_apart(
            tiers in proptest::collection::vec(tier(), 0..40),
            capacity in 1_usize..8,
            cost_per_symbol: bool,
            units in 0_usize..50,
        ) {
            let batching = Batching { capacity, cost_per_symbol, unknown_kills: true, holds_all: false };
            let all: Vec<Symbol> = (0..tiers.len()).map(symbol).collect();
            let tiered: Vec<(Tier, &Symbol)> = tiers.iter().copied().zip(&all).collect();
            let tier_of: BTreeMap<&Symbol, Tier> = tiered.iter().map(|(tier, symbol)| (*symbol, *tier)).collect();
            for (mut groups, is_coarse) in [(batching.group(&tiered), false), (batching.group_in_two(tiered.clone()), true)] {
                let grouped: BTreeSet<Symbol> = groups.iter().flat_map(|group| group.symbols.clone()).collect();
                prop_assert_eq!(grouped.len(), symbols(groups.iter().map(copy).collect()).len(), "none is in two");
                prop_assert_eq!(grouped.len(), all.len());
                for Group { symbols, is_alone, is_known } in &groups {
                    prop_assert!(symbols.len() <= capacity && (!is_alone || symbols.len() == 1));
                    prop_assert!(symbols.iter().all(|symbol| (tier_of[symbol] == Tier::Known) == *is_known));
                    prop_assert!(symbols.len() == 1 || symbols.iter().all(|symbol| tier_of[symbol] != Tier::Unlisted));
                    prop_assert!(is_coarse || symbols.iter().all(|symbol| tier_of[symbol] == tier_of[&symbols[0]]));
                    prop_assert!(symbols.is_sorted_by_key(|symbol| all.iter().position(|other| other == symbol)));
                }
                let cost = batching.units(&groups);
                let late = batching.cut(&mut groups, units);
                prop_assert_eq!(batching.units(&groups), cost.min(units));
                prop_assert_eq!(symbols(groups).len() + late.len(), all.len(), "nothing is lost");
            }
        }

        #[test]
        fn whatever_was_refused_goes_first_if_it_has_waited_longer(
            own in proptest::collection::vec(0_u64..20, 0..10),
            mut refused in proptest::collection::vec(0_u64..20, 0..10),
        ) {
            let start = Instant::now();
            // 0 s stands for a symbol that was never answered
            let answered = |second: u64| (second > 0).then(|| start + Duration::from_secs(second));
            refused.sort_unstable();
            let names: Vec<Symbol> = (0..own.len() + refused.len()).map(symbol).collect();
            let (own_names, refused_names) = names.split_at(own.len());
            let merged = merge(
                own.iter().map(|second| answered(*second)).zip(own_names),
                refused.iter().map(|second| answered(*second)).zip(refused_names),
            );
            let place = |symbol: &Symbol| merged.iter().position(|other| other == symbol);
            prop_assert!(own_names.is_sorted_by_key(place), "a request keeps its order");
            for (name, second) in refused_names.iter().zip(&refused) {
                for (own_name, _) in own_names.iter().zip(&own).filter(|(_, own)| second < own) {
                    prop_assert!(place(name).unwrap() < place(own_name).unwrap());
                }
                let last = own.iter().max().copied().unwrap_or(0);
                prop_assert_eq!(place(name).is_some(), *second < last, "one that waits for less time is not in it");
            }
        }
    }

    fn copy(group: &Group) -> Group {
        Group { symbols: group.symbols.clone(), ..*group }
    }

    #[test]
    fn symbols_that_need_no_call_fill_known_groups_and_no_other() {
        let batching = Batching { capacity: 3, cost_per_symbol: false, unknown_kills: true, holds_all: false };
        let all: Vec<Symbol> = (0..8).map(symbol).collect();
        let mut groups = batching.group(&[(Tier::Known, &all[0]), (Tier::Untried, &all[1])]);
        batching.fill(&mut groups, &all[..], |symbol| *symbol != all[2]);
        assert_eq!(groups[0].symbols, [&all[0], &all[3], &all[4]].map(Clone::clone));
        assert_eq!(groups[1].symbols, [all[1].clone()]);
    }
}
