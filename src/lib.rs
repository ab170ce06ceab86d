//! quotefold folds many quotes into one price, and shows the proof.
//!
//! The path of a request is the layout of this crate. Each room takes what the former gives:
//!
//! 1. [`symbol`] reads names: `AAPL`, `BRK.B`, `VOD.L`, `BTC-USD`.
//! 2. [`question`] reads a query, and refuses it by name where it is wrong.
//! 3. [`plan`] decides which source is asked for which symbols.
//! 4. [`gather`] asks them all at once, until the deadline.
//! 5. [`source`] is one source: limits, one call for many callers, the wire, the filter.
//! 6. [`quote`] is what a source said: a quote, a failure, or both.
//! 7. [`board`] remembers the latest of that.
//! 8. [`fold`] makes one price of it, or refuses to.
//! 9. [`answer`] writes status, headers and JSON.
//!
//! [`Quotefold::answer`] below is that path, written out. Around it: [`settings`] says what can be set, [`server`] speaks HTTP,
//! [`cli`] is the command line, [`demo`] a simulated market, [`telemetry`] metrics and logs.

pub mod answer;
pub mod board;
pub mod cli;
pub mod clock;
pub mod decimal;
pub mod demo;
pub mod fold;
pub mod gather;
pub mod plan;
pub mod question;
pub mod quote;
pub mod server;
pub mod settings;
pub mod source;
pub mod symbol;
pub mod telemetry;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use answer::{Answer, Priced};
use board::Board;
use clock::{Clock, Moment};
use fold::{Status, Unavailable};
use plan::Plan;
use question::{Bounds, Question};
use quote::Outcome;
use settings::Settings;
use source::{Source, Surroundings};
use symbol::Symbol;
use telemetry::Metrics;

/// The service, without a server around it: questions in, answers out.
pub struct Quotefold {
    /// What is set.
    pub settings: Settings,
    /// The sources that are switched on, in the order of their names.
    pub sources: Vec<Arc<Source>>,
    /// What is remembered.
    pub board: Arc<Board>,
    /// Where the time comes from.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Where calls run.
    pub tasks: TaskTracker,
    /// Whether the prices are a simulation's, which every answer then says.
    pub simulated: bool,
}

impl Quotefold {
    /// The service over the sources that the settings switch on.
    ///
    /// # Errors
    /// What keeps a source from being set up: a filter, a certificate store.
    pub fn new(settings: Settings, clock: &Clock) -> Result<Self, source::SetupError> {
        let metrics = Metrics::default();
        let around = Surroundings {
            board: Arc::new(Board::new(board::CAPACITY)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let sources = source::set_up(&settings, &around, &metrics)?;
        Ok(Self::over(settings, sources, &around, metrics))
    }

    /// The service over any sources: how tests script their vendors.
    pub fn over(settings: Settings, sources: Vec<Arc<Source>>, around: &Surroundings, metrics: Metrics) -> Self {
        let (board, clock, tasks) = (Arc::clone(&around.board), around.clock.clone(), around.tasks.clone());
        Quotefold { settings, sources, board, clock, metrics, tasks, simulated: false }
    }

    /// What a question is checked against.
    pub fn bounds(&self) -> Bounds {
        let server = &self.settings.server;
        Bounds {
            max_symbols: server.max_symbols,
            timeout: server.timeout,
            max_timeout: server.max_timeout,
            sources: self.sources.iter().map(|source| source.profile.name().to_owned()).collect(),
        }
    }

    /// The path of a request: `Question → Plan → Outcomes → Prices → Answer`.
    ///
    /// Dropping the future drops every wait for a source; calls that nobody else waits for are cancelled.
    pub async fn answer(&self, question: &Question) -> Answer {
        let plan = self.plan(question);
        let outcomes = gather::gather(plan, question, &self.sources).await;
        let now = self.clock.now();
        let prices = self.fold(question, outcomes, now);
        self.record(&prices);
        Answer::new(question, prices, now.wall, self.simulated)
    }

    fn plan(&self, question: &Question) -> Plan {
        let now = self.clock.now();
        let recall = |symbol: &Symbol| (symbol.clone(), self.board.recall(symbol, now.monotonic));
        let memory = question.symbols.iter().map(recall).collect();
        let profiles: Vec<_> = self.sources.iter().map(|source| source.profile.as_ref()).collect();
        plan::plan(question, &memory, &profiles, &self.settings, now)
    }

    /// One price per symbol, in the order of the question.
    fn fold(&self, question: &Question, outcomes: Vec<Outcome>, now: Moment) -> Vec<Priced> {
        let mut by_symbol: BTreeMap<Symbol, Vec<Outcome>> = BTreeMap::new();
        for mut outcome in outcomes {
            // how old a quote may be depends on the class, which the board does not know
            if let Some(source) = self.source(&outcome.origin.source) {
                outcome.origin = source.profile.origin(self.settings.class(&outcome.symbol));
            }
            by_symbol.entry(outcome.symbol.clone()).or_default().push(outcome);
        }
        let price = |symbol: &Symbol| {
            let outcomes = by_symbol.remove(symbol).unwrap_or_default();
            let mut price = fold::fold(symbol, outcomes, &self.settings.rule(symbol, question.max_age), now.wall);
            if price.status == Status::Unavailable(Unavailable::NotCovered) {
                let why = self.settings.would_cover(symbol);
                price.detail = why.or_else(|| Some(format!("none of the sources asked for covers {symbol}")));
            }
            let class = self.settings.of_class(self.settings.class(symbol));
            Priced { price, refresh_after: class.refresh_after(question.refresh_after) }
        };
        question.symbols.iter().map(price).collect()
    }

    /// Counts what became of every quote.
    fn record(&self, prices: &[Priced]) {
        for judged in prices.iter().flat_map(|priced| &priced.price.quotes) {
            if let Some(source) = self.source(&judged.outcome.origin.source) {
                source.record.verdict(judged);
            }
        }
    }

    fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.iter().find(|source| source.profile.name() == name)
    }
}
