//! Decides whether a question may join an answer to an equal one that is in flight.
//!
//! It may if a plan of its own would lead to the same outcomes: everything that it would ask for is in flight, everything that
//! it would take from the board is still there, and nothing else is due. So the first outcome that lands ends the joining. A
//! question that comes later has a plan of its own, which joins the calls that are still in flight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Quotefold;
use crate::board::{Board, Freshness, Known, Mark, Told};
use crate::clock::Moment;
use crate::failure::{Failure, SourceError};
use crate::gather::Heard;
use crate::plan::{PerSource, Plan};
use crate::question::Question;
use crate::settings::class::Refresh;
use crate::source::coalescer::Patience;
use crate::source::{KEPT_BACK, Source};
use crate::symbol::Symbol;
use crate::units::WaitFor;

/// The most symbols of a question that may join. The thread of the connections decides on that, and other clients wait for it.
const MOST_SYMBOLS: usize = 100;

/// For an eighth of its caller's time others may join an answer.
const JOINABLE_FOR: u32 = 8;

/// They wait for it for three quarters of their own, and keep the rest for an answer of their own if this one does not fit. They
/// must ask for that while the calls of this one are still waited for, so the two parts together are less than the whole.
const WAITS_FOR: (u32, u32) = (3, 4);

/// An answer in flight, as far as others may join it.
#[derive(Debug)]
pub struct Joining {
    arrived: Moment,
    /// For how long others may join.
    joinable_for: Duration,
    state: Mutex<State>,
    /// Cancelled if something in the answer fits its first caller alone.
    for_first_alone: CancellationToken,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// When the last of those who have joined leaves.
    until: Instant,
    /// How many have joined before the sources were asked.
    joined_early: usize,
}

#[derive(Debug)]
enum Stage {
    /// No source has been asked, and the board was at this version when the question came.
    NotAsked(u64),
    /// Sources have been asked, and their calls are in flight.
    InFlight {
        /// Everything that the plan read, with the version at which it was.
        marks: Vec<(Arc<Mark>, u64)>,
        /// What is taken from the board.
        settled: Vec<Settled>,
        /// What is waited for, by source.
        pending: BTreeMap<usize, Vec<Symbol>>,
    },
    /// No one may join any more.
    Closed,
}

/// An outcome for which no call was made.
#[derive(Debug)]
struct Settled {
    source: usize,
    known: Arc<Known>,
    freshness: Freshness,
}

impl Joining {
    /// For an answer to a question that has just come.
    fn of(question: &Question, board: &Board) -> Self {
        let state = State { stage: Stage::NotAsked(board.version()), until: question.deadline(), joined_early: 0 };
        let (arrived, joinable_for) = (question.arrived, time_to_gather(question) / JOINABLE_FOR);
        let for_first_alone = CancellationToken::new();
        Joining { arrived, joinable_for, state: Mutex::new(state), for_first_alone }
    }

    /// Lets an equal question join if it would be led to the same answer. What is waited for may then take as long as if that
    /// question had asked for it itself.
    fn admit(&self, question: &Question, service: &Quotefold, now: Moment) -> bool {
        // markets open and close on the minute
        let is_in_time = now.monotonic < self.arrived.monotonic + self.joinable_for
            && minute(now.wall) == minute(self.arrived.wall)
            && self.arrived.wall <= now.wall;
        let mut state = self.state.lock();
        let is_same = is_in_time
            && match &state.stage {
                Stage::NotAsked(version) => service.board.version() == *version,
                Stage::InFlight { marks, settled, .. } => {
                    marks.iter().all(|(mark, version)| mark.version() == *version)
                        && settled.iter().all(|settled| !settled.is_due(&service.sources, now))
                }
                Stage::Closed => false,
            };
        if is_same {
            service.metrics.coalesced(state.stage.pending());
            state.joined_early += usize::from(matches!(state.stage, Stage::NotAsked(_)));
            state.wait_until(question.deadline(), service);
        }
        is_same
    }

    /// Notes that the sources of a plan have been asked. Those who have joined so far rely on the plan.
    pub(super) fn note_asked(&self, plan: &Plan, heard: &Heard, service: &Quotefold) {
        let now = service.clock.now();
        let in_flight = self.in_flight(plan, heard, service);
        let is_due = |settled: &Settled| settled.is_due(&service.sources, now);
        // what is fetched behind the answer says something that depends on the moment
        let is_for_first_alone = plan.behind.is_some()
            || heard.told().iter().any(|(_, _, told)| self.concerns_first_alone(told))
            || matches!(&in_flight, Some(Stage::InFlight { settled, .. }) if settled.iter().any(is_due));
        if is_for_first_alone {
            self.for_first_alone.cancel();
        }
        let mut state = self.state.lock();
        state.stage = in_flight.filter(|_| !is_for_first_alone).unwrap_or(Stage::Closed);
        let until = state.until;
        state.wait_until(until, service);
        service.metrics.coalesced(state.stage.pending() * state.joined_early);
    }

