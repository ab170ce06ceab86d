//! Goes on with other settings of a source, or ends everything that is under way at it when the configuration no longer describes it.

use std::sync::Arc;

use super::{Coalescer, Inner, State};
use crate::board::Told;
use crate::failure::SourceError;
use crate::quote::Origin;
use crate::source::batch::{Batch, Waiter};
use crate::symbol::Symbol;

impl Coalescer {
    /// Tells all who wait that the source was reconfigured, drops what it has said from the board, and lets nothing of its calls
    /// land any more. From now on, nothing can be asked of it. Calls that wait to be sent are not sent. A call on the wire
    /// that has spent a scarce unit still runs to its end, so that the unit is counted as it was spent.
    pub(crate) fn retire(&self) {
        let mut state = self.0.lock();
        state.open.clear();
        state.refused.clear();
        if let Some(list_call) = state.list_call.take() {
            list_call.cancel();
        }
        for (_, in_flight) in state.in_flight.drain() {
            let batch = in_flight.pending.batch;
            batch.seal();
            self.0.tell_retired(batch.take_waiters());
        }
        self.0.parts.board.retire(&self.0.parts.origin.source, &state.origins);
        // last, because the calls that end then tell their callers nothing
        state.retired.cancel();
    }
}

impl Inner {
    /// What callers are told once the source is retired.
    pub(super) fn retired(&self, symbol: &Symbol) -> Told {
        self.failed(symbol, SourceError::Reconfigured)
    }

    fn tell_retired(&self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            waiter.told.send_replace(Some(self.retired(&waiter.symbol)));
        }
    }

    /// The waiters of a call that has ended, unless the source was retired meanwhile: then they are told so, and there are none.
    pub(super) fn unless_retired(&self, state: &State, waiters: Vec<Waiter>) -> Vec<Waiter> {
        if !state.retired.is_cancelled() {
            return waiters;
        }
        self.tell_retired(waiters);
        Vec::new()
    }

    /// Ends once the source is retired, unless its call is on the wire then and has spent a scarce unit.
    pub(super) async fn retired_before(&self, batch: &Batch) {
        let retired = self.lock().retired.clone();
        retired.cancelled().await;
        if self.parts.account.allowance().limits().is_scarce() && batch.is_on_the_wire() {
            std::future::pending::<()>().await;
        }
    }

    /// The coalescer with the settings that hold now: a task that outlives a change of them goes on with that one.
    pub(super) fn latest(self: &Arc<Self>) -> Arc<Self> {
        let latest = self.lock().latest.upgrade();
        latest.unwrap_or_else(|| Arc::clone(self))
    }
}

impl State {
    /// Goes on with a coalescer whose outcomes land under this origin. Those of calls that are under way still land under theirs.
    pub(super) fn go_on_as(&mut self, coalescer: &Arc<Inner>, origin: &Arc<Origin>) {
        self.latest = Arc::downgrade(coalescer);
        self.origins.retain(|origin| origin.strong_count() > 0);
        self.origins.push(Arc::downgrade(origin));
    }
}
