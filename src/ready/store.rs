//! Keeps entries within a bound, and drops those that were used least lately.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::entry::ReadyEntry;
use crate::symbol::{Currency, Symbol};

/// When there is no room, at least this part of it is made free at once: an eighth.
const MADE_FREE: usize = 8;

/// All entries, by symbol and by the currency that prices are converted into.
#[derive(Debug)]
pub(super) struct Store {
    capacity: usize,
    kept: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    by_currency: HashMap<Option<Currency>, HashMap<Symbol, Place>>,
    bytes: usize,
    /// Grows with each question.
    uses: u64,
}

#[derive(Debug)]
struct Place {
    entry: Arc<ReadyEntry>,
    used: u64,
}

impl Store {
    pub(super) fn new(capacity: usize) -> Self {
        Store { capacity, kept: Mutex::default() }
    }

    /// The entries of all symbols, unless one is missing.
    pub(super) fn get_all(&self, symbols: &[Symbol], currency: Option<&Currency>) -> Option<Vec<Arc<ReadyEntry>>> {
        let mut shelf = self.kept.lock();
        shelf.uses += 1;
        let used = shelf.uses;
        let by_symbol = shelf.by_currency.get_mut(&currency.cloned())?;
        let entry = |symbol| {
            let place = by_symbol.get_mut(symbol)?;
            place.used = used;
            Some(Arc::clone(&place.entry))
        };
        symbols.iter().map(entry).collect()
    }

    /// Keeps an entry in place of an earlier one.
    pub(super) fn put(&self, symbol: &Symbol, currency: Option<&Currency>, entry: Arc<ReadyEntry>) {
        let mut shelf = self.kept.lock();
        let place = Place { used: shelf.uses, entry };
        shelf.bytes += place.entry.bytes();
        let before = shelf.by_currency.entry(currency.cloned()).or_default().insert(symbol.clone(), place);
        shelf.bytes -= before.map_or(0, |before| before.entry.bytes());
        if shelf.bytes > self.capacity {
            shelf.shrink_to(self.capacity - self.capacity / MADE_FREE);
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.kept.lock().bytes
    }
}

impl Shelf {
    fn shrink_to(&mut self, bytes: usize) {
        let places = self.by_currency.values().flat_map(HashMap::values);
        let mut by_use: Vec<(u64, usize)> = places.map(|place| (place.used, place.entry.bytes())).collect();
        by_use.sort_unstable();
        let mut left = self.bytes;
        let goes = |(_, size): &(u64, usize)| {
            let is_over = left > bytes;
            left = left.saturating_sub(*size);
            is_over
        };
        let last_to_go = by_use.into_iter().take_while(goes).last().map(|(used, _)| used);
        for by_symbol in self.by_currency.values_mut() {
            by_symbol.retain(|_, place| last_to_go.is_none_or(|last| place.used > last));
        }
        self.by_currency.retain(|_, by_symbol| !by_symbol.is_empty());
        let left = self.by_currency.values().flat_map(HashMap::values).map(|place| place.entry.bytes());
        self.bytes = left.sum();
    }
}
