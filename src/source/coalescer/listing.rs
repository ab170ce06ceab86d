//! Asks a vendor for the list of what it trades, when that takes nothing away from a caller, and applies the list.
//!
//! A list is due after the first call that brought a quote, and then once in a while. It is asked for only at a moment at which
//! no call of the source is in flight, nothing of its vendor's limits is promised, and half of each limit is left. It passes the
//! same slots and limits as every other call, but its failure is no failure of the source. It gives way as soon as other
//! calls need all slots.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Ask, Inner, Parts, Stack, State, Wait};
use crate::board::Freshness;
use crate::failure::SourceError;
use crate::provider::instruments::InstrumentList;
use crate::quote::Quote;
use crate::source::batch::{Batch, Deadlines};
use crate::source::lists::{Lists, NEW_FOR, Standing};
use crate::symbol::Symbol;

/// How long to wait before looking again whether the vendor can be asked.
const PAUSE: Duration = Duration::from_secs(1);

/// How often to look. After that, the next call that brings a quote begins anew.
const LOOKS: usize = 300;

/// How long the call may take to get its slot and its units, which are free when it begins.
const TO_SEND: Duration = Duration::from_secs(1);

/// How a source's lists are asked for.
pub(crate) struct Listing {
    /// What is known from them.
    pub(crate) lists: Arc<Lists>,
    /// Where the call for one goes.
    pub(crate) stack: Stack,
    /// One list at a time: a long one takes much memory while it is read. Unless set, the source shares the turns with no other.
    pub(crate) turns: OnceLock<Arc<Semaphore>>,
}

/// Turns for one list at a time.
pub(crate) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1))
}

/// The search for a moment to ask. Whatever ends it, another may begin then.
struct Search(Arc<Lists>);

impl Drop for Search {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A call for a list, which is no longer under way once this is dropped.
struct UnderWay {
    coalescer: Arc<Inner>,
    batch: Batch,
    gives_way: CancellationToken,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.coalescer.lock().list_call = None;
    }
}

impl Inner {
    /// Looks for a moment to ask for a list, if one is due.
    pub(super) fn consider_list(self: &Arc<Self>) {
        let Some(Listing { lists, turns, .. }) = &self.listing else { return };
        if !lists.begin(Instant::now()) {
            return;
        }
        let turns = Arc::clone(turns.get_or_init(self::turns));
        let (search, coalescer) = (Search(Arc::clone(lists)), Arc::downgrade(self));
        // no part of the service waits for it, so it must not hold up the end of the service
        tokio::spawn(async move {
            for _ in 0..LOOKS {
                let Some(coalescer) = coalescer.upgrade() else { return };
                if let Ok(_turn) = turns.try_acquire()
                    && let Some(under_way) = coalescer.begin_list(&search.0)
                {
                    return under_way.run().await;
                }
                drop(coalescer);
                sleep(PAUSE).await;
            }
        });
    }

    /// Begins the call for a list, if it takes nothing away from a caller at this moment.
    fn begin_list(self: &Arc<Self>, lists: &Lists) -> Option<UnderWay> {
        let mut state = self.lock();
        let now = Instant::now();
        let allowance = self.parts.account.allowance();
        let cost = lists.settings().cost as usize;
        let is_well = !state.retired.is_cancelled()
            && self.rest(now).is_none()
            && self.parts.breaker.is_closed()
            && self.parts.backoff.is_clear();
        let is_idle = state.in_flight.is_empty() && !state.hunt.is_on && allowance.is_at_rest();
        let has_half = |left: usize, calls: u32| left * 2 >= calls as usize && left >= cost;
        let has_room = allowance.left(now).iter().all(|left| has_half(left.left, left.limit.calls));
        if !(is_well && is_idle && has_room) {
            return None;
        }
        let (sends_by, ends_by) = (now + TO_SEND, now + TO_SEND + lists.settings().timeout);
        let batch = Batch::for_list(cost, Deadlines { sends_by, replies_by: ends_by, ends_by });
        batch.announce(allowance.expect(batch.units()));
        let gives_way = CancellationToken::new();
        state.list_call = Some(gives_way.clone());
        Some(UnderWay { coalescer: Arc::clone(self), batch, gives_way })
    }

    /// What the newest list says of a symbol. A list says nothing of a symbol that the source quotes, nor where a call does not
    /// name its symbols.
    pub(super) fn standing(&self, symbol: &Symbol, now: Instant) -> Standing {
        let Some(Listing { lists, .. }) = &self.listing else { return Standing::Unsaid };
        let is_silent = self.parts.batching.holds_all || self.has_quoted(symbol);
        if is_silent { Standing::Unsaid } else { lists.standing(symbol, now) }
    }

