//! Carries a question from its plan to its answer: the path of a request, and what all requests share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::again::NextCalls;
use crate::answer::{Answer, Answered};
use crate::board::{Board, CAPACITY};
use crate::clock::{Clock, Moment};
use crate::convert::Priced;
use crate::fold::Price;
use crate::gather::Gathering;
use crate::metrics::Metrics;
use crate::plan::{Basis, Errand, Plan, weight};
use crate::profile::Profile;
use crate::question::{Bounds, Question};
use crate::quote::Outcome;
use crate::reply_memory::ReplyMemory;
use crate::settings::Settings;
use crate::source::sandbox::Program;
use crate::source::{KEPT_BACK, SetupError, Source, Surroundings, set_up};
use crate::valuation::{Valuation, value};
use crate::workload::{Overloaded, Turn, Weight, Workload};

/// Less time than this is too little for a call that is not in the air yet.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// So many symbols of a question tell roughly what it weighs.
const GLANCE: usize = 3;

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
    /// How much is worked on at once.
    pub workload: Workload,
    /// What replies may hold.
    pub reply_memory: ReplyMemory,
    /// Whether the prices are a simulation's, which every answer then says.
    pub simulated: bool,
}

/// What a question that has to wait will need.
struct Expected {
    weight: usize,
    /// How long its calls usually take.
    latency: Duration,
}

/// An answer, with the turn in which it can be written.
pub struct InTurn<'w> {
    /// The answer.
    pub answer: Answer,
    _turn: Option<Turn<'w>>,
    _weight: Weight<'w>,
}

impl Quotefold {
    /// The service over the sources that the settings switch on.
    ///
    /// # Errors
    /// What keeps a source from being set up: a filter, a certificate store.
    pub fn new(settings: Settings, clock: &Clock) -> Result<Self, SetupError> {
        Self::with_filters_in(None, settings, clock)
    }

    /// The same, with every filter that is not the catalogue's in a process of its own, so that nothing a body makes of it
    /// can harm this one.
    ///
    /// # Errors
    /// What keeps a source from being set up.
    pub fn sandboxed(program: &Program, settings: Settings, clock: &Clock) -> Result<Self, SetupError> {
        Self::with_filters_in(Some(program), settings, clock)
    }

