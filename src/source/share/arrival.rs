//! Brings a call down: its outcomes land, its flights are taken out, and whoever waits is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::callers::{Callers, Claim};
use super::orphans::Fate;
use super::{Inner, Parts};
use crate::board::Update;
use crate::clock::Moment;
use crate::failure::SourceError;
use crate::quote::{Outcome, Quote};
use crate::source::batch::{Batch, Passenger, Reply};
use crate::source::cooldown::Cooldowns;
use crate::symbol::Symbol;

/// One call, from its start to its landing.
pub(super) async fn fly(mut arrival: Arrival, callers: Callers) {
    if let Some(result) = arrival.call(&callers).await {
        arrival.land(result);
    }
}

/// Ends when the time of a batch is over. A caller who joins it meanwhile may extend it.
async fn given_up(batch: &Batch) {
    loop {
        let ends_by = batch.times().ends_by;
        sleep_until(ends_by).await;
        if batch.times().ends_by <= ends_by {
            return;
        }
    }
}

/// Ends when an orphan must give way.
async fn given_way(orphan: Option<&CancellationToken>) {
    match orphan {
        Some(gives_way) => gives_way.cancelled().await,
        None => std::future::pending().await,
    }
}

/// The end of a call. Whatever ends it, return, cancellation or panic, its flights are taken out.
pub(super) struct Arrival {
    share: Arc<Inner>,
    batch: Batch,
    number: u64,
    /// The symbols that were aboard, once it is over.
    aboard: Vec<Symbol>,
    landed: bool,
    /// Whether it asks for what the source has not quoted yet, or not lately.
    is_news: bool,
    /// Keeps a call alive after its last caller has left.
    _kept: Option<Claim>,
}

impl Arrival {
    /// Handles the end of a batch that is about to start.
    pub(super) fn of(share: Arc<Inner>, batch: Batch, number: u64, is_news: bool) -> Self {
        Arrival { share, batch, number, aboard: Vec::new(), landed: false, is_news, _kept: None }
    }

    /// The same for a call that goes on even after its last caller has left.
    pub(super) fn keeping(mut self, kept: Option<Claim>) -> Self {
        self._kept = kept;
        self
    }

    /// Makes the call, and says how it ended; `None` if the last who waited has left, and nothing lands.
    async fn call(&self, callers: &Callers) -> Option<Result<Reply, SourceError>> {
        let Arrival { share, batch, number, .. } = self;
        let started = Instant::now();
        let mut call = std::pin::pin!(share.parts.stack.clone().oneshot(batch.clone()));
        let mut orphan: Option<CancellationToken> = None;
        let no_reply = || {
            let now = Instant::now();
            // of a call that waited for its turn, only the time since it was sent was the vendor's
            Some(Err(SourceError::Timeout(batch.sent_for(now).unwrap_or(now - started))))
        };
        loop {
            tokio::select! {
                biased;
                () = callers.leave(), if orphan.is_none() => match share.fate_of(*number, batch, callers) {
                    Fate::Awaited => {}
                    Fate::Orphan(gives_way) => orphan = Some(gives_way),
                    Fate::Failed(error) => return Some(Err(error)),
                    Fate::Cancelled => return None,
                },
                () = callers.come(), if orphan.is_some() => {
                    share.lock().orphans.release(*number);
                    orphan = None;
                }
                () = given_way(orphan.as_ref()) => return no_reply(),
                result = &mut call => return Some(result),
                () = given_up(batch) => return no_reply(),
                () = callers.hurry() => share.make_room_for(*number, batch),
            }
        }
    }

