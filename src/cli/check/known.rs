//! Chooses what to ask a source for when the caller does not say.

use crate::profile::Profile;
use crate::provider::description::SourceSettings;
use crate::provider::extract::Extractor;
use crate::route::Route;
use crate::settings::Settings;
use crate::symbol::Symbol;

/// What most vendors have, first what most of them have.
const KNOWN: [&str; 14] = [
    "BTC-USD", "BTC-USDT", "BTC-EUR", "AAPL", "EUR-USD", "USD-EUR", "^GSPC", "VOD.L", "SAP.DE", "ETH-USD", "ETH-USDT",
    "ETH-EUR", "GBP-USD", "EUR-GBP",
];

/// So many prices are needed to say which of them is wrong.
const COMPANY: usize = 3;

/// What each source is asked for: where it can be, what others are asked for too, so that there is something to compare with.
pub(super) fn choose(sources: &[&Profile], settings: &Settings) -> Vec<Option<Symbol>> {
    let known: Vec<Symbol> = KNOWN.iter().filter_map(|name| Symbol::parse(name).ok()).collect();
    let chosen =
        share_out(sources.len(), known.len(), |source, symbol| quotes(sources[source], &known[symbol], settings));
    let of = |(source, chosen): (&&Profile, Option<usize>)| {
        chosen.map(|symbol| known[symbol].clone()).or_else(|| own(&source.settings, settings))
    };
    sources.iter().zip(chosen).map(of).collect()
}

/// What a source by itself is asked for, if there is anything that it is known to have.
pub(super) fn first(source: &SourceSettings, settings: &Settings) -> Option<Symbol> {
    let profile = Profile::new(source.clone(), Extractor::new(source).ok()?, settings);
    choose(&[&profile], settings).pop().flatten()
}

/// Whether a source quotes a symbol itself, not only another one from which its price can be made.
fn quotes(source: &Profile, symbol: &Symbol, settings: &Settings) -> bool {
    Route::direct(source, symbol, settings).is_some_and(|route| route.is_straight())
}

/// What its first example asks for, else a symbol that the settings name: one it is restricted to, one that it spells by no
/// rule, one whose class is set.
fn own(source: &SourceSettings, settings: &Settings) -> Option<Symbol> {
    let asked = source.examples.first().and_then(|example| example.asked.first().cloned());
    let named = source.symbols.iter().map(ToString::to_string).chain(source.spelled.keys().cloned());
    let set = settings.symbols.iter().map(|(symbol, _)| symbol.to_string());
    let symbols = asked.into_iter().chain(named).chain(set).filter_map(|name| Symbol::parse(&name).ok());
    symbols.into_iter().find(|symbol| source.covers(symbol, settings.class(symbol)))
}

/// Gives each source one symbol: first those that enough sources can be asked for, in the order of the symbols, then those
/// that two can be, then any.
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

    /// What sources get that quote these symbols, one letter each.
    fn shared(sources: &[&str]) -> String {
        let quotes = |source: usize, symbol: usize| sources[source].contains(char::from(b'a' + symbol as u8));
        let letter = |chosen: Option<usize>| chosen.map_or('-', |symbol| char::from(b'a' + symbol as u8));
        share_out(sources.len(), 5, quotes).into_iter().map(letter).collect()
    }

    #[test]
    fn sources_are_asked_for_what_others_are_asked_for_too() {
        assert_eq!(shared(&["ab", "ab", "ab"]), "aaa");
        // two cannot say who is wrong, so three come before two, and two before one
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
