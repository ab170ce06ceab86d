//! Leaves to other replicas what they ask for already, and waits for what they hear.
//!
//! A caller is never worse off for that: it waits only as long as there is still time for an attempt of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use super::KEPT_BACK;
use super::batch::Batch;
use crate::board::Board;
use crate::shared::{Ends, LeaseWish, SharedLimits};
use crate::symbol::Symbol;

/// Where a source's quotes land, those of other replicas included.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere {
    pub(super) board: Arc<Board>,
    /// The source's name.
    pub(super) source: String,
}

/// How long one call may leave its symbols to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    /// When its symbols were asked for.
    pub(super) since: Instant,
    /// When it must ask for itself; `None` if its attempts take too long for that to be in time.
    pub(super) until: Option<Instant>,
}

impl Leaving {
    /// For a batch whose attempt takes up to `longest`.
    pub(super) fn of(batch: &Batch, longest: Duration) -> Self {
        let (since, replies_by) = (batch.began(), batch.replies_by());
        // a part of the callers' time is kept back, which says nothing of the time that they were given
        let time = replies_by.saturating_duration_since(since) + 2 * KEPT_BACK;
        let until = replies_by.checked_sub(longest).map(|until| until.min(batch.sends_by()));
        Leaving { since, until: until.filter(|_| longest * 2 <= time) }
    }
}

impl Elsewhere {
    /// What a batch would have leases of; `None` if replicas do not share what the source says.
    pub(super) fn wish(&self, shared: &SharedLimits, batch: &Batch, leaving: Leaving) -> Option<LeaseWish> {
        let source = shared.source(&self.source)?;
        let leaves = leaving.until.is_some_and(|until| Instant::now() < until);
        Some(LeaseWish { source, symbols: batch.asked(), since: leaving.since, leaves })
    }

    /// Hears from now on how calls of other replicas end.
    pub(super) fn ends(&self, shared: &SharedLimits) -> Option<broadcast::Receiver<Arc<Ends>>> {
        shared.source(&self.source).map(|source| source.ends())
    }

    /// Leaves out what has landed since the batch asked for it. Returns whether that is everything.
    pub(super) fn has_all(&self, batch: &Batch) -> bool {
        let mut heard = batch.asked();
        let all = heard.len();
        heard.retain(|symbol| self.has_heard(batch, symbol));
        let has_all = !heard.is_empty() && heard.len() == all;
        batch.leave_out(heard);
        has_all
    }

    fn has_heard(&self, batch: &Batch, symbol: &Symbol) -> bool {
        let now = Instant::now();
        self.board.look(&self.source, symbol, |known| batch.is_content_with(symbol, known, now)) == Some(true)
    }

    /// Waits until everything that a batch asks for has landed, another replica may make its calls, or it must ask for itself. From
    /// then on it leaves nothing to others if what they have heard does not suffice.
    pub(super) async fn wait(
        &self,
        mut ends: broadcast::Receiver<Arc<Ends>>,
        batch: &Batch,
        leaving: &mut Leaving,
        lease_ends: Instant,
    ) {
        // one that joined now would wait for what it has not asked for
        batch.seal();
        let mut landings = self.board.landings();
        let until = leaving.until.map_or(lease_ends, |until| until.min(lease_ends));
        loop {
            landings.borrow_and_update();
            let asked = batch.asked();
            if asked.iter().all(|symbol| self.has_heard(batch, symbol)) {
                return;
            }
            tokio::select! {
                Ok(()) = landings.changed() => {}
                ended = ends.recv() => match ended {
                    Ok(ended) if ended.failed.iter().any(|symbol| asked.contains(symbol)) => return,
                    Ok(ended) => {
                        let mut done = ended.done.iter().filter(|symbol| asked.contains(symbol));
                        if done.any(|symbol| !self.has_heard(batch, symbol)) {
                            leaving.until = None;
                            return;
                        }
                    }
                    // many have ended, perhaps one of these
                    Err(_) => return,
                },
                () = sleep_until(until) => return,
            }
        }
    }
}
