//! Sends groups on their way: what they cost, how many of them can go, and until when.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::seating::{Group, split_after, symbols};
use super::{Ask, Batch, Batching, Flights, Inner, Parts, Wait};
use crate::source::KEPT_BACK;
use crate::source::batch::Times;
use crate::source::time_to_reply;
use crate::symbol::Symbol;

/// So much of the budget is left to every call, however quick its source has been: the eighth part.
const LEAST_OF_BUDGET: u32 = 8;

impl Inner {
    /// The deadlines of a call that starts now, for a caller who leaves at an instant.
    ///
    /// A call that is sent too late is spent for nothing, since its callers would leave before its reply: they leave a little
    /// before the end, and not every call is a quick one. A caller who waits longer than the budget lets the call wait longer
    /// for its turn; one who leaves sooner takes nothing away from it.
    pub(super) fn schedule(&self, now: Instant, until: Instant) -> Times {
        let budget = self.parts.budget;
        let patience = until.saturating_duration_since(now).max(budget);
        let to_reply = time_to_reply(patience);
        let in_line = to_reply.saturating_sub(self.time_for_a_call()).max(budget / LEAST_OF_BUDGET);
        Times { sends_by: now + in_line, replies_by: now + to_reply, ends_by: now + patience }
    }

    /// What is kept of the time for a call itself.
    pub(super) fn time_for_a_call(&self) -> Duration {
        let Parts { budget, record, .. } = &self.parts;
        record.long_latency().max(*budget / LEAST_OF_BUDGET)
    }

    /// When a call must be sent so that one caller, who keeps something back of their time, sees its end.
    pub(super) fn sends_by_for(&self, ask: &Ask) -> Instant {
        let kept = KEPT_BACK + self.parts.record.usual_latency();
        ask.until.checked_sub(kept).unwrap_or(ask.until)
    }

    /// What groups cost of the vendor's limits.
    pub(super) fn units(&self, groups: &[Group]) -> usize {
        let per_symbol = self.parts.batching.cost_per_symbol;
        if per_symbol { groups.iter().map(Group::len).sum() } else { groups.len() }
    }

    /// Cuts groups to so many units, and gives back the symbols that were cut off.
    pub(super) fn cut(&self, groups: &mut Vec<Group>, units: usize) -> Vec<Symbol> {
        let per_symbol = self.parts.batching.cost_per_symbol;
        if per_symbol { split_after(groups, units) } else { symbols(groups.split_off(units.min(groups.len()))) }
    }

    /// Sends groups on their way, with riders where there is room, and gives the waits of those who are `left`.
    pub(super) fn send(
        self: &Arc<Self>,
        flights: &mut Flights,
        mut groups: Vec<Group>,
        left: &[Symbol],
        ask: &Ask,
        now: Instant,
    ) -> Vec<Wait> {
        let Batching { seats, cost_per_symbol, holds_all, .. } = self.parts.batching;
        if !cost_per_symbol {
            let quoted = holds_all.then(|| self.parts.board.quoted_by(&self.parts.origin.source));
            self.seat_riders(flights, &mut groups, quoted.as_deref().unwrap_or(&ask.riders));
        }
        let (times, hurry) = (self.schedule(now, ask.until), self.hurry_for(ask, now));
        let left: HashSet<&Symbol> = left.iter().collect();
        let mut waits = Vec::new();
        for group in &groups {
            let batch = Batch::new(seats, cost_per_symbol, times);
            let awaited = group.symbols.iter().any(|symbol| left.contains(symbol));
            waits.extend(self.depart(flights, group, batch, ask.caller, awaited, hurry));
        }
        // whoever rides along has its outcome from the board already, and whoever goes first is another's
        waits.retain(|wait| left.contains(wait.symbol()));
        waits
    }
}