    /// What is in flight, and what the plan read; `None` if that has changed since.
    fn in_flight(&self, plan: &Plan, heard: &Heard, service: &Quotefold) -> Option<Stage> {
        // before the outcomes are looked at: what lands later changes a mark
        let marks = plan.reads().into_iter().map(|symbol| {
            let mark = service.board.mark(&symbol);
            let version = mark.version();
            (mark, version)
        });
        let marks = marks.collect();
        let name = |source: usize| service.sources.get(source).map(|source| source.profile.name());
        let mut settled = Vec::new();
        for (source, symbol, told) in heard.told().iter() {
            let (known, freshness) = (told.on_board()?, *plan.freshness.get(source, symbol)?);
            let is_there = service.board.look(name(source)?, symbol, |there| std::ptr::eq(there, &**known));
            is_there.filter(|is_there| *is_there)?;
            settled.push(Settled { source, known: Arc::clone(known), freshness });
        }
        let mut pending: BTreeMap<usize, Vec<Symbol>> = BTreeMap::new();
        for (source, symbol) in heard.pending() {
            let has_landed = |known: &Known| known.answered_since(self.arrived.monotonic);
            if service.board.look(name(source)?, &symbol, has_landed) == Some(true) {
                return None;
            }
            pending.entry(source).or_default().push(symbol);
        }
        Some(Stage::InFlight { marks, settled, pending })
    }

    /// Whether what was told depends on how long the first caller waits: it was said to that caller alone, or refused because no
    /// call could be sent in its time.
    fn concerns_first_alone(&self, told: &Told) -> bool {
        let refused_now = |failure: &Failure| {
            matches!(failure.error, SourceError::Throttled { .. }) && failure.at >= self.arrived.wall
        };
        told.on_board().is_none() || told.outcome().failure.as_deref().is_some_and(refused_now)
    }

    /// Notes that something was decided by how much time the first caller has left.
    pub(super) fn note_hurry(&self) {
        self.for_first_alone.cancel();
    }

    /// Ends as soon as it is known that something in the answer fits its first caller alone.
    pub(super) async fn fits_first_alone(&self) {
        self.for_first_alone.cancelled().await;
    }

    /// Lets no one else join: what is done from now on depends on the moment.
    pub(super) fn close(&self) {
        self.state.lock().stage = Stage::Closed;
    }

    /// Whether the answer is one for all who joined: everything in it has landed, and nothing concerns its own caller alone.
    pub(super) fn is_for_all(&self, told: &PerSource<Told>) -> bool {
        !self.for_first_alone.is_cancelled() && !told.iter().any(|(_, _, told)| self.concerns_first_alone(told))
    }
}

impl Stage {
    /// How many outcomes are waited for.
    fn pending(&self) -> usize {
        match self {
            Stage::InFlight { pending, .. } => pending.values().map(Vec::len).sum(),
            Stage::NotAsked(_) | Stage::Closed => 0,
        }
    }
}

impl State {
    /// Lets what is waited for take as long as someone who leaves at an instant would wait.
    fn wait_until(&mut self, until: Instant, service: &Quotefold) {
        self.until = self.until.max(until);
        let Stage::InFlight { pending, .. } = &self.stage else { return };
        for (source, symbols) in pending {
            if let Some(source) = service.sources.get(*source) {
                source.coalescer.wait_longer(symbols, self.until);
            }
        }
    }
}

impl Settled {
    /// Whether the same question would call the source now.
    fn is_due(&self, sources: &[Arc<Source>], now: Moment) -> bool {
        if self.known.due_at(self.freshness).is_some_and(|due| now.monotonic < due) {
            return false;
        }
        let Some(source) = sources.get(self.source) else { return true };
        self.known.called_at(self.freshness, source.coalescer.openings(now.monotonic)) <= now.monotonic
    }
}

impl Quotefold {
    /// Lets others join the answer to a question; `None` if it is always for its own caller alone: what a caller is told who
    /// does not wait for every source depends on the moment.
    pub fn joining(&self, question: &Question) -> Option<Joining> {
        let waits = question.wait == WaitFor::All && question.patience == Patience::Waits;
        let may_join = waits && question.symbols.len() <= MOST_SYMBOLS && question.refresh != Some(Refresh::Background);
        may_join.then(|| Joining::of(question, &self.board))
    }

    /// Lets an equal question join an answer, if it may.
    pub(super) fn join(&self, joining: &Joining, question: &Question) -> bool {
        joining.admit(question, self, self.clock.now())
    }
}

/// The time in which a question can be answered by sources.
fn time_to_gather(question: &Question) -> Duration {
    question.timeout.saturating_sub(KEPT_BACK)
}

/// How long someone waits for an answer that may turn out not to fit.
pub(super) fn patience(question: &Question) -> Instant {
    let (part, whole) = WAITS_FOR;
    question.arrived.monotonic + time_to_gather(question) * part / whole
}

fn minute(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}
