//! Ranks symbols by how well their names fit what was typed.
//!
//! Pure: the names are passed in, and the same names give the same ranking in whatever order they come.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::symbol::Symbol;
use crate::text::near::nearest;

/// The fewest characters of a text of which slips are forgiven: of three letters, one slip makes any of hundreds of tickers.
const SHORTEST_NEAR: usize = 4;

/// How a name fits what was typed, the best first. Case does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It is what was typed, perhaps in another spelling of the symbol.
    Exact,
    /// It begins so. The `^` of an index does not count.
    Prefix,
    /// One of its words begins so: a leg of a pair, a suffix, a word of an id.
    Word,
    /// It contains the text.
    Part,
    /// It, or one of its words, differs by a slip.
    Near,
}

impl Fit {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Fit::Exact => "exact",
            Fit::Prefix => "prefix",
            Fit::Word => "word",
            Fit::Part => "part",
            Fit::Near => "near",
        }
    }
}

/// A symbol, and one name by which it is known.
#[derive(Clone, Debug)]
pub struct Named<'n> {
    /// The symbol. Its own spelling is always one of its names.
    pub symbol: Symbol,
    /// What it is called besides: a coin's id, an ISIN, what a source calls it.
    pub called: Option<Cow<'n, str>>,
    /// The source that knows it; `None` if a table or the configuration does.
    pub source: Option<&'n str>,
}

impl<'n> From<(Symbol, &'n str)> for Named<'n> {
    fn from((symbol, source): (Symbol, &'n str)) -> Self {
        Named { symbol, called: None, source: Some(source) }
    }
}

/// A symbol that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The symbol.
    pub symbol: Symbol,
    /// How its best name fits.
    pub fit: Fit,
    /// Its best name, if that is not its own spelling.
    pub called: Option<String>,
    /// Whether any name of it is known. If not, only what was typed says that there is such a symbol.
    pub is_known: bool,
}

/// The names seen so far that fit.
#[derive(Debug)]
pub struct Ranking<'n> {
    /// What was typed, in capitals.
    typed: String,
    /// The symbol that it is read as.
    read_as: Option<Symbol>,
    found: HashMap<Symbol, Known<'n>>,
}

/// What is known of a symbol that fits.
#[derive(Debug)]
struct Known<'n> {
    fit: Fit,
    called: Option<Cow<'n, str>>,
    sources: BTreeSet<&'n str>,
}

impl<'n> Ranking<'n> {
    /// A ranking for what was typed, and the symbol that it is read as, if any.
    pub fn new(typed: &str, read_as: Option<Symbol>) -> Self {
        Ranking { typed: typed.trim().to_ascii_uppercase(), read_as, found: HashMap::new() }
    }

    /// Looks at one name.
    pub fn add(&mut self, named: impl Into<Named<'n>>) {
        let Named { symbol, called, source } = named.into();
        let is_read = self.read_as.as_ref() == Some(&symbol);
        let own = if is_read { Some(Fit::Exact) } else { fit(&self.typed, symbol.as_str()) };
        let other = called.and_then(|called| Some((fit(&self.typed, &called)?, called)));
        let (fit, called) = match (own, other) {
            (Some(own), Some((other, called))) if other < own => (other, Some(called)),
            (Some(own), _) => (own, None),
            (None, Some((other, called))) => (other, Some(called)),
            (None, None) => return,
        };
        let known =
            self.found.entry(symbol).or_insert_with(|| Known { fit, called: called.clone(), sources: BTreeSet::new() });
        known.sources.extend(source);
        // of two names that fit equally well, the symbol's own wins, and then the first in the alphabet
        if (fit, &called) < (known.fit, &known.called) {
            (known.fit, known.called) = (fit, called);
        }
    }