    /// Lets the newest list confirm no more symbols.
    pub(super) fn doubt_list(&self) {
        if let Some(Listing { lists, .. }) = &self.listing {
            lists.doubt();
        }
    }

    /// Whether the source has quoted a symbol.
    pub(super) fn has_quoted(&self, symbol: &Symbol) -> bool {
        let Parts { board, origin, .. } = &self.parts;
        board.look(&origin.source, symbol, |known| known.outcome.quote.is_some()) == Some(true)
    }

    /// Denies without a call what is not in a list that is new, unless the caller wants everything fetched anew. Returns the
    /// denials, which concern this caller alone, and the symbols that are left.
    pub(super) fn deny_unlisted(&self, left: Vec<Symbol>, ask: &Ask, now: Instant) -> (Vec<Wait>, Vec<Symbol>) {
        if self.listing.is_none() || self.parts.batching.cost_per_symbol {
            return (Vec::new(), left);
        }
        let wants_anew = |need: &Freshness| need.refresh_after.is_zero() || need.denied_after.is_some();
        let anew = ask.due.iter().filter(|(_, need)| wants_anew(need)).map(|(symbol, _)| symbol);
        let anew: HashSet<&Symbol> = anew.collect();
        let (mut denials, mut others) = (Vec::new(), Vec::new());
        for symbol in left {
            match self.standing(&symbol, now) {
                Standing::Unlisted(landed) if now < landed.monotonic + NEW_FOR && !anew.contains(&symbol) => {
                    let at = landed.wall.strftime("%H:%M");
                    let why = format!(
                        "it is not in the vendor's list of {at} UTC; an hour after that the vendor itself is asked, and with \
                         refresh_after=0s at once"
                    );
                    let mut told = self.failed(&symbol, SourceError::UnknownSymbol(why));
                    told.set_retry_at(landed.wall_at(landed.monotonic + NEW_FOR));
                    denials.push(Wait::Ready(told));
                }
                _ => others.push(symbol),
            }
        }
        (denials, others)
    }

    /// Labels a quote of a market that is halted according to the newest list.
    pub(super) fn label(&self, symbol: &Symbol, quote: &mut Quote, now: Instant) {
        if let Some(Listing { lists, .. }) = &self.listing {
            lists.label(symbol, quote, now);
        }
    }
}

impl UnderWay {
    /// Makes the call and takes in what it brings.
    async fn run(self) {
        let Some(Listing { lists, stack, .. }) = &self.coalescer.listing else { return };
        let source = &self.coalescer.parts.origin.source;
        let ends_by = self.batch.deadlines().ends_by;
        let result = tokio::select! {
            biased;
            () = self.gives_way.cancelled() => Err(SourceError::Timeout(lists.settings().timeout)),
            result = stack.clone().oneshot(self.batch.clone()) => result,
            () = sleep_until(ends_by) => Err(SourceError::Timeout(lists.settings().timeout)),
        };
        if self.batch.sent().is_none() {
            // the vendor knows nothing of it, so it may be asked soon
            return;
        }
        lists.ask(Instant::now());
        let list = result.and_then(|_| {
            let nothing = || SourceError::Malformed("the call brought no list".to_owned());
            self.batch.take_list().ok_or_else(nothing)
        });
        match list {
            Ok(list) => self.land(Arc::clone(lists), list).await,
            Err(error) => {
                tracing::warn!(source, reason = error.reason(), "what the vendor trades could not be listed: {error}");
            }
        }
    }

    /// Takes a list in, off the threads that serve requests.
    async fn land(&self, lists: Arc<Lists>, list: InstrumentList) {
        let source = &self.coalescer.parts.origin.source;
        let now = self.coalescer.parts.clock.now();
        match spawn_blocking(move || lists.land(&list, now)).await {
            Ok(Ok(names)) => tracing::info!(source, names, "the vendor's list of what it trades has come"),
            Ok(Err(why)) => tracing::warn!(source, "the vendor's list of what it trades is not believed: {why}"),
            Err(_) => tracing::error!(source, "reading the vendor's list failed because of a bug in quotefold"),
        }
    }
}

impl State {
    /// Ends the call for a list, if one is under way and the other calls need all slots.
    pub(super) fn end_list_for(&mut self, slots: usize) {
        if self.list_call.is_some() && self.calls() >= slots {
            self.list_call.take().inspect(CancellationToken::cancel);
        }
    }
}
