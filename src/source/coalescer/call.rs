//! Runs one call: until its reply is there, its time is over or its last caller has left. Then its outcomes land, and those who
//! wait are told.
//!
//! Callers who wait for less time than a vendor takes would soon use up its limit for the minute, the day or the month without
//! ever getting a quote. So where a unit is that scarce, a call that was written goes on as an orphan when its last caller
//! leaves. Its outcome lands like any other, and a caller who asks for its symbols meanwhile joins it. It gives way if another
//! call needs its slot to be answered in time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{Instrument, Span};

use super::callers::Claim;
use super::{InFlight, Inner, Parts, Pending};
use crate::board::{Known, Told, Update};
use crate::clock::Moment;
use crate::failure::SourceError;
use crate::metrics::CANCELLED;
use crate::quote::Quote;
use crate::source::batch::{Batch, Reply, Waiter};
use crate::source::cooldown::Cooldowns;
use crate::symbol::Symbol;
use crate::trace;

/// The most orphans of one source; beyond that the oldest gives way.
const MOST_ORPHANS: usize = 8;

/// One call, from its dispatch to its landing. Whatever ends it, return, cancellation or panic, it is no longer in flight then.
pub(super) struct Call {
    coalescer: Arc<Inner>,
    pending: Pending,
    /// The symbols it asked for, once it is over.
    asked: Vec<Symbol>,
    has_landed: bool,
    /// Whether it asks for symbols that the source has not quoted yet, or that it has failed for.
    is_news: bool,
    /// Keeps the call alive after its last caller has left.
    _kept: Option<Claim>,
}

impl Call {
    /// The call of a batch that is about to start.
    pub(super) fn new(coalescer: Arc<Inner>, pending: Pending, is_news: bool) -> Self {
        Call { coalescer, pending, asked: Vec::new(), has_landed: false, is_news, _kept: None }
    }

    /// The same for a call that goes on even after its last caller has left.
    pub(super) fn keeping(mut self, kept: Option<Claim>) -> Self {
        self._kept = kept;
        self
    }

    /// Makes the call and lands what it brought.
    pub(super) async fn run(self) {
        let span = self.pending.batch.context().call(&self.coalescer.parts.origin.source);
        self.made_within(&span).instrument(span.clone()).await;
    }

    async fn made_within(mut self, span: &Span) {
        let result = self.result().await;
        if !span.is_disabled() {
            trace::note_number(span, "symbols", self.pending.batch.symbols().len());
        }
        match result {
            Some(result) => {
                trace::ended(span, &result);
                self.land(result);
            }
            None => trace::note(span, "outcome", CANCELLED),
        }
    }

    /// How the call ended; `None` if the last caller has left, so that nothing lands.
    async fn result(&self) -> Option<Result<Reply, SourceError>> {
        let Call { coalescer, pending: pending @ Pending { batch, callers, .. }, .. } = self;
        let started = Instant::now();
        let mut call = std::pin::pin!(coalescer.parts.stack.clone().oneshot(batch.clone()));
        let mut orphan: Option<CancellationToken> = None;
        let no_reply = || {
            let now = Instant::now();
            // of a call that waited to be sent, only the time since then was the vendor's
            Some(Err(SourceError::Timeout(batch.sent_for(now).unwrap_or(now - started))))
        };
        loop {
            tokio::select! {
                biased;
                () = callers.all_gone(), if orphan.is_none() => match coalescer.fate_of(pending) {
                    Fate::Awaited => {}
                    Fate::Orphan(gives_way) => orphan = Some(gives_way),
                    Fate::Failed(error) => return Some(Err(error)),
                    Fate::Cancelled => return None,
                },
                () = callers.any_came(), if orphan.is_some() => {
                    coalescer.lock().orphans.release(pending.number);
                    orphan = None;
                }
                () = coalescer.retired_before(batch) => return None,
                () = gives_way(orphan.as_ref()) => return no_reply(),
                result = &mut call => return Some(result),
                () = time_is_over(batch) => return no_reply(),
                () = callers.slot_is_due() => coalescer.make_room_for(pending),
            }
        }
    }

