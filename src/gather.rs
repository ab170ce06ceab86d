//! Carries a plan out: asks every source at once, and stops waiting at the caller's deadline, or sooner if other sources suffice.
//!
//! Each source and symbol that is asked gets an outcome, whatever happens to the source: if it is late, a timeout; if it is not
//! waited for, that; if asking it panics, an internal failure under its name.
//!
//! For a caller who waits for all sources, dropping the gathering drops every wait, and with it every call that no other caller
//! waits for. For a caller who may leave sooner, the service waits in its place: the calls go on and land on the board.

mod heard;
mod left_behind;
mod task;
mod waiting;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub(crate) use heard::Heard;
pub(crate) use left_behind::LeftBehind;
use task::{Report, Reporter, Terms, Turn, report_all, report_each};
pub use waiting::Waiting;

use crate::board::Told;
use crate::failure::SourceError;
use crate::plan::{PerSource, SourceQuery};
use crate::provider::description::{Cost, SourceSettings};
use crate::question::Question;
use crate::source::{KEPT_BACK, Source};
use crate::symbol::Symbol;
use crate::units::WaitFor;

/// One caller's waits for any number of sources, with one deadline.
pub(crate) struct Gathering<'a> {
    sources: &'a [Arc<Source>],
    /// The symbols that the caller asks for. All others are rates.
    symbols: &'a [Symbol],
    until: Instant,
    /// How long the caller said it would wait.
    timeout: Duration,
    /// Is told when the caller begins to wait.
    waiting: Waiting,
    waits: Waits<'a>,
    /// Where the tasks report; `None` as long as no source has been asked.
    reports: Option<(mpsc::UnboundedSender<Report>, mpsc::UnboundedReceiver<Report>)>,
    heard: Heard,
}

/// Where the waits for sources run.
enum Waits<'a> {
    /// With the caller: they end when it leaves.
    OfCaller(JoinSet<()>),
    /// With the service: they end with the calls.
    OfService(&'a LeftBehind),
}

impl<'a> Gathering<'a> {
    /// A gathering that has asked no source yet.
    pub(crate) fn new(question: &'a Question, sources: &'a [Arc<Source>], left_behind: &'a LeftBehind) -> Self {
        let until = question.deadline() - KEPT_BACK;
        let waits = match question.wait {
            WaitFor::All => Waits::OfCaller(JoinSet::new()),
            WaitFor::Quorum(_) => Waits::OfService(left_behind),
        };
        let (symbols, timeout) = (&question.symbols, question.timeout);
        let (waiting, heard) = (Waiting::current(), Heard::default());
        Gathering { sources, symbols, until, timeout, waiting, waits, reports: None, heard }
    }

    /// Asks sources at once, without waiting, those of one account in their [order](in_order).
    pub(crate) fn ask(&mut self, queries: Vec<SourceQuery>) {
        let queries = in_order(queries, self.sources, self.symbols);
        let mut turns: HashMap<&str, oneshot::Receiver<()>> = HashMap::new();
        for SourceQuery { source: place, ask, settled } in queries {
            settled.into_iter().for_each(|known| self.heard.note(place, Told::OnBoard(known)));
            let Some(source) = self.sources.get(place).filter(|_| !ask.due.is_empty()) else { continue };
            ask.due.iter().for_each(|(symbol, _)| self.heard.expect(place, symbol.clone()));
            let (asked, is_asked) = oneshot::channel();
            let before = turns.insert(&source.profile.settings.account, is_asked);
            let turn = Turn { before, asked };
            let (reports, _) = self.reports.get_or_insert_with(mpsc::unbounded_channel);
            let reporter = Reporter { source: place, reports: reports.clone() };
            let coalescer = source.coalescer.clone();
            match &mut self.waits {
                Waits::OfCaller(tasks) => {
                    let terms = Terms { until: self.until, timeout: self.timeout, waiting: self.waiting.clone() };
                    tasks.spawn(report_all(coalescer, ask, turn, terms, reporter));
                }
                Waits::OfService(left) => {
                    left.spawn(report_each(coalescer, ask, turn, reporter, LeftBehind::clone(left)));
                }
            }
        }
    }

    /// Notes an outcome that no call is needed for.
    pub(crate) fn note(&mut self, source: usize, told: Told) {
        self.heard.note(source, told);
    }

