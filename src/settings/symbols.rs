//! Holds what is set for symbols: for a single one, and for all that fit a pattern such as `*.L`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::SymbolSettings;
use crate::symbol::{Class, Currency, SetClasses, Symbol};
use crate::units::Glob;

/// The section `[symbols]`. A symbol's own entry wins over patterns, and a longer pattern over a shorter one, key by key.
#[derive(Clone, Debug, Default)]
pub struct SymbolRules {
    single: BTreeMap<Symbol, SymbolSettings>,
    /// The longest first.
    patterns: Vec<(Glob, SymbolSettings)>,
}

impl SymbolRules {
    /// What is set for single symbols and for patterns.
    pub fn new(single: BTreeMap<Symbol, SymbolSettings>, mut patterns: Vec<(Glob, SymbolSettings)>) -> Self {
        patterns.sort_by_key(|(glob, _)| (Reverse(glob.weight()), glob.to_string()));
        SymbolRules { single, patterns }
    }

    /// The entry of this very symbol.
    pub fn get(&self, symbol: &Symbol) -> Option<&SymbolSettings> {
        self.single.get(symbol)
    }

    /// The symbols that have an entry of their own, with what it says.
    pub fn iter(&self) -> impl Iterator<Item = (&Symbol, &SymbolSettings)> {
        self.single.iter()
    }

    /// The patterns, the longest first, with what is set for what fits them.
    pub fn patterns(&self) -> impl Iterator<Item = (&Glob, &SymbolSettings)> {
        self.patterns.iter().map(|(glob, set)| (glob, set))
    }

    /// The currency that is set for a symbol.
    pub fn currency(&self, symbol: &Symbol) -> Option<&Currency> {
        self.find(symbol, |set| set.currency.as_ref())
    }

    /// The class that is set for a symbol.
    pub fn class(&self, symbol: &Symbol) -> Option<Class> {
        self.find(symbol, |set| set.class)
    }

    /// The classes alone.
    pub fn classes(&self) -> SetClasses {
        let single = self.single.iter().filter_map(|(symbol, set)| Some((symbol.clone(), set.class?)));
        let patterns = self.patterns.iter().filter_map(|(glob, set)| Some((glob.clone(), set.class?)));
        SetClasses::new(single.collect(), patterns.collect())
    }

    fn find<'a, T>(&'a self, symbol: &Symbol, said: impl Fn(&'a SymbolSettings) -> Option<T>) -> Option<T> {
        let fitting = || self.patterns.iter().filter(|(glob, _)| glob.matches(symbol.as_str()));
        self.single.get(symbol).and_then(&said).or_else(|| fitting().find_map(|(_, set)| said(set)))
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::load::{LoadOptions, load};
    use crate::symbol::{Class, Symbol};

    fn set(text: &str, symbol: &str) -> (Option<String>, Class) {
        let text = Some(("the settings".to_owned(), format!("[sources.coinbase]\n{text}")));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let symbol = Symbol::parse(symbol).unwrap();
        let currency = settings.symbols.currency(&symbol).map(ToString::to_string);
        assert_eq!(settings.class(&symbol), settings.symbols.classes().of(&symbol));
        (currency, settings.class(&symbol))
    }

    #[test]
    fn an_entry_wins_over_patterns_and_a_longer_pattern_over_a_shorter_key_by_key() {
        let text = "[symbols.\"*.L\"]\ncurrency = \"GBP\"\n[symbols.\"VU*.L\"]\ncurrency = \"USD\"\n\
                    [symbols.\"*\"]\nclass = \"fund\"\n[symbols.\"VUSA.L\"]\nclass = \"equity\"\n";
        assert_eq!(set(text, "VOD.L"), (Some("GBP".to_owned()), Class::Fund));
        assert_eq!(set(text, "VUAG.L"), (Some("USD".to_owned()), Class::Fund));
        assert_eq!(set(text, "VUSA.L"), (Some("USD".to_owned()), Class::Equity));
        assert_eq!(set(text, "AAPL"), (None, Class::Fund));
    }
}