    /// Lands what the call brought: first on the board, then the call is no longer in flight, then those who wait are told. So a
    /// caller who does not find the call in flight finds its outcome on the board.
    fn land(&mut self, result: Result<Reply, SourceError>) {
        let has_quote = result.as_ref().is_ok_and(|reply| reply.rows.iter().any(|(_, row)| row.is_ok()));
        let now = self.coalescer.parts.clock.now();
        let waiters = self.pending.batch.take_waiters();
        self.asked = waiters.iter().map(|waiter| waiter.symbol.clone()).collect();
        let (elsewhere, waiters): (Vec<_>, Vec<_>) =
            waiters.into_iter().partition(|waiter| self.pending.batch.is_left_out(&waiter.symbol));
        let elsewhere = self.heard_elsewhere(elsewhere);
        if self.pending.batch.is_split() {
            self.coalescer.call_again(&self.pending, waiters, self.is_news);
            self.remove();
            tell(elsewhere);
            self.has_landed = true;
            return;
        }
        if let Err(error) = &result
            && self.coalescer.is_for_one_of(error)
            && waiters.len() > 1
        {
            // one of several symbols is unknown, and the provider does not say which: none of them may be called unknown for it
            self.coalescer.hunt_among(&self.pending.batch, waiters, error);
            self.remove();
            tell(elsewhere);
            self.has_landed = true;
            return;
        }
        let (rows, whole) = match result {
            Ok(reply) => (reply.rows, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut rows: HashMap<Symbol, Result<Quote, SourceError>> = rows.into_iter().collect();
        let rests = self.coalescer.rest(now.monotonic).map(|rest| rest.until);
        let mut told = Vec::with_capacity(waiters.len());
        let mut overlooked = Vec::new();
        for waiter in waiters {
            let row = rows.remove(&waiter.symbol).unwrap_or_else(|| match &whole {
                Some(error) => Err(error.clone()),
                None => Err(SourceError::Missing("the reply leaves it out".to_owned())),
            });
            if let Err(error @ SourceError::Overlooked(_)) = row {
                overlooked.push((waiter, error));
                continue;
            }
            let known = self.land_row(&waiter, row, rests, now);
            told.push((waiter, known));
        }
        let is_alone = told.len() + overlooked.len() == 1;
        let heard = told.iter().filter_map(|(waiter, known)| Some((waiter.symbol.clone(), known.told_at()?)));
        self.pending.batch.end_leases(heard);
        self.coalescer.ask_again(&self.pending.batch, overlooked);
        self.coalescer.lock().learn(&told, is_alone, self.is_news);
        self.remove();
        tell(told);
        tell(elsewhere);
        self.has_landed = true;
        if has_quote {
            self.coalescer.consider_list();
        }
    }

    /// What other replicas have heard of symbols that were left to them. What they have not heard is asked for again.
    fn heard_elsewhere(&self, waiters: Vec<Waiter>) -> Vec<(Waiter, Arc<Known>)> {
        let Parts { board, origin, .. } = &self.coalescer.parts;
        let (mut heard, mut unheard) = (Vec::new(), Vec::new());
        for waiter in waiters {
            let now = Instant::now();
            let known = board.known(&origin.source, &waiter.symbol, now);
            match known.filter(|known| self.pending.batch.suffices(waiter.need, known, now)) {
                Some(known) => heard.push((waiter, known)),
                None => unheard.push(waiter),
            }
        }
        self.coalescer.call_again(&self.pending, unheard, self.is_news);
        heard
    }

    /// Puts on the board what the call brought for one symbol.
    fn land_row(
        &self,
        waiter: &Waiter,
        row: Result<Quote, SourceError>,
        rests: Option<Instant>,
        now: Moment,
    ) -> Arc<Known> {
        let symbol = &waiter.symbol;
        let update = match (row, self.pending.batch.sent_for(now.monotonic)) {
            (Ok(mut quote), _) => {
                self.coalescer.label(symbol, &mut quote, now.monotonic);
                Update::Quote(quote)
            }
            (Err(error), Some(latency)) if error.stands_for().is_none() => {
                self.failure(symbol, error, latency, rests, now)
            }
            // no call was made: one may be when there is room again
            (Err(error), _) => {
                let until = error.stands_for().map(|span| now.monotonic + span);
                Update::Refusal(error, until.max(rests).unwrap_or(now.monotonic))
            }
        };
        let Parts { board, origin, .. } = &self.coalescer.parts;
        board.land_for(waiter.caller, origin, symbol, update, now)
    }

    /// What a call that was sent failed with, for one symbol. If the source is left alone for it, it is not the symbol's
    /// failure.
    fn failure(
        &self,
        symbol: &Symbol,
        error: SourceError,
        latency: Duration,
        rests: Option<Instant>,
        now: Moment,
    ) -> Update {
        let Parts { board, origin, backoff, .. } = &self.coalescer.parts;
        let before = board.known(&origin.source, symbol, now.monotonic);
        let is_of_source = rests.is_some() && (self.pending.batch.is_charged() || Cooldowns::concerns(&error));
        Update::Failure(backoff.waits().judge(symbol, error, latency, before.as_deref(), is_of_source, now))
    }

    fn remove(&mut self) {
        self.coalescer.lock().remove(self.pending.number, &std::mem::take(&mut self.asked));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // no symbol joins a call that is over; a sender that is dropped unused is reported as an internal error
        self.pending.batch.end_leases([]);
        self.asked.extend(self.pending.batch.take_waiters().into_iter().map(|waiter| waiter.symbol));
        self.remove();
        if !self.has_landed && std::thread::panicking() {
            let source = &self.coalescer.parts.origin.source;
            tracing::error!(source, "a call panicked; its symbols fail as internal");
        }
    }
}

fn tell(outcomes: Vec<(Waiter, Arc<Known>)>) {
    for (waiter, known) in outcomes {
        waiter.told.send_replace(Some(Told::OnBoard(known)));
    }
}

/// Ends when the time of a batch is over. A caller who joins it meanwhile may extend it.
async fn time_is_over(batch: &Batch) {
    loop {
        let ends_by = batch.deadlines().ends_by;
        sleep_until(ends_by).await;
        if batch.deadlines().ends_by <= ends_by {
            return;
        }
    }
}

/// Ends when an orphan must give way.
async fn gives_way(orphan: Option<&CancellationToken>) {
    match orphan {
        Some(gives_way) => gives_way.cancelled().await,
        None => std::future::pending().await,
    }
}

/// The calls of one source that no caller waits for.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// The numbers of their batches, the oldest first, and what tells each to give way.
    all: Vec<(u64, CancellationToken)>,
    /// Calls that need a slot, and found no orphan in one.
    in_need: Vec<(u64, Batch)>,
}

/// What becomes of a call that its last caller has left.
enum Fate {
    /// A caller waits for it again.
    Awaited,
    /// It goes on until it ends, or the token is cancelled.
    Orphan(CancellationToken),
    /// It ends with the failure of an earlier attempt, of which no caller has been told.
    Failed(SourceError),
    /// It ends, and nothing lands.
    Cancelled,
}

impl Orphans {
    /// Takes a call in. If another one needs its slot, the oldest gives way at once.
    fn adopt(&mut self, number: u64) -> CancellationToken {
        let gives_way = CancellationToken::new();
        self.all.push((number, gives_way.clone()));
        self.in_need.retain(|(_, batch)| !batch.has_slot());
        if self.all.len() > MOST_ORPHANS || self.in_need.pop().is_some() {
            self.oldest_gives_way();
        }
        gives_way
    }