    /// The symbols that fit, the best first, and at most this many. Of those that fit equally well, known ones come first, then
    /// those that fit by their own spelling, of which a whole word was typed, that more sources know, and that are shorter.
    pub fn sorted(self, most: usize) -> Vec<Ranked> {
        let Ranking { typed, read_as, found } = self;
        let unknown = read_as.filter(|symbol| !found.contains_key(symbol)).map(|symbol| Ranked {
            symbol,
            fit: Fit::Exact,
            called: None,
            is_known: false,
        });
        let order = |symbol: &Symbol, known: &Known<'_>| {
            let is_whole = words(symbol.as_str()).any(|word| word == typed);
            let few = Reverse(known.sources.len());
            (known.fit, known.called.is_some(), !is_whole, few, symbol.as_str().len(), symbol.clone())
        };
        let mut all: Vec<(Symbol, Known<'_>)> = found.into_iter().collect();
        all.sort_by_cached_key(|(symbol, known)| order(symbol, known));
        let ranked = |(symbol, known): (Symbol, Known<'_>)| Ranked {
            symbol,
            fit: known.fit,
            called: known.called.map(Cow::into_owned),
            is_known: true,
        };
        let exact = all.iter().take_while(|(_, known)| known.fit == Fit::Exact).count();
        let rest = all.split_off(exact);
        all.into_iter().map(ranked).chain(unknown).chain(rest.into_iter().map(ranked)).take(most).collect()
    }
}

/// Ranks all of these names at once.
pub fn rank<'n, N: Into<Named<'n>>>(
    typed: &str,
    read_as: Option<Symbol>,
    names: impl IntoIterator<Item = N>,
    most: usize,
) -> Vec<Ranked> {
    let mut ranking = Ranking::new(typed, read_as);
    names.into_iter().for_each(|named| ranking.add(named));
    ranking.sorted(most)
}

/// How a name fits a text in capitals; `None` if it does not.
fn fit(typed: &str, name: &str) -> Option<Fit> {
    if typed.is_empty() {
        return None;
    }
    let name = name.to_ascii_uppercase();
    if name == typed {
        Some(Fit::Exact)
    } else if name.strip_prefix('^').unwrap_or(&name).starts_with(typed) || name.starts_with(typed) {
        Some(Fit::Prefix)
    } else if words(&name).any(|word| word.starts_with(typed)) {
        Some(Fit::Word)
    } else if name.contains(typed) {
        Some(Fit::Part)
    } else {
        let length = typed.chars().count();
        let is_as_long = |text: &&str| text.len().abs_diff(typed.len()) <= length.max(SHORTEST_NEAR);
        let near = || nearest(typed, std::iter::once(name.as_str()).chain(words(&name)).filter(is_as_long)).is_some();
        (length >= SHORTEST_NEAR && near()).then_some(Fit::Near)
    }
}

