//! Takes a question from its plan to its answer: the path of a request, and everything that requests share.

mod behind;
pub mod current;
mod following;
pub mod in_flight;
pub mod joining;
mod next_call;
mod on_board;
mod settle;
mod verdicts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::again::NextCalls;
use crate::answer::{Answer, Answered};
use crate::board::{Board, CAPACITY, Openings, Told};
use crate::clock::{Clock, Moment};
use crate::convert::Priced;
use crate::fold::{Price, Status};
use crate::gather::{Gathering, LeftBehind};
use crate::metrics::Metrics;
use crate::plan::{PerSource, Plan, PlanInput, SourceQuery, weight};
use crate::profile::profiles::Profiles;
use crate::question::{Bounds, Question};
use crate::ready::{Made, Ready, ReadyAnswer};
use crate::reply_memory::ReplyMemory;
use crate::search::{Found, Search};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::source::account::{Account, Unconfigured};
use crate::source::sandbox::Program;
use crate::source::{Common, KEPT_BACK, SetupError, Source, Surroundings};
use crate::symbol::Symbol;
use crate::valuation::{Valuation, value};
use crate::workload::{Overloaded, Turn, Weight, Workload};
use joining::Joining;
pub(crate) use next_call::NextCall;
pub(crate) use on_board::OnBoard;
use settle::{Held, Next, Settled};
pub use verdicts::Verdicts;

/// The least time left with which a call is still started.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// How often more is asked for within one request: once when every source has answered or has had its time, and before that
/// once when nothing else can help.
const MOST_ROUNDS: usize = 2;

/// How many symbols to look at to estimate the weight of a whole question.
const GLANCE: usize = 3;

/// The service without a server: questions in, answers out.
pub struct Quotefold {
    settings: Settings,
    sources: Vec<Arc<Source>>,
    profiles: Profiles,
    bounds: Bounds,
    board: Arc<Board>,
    clock: Clock,
    metrics: Metrics,
    tasks: TaskTracker,
    left_behind: LeftBehind,
    workload: Arc<Workload>,
    reply_memory: ReplyMemory,
    ready: Ready,
    is_simulated: bool,
    /// How often the settings have changed.
    generation: u64,
    /// What its sources have in common with those of the service that follows it.
    common: Arc<Common>,
}

/// The estimated needs of a question that has to wait.
struct Expected {
    weight: usize,
    /// How long its calls usually take.
    latency: Duration,
}

/// An answer, with the turn during which to write it.
pub struct InTurn<'w> {
    /// The answer.
    pub answer: Answer,
    /// What everyone who is given the answer counts; `None` if it is for its own caller alone.
    pub verdicts: Option<Verdicts>,
    _turn: Option<Turn<'w>>,
    _weight: Weight<'w>,
}

impl Quotefold {
    /// The service over the sources that the settings switch on. Filters run in this process.
    ///
    /// # Errors
    /// A source cannot be set up: its filter does not compile, or a certificate store cannot be read.
    pub fn new(settings: Settings, clock: &Clock) -> Result<Self, SetupError> {
        Self::set_up(None, None, settings, clock)
    }

    /// The same for a process that stays: it shares limits with other replicas, if the settings say so. Each filter that is not
    /// from the catalogue runs in its own process, so that no reply can make it harm this process.
    ///
    /// # Errors
    /// As [`Quotefold::new`].
    pub(crate) fn sandboxed(program: &Program, settings: Settings, clock: &Clock) -> Result<Self, SetupError> {
        let shared = Shared::new(&settings.shared);
        Self::set_up(Some(program), shared, settings, clock)
    }

