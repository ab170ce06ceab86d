//! Waits for what is in the air, and says what the source's word is where nobody told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::callers::Claim;
use super::{Inner, Parts, Share};
use crate::failure::{Failure, SourceError};
use crate::quote::Outcome;
use crate::symbol::Symbol;

/// A caller's claim to one outcome.
pub enum Wait {
    /// It is here already.
    Here(Box<Outcome>),
    /// It is in the air.
    Air {
        /// Of what.
        symbol: Symbol,
        /// Where it will be told.
        outcome: watch::Receiver<Option<Outcome>>,
        /// Keeps the call alive.
        claim: Claim,
    },
}

impl Wait {
    /// What it is a claim to.
    pub fn symbol(&self) -> &Symbol {
        match self {
            Wait::Here(outcome) => &outcome.symbol,
            Wait::Air { symbol, .. } => symbol,
        }
    }
}

impl Share {
    /// Waits for an outcome, however long it takes.
    pub async fn arrive(&self, wait: Wait) -> Outcome {
        match wait {
            Wait::Here(outcome) => *outcome,
            Wait::Air { symbol, mut outcome, claim } => {
                let told = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
                drop(claim);
                let nobody_told = || SourceError::Internal("the call ended without an outcome".to_owned());
                told.unwrap_or_else(|| self.failed(&symbol, nobody_told()))
            }
        }
    }

    /// What a caller has of a symbol who has waited so long and leaves: no reply, or where the call has not even been sent,
    /// no room in our own limits.
    pub fn gave_up(&self, symbol: &Symbol, waited: Duration) -> Outcome {
        let is_unsent = self.0.lock().air.get(symbol).is_some_and(|flight| flight.batch.sent().is_none());
        let now = Instant::now();
        let full = is_unsent.then(|| self.0.parts.account.room(1, now, now).1).flatten();
        self.failed(symbol, full.unwrap_or(SourceError::Timeout(waited)))
    }

    /// A failure that is one caller's alone: it stands beside the last quote, and never lands on the board.
    pub fn failed(&self, symbol: &Symbol, error: SourceError) -> Outcome {
        self.0.failed(symbol, error)
    }
}

impl Inner {
    /// A failure that is one caller's alone.
    pub(super) fn failed(&self, symbol: &Symbol, error: SourceError) -> Outcome {
        let Parts { board, origin, clock, .. } = &self.parts;
        let now = clock.now();
        let quote = board.known(&origin.source, symbol, now.monotonic).and_then(|known| known.outcome.quote);
        let failure = Failure { error, at: now.wall, latency: None, is_doubted: false, retry_at: None };
        Outcome { origin: Arc::clone(origin), symbol: symbol.clone(), quote, failure: Some(failure) }
    }
}