/// The words of a name: the legs of a pair, a ticker and its suffix.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    /// The ranking of symbols that one source knows.
    fn ranked(typed: &str, names: &[&str]) -> Vec<(String, Fit)> {
        let names = names.iter().map(|text| (symbol(text), "a"));
        let ranked = rank(typed, None, names, 10);
        ranked.into_iter().map(|ranked| (ranked.symbol.to_string(), ranked.fit)).collect()
    }

    #[test]
    fn exact_names_come_first_then_beginnings_words_parts_and_slips() {
        let names = ["X-APP.TO", "APP.L", "APPN", "APP", "MSFT", "^APPX"];
        let expected = [
            ("APP", Fit::Exact),
            ("APP.L", Fit::Prefix),
            ("APPN", Fit::Prefix),
            ("^APPX", Fit::Prefix),
            ("X-APP.TO", Fit::Word),
        ];
        assert_eq!(ranked("app", &names), expected.map(|(name, fit)| (name.to_owned(), fit)));
        assert_eq!(ranked("ppn", &["APPN"]), [("APPN".to_owned(), Fit::Part)]);
        assert_eq!(ranked("appl", &["AAPL", "MSFT"]), [("AAPL".to_owned(), Fit::Near)]);
        assert_eq!(ranked("zz", &names), []);
        assert_eq!(ranked("msf", &["MSTR", "MST.L"]), [], "one slip in three letters makes any of hundreds of tickers");
        assert_eq!(ranked("gspc", &["^GSPC"]), [("^GSPC".to_owned(), Fit::Prefix)]);
    }

    #[test]
    fn a_symbol_is_found_by_what_it_is_called_and_by_its_other_spellings() {
        let called =
            |name: &'static str| Named { symbol: symbol("BTC-USD"), called: Some(name.into()), source: Some("a") };
        for (typed, fit, best) in [
            ("bitcoin", Fit::Exact, Some("bitcoin")),
            ("coin", Fit::Part, Some("bitcoin")),
            ("btc", Fit::Prefix, None),
            ("bitcion", Fit::Near, Some("bitcoin")),
        ] {
            let found = rank(typed, None, [called("bitcoin"), called("1")], 10);
            assert_eq!((found.len(), found[0].fit, found[0].called.as_deref()), (1, fit, best), "{typed}");
        }
        let found = rank("xbt/usd", Some(symbol("BTC-USD")), [called("bitcoin")], 10);
        assert_eq!((found[0].fit, found[0].called.as_deref(), found[0].is_known), (Fit::Exact, None, true));
    }

    #[test]
    fn what_was_typed_is_a_symbol_even_if_no_name_of_it_is_known() {
        let coin = Named { symbol: symbol("PEPE-USD"), called: Some("pepe".into()), source: Some("a") };
        let found = rank("pepe", Some(symbol("PEPE")), [coin], 10);
        let said: Vec<_> = found.iter().map(|ranked| (ranked.symbol.as_str(), ranked.fit, ranked.is_known)).collect();
        assert_eq!(said, [("PEPE-USD", Fit::Exact, true), ("PEPE", Fit::Exact, false)]);
    }

    #[test]
    fn what_more_sources_know_comes_first_among_equals() {
        let names = [("BTC-AED", "a"), ("BTC-USD", "a"), ("BTC-USD", "b"), ("BTC-USD", "b")];
        let found = rank("btc", None, names.map(|(text, source)| (symbol(text), source)), 10);
        assert_eq!((found[0].symbol.as_str(), found[1].symbol.as_str()), ("BTC-USD", "BTC-AED"));
        let whole = [("EURC-USD", "a"), ("EURC-USD", "b"), ("EUR-USD", "a")];
        let found = rank("eur", None, whole.map(|(text, source)| (symbol(text), source)), 10);
        assert_eq!(found[0].symbol.as_str(), "EUR-USD", "a whole word comes before the beginning of one");
    }

    fn any_names() -> impl Strategy<Value = Vec<(Symbol, &'static str)>> {
        let symbol = prop_oneof!["[A-Z]{1,6}", "[A-Z]{2,4}-(USD|EUR)", "[A-Z]{2,4}[.](L|DE)", "\\^[A-Z]{2,5}"]
            .prop_filter_map("a symbol", |text| Symbol::parse(&text).ok());
        proptest::collection::vec((symbol, prop_oneof![Just("a"), Just("b"), Just("c")]), 0..30)
    }

    proptest! {
        #[test]
        fn a_ranking_is_bounded_sorted_and_the_same_in_any_order(
            typed in prop_oneof!["[A-Za-z]{1,5}", "\\PC{0,64}", "[A-Z]{3}-USD"],
            names in any_names(),
            most in 0usize..12,
        ) {
            let read_as = Symbol::parse(&typed).ok();
            let found = rank(&typed, read_as.clone(), names.clone(), most);
            prop_assert!(found.len() <= most);
            prop_assert!(found.is_sorted_by_key(|ranked| ranked.fit));
            let distinct: BTreeSet<&Symbol> = found.iter().map(|ranked| &ranked.symbol).collect();
            prop_assert_eq!(distinct.len(), found.len());
            prop_assert_eq!(&rank(&typed, read_as.clone(), names.iter().rev().cloned(), most), &found);
            prop_assert_eq!(&rank(&typed, read_as, names.iter().chain(&names).cloned(), most), &found);
        }

        #[test]
        fn a_name_that_was_typed_comes_first(names in any_names(), place in any::<proptest::sample::Index>(), lower in any::<bool>()) {
            prop_assume!(!names.is_empty());
            let wanted = place.get(&names).0.clone();
            let typed = if lower { wanted.to_string().to_lowercase() } else { wanted.to_string() };
            let found = rank(&typed, Symbol::parse(&typed).ok(), names, 5);
            prop_assert_eq!((&found[0].symbol, found[0].fit, found[0].is_known), (&wanted, Fit::Exact, true));
        }
    }
}
