//! `[symbols."NAME"]`: settings for a single symbol, or for all that match a pattern such as `*.L`.

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
    /// The currency of its prices.
    #[serde(deserialize_with = "currency")]
    pub currency: Option<Currency>,
    /// Its class.
    pub class: Option<Class>,
    /// Its ISIN, in capitals: sources that are asked by ISIN are then asked for it too, and a client that asks for the ISIN asks
    /// for this symbol.
    #[serde(deserialize_with = "isin")]
    pub isin: Option<String>,
    /// What sources call it, by their names. If any source is named here, no other one is asked for the symbol.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spelled: BTreeMap<String, String>,
}

fn currency<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Currency>, D::Error> {
    String::deserialize(from).map(|code| Some(Currency::new(&code)))
}

fn isin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(|isin| Some(isin.trim().to_ascii_uppercase()))
}

/// All sections `[symbols."NAME"]`. For each key, a symbol's own entry wins over patterns, and longer patterns over
/// shorter ones.
#[derive(Clone, Debug, Default)]
pub struct SymbolRules {
    single: BTreeMap<Symbol, SymbolSettings>,
    /// The longest first.
    patterns: Vec<(Glob, SymbolSettings)>,
}

impl SymbolRules {
    /// Reads the names of all sections, and checks the sections.
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
            match Symbol::named(name) {
                Ok(symbol) => {
                    check_isin(&symbol, name, set, sections, report);
                    if single.insert(symbol.clone(), set.clone()).is_some() {
                        let message = format!("{symbol} has a second section under another spelling; keep one");
                        report.at(&["symbols", name], message);
                    }
                }
                Err(error) => report.at(&["symbols", name], error.to_string()),
            }
        }
        SymbolRules::new(single, patterns)
    }

    /// Rules from entries for single symbols and for patterns.
    pub fn new(single: BTreeMap<Symbol, SymbolSettings>, mut patterns: Vec<(Glob, SymbolSettings)>) -> Self {
        patterns.sort_by_key(|(glob, _)| (Reverse(glob.weight()), glob.to_string()));
        SymbolRules { single, patterns }
    }

    /// The symbol's own entry; patterns do not count.
    pub fn get(&self, symbol: &Symbol) -> Option<&SymbolSettings> {
        self.single.get(symbol)
    }

    /// The symbols with an entry of their own, and the entries.
    pub fn iter(&self) -> impl Iterator<Item = (&Symbol, &SymbolSettings)> {
        self.single.iter()
    }

    /// The patterns, the longest first, and their entries.
    pub fn patterns(&self) -> impl Iterator<Item = (&Glob, &SymbolSettings)> {
        self.patterns.iter().map(|(glob, set)| (glob, set))
    }

    /// The currency set for a symbol, if any.
    pub fn currency(&self, symbol: &Symbol) -> Option<&Currency> {
        self.find(symbol, |set| set.currency.as_ref())
    }

    /// The currency that a symbol's own section sets, or for an ISIN any section.
    pub fn security_currency(&self, symbol: &Symbol) -> Option<&Currency> {
        if symbol.isin().is_some() { self.currency(symbol) } else { self.single.get(symbol)?.currency.as_ref() }
    }

    /// The class set for a symbol, if any.
    pub fn class(&self, symbol: &Symbol) -> Option<Class> {
        self.find(symbol, |set| set.class)
    }

    /// The ISINs that symbols are given, each with its symbol.
    pub fn isins(&self) -> BTreeMap<Symbol, Symbol> {
        let isin = |set: &SymbolSettings| Symbol::of_isin(set.isin.as_ref()?).ok();
        self.single.iter().filter_map(|(symbol, set)| Some((isin(set)?, symbol.clone()))).collect()
    }

    /// Only the classes.
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
        // as the file spells it: GBp is not GBP
        if let Some(code) = report.text(&path).map(str::to_owned) {
            let (whole, places) = Currency::of_unit(&code);
            report.unless(
                places == 0,
                &path,
                format!(
                    "{code:?} is a part of {whole}, and prices are in whole units; write {whole} here, \
                     and set `units` for a source that does not say which unit its prices are in"
                ),
            );
            report.unless(
                whole.is_code() || Currency::new(&code).is_code(),
                &path,
                format!("{code:?} is not a currency; write a code such as \"USD\" or \"EUR\""),
            );
            let capitals = Currency::new(&code);
            report.unless(
                places > 0 || whole == capitals,
                &path,
                format!("{code:?} is written like a part of {capitals}; write {capitals} if you mean that"),
            );
            if let Ok(symbol) = Symbol::named(name) {
                let fixed = symbol.pair_currency();
                report.unless(
                    fixed.is_none() || fixed.as_ref() == Some(&whole),
                    &path,
                    format!("{symbol} is a pair, and its right-hand side is its currency; remove this line"),
                );
            }
        }
        report.unless(
            self.spelled.is_empty() || !name.contains('*'),
            &["symbols", name, "spelled"],
            "the symbols that match a pattern share no name; give each of them its own section",
        );
        report.unless(
            self.isin.is_none() || !name.contains('*'),
            &["symbols", name, "isin"],
            "the symbols that match a pattern share no ISIN; give each of them its own section",
        );
        report.unless(
            self.currency.is_some()
                || self.class.is_some()
                || self.isin.is_some()
                || !self.spelled.is_empty()
                || !report.was_read(&["symbols", name]),
            &["symbols", name],
            "this section is empty; write currency = \"USD\", class = \"fund\", isin = \"…\" or spelled = { yahoo = \"…\" }",
        );
    }
}

