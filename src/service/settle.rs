//! Waits for the sources of a question, as long as the caller wants to.

use tokio::time::{Instant, timeout_at};

use super::Quotefold;
use crate::gather::Gathering;
use crate::plan::Plan;
use crate::question::Question;
use crate::valuation::quorum::{Quorums, Standing};
use crate::workload::Turn;

/// Why a question waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Every source has answered, or the time is over.
    Over,
    /// What has been heard is enough, or all that can be had.
    Enough,
    /// What was asked for is not enough, so that something else must be asked for.
    Stuck,
}

/// Whether there is something else to ask for if what was asked for is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be.
    AsksMore,
    /// There is not.
    Answers,
}

/// What a request holds while it waits.
pub(super) struct Held<'w> {
    /// Its turn; `None` while another request may have it.
    pub(super) turn: Option<Turn<'w>>,
    /// Whether it needs one for whatever takes processor time.
    pub(super) takes_turns: bool,
    /// When its quorum was first there.
    pub(super) agreed: Option<Instant>,
}

impl Quotefold {
    /// Waits until every source has answered, but no longer than until an instant. A caller who wants a quorum waits no longer
    /// than for that and for the time after it that the question states. While it looks at what was heard, it has a turn.
    pub(super) async fn settle<'w>(
        &'w self,
        gathering: &mut Gathering<'_>,
        plan: &Plan,
        question: &Question,
        (until, next): (Instant, Next),
        held: &mut Held<'w>,
    ) -> Settled {
        let Some(after) = question.wait.after_quorum() else {
            gathering.settle(until).await;
            return Settled::Over;
        };
        if gathering.is_done() {
            return Settled::Over;
        }
        let until = until.min(gathering.until());
        let mut quorums = Quorums::new((plan, next == Next::AsksMore), question, &self.profiles, &self.settings).await;
        loop {
            self.keep_turn(held).await;
            let standing = quorums.standing(gathering.heard(), self.clock.now().wall).await;
            let wait_until = match (standing, next) {
                (Standing::Open, _) => until,
                (Standing::Stuck, Next::AsksMore) => return Settled::Stuck,
                (Standing::Stuck, Next::Answers) | (Standing::Reached, _) => {
                    let now = Instant::now();
                    let at = *held.agreed.get_or_insert(now) + after;
                    if now >= at {
                        return Settled::Enough;
                    }
                    at.min(until)
                }
            };
            held.turn = None;
            match timeout_at(wait_until, gathering.hear()).await {
                Ok(symbols) => quorums.note(&symbols),
                Err(_) if Instant::now() >= until => return Settled::Over,
                // the time after the quorum is over
                Err(_) => {}
            }
            if gathering.is_done() {
                return Settled::Over;
            }
        }
    }
}
