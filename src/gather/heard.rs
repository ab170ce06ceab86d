//! Holds what a caller has heard so far, and knows what it still waits for.

use crate::board::Told;
use crate::plan::PerSource;
use crate::quote::Outcome;
use crate::symbol::Symbol;

/// What a caller has been told, and what it has asked for.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    told: PerSource<Told>,
    /// What sources had to be asked for: nothing on the board was fresh enough.
    due: PerSource<()>,
    /// How many of these have no outcome yet.
    pending: usize,
}

impl Heard {
    /// Notes that a source must be asked for a symbol.
    pub(crate) fn expect(&mut self, source: usize, symbol: Symbol) {
        self.pending += usize::from(!self.told.contains(source, &symbol) && !self.due.contains(source, &symbol));
        self.due.insert(source, symbol, ());
    }

    /// Takes in an outcome.
    pub(crate) fn note(&mut self, source: usize, told: Told) {
        let symbol = told.outcome().symbol.clone();
        self.pending -= usize::from(self.is_pending(source, &symbol));
        self.told.insert(source, symbol, told);
    }

    /// Whether a source was asked for a symbol and has not answered yet.
    pub(crate) fn is_pending(&self, source: usize, symbol: &Symbol) -> bool {
        self.due.contains(source, symbol) && !self.told.contains(source, symbol)
    }

    /// Whether everything that was asked for has an outcome.
    pub(crate) fn is_complete(&self) -> bool {
        self.pending == 0
    }

    /// What has no outcome yet.
    pub(crate) fn pending(&self) -> Vec<(usize, Symbol)> {
        let pending = self.due.iter().filter(|(source, symbol, ())| !self.told.contains(*source, symbol));
        pending.map(|(source, symbol, ())| (source, symbol.clone())).collect()
    }

    /// The same at one source.
    pub(crate) fn pending_at(&self, source: usize) -> Vec<Symbol> {
        self.due.of_source(source).filter(|symbol| !self.told.contains(source, symbol)).cloned().collect()
    }

    /// What has been told so far.
    pub(crate) fn told(&self) -> &PerSource<Told> {
        &self.told
    }

    /// Everything that was told.
    pub(crate) fn into_told(self) -> PerSource<Told> {
        self.told
    }

    /// The outcome from a source, if its quote was heard since the request came, or was not due then. A failed refresh leaves an
    /// older quote beside it, which is neither.
    pub(crate) fn fresh(&self, source: usize, symbol: &Symbol) -> Option<&Outcome> {
        let outcome = self.told.get(source, symbol)?.outcome();
        let is_fresh = outcome.failure.is_none() || !self.due.contains(source, symbol);
        Some(outcome).filter(|outcome| is_fresh && outcome.quote.is_some())
    }
}
