//! Decides which examples of a description still hold for a table that is laid over it.
//!
//! An example proves how a body is read. A table that reads bodies in another way, spells the example's symbols in
//! another way, or does not ask for them would fail the example without being wrong. So it does not inherit it.

use std::collections::BTreeMap;

use super::{Example, Format, Names, SourceSettings, SourceTable};
use crate::symbol::Symbol;

impl SourceTable {
    /// The examples of `base` that hold for this table as well, as far as that can be told without trying them.
    pub(super) fn inherited(&self, base: &SourceTable) -> Option<Vec<Example>> {
        if self.reads_otherwise_than(base) {
            return None;
        }
        let another_404 = self.not_found.is_some() && self.not_found != base.not_found;
        let holds = |example: &&Example| {
            self.still_asks_for(example)
                && !self.renames_what_is_in(example, base)
                && !(another_404 && example.status == 404)
        };
        base.examples.as_ref().map(|examples| examples.iter().filter(holds).cloned().collect())
    }

    /// Whether the same body would be read in another way, whatever symbols it is about.
    fn reads_otherwise_than(&self, base: &SourceTable) -> bool {
        let built_in = || Format::One("{symbol}".to_owned());
        let reply = self.reply.is_some_and(|reply| reply != base.reply.unwrap_or_default());
        let format = self.format.as_ref().is_some_and(|own| *own != base.format.clone().unwrap_or_else(built_in));
        let jq = self.jq.is_some() && self.jq != base.jq;
        reply || format || jq
    }

    /// Whether what an example asks for is asked for here, in one call.
    fn still_asks_for(&self, example: &Example) -> bool {
        let asks_for = |text: &String| {
            let Ok(symbol) = Symbol::parse(text) else { return true };
            let trades = |codes: &Vec<String>| {
                symbol.legs().is_none_or(|(_, quote)| codes.iter().any(|code| code.eq_ignore_ascii_case(quote)))
            };
            self.classes.as_ref().is_none_or(|classes| classes.contains(&symbol.class()))
                && self.currencies.as_ref().is_none_or(|codes| codes.is_empty() || trades(codes))
                && self
                    .symbols
                    .as_ref()
                    .is_none_or(|globs| globs.is_empty() || globs.iter().any(|glob| glob.matches(symbol.as_str())))
        };
        self.batch.is_none_or(|batch| example.asked.len() <= batch) && example.asked.iter().all(asks_for)
    }

    /// Whether this table gives another name to something that an example is about.
    fn renames_what_is_in(&self, example: &Example, base: &SourceTable) -> bool {
        let is_asked = |text: &str| example.asked.iter().any(|asked| parts(asked).any(|part| part == text));
        let is_there = |(ours, theirs): (&String, &String)| {
            is_asked(ours) || is_asked(theirs) || example.body.contains(ours) || example.body.contains(theirs)
        };
        let names = [
            (&self.rename, &base.rename),
            (&self.ids, &base.ids),
            (&self.aliases, &base.aliases),
            (&self.spelled, &base.spelled),
        ];
        let renamed = names.into_iter().any(|(own, base)| changed(own, base).any(is_there));
        // a unit is of a suffix, and any body may hold its letters
        renamed || changed(&self.units, &base.units).any(|(suffix, _)| is_asked(suffix))
    }
}

impl SourceSettings {
    /// Drops the examples about a symbol that turns out to have another name here, or not to be asked for here.
    pub(crate) fn drop_examples_of(&mut self, symbol: &Symbol) {
        let is_about =
            |example: &Example| example.asked.iter().any(|asked| Symbol::parse(asked).as_ref() == Ok(symbol));
        self.examples.retain(|example| !is_about(example));
    }
}

/// The names that a table sets and that the table below does not set to the same.
fn changed<'a>(own: &'a Names, base: &'a Names) -> impl Iterator<Item = (&'a String, &'a String)> {
    let says_so = move |name: &String, called: &String| {
        base.as_ref().and_then(|base: &BTreeMap<String, String>| base.get(name)) == Some(called)
    };
    own.iter().flatten().filter(move |(name, called)| !says_so(name, called))
}

/// A symbol as a whole, and what it is made of: the legs of a pair, a ticker and its suffix.
fn parts(symbol: &str) -> impl Iterator<Item = &str> {
    std::iter::once(symbol).chain(symbol.split(['-', '.']))
}

#[cfg(test)]
mod tests;
