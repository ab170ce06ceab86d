//! Decides whether a question may join an answer to an equal one that is in flight.
//!
//! It may if a plan of its own would lead to the same outcomes: everything that it would ask for is in flight, everything that
//! it would take from the board is still there, and nothing else is due. So the first outcome that lands ends the joining. A
//! question that comes later has a plan of its own, which joins the calls that are still in flight.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::Quotefold;
use crate::board::{Board, Freshness, Known, Mark, Told};
use crate::clock::Moment;
use crate::gather::Heard;
use crate::plan::{PerSource, Plan};
use crate::question::Question;
use crate::settings::class::Refresh;
use crate::source::Source;
use crate::source::coalescer::Patience;
use crate::symbol::Symbol;
use crate::units::WaitFor;

/// For this part of the caller's time others may join. Their own time is over later, and they need some of it if the answer is
/// of no use to them.
const JOINABLE_FOR: u32 = 8;

/// An answer in flight, as far as others may join it.
#[derive(Debug)]
pub struct Joining {
    arrived: Moment,
    /// For how long others may join.
    joinable_for: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// Whether the answer may be wrong for someone who joined.
    is_divided: bool,
}

#[derive(Debug)]
enum Stage {
    /// No source has been asked, and the board was at this version when the question came.
    Planned(u64),
    /// Sources have been asked, and their calls are in flight.
    InFlight {
        /// Everything that the plan read, with the version at which it was.
        marks: Vec<(Arc<Mark>, u64)>,
        /// What is taken from the board.
        settled: Vec<Settled>,
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
        let state = State { stage: Stage::Planned(board.version()), is_divided: false };
        let (arrived, joinable_for) = (question.arrived, question.timeout / JOINABLE_FOR);
        Joining { arrived, joinable_for, state: Mutex::new(state) }
    }

    /// Whether an equal question that comes now would be led to the same answer.
    fn admits(&self, service: &Quotefold, now: Moment) -> bool {
        // markets open and close on the minute
        let is_in_time = now.monotonic < self.arrived.monotonic + self.joinable_for
            && minute(now.wall) == minute(self.arrived.wall)
            && self.arrived.wall <= now.wall;
        is_in_time
            && match &self.state.lock().stage {
                Stage::Planned(version) => service.board.version() == *version,
                Stage::InFlight { marks, settled } => {
                    marks.iter().all(|(mark, version)| mark.version() == *version)
                        && settled.iter().all(|settled| !settled.is_due(&service.sources, now))
                }
                Stage::Closed => false,
            }
    }

    /// Notes that the sources of a plan have been asked. Whoever has joined so far relies on the plan.
    pub(super) fn note_asked(&self, plan: &Plan, heard: &Heard, service: &Quotefold) {
        let now = service.clock.now();
        // before the outcomes are looked at: what lands later changes a mark
        let marks = plan.reads().into_iter().map(|symbol| {
            let mark = service.board.mark(&symbol);
            let version = mark.version();
            (mark, version)
        });
        let marks = marks.collect();
        let settled = settled(plan, heard.told());
        let mut state = self.state.lock();
        let is_due = |settled: &Settled| settled.is_due(&service.sources, now);
        // what is fetched behind the answer says something that depends on the moment
        state.is_divided |= plan.behind.is_some() || settled.as_ref().is_none_or(|all| all.iter().any(is_due));
        let has_landed = |(source, symbol): (usize, Symbol)| {
            let name = service.sources.get(source).map(|source| source.profile.name()).unwrap_or_default();
            let landed = |known: &Known| known.answered_since(self.arrived.monotonic);
            service.board.look(name, &symbol, landed) == Some(true)
        };
        state.stage = match settled {
            Some(settled) if !state.is_divided && !heard.pending().into_iter().any(has_landed) => {
                Stage::InFlight { marks, settled }
            }
            _ => Stage::Closed,
        };
    }

    /// Lets no one else join: what is done from now on depends on the moment.
    pub(super) fn close(&self) {
        self.state.lock().stage = Stage::Closed;
    }

    /// Whether the answer is one for all who joined: everything in it has landed, and nothing concerns its own caller alone.
    pub(super) fn is_for_all(&self, told: &PerSource<Told>) -> bool {
        !self.state.lock().is_divided && told.iter().all(|(_, _, told)| told.on_board().is_some())
    }
}

impl Settled {
    /// Whether the same question would call the source now.
    fn is_due(&self, sources: &[Arc<Source>], now: Moment) -> bool {
        let Some(source) = sources.get(self.source) else { return true };
        self.known.called_at(self.freshness, source.coalescer.openings(now.monotonic)) <= now.monotonic
    }
}

impl Quotefold {
    /// Lets others join the answer to a question; `None` if it is always for its own caller alone: what a caller is told who
    /// does not wait for every source depends on the moment.
    pub fn joining(&self, question: &Question) -> Option<Joining> {
        let waits = question.wait == WaitFor::All && question.patience == Patience::Waits;
        let may_join = waits && question.refresh != Some(Refresh::Background);
        may_join.then(|| Joining::of(question, &self.board))
    }

    /// Whether an equal question that comes now may join an answer.
    pub fn may_join(&self, joining: &Joining) -> bool {
        joining.admits(self, self.clock.now())
    }
}

/// What was taken from the board; `None` if something was said to the caller alone.
fn settled(plan: &Plan, told: &PerSource<Told>) -> Option<Vec<Settled>> {
    let settled = |(source, symbol, told): (usize, &Symbol, &Told)| {
        let freshness = *plan.freshness.get(source, symbol)?;
        Some(Settled { source, known: Arc::clone(told.on_board()?), freshness })
    };
    told.iter().map(settled).collect()
}

fn minute(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}
