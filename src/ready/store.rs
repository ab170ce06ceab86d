//! Keeps entries within a bound, and drops those that were used least lately.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::symbol::{Currency, Symbol};

/// When there is no room, at least this part of it is made free at once: an eighth.
const MADE_FREE: usize = 8;

/// All entries, by symbol and by the currency that prices are converted into.
#[derive(Debug)]
pub(super) struct Store<E> {
    capacity: usize,
    kept: Mutex<Shelf<E>>,
}

#[derive(Debug)]
struct Shelf<E> {
    by_currency: HashMap<Option<Currency>, HashMap<Symbol, Place<E>>>,
    bytes: usize,
    /// Grows with each question.
    uses: u64,
}

#[derive(Debug)]
struct Place<E> {
    entry: Arc<E>,
    bytes: usize,
    used: u64,
}

impl<E> Store<E> {
    /// A store for entries of this many bytes in all.
    pub(super) fn new(capacity: usize) -> Self {
        let empty = Shelf { by_currency: HashMap::new(), bytes: 0, uses: 0 };
        Store { capacity, kept: Mutex::new(empty) }
    }

    /// The entries of all symbols, unless one is missing.
    pub(super) fn get_all(&self, symbols: &[Symbol], currency: Option<&Currency>) -> Option<Vec<Arc<E>>> {
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

    /// Keeps an entry of this many bytes in place of an earlier one.
    pub(super) fn put(&self, symbol: &Symbol, currency: Option<&Currency>, entry: Arc<E>, bytes: usize) {
        let mut shelf = self.kept.lock();
        let place = Place { used: shelf.uses, entry, bytes };
        shelf.bytes += bytes;
        let before = shelf.by_currency.entry(currency.cloned()).or_default().insert(symbol.clone(), place);
        shelf.bytes -= before.map_or(0, |before| before.bytes);
        if shelf.bytes > self.capacity {
            shelf.shrink_to(self.capacity - self.capacity / MADE_FREE);
        }
    }
}

impl<E> Shelf<E> {
    fn shrink_to(&mut self, bytes: usize) {
        let places = self.by_currency.values().flat_map(HashMap::values);
        let mut by_use: Vec<(u64, usize)> = places.map(|place| (place.used, place.bytes)).collect();
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
        let left = self.by_currency.values().flat_map(HashMap::values).map(|place| place.bytes);
        self.bytes = left.sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(number: usize) -> Symbol {
        Symbol::parse(&format!("X{number}-USD")).unwrap()
    }

    #[test]
    fn the_entries_that_were_used_least_lately_make_room() {
        let (store, dollar) = (Store::new(1_000), Currency::new("USD"));
        for number in 0..1_000 {
            let currency = Some(&dollar).filter(|_| number % 2 > 0);
            store.put(&symbol(number), currency, Arc::new(number), 10);
            assert!(store.kept.lock().bytes <= 1_000);
            let often = store.get_all(&[symbol(0)], None);
            assert_eq!(often.as_deref(), Some(&[Arc::new(0)][..]), "it is used each time");
        }
        assert!(store.get_all(&[symbol(1)], Some(&dollar)).is_none());
        assert!(store.get_all(&[symbol(999)], None).is_none(), "it is there in dollars only");
        assert_eq!(store.get_all(&[symbol(999)], Some(&dollar)), Some(vec![Arc::new(999)]));
        assert_eq!(store.get_all(&[symbol(0), symbol(2)], None), None, "one is missing");
    }

    #[test]
    fn an_entry_replaces_the_one_before_it_and_its_bytes() {
        let store = Store::new(100);
        (0..50).for_each(|number| store.put(&symbol(0), None, Arc::new(number), 60));
        assert_eq!((store.get_all(&[symbol(0)], None), store.kept.lock().bytes), (Some(vec![Arc::new(49)]), 60));
        // one that is larger than the store is not kept for long
        store.put(&symbol(1), None, Arc::new(0), 600);
        assert_eq!(store.kept.lock().bytes, 0);
    }
}
