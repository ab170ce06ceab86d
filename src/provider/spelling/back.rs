//! Turns a vendor's names back into our symbols: those in a list of what it trades.
//!
//! The rules that spell a symbol are tried on guesses: a symbol is right if it is spelled exactly so. Where a name without a
//! separator has several readings (`USDTRY`), the longest right leg decides, and then the order of the legs.

use std::collections::BTreeMap;

use super::{Spelled, Spelling};
use crate::symbol::{Class, Symbol};

/// The right legs that are tried where a description does not name its own.
const QUOTES: [&str; 16] = [
    "USD", "USDT", "USDC", "EUR", "GBP", "BTC", "ETH", "JPY", "KRW", "TRY", "BRL", "AUD", "CAD", "CHF", "FDUSD", "BNB",
];

/// What stands for the left leg while a name is taken apart; no name has it.
const LEFT: char = '\u{0}';

/// The way back from a source's names. Made once for many names.
pub(crate) struct Back<'s> {
    spelling: &'s Spelling,
    spelled: BTreeMap<&'s str, &'s Symbol>,
    /// Our names of parts by the vendor's, in capitals.
    parts: BTreeMap<String, Vec<&'s str>>,
    frames: Vec<Frame>,
}

/// What stands around the left leg of a pair in a name.
struct Frame {
    class: Class,
    before: String,
    after: String,
    /// Our name of the right leg.
    quote: String,
}

impl Spelling {
    /// The way back from its names to our symbols.
    pub(crate) fn back(&self) -> Back<'_> {
        let spelled = self.spelled.iter().map(|(symbol, name)| (name.as_str(), symbol)).collect();
        let mut parts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (ours, theirs) in self.rename.iter().chain(&self.ids) {
            parts.entry(theirs.to_uppercase()).or_default().push(ours);
        }
        let mut frames: Vec<Frame> = self.quotes().into_iter().flat_map(|quote| self.frames(quote)).collect();
        frames.sort_by_key(|frame| std::cmp::Reverse(frame.before.len() + frame.after.len()));
        Back { spelling: self, spelled, parts, frames }
    }

    fn quotes(&self) -> Vec<&str> {
        if self.currencies.is_empty() { QUOTES.to_vec() } else { self.currencies.iter().map(String::as_str).collect() }
    }

    /// The names of pairs with this right leg, without their left leg: one per class of pairs.
    fn frames(&self, quote: &str) -> Vec<Frame> {
        let theirs = self.rename.get(quote).map_or(quote, String::as_str);
        let left = LEFT.to_string();
        let whole = Spelled {
            symbol: format!("{left}-{theirs}"),
            base: left.clone(),
            quote: theirs.to_owned(),
            id: left,
            ..Spelled::default()
        };
        let frame = |class: Class| {
            let template = self.formats.per_class.get(&class).unwrap_or(&self.formats.general);
            let name = template.fill(|name| {
                Some(match name {
                    "symbol" => whole.symbol.clone(),
                    "base" => whole.base.clone(),
                    "quote" => whole.quote.clone(),
                    _ => whole.id.clone(),
                })
            })?;
            let (before, after) = name.split_once(LEFT)?;
            Some(Frame { class, before: before.to_owned(), after: after.to_owned(), quote: quote.to_owned() })
        };
        let pairs = [Class::Crypto, Class::Fx].into_iter().filter(|class| self.classes.contains(class));
        pairs.filter_map(frame).collect()
    }
}

