//! Decides which source is asked for which symbols, and what comes first when calls are scarce.
//!
//! A plan is a pure function of the question, what the board knows, the sources and the settings. Where a limit is short, the
//! order made here decides which symbols get a call.

mod board_view;
mod per_source;
mod source_queries;
mod targets;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::board::{Board, Freshness, Known};
use crate::clock::Moment;
use crate::pace::Pace;
use crate::profile::profiles::Profiles;
use crate::question::Question;
use crate::route::Route;
use crate::settings::Settings;
use crate::source::coalescer::Ask;
use crate::symbol::{Class, Symbol};
pub use board_view::{BoardView, Reads};
pub use per_source::PerSource;

/// What each source is asked for, and what its outcomes are used for.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is priced: the symbols of the question in its order, then the rates to the caller's currency, then the rates that
    /// derived quotes need.
    pub targets: Vec<Target>,
    /// One query per source that is asked, in the order of the sources.
    pub queries: Vec<SourceQuery>,
    /// What to ask reserves for if the other sources fall short.
    pub reserves: Vec<ReserveOption>,
    /// What the queries cover: for each source, the symbols that it is asked for or that are already fresh enough.
    pub asked: PerSource<()>,
    /// How fresh each outcome must be, for everything that a source is or could be asked for.
    pub freshness: PerSource<Freshness>,
    /// The version of the board before it was first looked at.
    pub version: u64,
    /// What is fetched behind the answer; `None` if the answer waits for everything that is due.
    pub behind: Option<Vec<SourceQuery>>,
}

/// A symbol to price, and the sources that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What is priced.
    pub symbol: Symbol,
    /// What the price is for.
    pub purpose: Purpose,
    /// The sources that can price the target, each with its route.
    pub routes: Vec<SourceRoute>,
    /// A rate that every route needs and no source has. If this is set, `routes` is empty.
    pub lacks: Option<Symbol>,
    /// The rate that is expected to convert its price into the caller's currency; `None` if none is expected.
    pub conversion: Option<Symbol>,
    /// What on the board decided its routes.
    pub reads: Reads,
}

/// How one source prices a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRoute {
    /// The source: its place in the list of sources.
    pub source: usize,
    /// What the source is asked for, and how its quote becomes one of the target.
    pub route: Route,
    /// The preferred route, if it was not taken because the source denies that the pair exists.
    pub denied: Option<Route>,
}

/// What a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// The caller asked for it.
    Asked,
    /// It converts prices into the caller's currency.
    Conversion,
    /// It turns a quote into one of another pair. Such a rate is made only from quotes that need no rate themselves.
    Rate,
}

/// What one source is asked for.
#[derive(Clone, Debug)]
pub struct SourceQuery {
    /// The source: its place in the list of sources.
    pub source: usize,
    /// What the source must be asked for.
    pub ask: Ask,
    /// The outcomes on the board that are fresh enough.
    pub settled: Vec<Arc<Known>>,
}

/// What a reserve can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveOption {
    /// The source: its place in the list of sources.
    pub source: usize,
    /// What the reserve would be asked for.
    pub asked: Symbol,
    /// How fresh the outcome must be.
    pub freshness: Freshness,
    /// The targets that its quote would help.
    pub targets: BTreeSet<Symbol>,
}

/// Everything a plan is made from.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    /// The question.
    pub question: &'a Question,
    /// The latest outcomes.
    pub board: &'a Board,
    /// The sources that are switched on.
    pub sources: &'a Profiles,
    /// The settings.
    pub settings: &'a Settings,
    /// The present.
    pub now: Moment,
}

impl<'a> PlanInput<'a> {
    /// A view of the board in which no symbol has been looked up yet.
    pub(crate) fn view(&self) -> BoardView<'a> {
        BoardView::new(self.board, self.sources, self.now.monotonic)
    }
}

impl Plan {
    /// Makes the plan for a question. It waits for nothing, but yields to other tasks now and then.
    pub async fn new(input: PlanInput<'_>) -> Self {
        let version = input.board.version();
        let (mut view, mut pace) = (input.view(), Pace::default());
        let targets = input.targets(&BTreeSet::new(), &mut view, &mut pace).await;
        let (queries, reserves, freshness) = input.queries(&targets, &mut view, &mut pace).await;
        let mut asked = PerSource::default();
        asked.extend(queries.iter().flat_map(SourceQuery::pairs));
        Plan { targets, queries, reserves, asked, freshness, version, behind: None }
    }

    /// The weight of the plan: the number of pairs of symbol and source that must be asked.
    pub fn weight(&self) -> usize {
        weight(&self.queries)
    }

