//! Reads the name of what is priced: a share, a listing on an exchange, an index, or a pair of currencies.
//!
//! There is one canonical spelling (`BRK.B`, `VOD.L`, `^GSPC`, `BTC-USD`). The other spellings in common use are understood and
//! rewritten. What a symbol *is* follows from its spelling alone, so no list of symbols is needed.

mod classes;
mod currency;
mod pair;
mod part;
mod tables;

use std::fmt;
use std::sync::Arc;

pub use classes::SetClasses;
pub use currency::Currency;
pub use tables::Exchange;

/// The suffixes of the known exchanges.
#[cfg(test)]
pub(crate) fn suffixes() -> impl Iterator<Item = &'static str> {
    tables::EXCHANGES.iter().map(|exchange| exchange.suffix)
}

/// The most characters in a symbol.
pub const LONGEST: usize = 32;

/// A symbol in its canonical spelling. Cheap to clone. Two symbols are equal if they are spelled alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol {
    text: Arc<str>,
    kind: Kind,
}

/// What a symbol's spelling says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    /// `AAPL`, `BRK.B`: without the suffix of a known exchange, so perhaps listed in the United States.
    UnitedStates,
    /// `VOD.L`: the index of its suffix in the table of exchanges.
    Listing(usize),
    /// `^GSPC`.
    Index,
    /// `BTC-USD`: the position of the hyphen, and whether both legs are currencies of ISO 4217.
    Pair { hyphen: usize, fx: bool },
}

/// A kind of market. The ages and rules of the fold are set per class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Shares, and everything else that is listed on an exchange.
    Equity,
    /// A market index.
    Index,
    /// A pair of which at least one leg is not a currency of ISO 4217.
    Crypto,
    /// A pair of currencies of ISO 4217, precious metals included.
    Fx,
    /// A fund with one net asset value a day. No spelling says so; `[symbols."NAME"] class = "fund"` does.
    Fund,
}

/// Why a text does not name a symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Nothing between two commas.
    #[error("a symbol is empty; remove the extra comma, or name one such as AAPL")]
    Empty,
    /// More than [`LONGEST`] characters.
    #[error("a symbol has {0} characters; at most {LONGEST} are allowed")]
    TooLong(usize),
    /// A character that no symbol contains.
    #[error("{0:?} contains {1:?}; a symbol consists of A-Z a-z 0-9 . - _ / = ^")]
    Character(String, char),
    /// A colon, which is reserved for identifiers such as `isin:US0378331005`.
    #[error("{0:?} contains a colon, which is reserved for identifiers (isin:, figi:); these are not supported yet")]
    Reserved(String),
    /// The right characters, but in no known form.
    #[error(
        "{0:?} is not spelled like a symbol; write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD or EURUSD=X, with at most one hyphen"
    )]
    Form(String),
}

impl Symbol {
    /// Reads a symbol in any of the spellings that are understood, in any case.
    ///
    /// ```
    /// use quotefold::symbol::{Class, Symbol};
    ///
    /// assert_eq!(Symbol::parse("brk/b")?.as_str(), "BRK.B");
    /// assert_eq!(Symbol::parse("EURUSD=X")?.as_str(), "EUR-USD");
    /// assert_eq!(Symbol::parse("btc-usd")?.class(), Class::Crypto);
    /// assert!(Symbol::parse("isin:US0378331005").is_err());
    /// # Ok::<(), quotefold::symbol::SymbolError>(())
    /// ```
    ///
    /// # Errors
    /// The text is empty, longer than [`LONGEST`], contains a character that no symbol has, or is in no known form.
    pub fn parse(text: &str) -> Result<Self, SymbolError> {
        check_characters(text)?;
        let upper = text.to_ascii_uppercase();
        let form = || SymbolError::Form(text.to_owned());
        if let Some(name) = upper.strip_prefix('^') {
            let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
            return plain.then(|| Self::new(&upper, Kind::Index)).ok_or_else(form);
        }
        if let Some(pair) = upper.strip_suffix("=X") {
            let (base, quote) = pair.split_at_checked(3).ok_or_else(form)?;
            return if quote.len() == 3 { Self::pair(base, quote) } else { None }.ok_or_else(form);
        }
        // listings abroad write a share class with a hyphen: NOVO-B.CO
        if let Some(listing) = Self::class_abroad(&upper) {
            return Ok(listing);
        }
        match upper.split_once(['-', '/', '_']) {
            // one letter after the separator is a share class: BRK-B, BF/B
            // `MKC-V` is not a listing in Canada, so it must not become `MKC.V`
            Some((ticker, class)) if class.len() == 1 => {
                Self::share(&format!("{ticker}.{class}")).filter(Self::is_united_states)
            }
            Some((base, quote)) => Self::pair(base, quote),
            None => Self::share(&upper),
        }
        .ok_or_else(form)
    }