/// Checks the ISIN of a symbol's section, which `name` spells, against the symbol and all other sections.
fn check_isin(
    symbol: &Symbol,
    name: &str,
    set: &SymbolSettings,
    sections: &BTreeMap<String, SymbolSettings>,
    report: &mut Report<'_>,
) {
    let Some(text) = &set.isin else { return };
    let path = ["symbols", name, "isin"];
    let isin = match Symbol::of_isin(text) {
        Ok(isin) => isin,
        Err(error) => return report.at(&path, error.to_string()),
    };
    let what = match (symbol.isin(), symbol.may_have_isin()) {
        (Some(_), _) => "is an ISIN itself; write the ticker in its place, as in [symbols.\"VWCE.DE\"]",
        (None, false) => "is neither a share nor a fund, so it has no ISIN; remove this line",
        (None, true) => "",
    };
    report.unless(what.is_empty(), &path, format!("{symbol} {what}"));
    // requests for the ISIN are requests for the symbol, so nothing would ever read this section
    let own = sections.keys().find(|other| Symbol::named(other).as_ref() == Ok(&isin));
    if let Some(own) = own.filter(|_| symbol.may_have_isin()) {
        let message =
            format!("{isin} is {symbol} here, so this section has no effect; write its lines in {}", symbol.section());
        report.at(&["symbols", own], message);
    }
    let is_same = |(other, other_set): &(&String, &SymbolSettings)| {
        other.as_str() < name && other_set.isin.as_ref().is_some_and(|text| Symbol::of_isin(text).as_ref() == Ok(&isin))
    };
    if let Some((other, _)) = sections.iter().find(is_same) {
        let message = format!(
            "{isin} is the ISIN of {other} already; keep it at the listing that your sources quote, since a request for the \
             ISIN can mean only one"
        );
        report.at(&path, message);
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
    fn an_entry_wins_over_patterns_and_long_over_short_ones_key_by_key() {
        let text = "[symbols.\"*.L\"]\ncurrency = \"GBP\"\n[symbols.\"VU*.L\"]\ncurrency = \"USD\"\n\
                    [symbols.\"*\"]\nclass = \"fund\"\n[symbols.\"VUSA.L\"]\nclass = \"equity\"\n";
        assert_eq!(set(text, "VOD.L"), (Some("GBP".to_owned()), Class::Fund));
        assert_eq!(set(text, "VUAG.L"), (Some("USD".to_owned()), Class::Fund));
        assert_eq!(set(text, "VUSA.L"), (Some("USD".to_owned()), Class::Equity));
        assert_eq!(set(text, "AAPL"), (None, Class::Fund));
    }

    #[test]
    fn named_sources_and_those_that_speak_isin_are_asked_for_a_symbol() {
        let text = "[sources.justetf]\nenabled = true\nspelled = { LU0274208692 = \"own-name\" }\n[sources.yahoo]\n[sources.nasdaq]\n\
                    [symbols.WORLD2]\nspelled = { yahoo = \"0P.F\" }\nisin = \"ie00bk5bqt80\"\n\
                    [symbols.WORLD3]\nisin = \"LU0274208692\"\n\
                    [watch]\nsymbols = [\"IE00BK5BQT80\", \"WORLD2\", \"AAPL\"]\n";
        let text = Some(("the settings".to_owned(), text.to_owned()));
        let settings =
            load(&LoadOptions { text, ..LoadOptions::default() }).unwrap_or_else(|errors| panic!("{errors}"));
        let world = Symbol::named("WORLD2").unwrap();
        assert_eq!(settings.covering(&world), ["justetf", "yahoo"]);
        let watched: Vec<&str> = settings.watch.symbols.iter().map(Symbol::as_str).collect();
        assert_eq!(watched, ["WORLD2", "AAPL"], "the ISIN is the symbol, also on the watch list");
        let justetf = settings.sources.iter().find(|source| source.name == "justetf").unwrap();
        assert_eq!(justetf.spelled["WORLD3"], "own-name", "what a source calls the ISIN is what it calls the symbol");
        assert!(settings.sources.iter().all(|source| source.isins.is_empty() || source.name == "justetf"));
    }
}
