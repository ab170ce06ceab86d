//! Ends everything that is under way at a source that the configuration no longer describes.

use std::sync::Arc;

use super::{Coalescer, Inner, State};
use crate::board::Told;
use crate::failure::SourceError;
use crate::quote::Origin;
use crate::symbol::Symbol;

impl Coalescer {
    /// Tells all who wait that the source was reconfigured, drops what it has said from the board, and lets nothing of its calls
    /// land any more. From now on, nothing can be asked of it. Calls that are on the wire and have spent a scarce unit still
    /// run to their end, so that their units are counted as they were spent.
    pub(crate) fn retire(&self) {
        let mut state = self.0.lock();
        state.is_retired = true;
        state.open.clear();
        state.refused.clear();
        if let Some(list_call) = state.list_call.take() {
            list_call.cancel();
        }
        for (_, in_flight) in state.in_flight.drain() {
            let batch = in_flight.pending.batch;
            batch.seal();
            for waiter in batch.take_waiters() {
                waiter.told.send_replace(Some(self.0.retired(&waiter.symbol)));
            }
        }
        self.0.parts.board.retire(&self.0.parts.origin.source, &state.origins);
    }
}

impl Inner {
    /// What callers are told once the source is retired.
    pub(super) fn retired(&self, symbol: &Symbol) -> Told {
        self.failed(symbol, SourceError::Reconfigured)
    }
}

impl State {
    /// Notes that outcomes land under this origin, too.
    pub(super) fn land_as(&mut self, origin: &Arc<Origin>) {
        self.origins.retain(|origin| origin.strong_count() > 0);
        self.origins.push(Arc::downgrade(origin));
    }
}