    fn set_up(
        program: Option<&Program>,
        shared: Option<Shared>,
        settings: Settings,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let metrics = Metrics::default();
        let around = Surroundings {
            board: Arc::new(Board::new(CAPACITY)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let reply_memory = ReplyMemory::new(settings.server.max_reply_memory);
        if let Some(shared) = &shared {
            shared.connect(&around.board, clock);
        }
        let common = Arc::new(Common::new(program, shared));
        let sources = common.set_up(&settings, &around, &metrics, &reply_memory, &[])?;
        Ok(Quotefold { reply_memory, common, ..Self::over(settings, sources, &around, metrics) })
    }

    /// The service over given sources, such as the scripted ones of a test.
    #[doc(hidden)]
    pub fn over(settings: Settings, sources: Vec<Arc<Source>>, around: &Surroundings, metrics: Metrics) -> Self {
        let server = &settings.server;
        let profiles = Profiles::new(sources.iter().map(|source| Arc::clone(&source.profile)).collect());
        let names_of_sources = profiles.iter().map(|(_, profile)| profile.name().to_owned()).collect();
        let bounds = Bounds::of(server, names_of_sources, settings.names());
        Quotefold {
            board: Arc::clone(&around.board),
            clock: around.clock.clone(),
            tasks: around.tasks.clone(),
            left_behind: LeftBehind::new(&around.tasks, server.max_weight),
            workload: Arc::new(Workload::new(server.max_weight)),
            reply_memory: ReplyMemory::new(server.max_reply_memory),
            ready: Ready::new(&settings),
            settings,
            sources,
            profiles,
            bounds,
            metrics,
            is_simulated: false,
            generation: 0,
            common: Arc::new(Common::new(None, None)),
        }
    }

    /// The same, but every answer says that its prices are simulated.
    pub fn simulated(self) -> Self {
        Quotefold { is_simulated: true, ..self }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, taken out of a service that is no longer needed.
    pub(crate) fn into_settings(self) -> Settings {
        self.settings
    }

    /// How often the settings have changed since the process started.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The sources that are switched on, in the order of their names.
    pub fn sources(&self) -> &[Arc<Source>] {
        &self.sources
    }

    /// Every account, by its name: those of the sources, and those of sources that were configured before.
    pub(crate) fn accounts(&self) -> BTreeMap<String, Arc<Account>> {
        let own = self.sources.iter().map(|source| Arc::clone(&source.account));
        let all = self.common.accounts().into_iter().chain(own);
        all.map(|account| (account.name().to_owned(), account)).collect()
    }

    /// What was spent on accounts that have not been configured since the process started.
    pub(crate) fn unconfigured(&self) -> &Unconfigured {
        self.common.unconfigured()
    }

    /// The store through which replicas share limits.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.common.shared()
    }

    /// The latest outcome per source and symbol.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The clock that every age is measured by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The tasks in which calls to sources run.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The memory that replies may hold.
    pub fn reply_memory(&self) -> &ReplyMemory {
        &self.reply_memory
    }

    /// Whether every answer says that its prices are simulated.
    pub(crate) fn is_simulated(&self) -> bool {
        self.is_simulated
    }

    /// The bounds that a question is checked against.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Finds symbols by what was typed, without a call to any source.
    pub async fn search(&self, search: &Search) -> Found {
        let quoted = self.board.quoted();
        let quoted = quoted.iter().map(|(symbol, origin)| (symbol.clone(), origin.source.as_str()));
        let listed = self.sources.iter().map(|source| (source.listed(), source.profile.name()));
        let listed: Vec<(Symbol, &str)> = listed
            .flat_map(|(symbols, name)| symbols.iter().map(|symbol| (symbol.clone(), name)).collect::<Vec<_>>())
            .collect();
        Found { simulated: self.is_simulated, ..search.find(&self.settings, quoted.chain(listed)).await }
    }

    /// Answers a question: plan, gather, value, write.
    ///
    /// Dropping the future drops every wait for a source, and cancels the calls that no other caller waits for.
    pub async fn answer(&self, question: &Question) -> Answer {
        let plan = self.plan(question).await;
        self.carry_out(plan, None, question, None).await.0
    }

    /// The answer to a question, if all of it is ready: no source has to be called, and an earlier answer still holds.
    pub fn ready_answer(&self, question: &Question) -> Option<ReadyAnswer> {
        if self.clock.seems_off() {
            return None;
        }
        self.ready.answer(question, &self.sources, self.is_simulated, self.clock.now())
    }

    /// The same, but waits for its turn, since [`workload`](crate::workload) limits what is worked on at once.
    ///
    /// The answer may be for others, too, who are joining it meanwhile.
    ///
    /// # Errors
    /// The caller's time was over before its turn came; nothing was done for it.
    pub async fn answer_in_turn(
        &self,
        question: &Question,
        joining: Option<&Joining>,
    ) -> Result<InTurn<'_>, Overloaded> {
        let by = question.deadline() - KEPT_BACK;
        let (plan, turn, weight) = self.admit(question, by).await?;
        let (answer, turn, verdicts) = self.carry_out(plan, Some(turn), question, joining).await;
        Ok(InTurn { answer, verdicts, _turn: turn, _weight: weight })
    }

    /// Makes a plan, and waits until there is room for its weight.
    async fn admit(&self, question: &Question, by: Instant) -> Result<(Plan, Turn<'_>, Weight<'_>), Overloaded> {
        let turn = self.workload.turn_of_newcomer(by).await?;
        let expected = match self.estimate(question).await {
            Some(expected) => expected,
            None => {
                let plan = self.plan(question).await;
                if let Some(weight) = self.workload.try_admit(plan.weight()) {
                    return Ok((plan, turn, weight));
                }
                // drop the plan: a thousand waiting plans would take more memory than their answers
                Expected { weight: plan.weight(), latency: self.usual_latency(&plan) }
            }
        };
        drop(turn);
        // the calls need part of the caller's time: a turn that would come too late for them goes to another request
        let by = by - expected.latency.min(question.timeout / 2);
        let mut weight = self.workload.admit(expected.weight, by).await?;
        let turn = self.workload.turn_of_admitted().await.filter(|_| Instant::now() < by).ok_or(Overloaded)?;
        // other requests may have fetched the same symbols meanwhile
        let plan = self.plan(question).await;
        weight.lighten(plan.weight());
        Ok((plan, turn, weight))
    }

    /// Estimates what a question will need from its first symbols; `None` if they need no call, or if no request waits.
    /// While requests wait, each further one that has to wait costs only this estimate.
    async fn estimate(&self, question: &Question) -> Option<Expected> {
        if !self.workload.is_full() {
            return None;
        }
        let plan = self.plan(&question.about_the_first(GLANCE)).await;
        let weight = plan.weight().saturating_mul(question.symbols.len().div_ceil(GLANCE));
        (weight > 0).then(|| Expected { weight, latency: self.usual_latency(&plan) })
    }

    /// How long it usually takes until half of the sources asked by a plan have replied.
    fn usual_latency(&self, plan: &Plan) -> Duration {
        let asked = plan.queries.iter().filter(|query| !query.ask.due.is_empty());
        let asked = asked.filter_map(|query| self.sources.get(query.source));
        let mut latencies: Vec<Duration> = asked.map(|source| source.statistics.usual_latency()).collect();
        latencies.sort_unstable();
        latencies.get(latencies.len() / 2).copied().unwrap_or_default()
    }

    /// Carries out a plan. A request with a turn gives it up while it waits for sources, and has one again at the end.
    async fn carry_out<'w>(
        &'w self,
        mut plan: Plan,
        turn: Option<Turn<'w>>,
        question: &Question,
        joining: Option<&Joining>,
    ) -> (Answer, Option<Turn<'w>>, Option<Verdicts>) {
        let (mut told, turn) = self.gather(&mut plan, turn, question, joining).await;
        let refreshing = self.fetch_behind(&mut plan, question).await;
        let now = self.clock.now();
        let openings = self.openings(&told, now);
        let next_calls = next_calls(&plan, &mut told, &openings, now);
        let valuation = self.value(&plan, &told, question, now).await;
        self.count_verdicts(&valuation, question);
        let is_for_all = joining.is_some_and(|joining| joining.is_for_all(&told));
        let verdicts = is_for_all.then(|| self.verdicts(&valuation, question));
        let skew = self.clock.skew(now);
        let texts = match skew {
            // what is said of the clock changes with its every reading
            Some(_) => Vec::new(),
            None => {
                let counter = |price: &Price| self.price_counter(price);
                let made = Made {
                    question,
                    plan: &plan,
                    told: &told,
                    valuation: &valuation,
                    openings: &openings,
                    counter: &counter,
                    now,
                };
                self.ready.keep(&made, &self.board, &self.sources).await
            }
        };
        let changes_at = |priced: &Priced| match priced.price.status {
            Status::Ok => None,
            _ => next_calls.that_changes(priced),
        };
        let answered = |priced| Answered { changes_at: changes_at(&priced), priced: priced.with_skew(skew) };
        let answered = valuation.prices.into_iter().map(answered).collect();
        let answer = Answer::new(question, answered, now.wall, self.is_simulated);
        (answer.with_texts(texts).refreshing(refreshing), turn, verdicts)
    }

