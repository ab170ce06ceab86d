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
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

pub(crate) use heard::Heard;
pub(crate) use left_behind::LeftBehind;
use task::{Report, Reporter, report_each};
pub use waiting::Waiting;

use crate::board::Told;
use crate::failure::SourceError;
use crate::pace::Pace;
use crate::plan::{PerSource, SourceQuery};
use crate::provider::description::{Cost, SourceSettings};
use crate::question::Question;
use crate::source::coalescer::Wait;
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
    heard: Heard,
}

/// Where the waits for sources run.
enum Waits<'a> {
    /// With the caller: they end when it leaves. Each is for an outcome of the source at that place.
    OfCaller(VecDeque<(usize, Wait)>),
    /// With the service: they end with the calls.
    OfService(&'a LeftBehind, mpsc::UnboundedSender<Report>, mpsc::UnboundedReceiver<Report>),
}

impl<'a> Gathering<'a> {
    /// A gathering that has asked no source yet.
    pub(crate) fn new(question: &'a Question, sources: &'a [Arc<Source>], left_behind: &'a LeftBehind) -> Self {
        let until = question.deadline() - KEPT_BACK;
        let waits = match question.wait {
            WaitFor::All => Waits::OfCaller(VecDeque::new()),
            WaitFor::Quorum(_) => {
                let (reporter, reports) = mpsc::unbounded_channel();
                Waits::OfService(left_behind, reporter, reports)
            }
        };
        let (symbols, timeout) = (&question.symbols, question.timeout);
        let (waiting, heard) = (Waiting::current(), Heard::default());
        Gathering { sources, symbols, until, timeout, waiting, waits, heard }
    }

    /// Asks sources, without waiting for any, in their [order](in_order).
    pub(crate) async fn ask(&mut self, queries: Vec<SourceQuery>) {
        let mut pace = Pace::default();
        for SourceQuery { source: place, ask, settled } in in_order(queries, self.sources, self.symbols) {
            settled.into_iter().for_each(|known| self.heard.note(place, Told::OnBoard(known)));
            let Some(source) = self.sources.get(place).filter(|_| !ask.due.is_empty()) else { continue };
            ask.due.iter().for_each(|(symbol, _)| self.heard.expect(place, symbol.clone()));
            match catch_unwind(AssertUnwindSafe(|| source.coalescer.ask(&ask))) {
                Ok(waits) => self.wait_for(place, waits),
                // one source must not take the others with it
                Err(_) => self.note_panic(place),
            }
            pace.step(ask.due.len()).await;
        }
    }

    /// Notes the outcomes that are there, and waits for the others.
    fn wait_for(&mut self, place: usize, waits: Vec<Wait>) {
        let mut in_flight = Vec::new();
        for wait in waits {
            match wait {
                Wait::Ready(told) => self.heard.note(place, told),
                Wait::InFlight { .. } => in_flight.push(wait),
            }
        }
        let Some(source) = self.sources.get(place).filter(|_| !in_flight.is_empty()) else { return };
        match &mut self.waits {
            Waits::OfCaller(waits) => waits.extend(in_flight.into_iter().map(|wait| (place, wait))),
            Waits::OfService(left, reporter, _) => {
                let reporter = Reporter { source: place, reports: reporter.clone() };
                left.spawn(report_each(source.coalescer.clone(), in_flight, reporter, LeftBehind::clone(left)));
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

    /// Waits until a source says something, and returns for which symbols. If nothing is waited for, that is never. Giving up in
    /// the middle loses nothing: what was not heard is still to be heard.
    pub(crate) async fn hear(&mut self) -> Vec<Symbol> {
        match &mut self.waits {
            Waits::OfCaller(waits) => {
                let Some((place, wait)) = waits.front_mut() else { return std::future::pending().await };
                let (place, Some(source)) = (*place, self.sources.get(*place)) else { return Vec::new() };
                // the calls run by themselves, so waiting for one after the other loses no time
                let told = self.waiting.wait_for(source.coalescer.told(wait)).await;
                waits.pop_front();
                let symbol = told.outcome().symbol.clone();
                self.heard.note(place, told);
                vec![symbol]
            }
            Waits::OfService(_, _, reports) => {
                let Some(first) = self.waiting.wait_for(reports.recv()).await else { return Vec::new() };
                let more = std::iter::from_fn(|| reports.try_recv().ok());
                let all: Vec<Report> = std::iter::once(first).chain(more).collect();
                all.into_iter().flat_map(|report| self.take(report)).collect()
            }
        }
    }

    /// Waits until every source has answered, but no longer than until an instant or the end of the caller's time.
    pub(crate) async fn settle(&mut self, until: Instant) {
        if timeout_at(until.min(self.until), self.hear_all()).await.is_err() {
            self.note_landed();
        }
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
        self.settle(self.until).await;
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

    /// Notes the outcomes that are there, behind one that is not.
    fn note_landed(&mut self) {
        let Waits::OfCaller(waits) = &mut self.waits else { return };
        let heard = &mut self.heard;
        waits.retain(|(place, wait)| match wait.landed() {
            Some(told) => {
                heard.note(*place, told);
                false
            }
            None => true,
        });
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

    /// Notes that asking a source has panicked.
    fn note_panic(&mut self, place: usize) {
        self.panicked(place).into_iter().for_each(|told| self.heard.note(place, told));
    }

    /// The outcomes of a source that was asked and will say nothing.
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