    fn new(text: &str, kind: Kind) -> Self {
        Symbol { text: text.into(), kind }
    }

    fn share(text: &str) -> Option<Self> {
        let (ticker, suffix) = text.split_once('.').unwrap_or((text, ""));
        if !is_word(ticker) || (text.contains('.') && !is_word(suffix)) {
            return None;
        }
        let kind = tables::exchange(suffix).map_or(Kind::UnitedStates, Kind::Listing);
        Some(Self::new(text, kind))
    }

    fn class_abroad(text: &str) -> Option<Self> {
        let (ticker, suffix) = text.rsplit_once('.')?;
        let (name, class) = ticker.split_once('-')?;
        let exchange = tables::exchange(suffix)?;
        (is_word(name) && is_word(class) && class.len() == 1).then(|| Self::new(text, Kind::Listing(exchange)))
    }

    fn pair(base: &str, quote: &str) -> Option<Self> {
        let fx = tables::is_currency(base) && tables::is_currency(quote);
        (is_word(base) && is_word(quote) && base != quote)
            .then(|| Self::new(&format!("{base}-{quote}"), Kind::Pair { hyphen: base.len(), fx }))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The section of a configuration file about this symbol: `[symbols.TCS]`, `[symbols."VOD.L"]`.
    pub fn section(&self) -> String {
        let is_bare = self.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_bare { format!("[symbols.{self}]") } else { format!("[symbols.{:?}]", self.as_str()) }
    }

    /// The class that its spelling implies.
    pub fn class(&self) -> Class {
        match self.kind {
            Kind::UnitedStates | Kind::Listing(_) => Class::Equity,
            Kind::Index => Class::Index,
            Kind::Pair { fx: true, .. } => Class::Fx,
            Kind::Pair { fx: false, .. } => Class::Crypto,
        }
    }

    /// The two legs of a pair: base, then quote.
    pub fn legs(&self) -> Option<(&str, &str)> {
        match self.kind {
            Kind::Pair { hyphen, .. } => Some((&self.text[..hyphen], &self.text[hyphen + 1..])),
            _ => None,
        }
    }

    /// The ticker of a listing outside the United States, without its suffix, and the exchange; `None` for everything else.
    pub fn listing(&self) -> Option<(&str, &'static Exchange)> {
        match self.kind {
            Kind::Listing(index) => {
                let exchange = &tables::EXCHANGES[index];
                Some((&self.text[..self.text.len() - exchange.suffix.len() - 1], exchange))
            }
            _ => None,
        }
    }

    /// Whether it has neither the suffix of a known exchange nor the form of an index or a pair: it is a listing in the United
    /// States, or nothing is known about it.
    pub(crate) fn is_united_states(&self) -> bool {
        self.kind == Kind::UnitedStates
    }

    /// Whether it is spelled like a listing in the United States: one to five letters, perhaps with a class or series after a
    /// dot. An ISIN, a numeric code and a ticker with an unknown suffix are not.
    pub(crate) fn is_us_listing(&self) -> bool {
        let (ticker, series) = self.text.split_once('.').unwrap_or((&self.text, "A"));
        let is_letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
        // classes, units and rights have one letter; preferred shares PR and perhaps their series; warrants WS
        let is_series = series.len() == 1 || series == "WS" || series.starts_with("PR") && series.len() <= 3;
        self.is_united_states()
            && (1..=5).contains(&ticker.len())
            && is_letters(ticker)
            && is_letters(series)
            && is_series
    }

    /// The same ticker on the exchange where most listings in a currency trade: `TCS.NS` for `TCS` in rupees. It is only ever
    /// suggested.
    pub(crate) fn listed_in(&self, currency: &Currency) -> Option<String> {
        let exchange = Exchange::of_currency(currency.as_str()).filter(|_| self.is_us_listing())?;
        Some(format!("{}.{}", self.text.replace('.', "-"), exchange.suffix))
    }

    /// The currency that its spelling fixes: the right-hand leg of a pair.
    pub(crate) fn pair_currency(&self) -> Option<Currency> {
        self.legs().map(|(_, quote)| Currency::new(quote))
    }

    /// The currency of most prices on its exchange; `None` if the exchange is not known.
    pub fn usual_currency(&self) -> Option<Currency> {
        match self.kind {
            Kind::UnitedStates => self.is_us_listing().then(|| Currency::new("USD")),
            Kind::Listing(index) => Some(Currency::new(tables::EXCHANGES[index].currency)),
            Kind::Pair { .. } => self.pair_currency(),
            Kind::Index => None,
        }
    }

    /// For a pair in a part of a currency, the pair in the whole: `BTC-GBP` for `BTC-GBX`. `None` for every other symbol.
    pub(crate) fn in_whole_currency(&self) -> Option<String> {
        let (base, quote) = self.legs()?;
        let (whole, places) = Currency::of_unit(quote);
        (places > 0).then(|| format!("{base}-{whole}"))
    }

    /// The pair that was perhaps meant: `BTC-USD` for `BTCUSD`, `BTC-GBP` for `BTC-GBX`. It is only ever suggested.
    pub(crate) fn did_you_mean(&self) -> Option<String> {
        if let Some(pair) = self.in_whole_currency() {
            return Some(pair);
        }
        let text = self.text.as_ref();
        if !self.is_united_states() || text.len() < 6 || text.contains('.') {
            return None;
        }
        let quote = ["USDT", "USDC", "USD", "EUR", "GBP", "JPY", "CHF", "BTC", "ETH"].into_iter();
        quote.filter_map(|quote| text.strip_suffix(quote).map(|base| format!("{base}-{quote}"))).next()
    }
}

fn check_characters(text: &str) -> Result<(), SymbolError> {
    let length = text.chars().count();
    if length == 0 {
        return Err(SymbolError::Empty);
    }
    if length > LONGEST {
        return Err(SymbolError::TooLong(length));
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || ".-_/=^:".contains(*c);
    if let Some(wrong) = text.chars().find(|c| !allowed(c)) {
        return Err(SymbolError::Character(text.to_owned(), wrong));
    }
    if text.contains(':') { Err(SymbolError::Reserved(text.to_owned())) } else { Ok(()) }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Class {
    /// Every class, in the order in which they are listed to people.
    pub(crate) const ALL: [Class; 5] = [Class::Crypto, Class::Fx, Class::Equity, Class::Index, Class::Fund];

    /// Its name in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Equity => "equity",
            Class::Index => "index",
            Class::Crypto => "crypto",
            Class::Fx => "fx",
            Class::Fund => "fund",
        }
    }

    /// Whether its market closes at night, on weekends or on holidays.
    pub fn closes(self) -> bool {
        self != Class::Crypto
    }

    /// Whether it is traded at the bids and asks beside its price. An index is calculated, and a fund is valued once a day.
    pub(crate) fn has_books(self) -> bool {
        !matches!(self, Class::Index | Class::Fund)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