impl Back<'_> {
    /// The symbol that the source spells so, among those that it covers; `None` if there is none.
    pub(crate) fn symbol(&self, name: &str) -> Option<Symbol> {
        let name = self.spelling.requested_as(name);
        if let Some(symbol) = self.spelled.get(name) {
            return Some((*symbol).clone());
        }
        let is_right = |symbol: &Symbol| {
            let class = self.spelling.class(symbol);
            self.spelling.covers(symbol, class) && self.spelling.spell(symbol, class).as_deref() == Some(name)
        };
        let mut pairs = self.frames.iter().flat_map(|frame| self.pairs(name, frame));
        pairs.find(is_right).or_else(|| Symbol::parse(name).ok().filter(is_right))
    }

    /// The pairs that a name may mean, given what stands around its left leg.
    fn pairs(&self, name: &str, frame: &Frame) -> Vec<Symbol> {
        let left = name.strip_prefix(&*frame.before).and_then(|rest| rest.strip_suffix(&*frame.after));
        let Some(left) = left.filter(|left| !left.is_empty()) else { return Vec::new() };
        let left = left.to_uppercase();
        let ours = self.parts.get(&left).into_iter().flatten().copied();
        let pairs = ours.chain([left.as_str()]).filter_map(|base| Symbol::of_legs(base, &frame.quote));
        pairs.filter(|pair| pair.class() == frame.class).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::clock::cpu;
    use crate::provider::catalogue::catalogue;
    use crate::provider::extract::Extractor;
    use crate::provider::instruments;
    use crate::symbol::Symbol;

    fn extractor(name: &str) -> Extractor {
        Extractor::new(&catalogue()[name].clone().resolve(name).unwrap()).unwrap()
    }

    #[test]
    fn a_vendors_name_is_the_symbol_that_it_spells() {
        let cases = [
            ("kraken", "XBTUSD", "BTC-USD"),
            ("kraken", "XDGEUR", "DOGE-EUR"),
            ("kraken", "XXBTZUSD", "BTC-USD"),
            ("kraken", "EURUSD", "EUR-USD"),
            ("binance", "BTCFDUSD", "BTC-FDUSD"),
            ("binance", "ETHBTC", "ETH-BTC"),
            ("cryptocom", "BTC_USD", "BTC-USD"),
            ("gemini", "btcusd", "BTC-USD"),
            ("bitfinex", "tBTCUST", "BTC-USDT"),
            ("bitfinex", "tAVAX:USD", "AVAX-USD"),
            ("coinbase", "CGLD-USD", "CELO-USD"),
        ];
        for (source, name, ours) in cases {
            let extractor = extractor(source);
            let symbol = extractor.spelling().back().symbol(name);
            assert_eq!(symbol.map(|symbol| symbol.to_string()).as_deref(), Some(ours), "{source} {name}");
        }
        let extractor = extractor("cryptocom");
        for name in ["BTCUSD-PERP", "BTC_DAI", "", "_USD", "ö_USD", "BTC_USD_USD"] {
            assert_eq!(extractor.spelling().back().symbol(name), None, "{name}");
        }
    }

    #[test]
    fn every_list_of_the_catalogue_is_read_and_names_symbols() {
        let mut lists = 0;
        for (name, table) in catalogue() {
            let source = table.clone().resolve(name).unwrap();
            let extractor = Extractor::new(&source).unwrap();
            for example in source.instruments.iter().flat_map(|list| &list.examples) {
                instruments::check(&source, example, cpu::timer).unwrap_or_else(|error| panic!("{name}: {error}"));
                let back = extractor.spelling().back();
                let symbols = example.expect.keys().filter_map(|theirs| back.symbol(theirs)).count();
                assert!(symbols * 2 >= example.expect.len(), "{name}: {symbols} of {:?}", example.expect);
                lists += 1;
            }
            let mut words = source.instruments.iter().flat_map(|list| &list.halted).peekable();
            let examples = || source.instruments.iter().flat_map(|list| &list.examples);
            let is_seen = |word: &String| examples().any(|example| example.expect.values().any(|seen| seen == word));
            assert!(words.peek().is_none() || words.any(is_seen), "{name}: no example shows a halted market");
        }
        assert!(lists >= 14, "{lists}");
    }

    proptest! {
        #[test]
        fn whatever_a_source_spells_comes_back_as_a_symbol_spelled_the_same(
            base in "[A-Z0-9]{2,8}",
            quote in prop::sample::select(vec!["USD", "USDT", "USDC", "EUR", "BTC", "ETH", "GBP"]),
            name in prop::sample::select(vec!["kraken", "binance", "cryptocom", "gemini", "bitfinex", "coinbase", "okx"]),
        ) {
            let extractor = extractor(name);
            let spelling = extractor.spelling();
            if let Some(symbol) = Symbol::of_legs(&base, quote)
                && spelling.covers(&symbol, symbol.class())
                && let Some(theirs) = spelling.spell(&symbol, symbol.class())
            {
                let back = spelling.back().symbol(&theirs);
                prop_assert!(back.is_some(), "{} {}", symbol, theirs);
                let back = back.unwrap();
                prop_assert_eq!(spelling.spell(&back, back.class()), Some(theirs));
            }
        }
    }
}
