//! Chooses a symbol to ask a source for when the command line names none.

use crate::profile::Profile;
use crate::provider::description::SourceSettings;
use crate::provider::extract::Extractor;
use crate::route::Route;
use crate::settings::Settings;
use crate::symbol::Symbol;

/// Symbols that most vendors have, the most common first.
const KNOWN: [&str; 14] = [
    "BTC-USD", "BTC-USDT", "BTC-EUR", "AAPL", "EUR-USD", "USD-EUR", "^GSPC", "VOD.L", "SAP.DE", "ETH-USD", "ETH-USDT",
    "ETH-EUR", "GBP-USD", "EUR-GBP",
];

/// The least number of prices that can show which one is wrong.
const COMPANY: usize = 3;

/// The symbol for each source: where possible, one that others are asked for too, so that the prices can be compared.
pub(super) fn choose(sources: &[&Profile], settings: &Settings) -> Vec<Option<Symbol>> {
    let known: Vec<Symbol> = KNOWN.iter().filter_map(|name| Symbol::parse(name).ok()).collect();
    let chosen =
        share_out(sources.len(), known.len(), |source, symbol| quotes(sources[source], &known[symbol], settings));
    let of = |(source, chosen): (&&Profile, Option<usize>)| {
        chosen.map(|symbol| known[symbol].clone()).or_else(|| own(&source.settings, settings))
    };
    sources.iter().zip(chosen).map(of).collect()
}

/// The symbol for a source that is checked alone; `None` if no symbol is known that it has.
pub(super) fn first(source: &SourceSettings, settings: &Settings) -> Option<Symbol> {
    let profile = Profile::new(source.clone(), Extractor::new(source).ok()?, settings);
    choose(&[&profile], settings).pop().flatten()
}

/// Whether a source quotes a symbol directly, rather than one from which its price can be derived.
fn quotes(source: &Profile, symbol: &Symbol, settings: &Settings) -> bool {
    Route::direct(source, symbol, settings).is_some_and(|route| route.is_straight())
}

/// The symbol of the source's first example, else one that the settings name: one that the source is restricted to, one
/// whose spelling is set, or one whose class is set.
fn own(source: &SourceSettings, settings: &Settings) -> Option<Symbol> {
    let asked = source.examples.first().and_then(|example| example.asked.first().cloned());
    let named = source.symbols.texts().into_iter().chain(source.spelled.keys().cloned());
    let set = settings.symbols.iter().map(|(symbol, _)| symbol.to_string());
    let symbols = asked.into_iter().chain(named).chain(set).filter_map(|name| Symbol::named(&name).ok());
    symbols.into_iter().find(|symbol| source.covers(symbol, settings.class(symbol)))
}

/// Gives each source one symbol: first one that enough sources quote, in the order of the symbols, then one that two
/// quote, then any.
fn share_out(sources: usize, symbols: usize, quotes: impl Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
    let mut chosen = vec![None; sources];
    for company in (1..=COMPANY).rev() {
        for symbol in 0..symbols {
            let is_free = |source: &usize| chosen[*source].is_none() && quotes(*source, symbol);
            let free: Vec<usize> = (0..sources).filter(is_free).collect();
            let already = chosen.iter().filter(|chosen| **chosen == Some(symbol)).count();
            if already + free.len() >= company {
                free.into_iter().for_each(|source| chosen[source] = Some(symbol));
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{LoadOptions, load};

    /// The symbols that sources get if they quote these, one letter per symbol.
    fn shared(sources: &[&str]) -> String {
        let quotes = |source: usize, symbol: usize| sources[source].contains(char::from(b'a' + symbol as u8));
        let letter = |chosen: Option<usize>| chosen.map_or('-', |symbol| char::from(b'a' + symbol as u8));
        share_out(sources.len(), 5, quotes).into_iter().map(letter).collect()
    }

    #[test]
    fn sources_are_asked_for_what_others_are_asked_for_too() {
        assert_eq!(shared(&["ab", "ab", "ab"]), "aaa");
        // two prices cannot show which one is wrong, so three sources come before two, and two before one
        assert_eq!(shared(&["ab", "ab", "b"]), "bbb");
        assert_eq!(shared(&["ab", "ab", "c"]), "aac");
        assert_eq!(shared(&["b", "c", ""]), "bc-");
        assert_eq!(shared(&["a", "ab", "ab", "b"]), "aaab");
    }

    #[test]
    fn a_source_without_examples_is_asked_for_what_it_is_restricted_to() {
        let first = |keys: &str| {
            let text =
                format!("[sources.x]\nclasses = [\"crypto\"]\nurl = \"http://x.test/{{symbol}}\"\njq = \".\"\n{keys}");
            let options = LoadOptions { text: Some(("x".to_owned(), text)), ..LoadOptions::default() };
            let settings = load(&options).unwrap();
            super::first(&settings.sources[0], &settings).map(|symbol| symbol.to_string())
        };
        assert_eq!(first("").as_deref(), Some("BTC-USD"));
        assert_eq!(first("currencies = [\"USDT\"]").as_deref(), Some("BTC-USDT"));
        assert_eq!(first("symbols = [\"DOGE-*\", \"PEPE-CHF\"]").as_deref(), Some("PEPE-CHF"));
        assert_eq!(first("symbols = [\"DOGE-*\"]"), None);
        assert_eq!(first("symbols = [\"DOGE-*\"]\nspelled = { DOGE-XMR = \"woof\" }").as_deref(), Some("DOGE-XMR"));
    }
}
