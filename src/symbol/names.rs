//! The names that a user has defined: for a fund, for one's own series, for what no other spelling stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tables::coins::usual_ticker;
use super::{Kind, LONGEST, Symbol, SymbolError};
use crate::text::near::nearest;

/// The most names that a text is compared with to find one that is near.
const COMPARED: usize = 100;

/// The names that a user has defined. Cheap to clone. They come before everything else that a text might be understood as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The symbols that are only names, by these names.
    own: Arc<BTreeMap<String, Symbol>>,
    /// The symbols that the user has given an ISIN, by these ISINs.
    isins: Arc<BTreeMap<Symbol, Symbol>>,
}

impl Names {
    /// Those of some symbols that are only names.
    pub fn among<'s>(symbols: impl IntoIterator<Item = &'s Symbol>) -> Self {
        let own = symbols.into_iter().filter(|symbol| symbol.is_only_a_name());
        Names { own: Arc::new(own.map(|symbol| (symbol.to_string(), symbol.clone())).collect()), isins: Arc::default() }
    }

    /// The same names, and symbols by the ISINs that the user has given them.
    pub fn with_isins(self, isins: BTreeMap<Symbol, Symbol>) -> Self {
        Names { isins: Arc::new(isins), ..self }
    }

    /// The symbol that is meant by a symbol: by an ISIN, the symbol that the user has given it to.
    pub fn meant_by(&self, symbol: Symbol) -> Symbol {
        self.isins.get(&symbol).cloned().unwrap_or(symbol)
    }

    /// Whether a symbol is one of these names.
    pub fn contains(&self, symbol: &Symbol) -> bool {
        self.own.contains_key(symbol.as_str())
    }

    /// Reads a symbol: one of these names, or any spelling that is understood. An ISIN that the user has given to a symbol is
    /// that symbol.
    ///
    /// # Errors
    /// As [`Symbol::parse`]; a name that is near is suggested.
    pub fn read(&self, text: &str) -> Result<Symbol, SymbolError> {
        let upper = text.trim().to_ascii_uppercase();
        if let Some(own) = self.own.get(&upper) {
            return Ok(own.clone());
        }
        let symbol = Symbol::parse(text).map_err(|error| match error {
            SymbolError::Form(_) => self.near(text.trim(), &upper).unwrap_or(error),
            _ => error,
        })?;
        Ok(self.meant_by(symbol))
    }

    /// The sentence that suggests a name, if one is near. A client may send thousands of texts, so few names are compared.
    fn near(&self, typed: &str, upper: &str) -> Option<SymbolError> {
        let is_as_long = |name: &&str| name.len().abs_diff(upper.len()) <= 2;
        let names = self.own.keys().map(String::as_str).filter(is_as_long).take(COMPARED);
        let why = format!("is not spelled like a symbol; did you mean {}?", nearest(upper, names)?);
        Some(SymbolError::Other(typed.to_owned(), why))
    }
}

impl Symbol {
    /// Reads the name of a symbol in a configuration: any spelling that is understood, or else a name that is defined by being
    /// there.
    ///
    /// # Errors
    /// The text is empty, longer than [`LONGEST`], or contains a character that no symbol has.
    pub fn named(text: &str) -> Result<Self, SymbolError> {
        match Symbol::parse(text) {
            Ok(symbol) => Ok(symbol),
            Err(error @ (SymbolError::Empty | SymbolError::TooLong(_) | SymbolError::Character(..))) => Err(error),
            // only its case makes it something else than a symbol: `GBp-USD`
            Err(error) if Symbol::parse(&text.to_ascii_uppercase()).is_ok() => Err(error),
            Err(_) if text.len() > LONGEST => Err(SymbolError::TooLong(text.chars().count())),
            Err(_) => match text.chars().find(|c| !c.is_ascii_alphanumeric() && !".-_/=^&:+".contains(*c)) {
                Some(wrong) => Err(SymbolError::Character(text.to_owned(), wrong)),
                None => Ok(Symbol::new(&text.to_ascii_uppercase(), Kind::Own)),
            },
        }
    }

