//! quotefold folds many quotes into one price, and shows the proof.
//!
//! The path of a request is the layout of this crate. Each room takes what the former gives:
//!
//! 1. [`symbol`] reads names: `AAPL`, `BRK.B`, `VOD.L`, `BTC-USD`.
//! 2. [`question`] reads a query, and refuses it by name where it is wrong.
//! 3. [`plan`] decides which source is asked for which symbols.
//! 4. [`gather`] asks them all at once, until the deadline; and once they are in, whoever else may help: a second round.
//! 5. [`source`] is one source: limits, one call for many callers, the wire, the filter.
//! 6. [`quote`] is what a source said: a quote, a failure, or both.
//! 7. [`board`] remembers the latest of that.
//! 8. [`fold`] makes one price of it, or refuses to.
//! 9. [`answer`] writes status, headers and JSON.
//!
//! [`again`] says when asking again can change the answer.
//!
//! Where a source does not quote what was asked, [`route`] finds the pair it does quote, [`derive`](mod@derive) makes its
//! quote of that, and [`convert`] turns a price into the caller's currency; [`valuation`] puts all this around the fold.
//! [`hours`] knows when markets are open, so that the fold does not take a dead feed for a closed market.
//!
//! [`Quotefold::answer`] below is that path, written out. Around it: [`settings`] says what can be set, [`server`] speaks HTTP,
//! [`cli`] is the command line, [`watch`] what is kept fresh, [`state`] what outlives a restart, [`demo`] a simulated market,
//! [`telemetry`] metrics, [`log`](mod@log) the log.

pub mod again;
pub mod answer;
pub mod board;
pub mod cli;
pub mod clock;
pub mod convert;
pub mod decimal;
pub mod demo;
pub mod derive;
pub mod fold;
pub mod gather;
pub mod hours;
pub mod log;
pub mod plan;
pub mod question;
pub mod quote;
pub mod route;
pub mod server;
pub mod settings;
pub mod source;
pub mod state;
pub mod symbol;
pub mod telemetry;
pub mod text;
pub mod valuation;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use again::NextCalls;
use answer::{Answer, Priced};
use board::Board;
use clock::{Clock, Moment};
use fold::Price;
use gather::Gathering;
use plan::{Basis, Errand, Plan};
use question::{Bounds, Question};
use quote::Outcome;
use settings::Settings;
use source::profile::Profile;
use source::sandbox::Program;
use source::{Source, Surroundings};
use telemetry::Metrics;
use valuation::Valuation;
use watch::Watched;

