//! Decides which source is asked for which symbols, and in which order scarce calls are given out.
//!
//! A pure function of the question, what the board knows, the sources and the settings. Who is asked when a limit is short
//! follows from the order made here, never from luck.

mod errands;
mod memory;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::board::{Board, Need};
use crate::clock::{Moment, age};
use crate::pace::Pace;
use crate::profile::Profile;
use crate::question::Question;
use crate::quote::{Origin, Outcome, Quote};
use crate::route::Route;
use crate::settings::Settings;
use crate::source::share::Ask;
use crate::symbol::{Class, Symbol};
use memory::Memory;

/// What is asked of whom, and what its answers are for.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is priced: the question's symbols in its order, then the rates to the caller's currency, then the rates that
    /// derived quotes need.
    pub targets: Vec<Target>,
    /// One per source that is asked, in the order of the sources.
    pub errands: Vec<Errand>,
    /// What reserves can be asked for, should the others fall short.
    pub spares: Vec<Spare>,
    /// What the errands are about: the sources' places, and what each is asked for.
    pub asked: BTreeSet<(usize, Symbol)>,
    /// How fresh everything must be that a source is or could be asked for.
    pub needs: BTreeMap<(usize, Symbol), Need>,
}

/// Something to be priced, and who can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What is priced.
    pub symbol: Symbol,
    /// What for.
    pub purpose: Purpose,
    /// The sources that can price it, and how.
    pub ways: Vec<Way>,
    /// A rate that no source has and without which none can price it; then there are no ways.
    pub lacks: Option<Symbol>,
}

/// How a source prices a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Which source: its place in the list of sources.
    pub source: usize,
    /// What it is asked for, and what becomes of that.
    pub route: Route,
    /// The route that would have been taken, had the source not denied that there is such a pair.
    pub denied: Option<Route>,
}

/// What a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The caller asked for it.
    Asked,
    /// It turns prices into the caller's currency.
    Conversion,
    /// It turns a quote into one of another pair. Made of quotes alone that need no rate themselves.
    Rate,
}

/// What one source is asked for.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Which source: its place in the list of sources.
    pub source: usize,
    /// What it must be asked.
    pub ask: Ask,
    /// What the board already has and is fresh enough.
    pub settled: Vec<Outcome>,
}

/// What a reserve can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spare {
    /// Which source: its place in the list of sources.
    pub source: usize,
    /// What it would be asked.
    pub asked: Symbol,
    /// How fresh that must be.
    pub need: Need,
    /// What it would be for.
    pub targets: BTreeSet<Symbol>,
}

/// Everything a plan is made from.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// What is asked.
    pub question: &'a Question,
    /// What is remembered.
    pub board: &'a Board,
    /// The sources that are on.
    pub sources: &'a [&'a Profile],
    /// What is set.
    pub settings: &'a Settings,
    /// The present.
    pub now: Moment,
}

impl Plan {
    /// Makes the plan for a question. It waits for nothing, but lets other tasks have their turn on the way.
    pub async fn new(basis: Basis<'_>) -> Self {
        let (memory, mut pace) = (Memory::new(basis.board, basis.now.monotonic), Pace::default());
        let targets = basis.targets(&BTreeSet::new(), &memory, &mut pace).await;
        let (errands, spares, needs) = basis.errands(&targets, &memory, &mut pace).await;
        let asked = errands.iter().flat_map(Errand::pairs).collect();
        Plan { targets, errands, spares, asked, needs }
    }

    /// What it weighs: the pairs of symbol and source that must be asked.
    pub fn weight(&self) -> usize {
        weight(&self.errands)
    }

    /// Whether something may have to be asked that the first round cannot know of: a reserve, because the others fell short;
    /// a rate from a currency that nobody expected; money that has to be crossed, because a source denies to quote it.
    pub fn may_grow(&self, question: &Question) -> bool {
        let is_priced = |target: &&Target| target.purpose != Purpose::Rate;
        let is_open = |target: &Target| match target.symbol.pair_currency() {
            None => question.currency.is_some() && target.purpose == Purpose::Asked,
            Some(_) => target.symbol.class() == Class::Fx && target.ways.iter().any(|way| way.route.rates.is_empty()),
        };
        !self.spares.is_empty() || self.targets.iter().filter(is_priced).any(is_open)
    }

    /// What else is asked, now that the first round is in: the plan is made again with what the board knows now, with the
    /// rates that turned out to be needed beside those that were, and with reserves for the symbols that want a quorum.
    pub async fn grow(
        &mut self,
        wanting: &BTreeSet<Symbol>,
        rates: &BTreeSet<Symbol>,
        basis: Basis<'_>,
    ) -> Vec<Errand> {
        let conversions = self.targets.iter().filter(|target| target.purpose == Purpose::Conversion);
        let all = conversions.map(|target| target.symbol.clone()).chain(rates.iter().cloned()).collect();
        let (memory, mut pace) = (Memory::new(basis.board, basis.now.monotonic), Pace::default());
        self.targets = basis.targets(&all, &memory, &mut pace).await;
        let (mut errands, spares, needs) = basis.errands(&self.targets, &memory, &mut pace).await;
        self.needs = needs;
        for errand in &mut errands {
            errand.leave_out(&self.asked);
        }
        let lacks = |symbol: &Symbol| wanting.contains(symbol) || rates.contains(symbol);
        let is_wanted = |spare: &Spare| {
            spare.targets.iter().any(lacks) && !self.asked.contains(&(spare.source, spare.asked.clone()))
        };
        for Spare { source, asked, need, .. } in spares.into_iter().filter(is_wanted) {
            let due = (asked, need);
            match errands.iter_mut().find(|errand| errand.source == source) {
                Some(errand) => errand.ask.due.push(due),
                None => errands.push(Errand::only(source, vec![due], basis)),
            }
        }
        errands
    }
}

impl Errand {
    fn only(source: usize, due: Vec<(Symbol, Need)>, basis: Basis<'_>) -> Self {
        Errand { source, ask: basis.ask(due, Vec::new()), settled: Vec::new() }
    }

    /// Everything it has an answer to, or asks for.
    fn pairs(&self) -> impl Iterator<Item = (usize, Symbol)> {
        let settled = self.settled.iter().map(|outcome| &outcome.symbol);
        self.ask.due.iter().map(|(symbol, _)| symbol).chain(settled).map(|symbol| (self.source, symbol.clone()))
    }

    /// Takes out what was asked before.
    fn leave_out(&mut self, asked: &BTreeSet<(usize, Symbol)>) {
        let is_new = |symbol: &Symbol| !asked.contains(&(self.source, symbol.clone()));
        self.ask.due.retain(|(symbol, _)| is_new(symbol));
        self.ask.riders.retain(is_new);
        self.settled.retain(|outcome| is_new(&outcome.symbol));
    }

    /// Takes out what would need a call.
    pub fn without_calls(mut self) -> Self {
        self.ask.due.clear();
        self
    }
}

/// What errands weigh: the pairs of symbol and source that must be asked.
pub fn weight(errands: &[Errand]) -> usize {
    errands.iter().map(|errand| errand.ask.due.len()).sum()
}

/// Whether a quote is young enough to be folded.
pub fn is_usable(quote: &Quote, origin: &Origin, usable_for: Duration, now: Moment) -> bool {
    let old = age(now.wall, quote.aged_from());
    let allowed = i128::try_from(usable_for.as_millis()).unwrap_or(i128::MAX).saturating_add(origin.lag_ms.into());
    i128::try_from(old.as_millis()).is_ok_and(|old| old <= allowed)
}

#[cfg(test)]
mod tests;
