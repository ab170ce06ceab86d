//! What a request asks of a source, and the claims that it gets to the outcomes.

use tokio::sync::watch;
use tokio::time::Instant;

use super::callers::Claim;
use crate::board::{Freshness, Told};
use crate::caller::Caller;
use crate::symbol::Symbol;

/// Whether a caller waits for its turn at a scarce source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// It does, and reserves may be asked for it.
    #[default]
    Waits,
    /// It takes what can be had at once without harm to others: it waits for no limit and no slot, asks no reserve, and its
    /// refusals apply to it alone.
    OnlyTries,
}

/// What a request asks of a source.
#[derive(Clone, Debug)]
pub struct Ask {
    /// When the request arrived: what landed since then is fresh enough for it.
    pub arrived: Instant,
    /// When the caller leaves. A call may wait until then to be sent, and never less than its budget allows; what cannot be sent
    /// by then is not started.
    pub until: Instant,
    /// Whether the caller waits for its turn.
    pub patience: Patience,
    /// What it needs, in the order in which scarce calls are given out.
    pub due: Vec<(Symbol, Freshness)>,
    /// Symbols that need no call: they are added to a call that has room.
    pub optional: Vec<Symbol>,
    /// Whose request it is; `None` if it is the service's own.
    pub caller: Option<Caller>,
}

/// A caller's claim to one outcome.
pub enum Wait {
    /// The outcome is here already.
    Ready(Told),
    /// Its call is in flight.
    InFlight {
        /// The symbol.
        symbol: Symbol,
        /// Where its outcome will be told.
        outcome: watch::Receiver<Option<Told>>,
        /// Keeps the call alive.
        claim: Claim,
    },
}

impl Wait {
    /// The symbol whose outcome it is.
    pub fn symbol(&self) -> &Symbol {
        match self {
            Wait::Ready(told) => &told.outcome().symbol,
            Wait::InFlight { symbol, .. } => symbol,
        }
    }

    /// The outcome, if it is there.
    pub(crate) fn landed(&self) -> Option<Told> {
        match self {
            Wait::Ready(told) => Some(told.clone()),
            Wait::InFlight { outcome, .. } => outcome.borrow().clone(),
        }
    }
}
