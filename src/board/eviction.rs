//! Decides what the board evicts when it is full.
//!
//! Quotes and failures have separate room, so that no number of failures takes the place of a quote. In the room for
//! failures, a sixteenth is safe for each caller: a caller who asks for junk pushes out only the failures that it
//! caused.
//!
//! Quotes that cost least to get again are evicted first and, among these, the one that was asked for longest ago. This
//! is the GreedyDual algorithm: a quote ranks by its cost above a level, and the level rises to the rank of each quote
//! that is evicted. So a costly quote that is no longer asked for is evicted in the end. Quotes that cost nothing can
//! never bring that about, because they do not raise the level.
//!
//! The orders are lazy: asking for a symbol only notes its use, and a place is corrected when its turn seems to have
//! come.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::caller::Caller;
use crate::symbol::Symbol;

/// A quote that can be fetched again sooner than this costs nothing.
const FREE_BELOW: Duration = Duration::from_secs(1);

/// A caller's failures are safe from those of others in a sixteenth of the room for failures.
const SHARES_OF_FAILURES: usize = 16;

/// When a symbol was last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// Grows with every use of any symbol.
    pub(super) number: u64,
    /// The level at that time.
    pub(super) level: u64,
}

/// How firmly a quote is kept; the lowest is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The level at its last use plus its cost, in milliseconds.
    worth: u64,
    used: u64,
}

/// The order in which quotes are evicted.
#[derive(Debug)]
pub(super) struct Quotes {
    capacity: usize,
    /// The time that one call takes of a source's limits, in milliseconds. A source that is not named costs nothing.
    costs: HashMap<String, u64>,
    by_source: BTreeMap<String, BTreeSet<(Rank, Symbol)>>,
    count: usize,
    level: u64,
}

/// The order in which failures without a quote are evicted. The one whose symbol was asked for longest ago goes first;
/// as long as any caller has more than its share, it is one of such a caller.
#[derive(Debug)]
pub(super) struct Failures {
    capacity: usize,
    all: BTreeSet<(u64, String, Symbol)>,
    by_caller: HashMap<Caller, BTreeSet<(u64, String, Symbol)>>,
    /// Callers that have more than their share: at most sixteen.
    over_share: HashSet<Caller>,
}

impl Quotes {
    pub(super) fn new(capacity: usize) -> Self {
        Quotes { capacity, costs: HashMap::new(), by_source: BTreeMap::new(), count: 0, level: 0 }
    }

    pub(super) fn level(&self) -> u64 {
        self.level
    }

    pub(super) fn set_cost(&mut self, source: &str, cost: Duration) {
        let cost = if cost < FREE_BELOW { Duration::ZERO } else { cost };
        self.costs.insert(source.to_owned(), u64::try_from(cost.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn rank(&self, source: &str, last: Use) -> Rank {
        let cost = self.costs.get(source).copied().unwrap_or_default();
        Rank { worth: last.level.saturating_add(cost), used: last.number }
    }

    pub(super) fn add(&mut self, source: &str, symbol: Symbol, rank: Rank) {
        let order = self.by_source.entry(source.to_owned()).or_default();
        self.count += usize::from(order.insert((rank, symbol)));
    }

    pub(super) fn remove(&mut self, source: &str, symbol: Symbol, rank: Rank) {
        let Some(order) = self.by_source.get_mut(source) else { return };
        self.count -= usize::from(order.remove(&(rank, symbol)));
    }

    /// The quote to evict now that one from a source has come in; `None` if there is room for all. No source has more
    /// than half of the room.
    pub(super) fn next_to_go(&self, came: &str) -> Option<(String, Symbol, Rank)> {
        let is_over_half = |order: &&BTreeSet<_>| order.len() > (self.capacity / 2).max(1);
        let (source, order) = match self.by_source.get(came).filter(is_over_half) {
            Some(order) => (came, order),
            None if self.count > self.capacity => {
                let firsts = self.by_source.iter().filter(|(_, order)| !order.is_empty());
                let (source, order) = firsts.min_by_key(|(_, order)| order.first().map(|(rank, _)| *rank))?;
                (source.as_str(), order)
            }
            None => return None,
        };
        let (rank, symbol) = order.first()?;
        Some((source.to_owned(), symbol.clone(), *rank))
    }

    /// Notes that a quote of this rank was evicted for lack of room.
    pub(super) fn raise(&mut self, rank: Rank) {
        // a source that has gone over its half does not age the quotes of others
        if self.count > self.capacity {
            self.level = self.level.max(rank.worth);
        }
    }
}

impl Failures {
    pub(super) fn new(capacity: usize) -> Self {
        Failures { capacity, all: BTreeSet::new(), by_caller: HashMap::new(), over_share: HashSet::new() }
    }

    pub(super) fn add(&mut self, source: &str, symbol: Symbol, used: u64, caller: Option<Caller>) {
        let one = (used, source.to_owned(), symbol);
        if let Some(caller) = caller {
            let own = self.by_caller.entry(caller).or_default();
            own.insert(one.clone());
            if own.len() > self.capacity / SHARES_OF_FAILURES {
                self.over_share.insert(caller);
            }
        }
        self.all.insert(one);
    }

    pub(super) fn remove(&mut self, source: &str, symbol: Symbol, used: u64, caller: Option<Caller>) {
        let one = (used, source.to_owned(), symbol);
        self.all.remove(&one);
        let Some(caller) = caller else { return };
        if let Some(own) = self.by_caller.get_mut(&caller) {
            own.remove(&one);
            if own.len() <= self.capacity / SHARES_OF_FAILURES {
                self.over_share.remove(&caller);
            }
            if own.is_empty() {
                self.by_caller.remove(&caller);
            }
        }
    }

    /// The failure to evict; `None` if there is room for all.
    pub(super) fn next_to_go(&self) -> Option<(String, Symbol, u64)> {
        if self.all.len() <= self.capacity {
            return None;
        }
        let of_those = self.over_share.iter().filter_map(|caller| self.by_caller.get(caller)?.first());
        let (used, source, symbol) = of_those.min().or(self.all.first())?;
        Some((source.clone(), symbol.clone(), *used))
    }
}
