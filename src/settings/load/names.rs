//! Gives sources the names that the user has for symbols: `[symbols.WORLD] spelled = { yahoo = "0P0000X.F" }`.
//!
//! A name of the user's own says nothing to a source that is not named there, or worse, something else. So that source is
//! not asked for it.

use crate::provider::catalogue::catalogue;
use crate::provider::description::SourceSettings;
use crate::settings::OffSource;
use crate::settings::check::Report;
use crate::settings::symbols::SymbolRules;
use crate::text::near::nearest;

/// Tells every source which of the user's own names it knows, and which are none of its business.
pub(super) fn apply(symbols: &SymbolRules, on: &mut [SourceSettings], off: &mut [OffSource], report: &mut Report<'_>) {
    for (symbol, set) in symbols.iter().filter(|(_, set)| !set.spelled.is_empty()) {
        let known: Vec<String> =
            on.iter().map(|source| source.name.clone()).chain(catalogue().keys().cloned()).collect();
        for name in set.spelled.keys().filter(|name| !known.contains(name)) {
            let near = nearest(name, known.iter().map(String::as_str));
            let cure = near
                .map_or("`quotefold sources` lists those there are".to_owned(), |near| format!("did you mean {near}?"));
            report.at(&["symbols", symbol.as_str(), "spelled"], format!("there is no source {name:?}; {cure}"));
        }
        for source in on.iter_mut().chain(off.iter_mut().map(|off| &mut off.source)) {
            source.drop_examples_of(symbol);
            match set.spelled.get(&source.name) {
                Some(theirs) => {
                    source.spelled.insert(symbol.to_string(), theirs.clone());
                }
                None => {
                    source.strangers.insert(symbol.clone());
                }
            }
        }
    }
}