    /// What has been heard so far.
    pub(crate) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Waits until a source says something, and returns for which symbols. If nothing is waited for, that is never.
    pub(crate) async fn hear(&mut self) -> Vec<Symbol> {
        let Some((_, reports)) = &mut self.reports else { return std::future::pending().await };
        let first = match self.waits {
            // the tasks know best whether there is anything to wait for
            Waits::OfCaller(_) => reports.recv().await,
            Waits::OfService(_) => self.waiting.wait_for(reports.recv()).await,
        };
        let Some(first) = first else { return std::future::pending().await };
        let more = std::iter::from_fn(|| reports.try_recv().ok());
        let all: Vec<Report> = std::iter::once(first).chain(more).collect();
        all.into_iter().flat_map(|report| self.take(report)).collect()
    }

    /// Waits until every source has answered, but no longer than until an instant or the end of the caller's time.
    pub(crate) async fn settle(&mut self, until: Instant) {
        // giving up in the middle loses nothing: what was not heard is still to be heard
        let _ = timeout_at(until.min(self.until), self.hear_all()).await;
    }

    /// Whether every source has answered.
    pub(crate) fn is_done(&self) -> bool {
        self.heard.is_complete()
    }

    /// When the caller's time is over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// How long the caller still waits.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits until every source has answered or the caller's time is over, and returns everything that was gathered.
    pub(crate) async fn finish(mut self) -> PerSource<Told> {
        match self.waits {
            // each wait ends by itself at the deadline
            Waits::OfCaller(_) => self.hear_all().await,
            Waits::OfService(_) => self.settle(self.until).await,
        }
        self.end(|source, symbol, timeout| source.coalescer.gave_up(symbol, timeout))
    }

    /// Waits no longer, and returns everything that was gathered.
    pub(crate) fn leave(self) -> PerSource<Told> {
        self.end(|source, symbol, _| source.coalescer.not_awaited(symbol))
    }

    /// Everything that was gathered, with an outcome for what has none.
    fn end(mut self, outcome: impl Fn(&Source, &Symbol, Duration) -> Told) -> PerSource<Told> {
        for (place, symbol) in self.heard.pending() {
            let Some(source) = self.sources.get(place) else { continue };
            self.heard.note(place, outcome(source, &symbol, self.timeout));
        }
        self.heard.into_told()
    }

    async fn hear_all(&mut self) {
        while !self.is_done() {
            self.hear().await;
        }
    }

    /// Notes a report, and returns for which symbols it is.
    fn take(&mut self, report: Report) -> Vec<Symbol> {
        let (place, told) = match report {
            Report::Told(place, told) => (place, told),
            Report::Ended(place) => (place, self.panicked(place)),
        };
        let symbols = told.iter().map(|told| told.outcome().symbol.clone()).collect();
        told.into_iter().for_each(|told| self.heard.note(place, told));
        symbols
    }

    /// The outcomes of a source whose task has ended without them.
    fn panicked(&self, place: usize) -> Vec<Told> {
        let untold = self.heard.pending_at(place);
        let Some(source) = self.sources.get(place).filter(|_| !untold.is_empty()) else { return Vec::new() };
        tracing::error!(source = source.profile.name(), "asking this source panicked");
        let error = || SourceError::Internal("asking this source failed because of a bug in quotefold".to_owned());
        untold.iter().map(|symbol| source.coalescer.failed(symbol, error())).collect()
    }
}

/// The order in which sources are asked. Where they share an account, the one that gets most symbols for a unit of its limits
/// goes first, and what it leaves is for the others: twenty calls for one symbol each would leave nothing for one call for
/// twenty.
///
/// A source whose first symbol the caller does not ask for goes before all others: that symbol is a rate that other prices need.
pub(crate) fn in_order(mut queries: Vec<SourceQuery>, sources: &[Arc<Source>], symbols: &[Symbol]) -> Vec<SourceQuery> {
    let settings = |query: &SourceQuery| sources.get(query.source).map(|source| &source.profile.settings);
    let has_rate = |query: &SourceQuery| query.ask.due.first().is_some_and(|(symbol, _)| !symbols.contains(symbol));
    queries.sort_by_cached_key(|query| {
        let symbols = settings(query).map(|settings| symbols_per_unit(settings).min(query.ask.due.len()));
        (Reverse(has_rate(query)), Reverse(symbols))
    });
    queries
}

/// How many symbols a source gets for a unit of its limits at best.
fn symbols_per_unit(source: &SourceSettings) -> usize {
    match source.cost {
        Cost::Call => source.batch,
        Cost::Symbol => 1,
    }
}