    fn with_filters_in(program: Option<&Program>, settings: Settings, clock: &Clock) -> Result<Self, SetupError> {
        let metrics = Metrics::default();
        let around = Surroundings {
            board: Arc::new(Board::new(CAPACITY)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let reply_memory = ReplyMemory::new(settings.server.max_reply_memory);
        let sources = set_up(&settings, &around, &metrics, &reply_memory, program)?;
        Ok(Quotefold { reply_memory, ..Self::over(settings, sources, &around, metrics) })
    }

    /// The service over any sources: how tests script their vendors.
    pub fn over(settings: Settings, sources: Vec<Arc<Source>>, around: &Surroundings, metrics: Metrics) -> Self {
        let (board, clock, tasks) = (Arc::clone(&around.board), around.clock.clone(), around.tasks.clone());
        let workload = Workload::new(settings.server.max_weight);
        let reply_memory = ReplyMemory::new(settings.server.max_reply_memory);
        Quotefold { settings, sources, board, clock, metrics, tasks, workload, reply_memory, simulated: false }
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
    /// Dropping the future drops every wait for a source; calls without another caller are cancelled.
    pub async fn answer(&self, question: &Question) -> Answer {
        let plan = self.plan(question).await;
        self.carry_out(plan, None, question).await.0
    }

    /// The same, when its turn comes: no more is worked on at once than [`workload`](crate::workload) allows.
    ///
    /// # Errors
    /// The caller's time was over before; nothing has been done for it.
    pub async fn answer_in_turn(&self, question: &Question) -> Result<InTurn<'_>, Overloaded> {
        let by = question.deadline() - KEPT_BACK;
        let (plan, turn, weight) = self.admit(question, by).await?;
        let (answer, turn) = self.carry_out(plan, Some(turn), question).await;
        Ok(InTurn { answer, _turn: turn, _weight: weight })
    }

    /// Makes a plan, and waits until what it weighs may be worked on.
    async fn admit(&self, question: &Question, by: Instant) -> Result<(Plan, Turn<'_>, Weight<'_>), Overloaded> {
        let turn = self.workload.turn_of_newcomer(by).await?;
        let expected = match self.glance(question).await {
            Some(expected) => expected,
            None => {
                let plan = self.plan(question).await;
                if let Some(weight) = self.workload.try_admit(plan.weight()) {
                    return Ok((plan, turn, weight));
                }
                // a thousand plans of those who wait would take more room than their answers
                Expected { weight: plan.weight(), latency: self.usual_latency(&plan) }
            }
        };
        drop(turn);
        // its calls need some of its time: a turn that leaves them less is another's
        let by = by - expected.latency.min(question.timeout / 2);
        let mut weight = self.workload.admit(expected.weight, by).await?;
        let turn = self.workload.turn_of_admitted().await.filter(|_| Instant::now() < by).ok_or(Overloaded)?;
        // others may have asked for the same meanwhile
        let plan = self.plan(question).await;
        weight.lighten(plan.weight());
        Ok((plan, turn, weight))
    }

    /// What a question can be expected to need by its first symbols, if these need calls. It is only asked while others wait:
    /// then each of those who will have to wait, too, costs no more than this.
    async fn glance(&self, question: &Question) -> Option<Expected> {
        if !self.workload.is_full() {
            return None;
        }
        let plan = self.plan(&question.about_the_first(GLANCE)).await;
        let weight = plan.weight().saturating_mul(question.symbols.len().div_ceil(GLANCE));
        (weight > 0).then(|| Expected { weight, latency: self.usual_latency(&plan) })
    }

    /// How long it usually takes until half of the sources that a plan asks have replied.
    fn usual_latency(&self, plan: &Plan) -> Duration {
        let asked = plan.errands.iter().filter(|errand| !errand.ask.due.is_empty());
        let asked = asked.filter_map(|errand| self.sources.get(errand.source));
        let mut latencies: Vec<Duration> = asked.map(|source| source.record.usual_latency()).collect();
        latencies.sort_unstable();
        latencies.get(latencies.len() / 2).copied().unwrap_or_default()
    }

    /// Carries a plan out. Who has a turn keeps it while nothing has to be waited for, and has one at the end.
    async fn carry_out<'w>(
        &'w self,
        mut plan: Plan,
        turn: Option<Turn<'w>>,
        question: &Question,
    ) -> (Answer, Option<Turn<'w>>) {
        let (mut outcomes, turn) = self.gather(&mut plan, turn, question).await;
        let now = self.clock.now();
        let next_calls = self.next_calls(&plan, &mut outcomes, now);
        let valuation = self.value(&plan, outcomes, question, now).await;
        self.record(&valuation);
        let skew = self.clock.skew(now);
        let explained = |Priced { price, conversion }: Priced| match skew {
            Some(skew) => {
                let rate = conversion.as_ref().and_then(|conversion| conversion.rate.as_deref());
                Priced { price: price.with_skew(rate, skew), conversion }
            }
            None => Priced { price, conversion },
        };
        let answered = |priced| Answered { changes_at: next_calls.that_changes(&priced), priced: explained(priced) };
        let answered = valuation.prices.into_iter().map(answered).collect();
        (Answer::new(question, answered, now.wall, self.simulated), turn)
    }

    pub(crate) async fn plan(&self, question: &Question) -> Plan {
        Plan::new(self.basis(question, &self.profiles())).await
    }

    /// Asks the sources of a plan, then in a second round reserves and sources of missing rates. The second round begins when
    /// the first is in, or after half of the caller's time or a quarter of `server.timeout`, whichever is longer.
    async fn gather<'w>(
        &'w self,
        plan: &mut Plan,
        turn: Option<Turn<'w>>,
        question: &Question,
    ) -> (Vec<Outcome>, Option<Turn<'w>>) {
        let takes_turns = turn.is_some();
        // while a request waits, it is another's turn
        let mut turn = turn.filter(|_| plan.weight() == 0);
        let mut gathering = Gathering::new(question, &self.sources);
        gathering.ask(std::mem::take(&mut plan.errands));
        if plan.may_grow(question) {
            // a caller's haste is no reason to give up on a source that is no slower than usual
            let early = (question.timeout / 2).max(self.settings.server.timeout / 4);
            gathering.settle(question.arrived.monotonic + early).await;
            turn = self.keep_turn(turn, takes_turns).await;
            let time_left = gathering.time_left();
            let errands = self.second_round(plan, question, time_left).await;
            turn = turn.filter(|_| weight(&errands) == 0 && gathering.is_done());
            gathering.ask(errands);
        }
        let outcomes = gathering.finish().await;
        (outcomes, self.keep_turn(turn, takes_turns).await)
    }

