//! Decides until when a call may wait: to be sent, for a slot, for its reply.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ask, Inner, Parts};
use crate::source::batch::Deadlines;
use crate::source::{KEPT_BACK, time_to_reply};

/// This part of the budget is left to every call, however quick its source has been: an eighth.
const LEAST_OF_BUDGET: u32 = 8;

impl Inner {
    /// The deadlines of a call that starts now, for a caller who leaves at an instant.
    ///
    /// A call that is sent too late is spent for nothing, since its callers leave before its reply: they leave a little before
    /// the end, and not every call is a quick one. A caller who waits longer than the budget lets the call wait longer to be
    /// sent; one who leaves sooner takes nothing away from it.
    pub(super) fn deadlines(&self, now: Instant, until: Instant) -> Deadlines {
        let budget = self.parts.budget;
        let patience = until.saturating_duration_since(now).max(budget);
        let to_reply = time_to_reply(patience);
        let in_line = to_reply.saturating_sub(self.time_for_a_call()).max(budget / LEAST_OF_BUDGET);
        Deadlines { sends_by: now + in_line, replies_by: now + to_reply, ends_by: now + patience }
    }

    /// What is kept of the time for the call itself.
    fn time_for_a_call(&self) -> Duration {
        let Parts { budget, statistics, .. } = &self.parts;
        statistics.long_latency().max(*budget / LEAST_OF_BUDGET)
    }

    /// When a call must be sent so that this caller, who keeps a part of the time for folding and answering, sees its end.
    pub(super) fn sends_by_for(&self, ask: &Ask) -> Instant {
        let kept = KEPT_BACK + self.parts.statistics.usual_latency();
        ask.until.checked_sub(kept).unwrap_or(ask.until)
    }

    /// When a call must have a slot for this caller to be answered in time. `None` for a caller who leaves sooner than a call
    /// takes: no other call gives way for that one.
    pub(super) fn slot_by(&self, ask: &Ask, now: Instant) -> Option<Instant> {
        let kept = KEPT_BACK + self.time_for_a_call();
        ask.until.checked_sub(kept).filter(|at| *at > now)
    }
}
