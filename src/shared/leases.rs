//! Makes each call once: a replica that asks a source for a symbol holds a lease of it, and the others wait for what it hears.
//!
//! A lease is taken together with the units of the call, and lasts as long as one attempt can take. It ends with the call: after a
//! quote the others have that, and after a failure another replica may try. When two have failed, each may ask for itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use super::exchange::Outgoing;
use crate::quote::Origin;
use crate::symbol::Symbol;

/// How much longer than an attempt a lease lasts.
pub(super) const MARGIN: Duration = Duration::from_millis(100);

/// A source whose quotes and calls replicas share.
#[derive(Debug)]
pub struct SharedSource {
    /// Tells it from others, and from one of this name that is described differently.
    pub(super) identity: String,
    pub(super) origin: Arc<Origin>,
    /// Tells how calls of other replicas have ended.
    pub(super) ends: broadcast::Sender<Arc<Ends>>,
}

/// Calls of another replica that have ended.
#[derive(Debug)]
pub struct Ends {
    /// The symbols with something that has landed here, if it was news.
    pub done: Vec<Symbol>,
    /// The symbols for which there was nothing.
    pub failed: Vec<Symbol>,
}

/// How many messages may wait to be looked at by a call that waits.
pub(super) const MOST_ENDS: usize = 64;

impl SharedSource {
    /// The key in the store of the lease of a symbol.
    pub(super) fn lease_of(&self, symbol: &Symbol, prefix: &str) -> String {
        format!("{prefix}:lease:{}:{symbol}", self.identity)
    }

    /// The key in the store of what it has said last.
    pub(super) fn said_key(&self, prefix: &str) -> String {
        format!("{prefix}:said:{}", self.identity)
    }

    /// Hears from now on how calls of other replicas end.
    pub fn ends(&self) -> broadcast::Receiver<Arc<Ends>> {
        self.ends.subscribe()
    }
}

/// What a call would have leases of.
#[derive(Debug)]
pub struct LeaseWish {
    /// The source.
    pub source: Arc<SharedSource>,
    /// The symbols.
    pub symbols: Vec<Symbol>,
    /// When they were first asked for: a quote that came later suffices.
    pub since: Instant,
    /// Whether what others ask for is left to them.
    pub leaves: bool,
}

/// Leases that a call holds. They end when this is dropped.
#[derive(Debug)]
pub struct Leases {
    pub(super) source: Arc<SharedSource>,
    pub(super) token: String,
    pub(super) symbols: Vec<Symbol>,
    /// The symbols that others hear of, and when that landed.
    pub(super) told: Vec<(Symbol, Instant)>,
    /// Whether they are known to have been granted.
    pub(super) are_held: bool,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
}

/// Leases that have ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) source: Arc<SharedSource>,
    pub(super) token: String,
    pub(super) told: Vec<(Symbol, Instant)>,
    pub(super) failed: Vec<Symbol>,
    /// Whether others may wait for them.
    pub(super) were_held: bool,
}

impl Leases {
    /// Ends them after a call that has brought quotes or denials of these symbols, which others have been told.
    pub(crate) fn end(mut self, told: Vec<(Symbol, Instant)>) {
        self.told = told;
    }

    /// Drops them without a word: they were not granted.
    pub(super) fn forget(mut self) {
        self.symbols.clear();
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        let mut failed = std::mem::take(&mut self.symbols);
        if failed.is_empty() {
            return;
        }
        let told = std::mem::take(&mut self.told);
        failed.retain(|symbol| !told.iter().any(|(other, _)| other == symbol));
        let (source, token) = (Arc::clone(&self.source), std::mem::take(&mut self.token));
        // if too many wait to be told, the lease lasts as long as an attempt can take
        let ended = Ended { source, token, told, failed, were_held: self.are_held };
        let _ = self.outgoing.try_send(Outgoing::Ended(ended));
    }
}
