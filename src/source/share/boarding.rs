//! Finds a place in what is here or in the air already, before anything is started.

use tokio::time::Instant;

use super::seating::Tier;
use super::{Ask, Flights, Inner, Wait};
use crate::source::batch::Times;
use crate::source::share::Patience;
use crate::symbol::Symbol;

impl Inner {
    /// What is here or in the air already, and the symbols that are not.
    pub(super) fn join_all(
        &self,
        flights: &mut Flights,
        ask: &Ask,
        patience: Patience,
        now: Instant,
    ) -> (Vec<Wait>, Vec<Symbol>) {
        let mut waits = Vec::with_capacity(ask.due.len());
        let mut left = Vec::new();
        // a batch that waits for its turn has seats for those who wait with it
        let boards = patience == Patience::Waits;
        let (times, hurry) = (self.schedule(now, ask.until), self.hurry_for(ask, now));
        for (symbol, need) in &ask.due {
            let known = self.parts.board.known(&self.parts.origin.source, symbol, now);
            let fresh = known.filter(|known| known.is_settled(*need, now) || known.answered_since(ask.arrived));
            let wait =
                fresh.map(|known| Wait::Here(Box::new(known.outcome))).or_else(|| flights.join(symbol, times, hurry));
            match wait.or_else(|| if boards { self.board_open(flights, symbol, ask, times, now) } else { None }) {
                Some(wait) => waits.push(wait),
                None => left.push(symbol.clone()),
            }
        }
        (waits, left)
    }

    /// Boards the batch that is still waiting for its turn, if there is one with room.
    ///
    /// Who leaves before its turn would have waited for nothing.
    fn board_open(
        &self,
        flights: &mut Flights,
        symbol: &Symbol,
        ask: &Ask,
        times: Times,
        now: Instant,
    ) -> Option<Wait> {
        let tier = self.tier(flights, symbol);
        if self.travels_alone(tier) || flights.is_hunted(symbol, tier) {
            return None;
        }
        let (number, batch, callers) = flights.open.get(&(tier == Tier::Known)).cloned()?;
        let by = self.sends_by_for(ask);
        let in_time = match batch.turn() {
            Some(turn) => turn <= by,
            // the newest of those that are on their way to the limit
            None => self.parts.account.room(0, now, by).1.is_none(),
        };
        if !in_time {
            return None;
        }
        let wait = flights.enter(number, &batch, &callers, symbol, ask.caller, self.hurry_for(ask, now))?;
        batch.allow(times);
        Some(wait)
    }
}