/// Less time than this is too little for a call that is not in the air yet.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// The service, without a server around it: questions in, answers out.
pub struct Quotefold {
    /// What is set.
    pub settings: Settings,
    /// The sources that are switched on, in the order of their names.
    pub sources: Vec<Arc<Source>>,
    /// What is remembered.
    pub board: Arc<Board>,
    /// Which of the watched symbols lack a quote.
    pub watched: Watched,
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
        Self::with_filters_in(None, settings, clock)
    }

    /// The same, with every filter that is not the catalogue's in a process of its own, so that nothing a body makes of it
    /// can harm this one.
    ///
    /// # Errors
    /// What keeps a source from being set up.
    pub fn sandboxed(program: &Program, settings: Settings, clock: &Clock) -> Result<Self, source::SetupError> {
        Self::with_filters_in(Some(program), settings, clock)
    }

    fn with_filters_in(
        program: Option<&Program>,
        settings: Settings,
        clock: &Clock,
    ) -> Result<Self, source::SetupError> {
        let metrics = Metrics::default();
        let around = Surroundings {
            board: Arc::new(Board::new(board::CAPACITY)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let sources = source::set_up(&settings, &around, &metrics, program)?;
        Ok(Self::over(settings, sources, &around, metrics))
    }

    /// The service over any sources: how tests script their vendors.
    pub fn over(settings: Settings, sources: Vec<Arc<Source>>, around: &Surroundings, metrics: Metrics) -> Self {
        let (board, clock, tasks) = (Arc::clone(&around.board), around.clock.clone(), around.tasks.clone());
        let watched = Watched::new(&settings.watch.symbols);
        Quotefold { settings, sources, board, watched, clock, metrics, tasks, simulated: false }
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
        let mut plan = self.plan(question);
        let mut outcomes = self.gather(&mut plan, question).await;
        let now = self.clock.now();
        let next_calls = self.next_calls(&plan, &mut outcomes, now);
        let valuation = self.value(&plan, outcomes, question, now);
        self.record(&valuation);
        let skew = self.clock.skew(now);
        let explained = |price: Price| match skew {
            Some(skew) => price.with_skew(skew),
            None => price,
        };
        let priced = |price| Priced { changes_at: next_calls.that_changes(&price), price: explained(price) };
        let priced = valuation.prices.into_iter().map(priced).collect();
        Answer::new(question, priced, now.wall, self.simulated)
    }

    fn plan(&self, question: &Question) -> Plan {
        self.with_basis(question, Plan::new)
    }

    /// Asks the sources of a plan, and whoever else may help: once they are in, or have had half of the caller's time and a
    /// quarter of what a source may take.
    async fn gather(&self, plan: &mut Plan, question: &Question) -> Vec<Outcome> {
        let mut gathering = Gathering::new(question, &self.sources);
        gathering.ask(std::mem::take(&mut plan.errands));
        if plan.may_grow(question) {
            // a caller's haste is no reason to give up on a source that is no slower than usual
            let early = (question.timeout / 2).max(self.settings.server.timeout / 4);
            gathering.settle(question.arrived.monotonic + early).await;
            let time_left = gathering.time_left();
            gathering.ask(self.second_round(plan, question, time_left));
        }
        gathering.finish().await
    }

    /// Who else is asked, by what the board knows now of what was asked at first: what has landed since the question came is
    /// on it.
    fn second_round(&self, plan: &mut Plan, question: &Question, time_left: Duration) -> Vec<Errand> {
        let now = self.clock.now();
        let known = plan.asked.iter().filter_map(|(source, symbol)| {
            let source = self.sources.get(*source)?.profile.name();
            Some(self.board.known(source, symbol, now.monotonic)?.outcome)
        });
        let known = known.collect();
        let so_far = self.value(plan, known, question, now);
        let rates = so_far.missing_rates();
        let errands = self.with_basis(question, |basis| plan.grow(&so_far.wanting, &rates, basis));
        // a call whose end nobody would see is spent for nothing
        let usual = |errand: &Errand| self.sources.get(errand.source).map(|source| source.record.usual_latency());
        let in_time = |errand: &Errand| usual(errand).is_some_and(|usual| usual.max(SHORTEST_CALL) <= time_left);
        errands.into_iter().map(|errand| if in_time(&errand) { errand } else { errand.without_calls() }).collect()
    }

    fn value(&self, plan: &Plan, outcomes: Vec<Outcome>, question: &Question, now: Moment) -> Valuation {
        valuation::value(plan, outcomes, question, &self.profiles(), &self.settings, now.wall)
    }

    fn with_basis<T>(&self, question: &Question, make: impl FnOnce(Basis<'_>) -> T) -> T {
        let (board, settings, now) = (self.board.as_ref(), &self.settings, self.clock.now());
        make(Basis { question, board, sources: &self.profiles(), settings, now })
    }

    fn profiles(&self) -> Vec<&Profile> {
        self.sources.iter().map(|source| source.profile.as_ref()).collect()
    }

    /// From when on the same question would make each source call again, as things are now. Failures are told of it.
    fn next_calls(&self, plan: &Plan, outcomes: &mut [Outcome], now: Moment) -> NextCalls {
        let askable: Vec<Instant> = self.sources.iter().map(|source| source.share.askable_at(now.monotonic)).collect();
        let mut next_calls = NextCalls::default();
        for outcome in outcomes {
            let name = &outcome.origin.source;
            let Some(place) = self.sources.iter().position(|source| source.profile.name() == name) else { continue };
            let known = self.board.known(name, &outcome.symbol, now.monotonic);
            let need = plan.needs.get(&(place, outcome.symbol.clone()));
            let due_at = known.zip(need).and_then(|(known, need)| known.due_at(*need));
            let at = due_at.into_iter().chain([askable[place], now.monotonic]).max().unwrap_or(now.monotonic);
            next_calls.note(outcome, now.wall_at(at));
        }
        next_calls
    }

    /// Counts what became of every quote.
    fn record(&self, valuation: &Valuation) {
        // a rate that was asked for itself is counted once
        let is_asked = |rate: &&Price| valuation.prices.iter().any(|price| price.symbol == rate.symbol);
        let rates = valuation.rates.iter().map(Arc::as_ref).filter(|rate| !is_asked(rate));
        for judged in valuation.prices.iter().chain(rates).flat_map(|price| &price.quotes) {
            if let Some(source) = self.source(&judged.outcome.origin.source) {
                source.record.verdict(judged);
            }
        }
    }

    fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.iter().find(|source| source.profile.name() == name)
    }
}
