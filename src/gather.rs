//! Carries a plan out: asks every source at once, and stops waiting at the caller's deadline.
//!
//! Each source and symbol that is asked gets an outcome, whatever happens to the source: if it is late, a timeout; if asking it
//! panics, an internal failure under its name. Dropping the gathering drops every wait, and with it every call that no other
//! caller waits for.

mod waiting;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout_at};

pub use waiting::Waiting;

use crate::board::Told;
use crate::failure::SourceError;
use crate::plan::{PerSource, SourceQuery};
use crate::provider::description::{Cost, SourceSettings};
use crate::question::Question;
use crate::source::coalescer::{Ask, Coalescer};
use crate::source::{KEPT_BACK, Source};
use crate::symbol::Symbol;

/// One caller's waits for any number of sources: one task group, one deadline.
pub(crate) struct Gathering<'a> {
    sources: &'a [Arc<Source>],
    /// The symbols that the caller asks for. All others are rates.
    symbols: &'a [Symbol],
    until: Instant,
    /// How long the caller said it would wait.
    timeout: Duration,
    tasks: JoinSet<(usize, Vec<Told>)>,
    asked: HashMap<Id, (usize, Vec<Symbol>)>,
    gathered: PerSource<Told>,
}

impl<'a> Gathering<'a> {
    /// A gathering that has asked no source yet.
    pub(crate) fn new(question: &'a Question, sources: &'a [Arc<Source>]) -> Self {
        let until = question.deadline() - KEPT_BACK;
        let (tasks, asked, gathered) = (JoinSet::new(), HashMap::new(), PerSource::default());
        Gathering { sources, symbols: &question.symbols, until, timeout: question.timeout, tasks, asked, gathered }
    }

    /// Asks sources at once, without waiting. Where sources share an account, the one that gets most symbols for a unit of its
    /// limits goes first, and what it leaves is for the others: twenty calls for one symbol each would leave nothing for one
    /// call for twenty.
    ///
    /// Where a source's first symbol was not asked for by the caller, it is a rate that other prices need, and goes before them.
    pub(crate) fn ask(&mut self, mut queries: Vec<SourceQuery>) {
        let settings = |query: &SourceQuery| self.sources.get(query.source).map(|source| &source.profile.settings);
        let has_rate =
            |query: &SourceQuery| query.ask.due.first().is_some_and(|(symbol, _)| !self.symbols.contains(symbol));
        queries.sort_by_cached_key(|query| {
            let symbols = settings(query).map(|settings| symbols_per_unit(settings).min(query.ask.due.len()));
            (Reverse(has_rate(query)), Reverse(symbols))
        });
        let mut turns: HashMap<&str, oneshot::Receiver<()>> = HashMap::new();
        for SourceQuery { source: place, ask, settled } in queries {
            let settled = settled.into_iter().map(Told::OnBoard);
            self.gathered.extend(settled.map(|told| (place, told.outcome().symbol.clone(), told)));
            let Some(source) = self.sources.get(place).filter(|_| !ask.due.is_empty()) else { continue };
            let symbols: Vec<Symbol> = ask.due.iter().map(|(symbol, _)| symbol.clone()).collect();
            let wait = Wait { until: self.until, timeout: self.timeout, waiting: Waiting::current() };
            let (asked, is_asked) = oneshot::channel();
            let before = turns.insert(&source.profile.settings.account, is_asked);
            let told = wait.for_source(source.coalescer.clone(), ask, Turn { before, asked });
            let task = self.tasks.spawn(async move { (place, told.await) });
            self.asked.insert(task.id(), (place, symbols));
        }
    }

    /// Waits until every source has answered, but no longer than until an instant or the end of the caller's time.
    pub(crate) async fn settle(&mut self, until: Instant) {
        // giving up in the middle of a join loses nothing: what was not joined stays in the set
        let _ = timeout_at(until.min(self.until), self.join_all()).await;
    }

    /// Whether every source has answered.
    pub(crate) fn is_done(&self) -> bool {
        self.tasks.is_empty()
    }

    /// How long the caller still waits.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits until every source has answered or the caller's time is over, and returns everything that was gathered.
    pub(crate) async fn finish(mut self) -> PerSource<Told> {
        // each wait ends by itself at the deadline
        self.join_all().await;
        self.gathered
    }

    async fn join_all(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            match ended {
                Ok((_, (place, told))) => {
                    self.gathered.extend(told.into_iter().map(|told| (place, told.outcome().symbol.clone(), told)));
                }
                Err(panicked) => {
                    let Some((place, symbols)) = self.asked.remove(&panicked.id()) else { continue };
                    let Some(source) = self.sources.get(place) else { continue };
                    tracing::error!(source = source.profile.name(), "asking this source panicked: {panicked}");
                    let error =
                        || SourceError::Internal("asking this source failed because of a bug in quotefold".to_owned());
                    let failed = |symbol: Symbol| {
                        let told = source.coalescer.failed(&symbol, error());
                        (place, symbol, told)
                    };
                    self.gathered.extend(symbols.into_iter().map(failed));
                }
            }
        }
    }
}

/// How many symbols a source gets for a unit of its limits at best.
fn symbols_per_unit(source: &SourceSettings) -> usize {
    match source.cost {
        Cost::Call => source.batch,
        Cost::Symbol => 1,
    }
}

/// A source's turn among those of its account.
struct Turn {
    /// Resolves when the source before it has asked for its calls, or has panicked.
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when this source has asked for its own.
    asked: oneshot::Sender<()>,
}

/// The terms on which a caller waits for one source.
struct Wait {
    until: Instant,
    /// How long the caller said it would wait.
    timeout: Duration,
    /// Is told when the wait begins.
    waiting: Waiting,
}

impl Wait {
    /// What one source says, each symbol of which is waited for until the deadline.
    async fn for_source(self, coalescer: Coalescer, ask: Ask, turn: Turn) -> Vec<Told> {
        let mut all = Vec::with_capacity(ask.due.len());
        if let Some(before) = turn.before {
            // it ends with an error, since nothing is ever sent
            let _ = before.await;
        }
        let waits = coalescer.ask(&ask);
        drop(turn.asked);
        // the calls run by themselves, so waiting for one after the other loses no time
        for wait in waits {
            let symbol = wait.symbol().clone();
            let told = timeout_at(self.until, self.waiting.wait_for(coalescer.arrive(wait))).await;
            // the call may go on for others
            all.push(told.unwrap_or_else(|_| coalescer.gave_up(&symbol, self.timeout)));
        }
        all
    }
}
