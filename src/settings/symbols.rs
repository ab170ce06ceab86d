//! `[symbols."NAME"]`: what is set for a single symbol, and for all that match a pattern such as `*.L`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::Report;
use crate::symbol::{Class, Currency, SetClasses, Symbol};
use crate::units::Glob;

/// One section `[symbols."NAME"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SymbolSettings {
    /// The currency its prices are in.
    #[serde(deserialize_with = "currency")]
    pub currency: Option<Currency>,
    /// Its class.
    pub class: Option<Class>,
    /// What sources call it. If any is named here, it is a name of the user's own: no other source is asked for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spelled: BTreeMap<String, String>,
}

fn currency<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Currency>, D::Error> {
    String::deserialize(from).map(|code| Some(Currency::new(&code)))
}

/// All sections `[symbols."NAME"]`. A symbol's own entry wins over patterns, and a longer pattern over a shorter one, key by key.
#[derive(Clone, Debug, Default)]
pub struct SymbolRules {
    single: BTreeMap<Symbol, SymbolSettings>,
    /// The longest first.
    patterns: Vec<(Glob, SymbolSettings)>,
}

impl SymbolRules {
    /// Reads the names of all sections, and checks what they say.
    pub(super) fn read(sections: &BTreeMap<String, SymbolSettings>, report: &mut Report<'_>) -> Self {
        let (mut single, mut patterns) = (BTreeMap::new(), Vec::new());
        for (name, set) in sections {
            set.check(name, report);
            if name.contains('*') {
                match Glob::parse(name) {
                    Ok(glob) => patterns.push((glob, set.clone())),
                    Err(error) => report.at(&["symbols", name], error),
                }
                continue;
            }
            match Symbol::parse(name) {
                Ok(symbol) => {
                    if single.insert(symbol.clone(), set.clone()).is_some() {
                        let message = format!("{symbol} has a second section, spelled otherwise; keep one");
                        report.at(&["symbols", name], message);
                    }
                }
                Err(error) => report.at(&["symbols", name], error.to_string()),
            }
        }
        SymbolRules::new(single, patterns)
    }

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

impl SymbolSettings {
    /// Checks one section; `name` is how the file spells it.
    fn check(&self, name: &str, report: &mut Report<'_>) {
        let path = ["symbols", name, "currency"];
        // in the file's own letters: GBp is not GBP
        if let Some(code) = report.text(&path).map(str::to_owned) {
            let (whole, places) = Currency::of_unit(&code);
            report.unless(
                places == 0,
                &path,
                format!(
                    "{code:?} is a part of {whole}, and prices are in whole units; write {whole} here, \
                     and `units` for a source that does not say in which its prices are"
                ),
            );
            report.unless(
                (2..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                &path,
                format!("{code:?} is no currency; write its code, such as \"USD\" or \"EUR\""),
            );
            let capitals = Currency::new(&code);
            report.unless(
                places > 0 || whole == capitals,
                &path,
                format!("{code:?} is written like a part of {capitals}; write {capitals} if that is what is meant"),
            );
            if let Ok(symbol) = Symbol::parse(name) {
                let fixed = symbol.pair_currency();
                report.unless(
                    fixed.is_none() || fixed.as_ref() == Some(&whole),
                    &path,
                    format!("{symbol} is a pair, and its right-hand side is its currency; take this line out"),
                );
            }
        }
        report.unless(
            self.spelled.is_empty() || !name.contains('*'),
            &["symbols", name, "spelled"],
            "symbols that fit a pattern have no name in common; give each of them a section of its own",
        );
        report.unless(
            self.currency.is_some() || self.class.is_some() || !self.spelled.is_empty(),
            &["symbols", name],
            "this section says nothing; write currency = \"USD\", class = \"fund\" or spelled = { yahoo = \"…\" }",
        );
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
