//! Brings a call down: its outcomes land, its flights are taken out, and whoever waits is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use super::Inner;
use crate::board::Landing;
use crate::quote::{Outcome, Quote};
use crate::source::batch::{Batch, Passenger, Reply};
use crate::source::error::SourceError;
use crate::symbol::Symbol;

/// One call, from its start to its landing.
pub(super) async fn fly(mut arrival: Arrival, cancelled: CancellationToken) {
    let batch = arrival.batch.clone();
    let started = Instant::now();
    let call = arrival.share.parts.stack.clone().oneshot(batch.clone());
    let result = tokio::select! {
        biased;
        // the last who waited has left: nothing lands
        () = cancelled.cancelled() => return,
        result = call => result,
        // of a call that waited for its turn, only the time since it was sent was the vendor's
        () = given_up(&batch) => {
            let now = Instant::now();
            Err(SourceError::Timeout(batch.sent_for(now).unwrap_or(now - started)))
        }
    };
    arrival.land(result);
}

/// Ends when the time of a batch is over. Whoever joins it meanwhile may have put that off.
async fn given_up(batch: &Batch) {
    loop {
        let ends_by = batch.times().ends_by;
        sleep_until(ends_by).await;
        if batch.times().ends_by <= ends_by {
            return;
        }
    }
}

/// The end of a call. Whatever ends it, return, cancellation or panic, its flights are taken out.
pub(super) struct Arrival {
    share: Arc<Inner>,
    batch: Batch,
    number: u64,
    landed: bool,
    /// Whether it asks for what the source has not quoted yet, or not lately.
    is_news: bool,
    /// Keeps a call alive that nobody waits for.
    _kept: Option<Arc<DropGuard>>,
}

impl Arrival {
    /// The end that a batch is going to have.
    pub(super) fn of(share: Arc<Inner>, batch: Batch, number: u64, is_news: bool) -> Self {
        Arrival { share, batch, number, landed: false, is_news, _kept: None }
    }

    /// The same of a call that goes on though nobody waits for it.
    pub(super) fn keeping(mut self, kept: Option<Arc<DropGuard>>) -> Self {
        self._kept = kept;
        self
    }

    /// The board first, then the flights are taken out, then the waiting are told: whoever looks after that finds the board.
    fn land(&mut self, result: Result<Reply, SourceError>) {
        let parts = &self.share.parts;
        let now = parts.clock.now();
        let sent_for = self.batch.sent_for(now.monotonic);
        let passengers = self.batch.disembark();
        if let Err(error) = &result
            && error.denies_symbol()
            && passengers.len() > 1
        {
            // one of several symbols is unknown, and the provider does not say which: none of them may be called unknown for it
            self.share.hunt_among(&self.batch, passengers, error);
            self.take_out();
            self.landed = true;
            return;
        }
        let mut rows: HashMap<Symbol, Landing> = HashMap::new();
        if let Ok(reply) = &result {
            rows.extend(reply.rows.iter().map(|(symbol, row)| (symbol.clone(), landing(row.clone(), sent_for))));
        }
        let whole = result.err();
        let cooling = parts.account.cooldown(now.monotonic).map(|cooldown| cooldown.until);
        let refusal = parts.breaker.refusal(now.monotonic).and_then(|refusal| refusal.stands_for());
        let resting = cooling.max(refusal.map(|wait| now.monotonic + wait));
        let told: Vec<_> = passengers
            .into_iter()
            .map(|passenger| {
                let landing = rows.remove(&passenger.symbol).unwrap_or_else(|| match &whole {
                    Some(error) => refused_or_failed(error.clone(), sent_for, now.monotonic, cooling),
                    None => Landing::Failure(
                        SourceError::Missing("the reply leaves it out".to_owned()),
                        sent_for.unwrap_or_default(),
                    ),
                });
                let retry_at = retry_at(&landing, resting);
                let outcome = parts.board.land(&parts.origin, &passenger.symbol, landing, now, retry_at);
                (passenger, outcome)
            })
            .collect();
        self.learn(&told);
        self.take_out();
        for (passenger, outcome) in told {
            passenger.told.send_replace(Some(outcome));
        }
        self.landed = true;
    }

    /// Remembers which symbols are known, and which would fail a whole call.
    fn learn(&self, told: &[(Passenger, Outcome)]) {
        let mut flights = self.share.lock();
        if !flights.unknown_kills {
            return;
        }
        for (Passenger { symbol, .. }, outcome) in told {
            match &outcome.failure {
                None => flights.hunt.suspects.clear(symbol, self.is_news),
                Some(failure) if failure.error.denies_symbol() => {
                    flights.hunt.suspects.fail(std::slice::from_ref(symbol), Instant::now());
                }
                Some(_) => {}
            }
        }
    }

    /// Removes this batch's flights, never those of a successor.
    fn take_out(&self) {
        let mut flights = self.share.lock();
        flights.air.retain(|_, flight| flight.number != self.number);
        flights.open.retain(|_, (number, ..)| *number != self.number);
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        // nobody boards a call that is over; senders dropped unused are read as a fault of ours
        drop(self.batch.disembark());
        self.take_out();
        if !self.landed && std::thread::panicking() {
            let source = &self.share.parts.origin.source;
            tracing::error!(source, "a call panicked; its symbols fail as internal");
        }
    }
}

fn landing(row: Result<Quote, SourceError>, sent_for: Option<Duration>) -> Landing {
    match row {
        Ok(quote) => Landing::Quote(quote),
        Err(error) => Landing::Failure(error, sent_for.unwrap_or_default()),
    }
}

/// A failure of the whole call; if none was made, a refusal of ours that stands until there is room again.
fn refused_or_failed(
    error: SourceError,
    sent_for: Option<Duration>,
    now: Instant,
    cooling: Option<Instant>,
) -> Landing {
    match (sent_for, error.stands_for()) {
        (Some(latency), None) => Landing::Failure(error, latency),
        (_, Some(span)) => Landing::Refusal(error, now + span),
        (None, None) => Landing::Refusal(error, cooling.unwrap_or(now)),
    }
}

/// When the source may be asked again: its failure may be what made us leave it alone. Whether it has a symbol is another
/// matter.
fn retry_at(landing: &Landing, resting: Option<Instant>) -> Option<Instant> {
    match landing {
        Landing::Refusal(_, until) => Some(*until),
        Landing::Failure(error, _) if !error.denies_symbol() => resting,
        Landing::Failure(..) | Landing::Quote(_) => None,
    }
}