    pub(crate) async fn plan(&self, question: &Question) -> Plan {
        let plan = Plan::new(self.plan_input(question, self.clock.now())).await;
        self.put_off(plan, question).await
    }

    /// Asks the sources of a plan, then in a second round the reserves and the sources of missing rates. The second
    /// round begins when the first has ended, but no later than after half of the caller's time or a quarter of
    /// `server.timeout`, whichever is longer. For a caller who wants a quorum, it begins as soon as only it can help.
    async fn gather<'w>(
        &'w self,
        plan: &mut Plan,
        turn: Option<Turn<'w>>,
        question: &Question,
        joining: Option<&Joining>,
    ) -> (PerSource<Told>, Option<Turn<'w>>) {
        let takes_turns = turn.is_some();
        let mut gathering = Gathering::new(question, &self.sources, &self.left_behind);
        let queries = std::mem::take(&mut plan.queries);
        let waits = weight(&queries) > 0;
        gathering.ask(queries).await;
        // while this request waits for sources, another may have the turn
        let turn = turn.filter(|_| !waits);
        let mut held = Held { turn, takes_turns, agreed: None };
        self.note_put_off(plan, &mut gathering);
        if let Some(joining) = joining {
            joining.note_asked(plan, gathering.heard(), self);
        }
        // even for a caller in a hurry, do not give up on a source that is no slower than usual
        let early = question.arrived.monotonic + (question.timeout / 2).max(self.settings.server.timeout / 4);
        let mut rounds = MOST_ROUNDS;
        let settled = loop {
            let more = rounds > 0 && plan.may_grow(question);
            let terms = if more { (early, Next::AsksMore) } else { (gathering.until(), Next::Answers) };
            let settled = self.settle(&mut gathering, plan, question, terms, &mut held).await;
            joining.inspect(|joining| joining.close());
            if !more || settled == Settled::Enough {
                break settled;
            }
            self.keep_turn(&mut held).await;
            let time_left = gathering.time_left();
            let (queries, in_time) = self.second_round(plan, question, time_left).await;
            if !in_time || !gathering.is_done() {
                joining.inspect(|joining| joining.note_hurry());
            }
            let waits = weight(&queries) > 0 || !gathering.is_done();
            gathering.ask(queries).await;
            held.turn = held.turn.filter(|_| !waits);
            // what came too soon to know everything does not replace the ordinary one
            rounds = if settled == Settled::Stuck { rounds - 1 } else { 0 };
        };
        let told = if settled == Settled::Enough { gathering.leave() } else { gathering.finish().await };
        self.keep_turn(&mut held).await;
        (told, held.turn)
    }

    /// Sees to it that a request has a turn, if it gave its own up.
    async fn keep_turn<'w>(&'w self, held: &mut Held<'w>) {
        if held.takes_turns && held.turn.is_none() {
            held.turn = self.workload.turn_of_admitted().await;
        }
    }

    /// Decides what the second round asks, from the board's present view of everything that the first round asked for:
    /// all outcomes that have landed since are on it. The plan grows from the same view. Also returns whether there is time for
    /// every call.
    async fn second_round(
        &self,
        plan: &mut Plan,
        question: &Question,
        time_left: Duration,
    ) -> (Vec<SourceQuery>, bool) {
        let now = self.clock.now();
        let input = self.plan_input(question, now);
        let mut view = input.view();
        let mut told = PerSource::default();
        for (source, symbol, ()) in plan.asked.iter() {
            view.look_at(symbol);
            if let Some(known) = view.known(source, symbol) {
                told.insert(source, symbol.clone(), Told::OnBoard(Arc::clone(known)));
            }
        }
        let so_far = self.value(plan, &told, question, now).await;
        let queries = plan.grow(&so_far.short_of_quorum, &so_far.missing_rates(), input, &mut view).await;
        // a call that ends after its caller has left is wasted
        let usual =
            |query: &SourceQuery| self.sources.get(query.source).map(|source| source.statistics.usual_latency());
        // a source that is left alone is not called, and says so at once
        let rests = |query: &SourceQuery| {
            self.sources.get(query.source).is_some_and(|source| source.rest(now.monotonic).is_some())
        };
        let in_time = |query: &SourceQuery| {
            rests(query) || usual(query).is_some_and(|usual| usual.max(SHORTEST_CALL) <= time_left)
        };
        let (asked, late): (Vec<_>, Vec<_>) = queries.into_iter().partition(in_time);
        let all_in_time = late.iter().all(|query| query.ask.due.is_empty());
        (asked.into_iter().chain(late.into_iter().map(SourceQuery::without_calls)).collect(), all_in_time)
    }

    async fn value(&self, plan: &Plan, told: &PerSource<Told>, question: &Question, now: Moment) -> Valuation {
        value(plan, told, question, &self.profiles, &self.settings, now.wall).await
    }

    fn plan_input<'a>(&'a self, question: &'a Question, now: Moment) -> PlanInput<'a> {
        PlanInput { question, board: &self.board, sources: &self.profiles, settings: &self.settings, now }
    }

    /// When each source that was asked can be called, as things are now.
    fn openings(&self, told: &PerSource<Told>, now: Moment) -> Vec<Option<Openings>> {
        let is_asked = |place| told.of_source(place).next().is_some();
        let sources = self.sources.iter().enumerate();
        sources.map(|(place, source)| is_asked(place).then(|| source.coalescer.openings(now.monotonic))).collect()
    }
}

/// When the same question would make each source call again. Each failure is given this time.
fn next_calls(plan: &Plan, told: &mut PerSource<Told>, openings: &[Option<Openings>], now: Moment) -> NextCalls {
    let mut next_calls = NextCalls::default();
    for (source, symbol, told) in told.iter_mut() {
        let freshness = plan.freshness.get(source, symbol);
        let Some(Some(openings)) = openings.get(source) else { continue };
        let at = match told.is_awaited() {
            true => told.known().zip(freshness).map(|(known, freshness)| known.called_at(*freshness, *openings)),
            // its call is in flight, and can be joined
            false => Some(now.monotonic),
        };
        next_calls.note(told, now.wall_at(at.unwrap_or(openings.call).max(now.monotonic)));
    }
    next_calls
}

#[cfg(test)]
mod tests;