    /// Every symbol whose outcomes on the board have a part in it, each once.
    pub(crate) fn reads(&self) -> BTreeSet<Symbol> {
        self.targets.iter().flat_map(Target::reads).cloned().collect()
    }

    /// Whether a second round may have to ask for something that the first cannot foresee: a reserve, if the other
    /// sources fall short; a rate from an unexpected currency; a currency pair that must be crossed because a source
    /// denies it.
    pub(crate) fn may_grow(&self, question: &Question) -> bool {
        let is_priced = |target: &&Target| target.purpose != Purpose::Rate;
        let is_open = |target: &Target| match target.symbol.pair_currency() {
            None => question.currency.is_some() && target.purpose == Purpose::Asked,
            Some(_) => target.symbol.class() == Class::Fx && target.routes.iter().any(|by| by.route.rates.is_empty()),
        };
        // what is put off is good enough as it is
        self.behind.is_none() && (!self.reserves.is_empty() || self.targets.iter().filter(is_priced).any(is_open))
    }

    /// What the second round asks. The plan is made again from the present board, with the rates that turned out to be
    /// needed in addition to the expected ones, and with reserves for the symbols that are short of a quorum.
    pub async fn grow(
        &mut self,
        short_of_quorum: &BTreeSet<Symbol>,
        rates: &BTreeSet<Symbol>,
        input: PlanInput<'_>,
        view: &mut BoardView<'_>,
    ) -> Vec<SourceQuery> {
        let conversions = self.targets.iter().filter(|target| target.purpose == Purpose::Conversion);
        let all = conversions.map(|target| target.symbol.clone()).chain(rates.iter().cloned()).collect();
        let mut pace = Pace::default();
        self.targets = input.targets(&all, view, &mut pace).await;
        let (mut queries, reserves, freshness) = input.queries(&self.targets, view, &mut pace).await;
        self.freshness = freshness;
        for query in &mut queries {
            query.leave_out(&self.asked);
        }
        let lacks = |symbol: &Symbol| short_of_quorum.contains(symbol) || rates.contains(symbol);
        let is_wanted = |reserve: &ReserveOption| {
            reserve.targets.iter().any(lacks) && !self.asked.contains(reserve.source, &reserve.asked)
        };
        for ReserveOption { source, asked, freshness, .. } in reserves.into_iter().filter(is_wanted) {
            let due = (asked, freshness);
            match queries.iter_mut().find(|query| query.source == source) {
                Some(query) => query.ask.due.push(due),
                None => queries.push(SourceQuery::only(source, vec![due], input)),
            }
        }
        self.asked.extend(queries.iter().flat_map(SourceQuery::pairs));
        queries
    }
}

impl Target {
    /// The symbols whose outcomes on the board have a part in its price, or decided its routes.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &Symbol> {
        let asked = self.routes.iter().flat_map(|by| by.denied.iter().chain([&by.route])).map(|route| &route.asked);
        [&self.symbol].into_iter().chain(&self.reads.symbols).chain(asked)
    }

    /// Whether a derived quote of it needs a rate.
    pub(crate) fn needs(&self, rate: &Symbol) -> bool {
        self.routes.iter().flat_map(|by| &by.route.rates).any(|needed| needed.symbol == *rate)
    }
}

impl SourceQuery {
    fn only(source: usize, due: Vec<(Symbol, Freshness)>, input: PlanInput<'_>) -> Self {
        SourceQuery { source, ask: input.ask(due, Vec::new()), settled: Vec::new() }
    }

    /// Every symbol that the query asks for or has a settled outcome of.
    fn pairs(&self) -> impl Iterator<Item = (usize, Symbol, ())> {
        let settled = self.settled.iter().map(|known| &known.outcome.symbol);
        self.ask.due.iter().map(|(symbol, _)| symbol).chain(settled).map(|symbol| (self.source, symbol.clone(), ()))
    }

    /// Removes what was asked before.
    fn leave_out(&mut self, asked: &PerSource<()>) {
        let is_new = |symbol: &Symbol| !asked.contains(self.source, symbol);
        self.ask.due.retain(|(symbol, _)| is_new(symbol));
        self.ask.optional.retain(is_new);
        self.settled.retain(|known| is_new(&known.outcome.symbol));
    }

    /// The query without what would need a call.
    pub(crate) fn without_calls(mut self) -> Self {
        self.ask.due.clear();
        self
    }
}

/// The weight of queries: the number of pairs of symbol and source that must be asked.
pub fn weight(queries: &[SourceQuery]) -> usize {
    queries.iter().map(|query| query.ask.due.len()).sum()
}

#[cfg(test)]
mod tests;
