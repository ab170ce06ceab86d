//! Finds the symbols for which a source fails a whole call, by group testing: with as few calls as it takes, and one at a time.
//!
//! A call that fails says that at least one of its symbols is unknown, and nothing about the others. So all symbols of such a
//! call are suspects until a part of them is asked for. If that call is answered, the unknown symbol is among the rest. If it
//! fails, the rest is cleared, which means that it is treated as if it had never been asked for. Either way the search has
//! become smaller.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::symbol::Symbol;

/// The most suspects that are remembered; callers can name any number of symbols.
const MOST: usize = 1_000;

/// After this many failures in a row the suspects are asked for one by one: from then on, halving would only cost calls.
const FAILURES: u32 = 3;

/// After this many unknown symbols in a row, symbols that were never asked for are asked for one by one too.
const UNKNOWN: u32 = 2;

/// How long failures in a row count after the last one.
const LATELY: Duration = Duration::from_secs(60);

/// What is remembered of the symbols that fail whole calls at one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspectState {
    /// Whether one unknown symbol fails a whole call there, as configured or as observed.
    pub unknown_kills: bool,
    /// Groups of symbols, in each of which at least one is unknown; the oldest group first.
    pub groups: Vec<Vec<String>>,
}

/// What is known of the symbols that may fail a whole call.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Symbols that failed together, so that at least one of each group is unknown; the oldest group first. No symbol is in two
    /// groups. A group of one is a symbol that was denied when it was asked for alone.
    groups: Vec<BTreeSet<Symbol>>,
    /// How many calls for anything but known symbols have failed since one was answered.
    failed_in_a_row: u32,
    /// How many symbols have turned out to be unknown since then.
    unknown_in_a_row: u32,
    /// When a call last failed.
    failed: Option<Instant>,
    /// Grows with everything that must outlive a restart.
    revision: u64,
}

impl Suspects {
    /// Whether a symbol may fail a whole call, judging by earlier calls.
    pub(super) fn contains(&self, symbol: &Symbol) -> bool {
        self.groups.iter().any(|group| group.contains(symbol))
    }

    /// Whether symbols that this source was never asked for are suspects too, because many were unknown recently.
    pub(super) fn are_many(&self) -> bool {
        self.unknown_in_a_row >= UNKNOWN
    }

    /// Forgets failures in a row that are too long ago to say anything of what is asked for now.
    pub(super) fn forget_old(&mut self, now: Instant) {
        if self.failed.is_none_or(|failed| failed + LATELY < now) {
            (self.failed_in_a_row, self.unknown_in_a_row) = (0, 0);
        }
    }

    /// Which of the wanted symbols to ask for next in one call: a part of the group whose symbol comes first in `wanted`.
    /// Symbols that are certainly unknown come last; those that are `expected` are likely to be known. Empty if no suspect
    /// is wanted.
    pub(super) fn next(&self, wanted: &[Symbol], expected: impl Fn(&Symbol) -> bool) -> Vec<Symbol> {
        let groups = |of_one: bool| {
            let group_of = move |symbol: &Symbol| self.groups.iter().find(|group| group.contains(symbol));
            wanted.iter().filter_map(group_of).find(move |group| (group.len() == 1) == of_one)
        };
        groups(false).or_else(|| groups(true)).map_or_else(Vec::new, |group| self.part_of(group, wanted, expected))
    }

    /// The same while cleared symbols wait: only from the group that failed last. All symbols that are cleared on the way are
    /// asked for together once its unknown symbol is found, which takes fewer calls than asking for them after each step.
    pub(super) fn next_at_once(&self, wanted: &[Symbol], expected: impl Fn(&Symbol) -> bool) -> Vec<Symbol> {
        let last = self.groups.last().filter(|group| group.len() > 1);
        last.map_or_else(Vec::new, |group| self.part_of(group, wanted, expected))
    }

    fn part_of(&self, group: &BTreeSet<Symbol>, wanted: &[Symbol], expected: impl Fn(&Symbol) -> bool) -> Vec<Symbol> {
        let wanted = wanted.iter().filter(|symbol| group.contains(*symbol)).cloned();
        let (likely, unlikely): (Vec<Symbol>, Vec<Symbol>) = wanted.partition(expected);
        let most = match group.len() {
            _ if self.failed_in_a_row >= FAILURES => 1,
            // what other sources have quoted is probably here as well, and then the unknown symbol is among the rest
            _ if !likely.is_empty() && !unlikely.is_empty() => likely.len(),
            all => all.div_ceil(2),
        };
        likely.into_iter().chain(unlikely).take(most).collect()
    }

    /// Notes that a call for these symbols failed, because at least one of them is unknown.
    pub(super) fn fail(&mut self, asked: &[Symbol], now: Instant) {
        let asked: BTreeSet<Symbol> = asked.iter().cloned().collect();
        if asked.len() > 1 || !self.groups.contains(&asked) {
            self.failed = Some(now);
            self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
            self.unknown_in_a_row = self.unknown_in_a_row.saturating_add(u32::from(asked.len() == 1));
            self.revision += 1;
        }
        self.blame(asked);
    }

    /// Notes that the vendor named a symbol for which a call failed. That says nothing of the symbols it has not looked at, so
    /// they need not be asked for one by one.
    pub(super) fn name(&mut self, symbol: &Symbol) {
        self.revision += u64::from(!self.contains(symbol));
        self.blame(BTreeSet::from([symbol.clone()]));
    }

    /// Makes a group of symbols that explains why calls failed: what failed with them before is cleared.
    fn blame(&mut self, symbols: BTreeSet<Symbol>) {
        self.groups.retain(|group| group.is_disjoint(&symbols));
        self.groups.push(symbols);
        while self.groups.iter().map(BTreeSet::len).sum::<usize>() > MOST {
            self.groups.remove(0);
        }
    }

    /// Notes that a symbol was answered in a call, so that it is known. `is_news`: until then nothing was known of it.
    pub(super) fn clear(&mut self, symbol: &Symbol, is_news: bool) {
        if is_news {
            (self.failed_in_a_row, self.unknown_in_a_row) = (0, 0);
        }
        for group in &mut self.groups {
            self.revision += u64::from(group.remove(symbol));
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// How often something has been learned that must outlive a restart.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The groups, the oldest first.
    pub(super) fn remember(&self) -> Vec<Vec<Symbol>> {
        self.groups.iter().map(|group| group.iter().cloned().collect()).collect()
    }

    /// Takes over groups that an earlier process had. What this process has learned takes precedence.
    pub(super) fn restore(&mut self, groups: Vec<Vec<Symbol>>) {
        for group in groups {
            let group: BTreeSet<Symbol> = group.into_iter().filter(|symbol| !self.contains(symbol)).collect();
            if !group.is_empty() && self.groups.iter().map(BTreeSet::len).sum::<usize>() + group.len() <= MOST {
                self.groups.push(group);
            }
        }
    }
}

#[cfg(test)]
mod tests;
