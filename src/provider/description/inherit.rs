//! Decides which examples of a description still hold for a table that is laid over it.
//!
//! An example proves how a body is read. A table that reads bodies differently, spells the example's symbols
//! differently, or does not ask for them would fail the example without being wrong. So such a table does not inherit
//! it.

use std::collections::BTreeMap;

use super::{Example, SourceSettings, SourceTable};
use crate::symbol::Symbol;

impl SourceTable {
    /// The examples of `base` that hold for this table too, as far as that can be told without trying them.
    pub(super) fn inherited(&self, base: &SourceTable) -> Vec<Example> {
        if self.reads_differently_from(base) {
            return Vec::new();
        }
        let another_404 = self.states("not_found") && self.settings().not_found != base.settings().not_found;
        let holds = |example: &&Example| {
            self.still_asks_for(example)
                && !self.renames_what_is_in(example, base)
                && !(another_404 && example.status == 404)
        };
        base.settings().examples.iter().filter(holds).cloned().collect()
    }

    /// Whether it reads the same body differently, no matter which symbols are in it.
    fn reads_differently_from(&self, base: &SourceTable) -> bool {
        let (own, below) = (self.settings(), base.settings());
        self.states("reply") && own.reply != below.reply
            || self.states("separator") && own.separator != below.separator
            || self.states("decimal") && own.decimal != below.decimal
            || self.states("format") && own.format != below.format
            || self.states("jq") && own.jq != below.jq
    }

    /// Whether this table asks for the symbols of an example, and in one call.
    fn still_asks_for(&self, example: &Example) -> bool {
        let own = self.settings();
        let asks_for = |text: &String| {
            let Ok(symbol) = Symbol::named(text) else { return true };
            let trades = |quote: &str| own.currencies.iter().any(|code| code.eq_ignore_ascii_case(quote));
            (!self.states("classes") || own.classes.contains(&symbol.class()))
                && (own.currencies.is_empty() || symbol.legs().is_none_or(|(_, quote)| trades(quote)))
                && own.symbols.selects(symbol.as_str())
        };
        (!self.states("batch") || example.asked.len() <= own.batch) && example.asked.iter().all(asks_for)
    }

    /// Whether this table gives another name to something that an example is about.
    fn renames_what_is_in(&self, example: &Example, base: &SourceTable) -> bool {
        let (own, below) = (self.settings(), base.settings());
        let is_asked = |text: &str| example.asked.iter().any(|asked| parts(asked).any(|part| part == text));
        let is_there = |(ours, theirs): (&String, &String)| {
            is_asked(ours) || is_asked(theirs) || example.body.contains(ours) || example.body.contains(theirs)
        };
        let names = [
            (&own.rename, &below.rename),
            (&own.ids, &below.ids),
            (&own.aliases, &below.aliases),
            (&own.spelled, &below.spelled),
        ];
        let renamed = names.into_iter().any(|(own, below)| changed(own, below).any(is_there));
        // a unit applies to a suffix and a multiple to a base, and any body may contain their letters
        renamed
            || changed(&own.units, &below.units).any(|(suffix, _)| is_asked(suffix))
            || changed(&own.multiplied, &below.multiplied).any(|(base, _)| is_asked(base))
    }
}

impl SourceSettings {
    /// Drops the examples about a symbol that turns out to have another name at this source, or not to be asked for
    /// there.
    pub(crate) fn drop_examples_of(&mut self, symbol: &Symbol) {
        let is_about =
            |example: &Example| example.asked.iter().any(|asked| Symbol::named(asked).as_ref() == Ok(symbol));
        self.examples.retain(|example| !is_about(example));
    }
}

/// The names that one table sets, unless the table below sets them to the same value.
fn changed<'a, T: PartialEq>(
    own: &'a BTreeMap<String, T>,
    below: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    own.iter().filter(move |(name, theirs)| below.get(*name) != Some(theirs))
}

/// A symbol as a whole, and its parts: the legs of a pair, or a ticker and its suffix.
fn parts(symbol: &str) -> impl Iterator<Item = &str> {
    std::iter::once(symbol).chain(symbol.split(['-', '.']))
}

#[cfg(test)]
mod tests;
