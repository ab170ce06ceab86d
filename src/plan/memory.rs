//! Recalls what the board knows of a symbol, once for all the sources and ways of a plan.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::board::{Board, Known};
use crate::profile::Profile;
use crate::symbol::Symbol;

/// What the board knows of one symbol, by the names of its sources.
pub(super) type Recalled = BTreeMap<String, Known>;

/// What a plan has recalled so far.
pub(super) struct Memory<'a> {
    board: &'a Board,
    now: Instant,
    // a plan is made by one task, which may move between threads
    recalled: Mutex<HashMap<Symbol, Arc<Recalled>>>,
}

impl<'a> Memory<'a> {
    /// Nothing is recalled yet.
    pub(super) fn new(board: &'a Board, now: Instant) -> Self {
        Memory { board, now, recalled: Mutex::default() }
    }

    /// Everything known of a symbol. The board is asked the first time only.
    pub(super) fn of(&self, symbol: &Symbol) -> Arc<Recalled> {
        let mut recalled = self.recalled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = recalled.get(symbol) {
            return Arc::clone(known);
        }
        let known = Arc::new(self.board.recall(symbol, self.now));
        recalled.insert(symbol.clone(), Arc::clone(&known));
        known
    }

    /// Whether a source has lately said that it has no such symbol.
    pub(super) fn is_denied_by(&self, source: &Profile, symbol: &Symbol) -> bool {
        let known = self.of(symbol);
        known.get(source.name()).is_some_and(|known| known.outcome.denies_symbol() && known.is_denied(self.now))
    }
}
