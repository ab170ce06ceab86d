//! A table with a value per source and symbol.

use crate::symbol::{QuickMap, Symbol};

/// A value per source and symbol. A source is given by its place in the list of sources. A look-up allocates nothing.
#[derive(Clone, Debug)]
pub struct PerSource<T>(Vec<QuickMap<Symbol, T>>);

impl<T> Default for PerSource<T> {
    fn default() -> Self {
        PerSource(Vec::new())
    }
}

impl<T> PerSource<T> {
    /// Sets a value, and replaces the one that was there.
    pub fn insert(&mut self, source: usize, symbol: Symbol, value: T) {
        if self.0.len() <= source {
            self.0.resize_with(source + 1, QuickMap::default);
        }
        self.0[source].insert(symbol, value);
    }

    /// The value for a source and a symbol.
    pub fn get(&self, source: usize, symbol: &Symbol) -> Option<&T> {
        self.0.get(source)?.get(symbol)
    }

    /// Whether there is a value for a source and a symbol.
    pub fn contains(&self, source: usize, symbol: &Symbol) -> bool {
        self.get(source, symbol).is_some()
    }

    /// The symbols that have a value for a source.
    pub(crate) fn of_source(&self, source: usize) -> impl Iterator<Item = &Symbol> {
        self.0.get(source).into_iter().flat_map(QuickMap::keys)
    }

    /// All values, source by source.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Symbol, &T)> {
        let sources = self.0.iter().enumerate();
        sources.flat_map(|(source, values)| values.iter().map(move |(symbol, value)| (source, symbol, value)))
    }

    /// All values, source by source, for changes.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &Symbol, &mut T)> {
        let sources = self.0.iter_mut().enumerate();
        sources.flat_map(|(source, values)| values.iter_mut().map(move |(symbol, value)| (source, symbol, value)))
    }
}

impl<T> Extend<(usize, Symbol, T)> for PerSource<T> {
    fn extend<I: IntoIterator<Item = (usize, Symbol, T)>>(&mut self, values: I) {
        values.into_iter().for_each(|(source, symbol, value)| self.insert(source, symbol, value));
    }
}