    /// The board first, then the flights are taken out, then the waiting are told: whoever looks after that finds the board.
    fn land(&mut self, result: Result<Reply, SourceError>) {
        let now = self.share.parts.clock.now();
        let passengers = self.batch.disembark();
        self.aboard = passengers.iter().map(|passenger| passenger.symbol.clone()).collect();
        if let Err(error) = &result
            && self.share.is_for_one_of(error)
            && passengers.len() > 1
        {
            // one of several symbols is unknown, and the provider does not say which: none of them may be called unknown for it
            self.share.hunt_among(&self.batch, passengers, error);
            self.take_out();
            self.landed = true;
            return;
        }
        let mut rows: HashMap<Symbol, Result<Quote, SourceError>> = HashMap::new();
        if let Ok(reply) = &result {
            rows.extend(reply.rows.iter().cloned());
        }
        let whole = result.err();
        let rests = self.share.rest(now.monotonic).map(|rest| rest.until);
        let mut told = Vec::with_capacity(passengers.len());
        let mut overlooked = Vec::new();
        for passenger in passengers {
            let row = rows.remove(&passenger.symbol).unwrap_or_else(|| match &whole {
                Some(error) => Err(error.clone()),
                None => Err(SourceError::Missing("the reply leaves it out".to_owned())),
            });
            if let Err(error @ SourceError::Overlooked(_)) = row {
                overlooked.push((passenger, error));
                continue;
            }
            let outcome = self.land_row(&passenger, row, rests, now);
            told.push((passenger, outcome));
        }
        let is_alone = told.len() + overlooked.len() == 1;
        self.share.ask_again(&self.batch, overlooked);
        self.learn(&told, is_alone);
        self.take_out();
        for (passenger, outcome) in told {
            passenger.told.send_replace(Some(outcome));
        }
        self.landed = true;
    }

    /// Puts on the board what the call brought of one symbol.
    fn land_row(
        &self,
        passenger: &Passenger,
        row: Result<Quote, SourceError>,
        rests: Option<Instant>,
        now: Moment,
    ) -> Outcome {
        let symbol = &passenger.symbol;
        let update = match (row, self.batch.sent_for(now.monotonic)) {
            (Ok(quote), _) => Update::Quote(quote),
            (Err(error), Some(latency)) if error.stands_for().is_none() => {
                self.failure(symbol, error, latency, rests, now)
            }
            // no call was made: it may be when there is room again
            (Err(error), _) => {
                let until = error.stands_for().map(|span| now.monotonic + span);
                Update::Refusal(error, until.max(rests).unwrap_or(now.monotonic))
            }
        };
        let parts = &self.share.parts;
        parts.board.land_for(passenger.caller, &parts.origin, symbol, update, now)
    }

    /// What a call that was sent failed with, for one symbol. Where the source is left alone for it, that is not the symbol's
    /// matter.
    fn failure(
        &self,
        symbol: &Symbol,
        error: SourceError,
        latency: Duration,
        rests: Option<Instant>,
        now: Moment,
    ) -> Update {
        let Parts { board, origin, backoff, .. } = &self.share.parts;
        let before = board.known(&origin.source, symbol, now.monotonic);
        let is_of_source = rests.is_some() && (self.batch.is_charged() || Cooldowns::concerns(&error));
        Update::Failure(backoff.waits().judge(symbol, error, latency, before.as_ref(), is_of_source, now))
    }

    /// Remembers which symbols are known, and which would fail a whole call. `is_alone`: the call asked for one symbol only.
    fn learn(&self, told: &[(Passenger, Outcome)], is_alone: bool) {
        let mut flights = self.share.lock();
        if !flights.unknown_kills {
            return;
        }
        for (Passenger { symbol, .. }, outcome) in told {
            match &outcome.failure {
                None => flights.hunt.suspects.clear(symbol, self.is_news),
                Some(failure) if is_alone && (failure.error.denies_symbol() || failure.error.is_about_call()) => {
                    flights.hunt.suspects.fail(std::slice::from_ref(symbol), Instant::now());
                }
                Some(failure) if failure.error.denies_symbol() => flights.hunt.suspects.name(symbol),
                Some(_) => {}
            }
        }
    }

    fn take_out(&mut self) {
        self.share.lock().take_out(self.number, &std::mem::take(&mut self.aboard));
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        // nobody boards a call that is over; senders dropped unused are read as a fault of ours
        self.aboard.extend(self.batch.disembark().into_iter().map(|passenger| passenger.symbol));
        self.take_out();
        if !self.landed && std::thread::panicking() {
            let source = &self.share.parts.origin.source;
            tracing::error!(source, "a call panicked; its symbols fail as internal");
        }
    }
}
