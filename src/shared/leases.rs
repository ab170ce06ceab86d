//! Makes each call once: a replica that asks a source for a symbol holds a lease of it, and the others wait for what it hears.
//!
//! A lease is taken together with the units of the call, and lasts as long as one attempt can take. It ends with the call: after a
//! quote the others have that, and after a failure another replica may try. When two have failed, each may ask for itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
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
    /// Changes whenever another replica has ended a lease without a quote.
    pub(super) released: watch::Sender<()>,
}

impl SharedSource {
    /// The key in the store of the lease of a symbol.
    pub(super) fn lease_of(&self, symbol: &Symbol, prefix: &str) -> String {
        format!("{prefix}:lease:{}:{symbol}", self.identity)
    }

    /// The key in the store of its quotes.
    pub(super) fn quotes_key(&self, prefix: &str) -> String {
        format!("{prefix}:quotes:{}", self.identity)
    }

    /// The key in the store of the symbols that it does not have.
    pub(super) fn denials_key(&self, prefix: &str) -> String {
        format!("{prefix}:denials:{}", self.identity)
    }

    /// Changes whenever another replica has ended a lease without a quote.
    pub fn released(&self) -> watch::Receiver<()> {
        self.released.subscribe()
    }
}

/// What a call would have leases of.
#[derive(Debug)]
pub struct LeaseWish {
    /// The source.
    pub source: Arc<SharedSource>,
    /// The symbols.
    pub symbols: Vec<Symbol>,
    /// Whether each of them costs a unit.
    pub is_cost_per_symbol: bool,
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
    /// The symbols that others hear of.
    pub(super) quoted: Vec<Symbol>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
}

/// Leases that have ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) source: Arc<SharedSource>,
    pub(super) token: String,
    pub(super) quoted: Vec<Symbol>,
    pub(super) failed: Vec<Symbol>,
}

impl Leases {
    /// Ends them after a call that has brought quotes or denials of these symbols, which others have been told.
    pub(crate) fn end(mut self, quoted: Vec<Symbol>) {
        self.quoted = quoted;
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        let quoted = std::mem::take(&mut self.quoted);
        let mut failed = std::mem::take(&mut self.symbols);
        failed.retain(|symbol| !quoted.contains(symbol));
        let (source, token) = (Arc::clone(&self.source), std::mem::take(&mut self.token));
        // if too many wait to be told, the lease lasts as long as an attempt can take
        let _ = self.outgoing.try_send(Outgoing::Ended(Ended { source, token, quoted, failed }));
    }
}
