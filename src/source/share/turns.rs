//! Decides whose turn it is when several requests want more than the limits bear.
//!
//! Within a request the plan's order decides. Between requests it would be luck: whoever asks in the right second would get
//! every call. So a symbol that was refused stays wanted for a while, and comes before one that was answered later.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{Flights, Inner, Parts, Wait};
use crate::board::Update;
use crate::caller::Caller;
use crate::failure::SourceError;
use crate::symbol::Symbol;

/// How long after the end of its refusal a symbol is still wanted: whoever polls does so more often.
const STILL_WANTED: Duration = Duration::from_secs(120);

/// So many refused symbols are remembered.
const MOST_WANTED: usize = 1_000;

impl Inner {
    /// The symbols of a request in their order, and between them those that others were refused and that have waited longer
    /// for an answer, as far as the units have room for them.
    pub(super) fn line_up(&self, flights: &mut Flights, own: &[Symbol], units: usize, now: Instant) -> Vec<Symbol> {
        let Parts { board, origin, batching, .. } = &self.parts;
        let answered = |symbol: &Symbol| board.look(&origin.source, symbol, |known| known.answered).flatten();
        flights.wanted.retain(|_, until| *until > now);
        let flights = &*flights;
        let asked: HashSet<&Symbol> = own.iter().collect();
        let others = flights.wanted.keys().filter(|symbol| !asked.contains(symbol));
        let mut others: Vec<_> = others.map(|symbol| (answered(symbol), symbol)).collect();
        others.sort_unstable();
        let waits =
            |symbol: &Symbol| !flights.is_in_air(symbol) && !flights.is_hunted(symbol, self.tier(flights, symbol));
        let waiting = others.into_iter().filter(|(_, symbol)| waits(symbol));
        // a flood of junk is refused, too: what no call has a seat for is not looked at any further
        let mut waiting = waiting.take(units.saturating_mul(batching.seats)).peekable();
        let mut line = Vec::with_capacity(own.len());
        for symbol in own {
            let answered = answered(symbol);
            while let Some((_, other)) = waiting.next_if(|(theirs, _)| *theirs < answered) {
                line.push(other.clone());
            }
            line.push(symbol.clone());
        }
        line
    }

    /// Refuses symbols to a caller without a call; the refusal stands until an instant.
    pub(super) fn refuse(
        &self,
        symbols: &[Symbol],
        error: &SourceError,
        until: Instant,
        caller: Option<Caller>,
    ) -> Vec<Wait> {
        let Parts { board, origin, clock, .. } = &self.parts;
        let refuse = |symbol| {
            let update = Update::Refusal(error.clone(), until);
            Wait::Here(Box::new(board.land_for(caller, origin, symbol, update, clock.now())))
        };
        symbols.iter().map(refuse).collect()
    }
}

impl Flights {
    /// Remembers that a symbol was refused until an instant.
    pub(super) fn want(&mut self, symbol: &Symbol, refused_until: Instant) {
        if self.wanted.len() < MOST_WANTED || self.wanted.contains_key(symbol) {
            self.wanted.insert(symbol.clone(), refused_until + STILL_WANTED);
        }
    }
}