    /// Forgets a call that has ended, or that a caller waits for again.
    pub(super) fn release(&mut self, number: u64) {
        self.all.retain(|(other, _)| *other != number);
        self.in_need.retain(|(other, _)| *other != number);
    }

    fn oldest_gives_way(&mut self) -> bool {
        let oldest = (!self.all.is_empty()).then(|| self.all.remove(0));
        oldest.inspect(|(_, gives_way)| gives_way.cancel()).is_some()
    }
}

impl Inner {
    /// Makes another call, at once, for symbols of one that was not made for them. It waits as long as that would have.
    fn call_again(self: &Arc<Self>, of: &Pending, mut waiters: Vec<Waiter>, is_news: bool) {
        let mut state = self.lock();
        waiters = self.unless_retired(&state, waiters);
        waiters.retain(Waiter::is_awaited);
        if waiters.is_empty() {
            return;
        }
        let outcomes: Vec<_> = waiters.iter().map(|waiter| (waiter.symbol.clone(), waiter.told.subscribe())).collect();
        let batch = Batch::of(waiters, self.parts.batching.cost_per_symbol, of.batch.deadlines());
        let batch = batch.in_context(of.batch.context().clone()).asked_since(of.batch.began());
        let pending = Pending { number: state.next_number(), batch, callers: of.callers.clone() };
        for (symbol, outcome) in outcomes {
            state.in_flight.insert(symbol, InFlight { outcome, pending: pending.clone() });
        }
        pending.batch.announce(self.parts.account.allowance().expect(pending.batch.units()));
        self.parts.tasks.spawn(Call::new(Arc::clone(self), pending, is_news).run());
    }

    /// Decides on a call that its last caller has left. No caller can join it meanwhile.
    fn fate_of(&self, Pending { number, batch, callers }: &Pending) -> Fate {
        let mut state = self.lock();
        let is_scarce = self.parts.account.allowance().limits().is_scarce();
        if !callers.are_gone() {
            Fate::Awaited
        } else if is_scarce && batch.is_on_the_wire() {
            batch.abandon();
            Fate::Orphan(state.orphans.adopt(*number))
        } else if is_scarce && let Some(error) = batch.failed_with() {
            Fate::Failed(error)
        } else {
            state.remove(*number, &batch.symbols());
            Fate::Cancelled
        }
    }

    /// Makes an orphan give way to a call that has no slot yet, if it waits for one.
    fn make_room_for(&self, Pending { number, batch, .. }: &Pending) {
        let mut state = self.lock();
        let waits_for_slot = !batch.has_slot() && state.calls_with_slot() >= self.parts.concurrency;
        if waits_for_slot && !state.orphans.oldest_gives_way() {
            state.orphans.in_need.push((*number, batch.clone()));
        }
    }
}
