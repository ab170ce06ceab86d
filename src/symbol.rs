//! Reads the name of what is priced: a share, a listing on an exchange, an index, or a pair of currencies.
//!
//! There is one canonical spelling (`BRK.B`, `VOD.L`, `^GSPC`, `BTC-USD`); the other spellings in common use are understood
//! and rewritten. What a symbol *is* follows from its spelling alone, so no list of symbols is needed.

mod classes;
mod currency;
mod error;
mod pair;
mod part;
mod tables;

use std::fmt;
use std::sync::Arc;

pub use classes::SetClasses;
pub use currency::Currency;
pub use error::SymbolError;
pub use tables::Exchange;

/// The suffixes of the exchanges that are known.
#[cfg(test)]
pub(crate) fn suffixes() -> impl Iterator<Item = &'static str> {
    tables::EXCHANGES.iter().map(|exchange| exchange.suffix)
}

/// The longest text that can name a symbol, in characters.
pub const LONGEST: usize = 32;

/// A symbol in its canonical spelling. Cheap to clone; two symbols are equal if they are spelled alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol {
    text: Arc<str>,
    kind: Kind,
}

/// What a symbol's spelling says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    /// `AAPL`, `BRK.B`: no suffix of a known exchange, so perhaps listed in the United States.
    UnitedStates,
    /// `VOD.L`: the index of its suffix in the table of exchanges.
    Listing(usize),
    /// `^GSPC`.
    Index,
    /// `BTC-USD`: where the hyphen stands.
    Pair { hyphen: usize, money: bool },
}

/// A kind of market; ages and the rules of the fold are set per class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Shares, and whatever else is listed on an exchange.
    Equity,
    /// A market index.
    Index,
    /// A pair with at least one leg that is not ISO 4217 money.
    Crypto,
    /// A pair of ISO 4217 moneys.
    Fx,
    /// A fund with one net asset value a day. No spelling says so: `[symbols."NAME"] class = "fund"` does.
    Fund,
}

impl Symbol {
    /// Reads a symbol in any spelling that is understood.
    ///
    /// # Errors
    /// Says what is wrong with the text, and which forms are right.
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
        // listings abroad keep their own sign for a share class: NOVO-B.CO
        if let Some(listing) = Self::class_abroad(&upper) {
            return Ok(listing);
        }
        match upper.split_once(['-', '/', '_']) {
            // one letter after the sign is a share class: BRK-B, BF/B
            // `MKC-V` is no listing in Canada, so it must not become `MKC.V`
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
        let money = tables::is_money(base) && tables::is_money(quote);
        (is_word(base) && is_word(quote) && base != quote)
            .then(|| Self::new(&format!("{base}-{quote}"), Kind::Pair { hyphen: base.len(), money }))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The section of a configuration file that is about it: `[symbols.TCS]`, `[symbols."VOD.L"]`.
    pub fn section(&self) -> String {
        let is_bare = self.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_bare { format!("[symbols.{self}]") } else { format!("[symbols.{:?}]", self.as_str()) }
    }

    /// The class its spelling says.
    pub fn class(&self) -> Class {
        match self.kind {
            Kind::UnitedStates | Kind::Listing(_) => Class::Equity,
            Kind::Index => Class::Index,
            Kind::Pair { money: true, .. } => Class::Fx,
            Kind::Pair { money: false, .. } => Class::Crypto,
        }
    }

    /// The two legs of a pair: base, then quote.
    pub fn legs(&self) -> Option<(&str, &str)> {
        match self.kind {
            Kind::Pair { hyphen, .. } => Some((&self.text[..hyphen], &self.text[hyphen + 1..])),
            _ => None,
        }
    }

    /// A listing's ticker without its exchange, and the exchange; `None` for anything not listed outside the United States.
    pub fn listing(&self) -> Option<(&str, &'static Exchange)> {
        match self.kind {
            Kind::Listing(index) => {
                let exchange = &tables::EXCHANGES[index];
                Some((&self.text[..self.text.len() - exchange.suffix.len() - 1], exchange))
            }
            _ => None,
        }
    }

    /// Whether it has neither the suffix of a known exchange nor the form of an index or a pair: a listing in the United
    /// States, or something of which nothing is known.
    pub fn is_united_states(&self) -> bool {
        self.kind == Kind::UnitedStates
    }

    /// Whether it is spelled like a listing in the United States: one to five letters, perhaps with a class or series behind
    /// a dot. An ISIN, a numeric code and a suffix of which nothing is known are not.
    pub fn is_us_listing(&self) -> bool {
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

    /// The listing of the same ticker where most trade in a currency: `TCS.NS` for `TCS` in rupees. Never acted upon, only
    /// asked about.
    pub fn listed_in(&self, currency: &Currency) -> Option<String> {
        let exchange = Exchange::of_currency(currency.as_str()).filter(|_| self.is_us_listing())?;
        Some(format!("{}.{}", self.text.replace('.', "-"), exchange.suffix))
    }

    /// The currency its spelling fixes: a pair's right-hand leg.
    pub fn pair_currency(&self) -> Option<Currency> {
        self.legs().map(|(_, quote)| Currency::new(quote))
    }

    /// The currency most prices of its exchange are in; `None` if nothing is known of where it is listed.
    pub fn usual_currency(&self) -> Option<Currency> {
        match self.kind {
            Kind::UnitedStates => self.is_us_listing().then(|| Currency::new("USD")),
            Kind::Listing(index) => Some(Currency::new(tables::EXCHANGES[index].currency)),
            Kind::Pair { .. } => self.pair_currency(),
            Kind::Index => None,
        }
    }

    /// The pair in the whole currency, of a pair in a part of one: `BTC-GBP` for `BTC-GBX`. `None` for every other symbol.
    pub fn in_whole_currency(&self) -> Option<String> {
        let (base, quote) = self.legs()?;
        let (whole, places) = Currency::of_unit(quote);
        (places > 0).then(|| format!("{base}-{whole}"))
    }

    /// `BTC-USD` for `BTCUSD`, `BTC-GBP` for `BTC-GBX`: the pair that was perhaps meant. Never acted upon, only asked about.
    pub fn did_you_mean(&self) -> Option<String> {
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
    pub const ALL: [Class; 5] = [Class::Crypto, Class::Fx, Class::Equity, Class::Index, Class::Fund];

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

    /// Whether its market closes for nights, weekends and holidays.
    pub fn closes(self) -> bool {
        self != Class::Crypto
    }

    /// Whether it is traded at the bids and asks beside its price: an index is calculated, a fund is valued once a day.
    pub fn has_books(self) -> bool {
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
