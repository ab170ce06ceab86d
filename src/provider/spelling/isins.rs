//! Decides which symbols a source is asked for by their ISINs.
//!
//! A source speaks ISIN if its description has `{isin}` or `{isins}`. It has no name for what has no ISIN. A source that does not
//! speak ISIN is not asked for a symbol that is one, unless it spells everything as we do: most would take it for a ticker that
//! they do not know, at the cost of a call.

use std::collections::BTreeMap;

use super::request::{RequestTemplate, Spelled};
use crate::provider::description::{Format, SourceSettings};
use crate::symbol::Symbol;

/// The ISINs that one source is asked by.
pub(super) struct Isins {
    /// Those that the user has given to symbols.
    given: BTreeMap<Symbol, String>,
    speaks: Speaks,
}

/// What a source is asked by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// Tickers in a spelling of its own.
    Tickers,
    /// Whatever we call a symbol.
    Ours,
    /// Its `format` has ISINs for some symbols.
    InFormat,
    /// Its calls have both the ISIN and a ticker.
    Both,
    /// Its calls name securities by their ISINs alone.
    Isins,
}

impl Isins {
    /// Reads what a description says of ISINs.
    pub(super) fn new(source: &SourceSettings, request: &RequestTemplate) -> Self {
        let (by_isin, by_name) =
            (request.has(&["isin", "isins"]), request.has(&["symbol", "symbols", "first", "others"]));
        let speaks = match (by_isin, by_name) {
            (true, true) => Speaks::Both,
            (true, false) => Speaks::Isins,
            (false, _) if source.speaks_isin() => Speaks::InFormat,
            (false, _) if source.format == Format::One(Format::PLAIN.to_owned()) => Speaks::Ours,
            (false, _) => Speaks::Tickers,
        };
        Isins { given: source.isins.clone(), speaks }
    }

    /// The template of what a source's `format` states nothing about. A source that is asked by ISINs alone also replies by them.
    pub(super) fn default_format(&self) -> &'static str {
        if self.speaks == Speaks::Isins { "{isin}" } else { Format::PLAIN }
    }

    /// The ISIN that the source may be asked by for a symbol: the symbol itself, or the one that the user has given to it.
    pub(super) fn of<'s>(&'s self, symbol: &'s Symbol) -> Option<&'s str> {
        if matches!(self.speaks, Speaks::Tickers | Speaks::Ours) {
            return None;
        }
        symbol.isin().or_else(|| self.given.get(symbol).map(String::as_str))
    }

    /// Whether the user has given a symbol its ISIN.
    pub(super) fn are_given(&self, symbol: &Symbol) -> bool {
        self.given.contains_key(symbol)
    }

    /// Whether an ISIN takes the place of a ticker.
    pub(super) fn are_symbols(&self) -> bool {
        self.speaks == Speaks::Ours
    }

    /// Whether the source is asked for securities by nothing but their ISINs, given whether its template of their class has them.
    pub(super) fn are_all_it_gets(&self, in_format: bool) -> bool {
        match self.speaks {
            Speaks::Isins => true,
            Speaks::InFormat => in_format,
            Speaks::Tickers | Speaks::Ours | Speaks::Both => false,
        }
    }

    /// What a call is filled in with; `None` if it needs an ISIN and there is none. What the user says that the source calls a
    /// symbol (`is_exception`) stands in its place where the call has nothing else.
    pub(super) fn complete(&self, spelled: Spelled, is_exception: bool) -> Option<Spelled> {
        let isin = match self.speaks {
            Speaks::Isins if is_exception => spelled.symbol.clone(),
            _ => spelled.isin.clone(),
        };
        let is_needed = matches!(self.speaks, Speaks::Isins | Speaks::Both);
        (!is_needed || !isin.is_empty()).then_some(Spelled { isin, ..spelled })
    }
}