    /// Why a pattern of symbols matches nothing, if it names something by another spelling than the canonical one: `XBT-*`,
    /// `BRK-B`. `None` if it may match a symbol.
    pub(crate) fn why_never_matched(pattern: &str) -> Option<String> {
        let upper = pattern.to_ascii_uppercase();
        let canonical = if upper.contains('*') {
            upper.split('-').map(usual_ticker).collect::<Vec<_>>().join("-")
        } else {
            Symbol::parse(pattern).ok()?.to_string()
        };
        (canonical != upper).then(|| format!("{pattern:?} matches no symbol: its name here is {canonical}; write that"))
    }

    /// The symbol that this text, a canonical spelling, was written for by an earlier process. `None` if no symbol is spelled so
    /// today.
    pub(crate) fn written(text: &str) -> Option<Self> {
        let pair = || text.split_once('-').and_then(|(base, quote)| Symbol::of_legs(base, quote));
        let same = |symbol: &Symbol| symbol.as_str() == text;
        let read = Symbol::parse(text).ok().or_else(pair).or_else(|| Symbol::named(text).ok());
        read.filter(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_before_what_it_might_be_taken_for() {
        let names: Vec<Symbol> = ["WORLD2", "BTC-PERP", "AAPL"].map(|name| Symbol::named(name).unwrap()).into();
        let names = Names::among(&names);
        let read = |text: &str| names.read(text).map(|symbol| symbol.to_string());
        assert_eq!(
            (read("world2").unwrap(), read(" btc-perp ").unwrap()),
            ("WORLD2".to_owned(), "BTC-PERP".to_owned())
        );
        assert_eq!((read("aapl").unwrap(), read("XBT-USD").unwrap()), ("AAPL".to_owned(), "BTC-USD".to_owned()));
        assert!(read("WORDL2").unwrap_err().to_string().ends_with("did you mean WORLD2?"));
        assert!(Names::default().read("WORLD2").is_err());
    }

    #[test]
    fn an_isin_that_a_symbol_was_given_is_that_symbol() {
        let symbol = |text: &str| Symbol::parse(text).unwrap();
        let names = Names::default().with_isins([(symbol("IE00BK5BQT80"), symbol("VWCE.DE"))].into());
        for text in ["IE00BK5BQT80", "isin:ie00bk5bqt80", "VWCE.DE"] {
            assert_eq!(names.read(text).unwrap().as_str(), "VWCE.DE", "{text}");
        }
        assert_eq!(names.read("US0378331005").unwrap().as_str(), "US0378331005");
        assert_eq!(Names::default().read("IE00BK5BQT80").unwrap().as_str(), "IE00BK5BQT80");
    }

    #[test]
    fn what_was_written_is_read_as_what_it_was() {
        for text in ["AAPL", "BAC-PL", "BTC-USD", "USD-PEPE", "WORLD2", "GC=F", "US0378331005", "QQQQ.RO"] {
            assert_eq!(Symbol::written(text).map(|symbol| symbol.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Symbol::written("USD-PEPE"), Symbol::of_legs("USD", "PEPE"));
        assert_eq!(Symbol::written("WORLD2"), Symbol::named("WORLD2").ok());
        assert_eq!((Symbol::written("XBT-USD"), Symbol::written("A B")), (None, None));
    }

    #[test]
    fn a_pattern_of_another_spelling_is_told_what_to_write() {
        for (pattern, canonical) in
            [("XBT-*", "BTC-*"), ("*-xdg", "*-DOGE"), ("BRK-B", "BRK.B"), ("NASDAQ:AAPL", "AAPL")]
        {
            let why = Symbol::why_never_matched(pattern).unwrap();
            assert!(why.contains(&format!("is {canonical};")), "{why}");
        }
        for pattern in ["*", "btc-*", "*.L", "BRK.B", "^*", "WORLD2", "XBT*", "US0378331005"] {
            assert_eq!(Symbol::why_never_matched(pattern), None);
        }
    }

    #[test]
    fn a_name_has_the_characters_of_a_symbol() {
        assert!(matches!(Symbol::named("A B"), Err(SymbolError::Character(_, ' '))));
        assert!(matches!(Symbol::named("GBp-USD"), Err(SymbolError::Other(..))));
        assert!(matches!(Symbol::named(&"7".repeat(33)), Err(SymbolError::TooLong(33))));
        assert_eq!(Symbol::named("brk-b").unwrap().as_str(), "BRK.B");
    }
}