    /// A request's turn, or if it has given it away, a new one.
    async fn keep_turn<'w>(&'w self, turn: Option<Turn<'w>>, takes_turns: bool) -> Option<Turn<'w>> {
        match turn {
            None if takes_turns => self.workload.turn_of_admitted().await,
            turn => turn,
        }
    }

    /// Who else is asked, by what the board knows now of what was asked at first: what has landed since the question came is
    /// on it.
    async fn second_round(&self, plan: &mut Plan, question: &Question, time_left: Duration) -> Vec<Errand> {
        let now = self.clock.now();
        let known = plan.asked.iter().filter_map(|(source, symbol)| {
            let source = self.sources.get(*source)?.profile.name();
            Some(self.board.known(source, symbol, now.monotonic)?.outcome)
        });
        let known = known.collect();
        let so_far = self.value(plan, known, question, now).await;
        let rates = so_far.missing_rates();
        let errands = plan.grow(&so_far.wanting, &rates, self.basis(question, &self.profiles())).await;
        // a call that ends after its caller has left is spent for nothing
        let usual = |errand: &Errand| self.sources.get(errand.source).map(|source| source.record.usual_latency());
        let in_time = |errand: &Errand| usual(errand).is_some_and(|usual| usual.max(SHORTEST_CALL) <= time_left);
        errands.into_iter().map(|errand| if in_time(&errand) { errand } else { errand.without_calls() }).collect()
    }

    async fn value(&self, plan: &Plan, outcomes: Vec<Outcome>, question: &Question, now: Moment) -> Valuation {
        value(plan, outcomes, question, &self.profiles(), &self.settings, now.wall).await
    }

    fn basis<'a>(&'a self, question: &'a Question, sources: &'a [&'a Profile]) -> Basis<'a> {
        Basis { question, board: &self.board, sources, settings: &self.settings, now: self.clock.now() }
    }

    fn profiles(&self) -> Vec<&Profile> {
        self.sources.iter().map(|source| source.profile.as_ref()).collect()
    }

    /// From when on the same question would make each source call again, as things are now. Failures are told of it.
    fn next_calls(&self, plan: &Plan, outcomes: &mut [Outcome], now: Moment) -> NextCalls {
        let askable: Vec<Instant> = self.sources.iter().map(|source| source.share.askable_at(now.monotonic)).collect();
        let places = self.places();
        let mut next_calls = NextCalls::default();
        for outcome in outcomes {
            let name = &outcome.origin.source;
            let Some(place) = places.get(name.as_str()).copied() else { continue };
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
        let asked = || valuation.prices.iter().map(|priced| &priced.price);
        let is_asked = |rate: &&Price| asked().any(|price| price.symbol == rate.symbol);
        let rates = valuation.rates.iter().map(Arc::as_ref).filter(|rate| !is_asked(rate));
        let places = self.places();
        for judged in asked().chain(rates).flat_map(|price| &price.quotes) {
            if let Some(place) = places.get(judged.outcome.origin.source.as_str()) {
                self.sources[*place].record.verdict(judged);
            }
        }
    }

    /// Where each source stands in the list of sources, by its name.
    fn places(&self) -> HashMap<&str, usize> {
        self.sources.iter().enumerate().map(|(place, source)| (source.profile.name(), place)).collect()
    }
}
