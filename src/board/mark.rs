//! Tells readers that keep what they made of a symbol's outcomes whether these have changed, and hears from them that the
//! symbol is still asked for. Neither takes the board's lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::symbol::Symbol;

/// The least number of marks among which those without a reader are looked for.
const FEW: usize = 1_024;

/// The mark of one symbol.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    changed: AtomicU64,
    is_asked: AtomicBool,
}

/// The marks of all symbols that have a reader.
#[derive(Debug, Default)]
pub(super) struct Marks {
    by_symbol: HashMap<Symbol, Arc<Mark>>,
    version: Arc<AtomicU64>,
    /// The number of marks at which those without a reader are dropped.
    full: usize,
}

impl Mark {
    /// The board's version when an outcome of the symbol last landed or was evicted, at any source.
    pub(crate) fn version(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    /// Notes that the symbol was asked for.
    pub(crate) fn note_asked(&self) {
        // a store would take the cache line from other readers each time
        if !self.is_asked.load(Ordering::Relaxed) {
            self.is_asked.store(true, Ordering::Relaxed);
        }
    }
}

impl Marks {
    /// The number of the latest change of any symbol, which can be read without the board's lock.
    pub(super) fn version(&self) -> &Arc<AtomicU64> {
        &self.version
    }

    /// Notes that the outcomes of a symbol have changed.
    pub(super) fn change(&mut self, symbol: &Symbol) {
        let version = self.version.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(mark) = self.by_symbol.get(symbol) {
            mark.changed.store(version, Ordering::Release);
        }
    }

    /// The mark of a symbol. When it last changed before it had a mark is not known, so a new mark says: just now.
    pub(super) fn of(&mut self, symbol: &Symbol) -> Arc<Mark> {
        if let Some(mark) = self.by_symbol.get(symbol) {
            return Arc::clone(mark);
        }
        if self.by_symbol.len() >= self.full {
            self.by_symbol.retain(|_, mark| Arc::strong_count(mark) > 1);
            self.full = FEW.max(self.by_symbol.len() * 2);
        }
        let mark = Arc::new(Mark {
            changed: AtomicU64::new(self.version.load(Ordering::Acquire)),
            is_asked: AtomicBool::new(false),
        });
        self.by_symbol.insert(symbol.clone(), Arc::clone(&mark));
        mark
    }

    /// Whether a reader has noted since the last time that the symbol was asked for.
    pub(super) fn take_asked(&self, symbol: &Symbol) -> bool {
        self.by_symbol.get(symbol).is_some_and(|mark| mark.is_asked.swap(false, Ordering::Relaxed))
    }
}
