//! Reads the name of what is priced: a share, a listing on an exchange, an index, or a pair of currencies.
//!
//! There is one canonical spelling (`BRK.B`, `VOD.L`, `^GSPC`, `BTC-USD`). The other spellings in common use are understood and
//! rewritten. What a symbol *is* follows from its spelling alone, so no list of symbols is needed; the exception are the
//! [`Names`] that a user has defined.

mod classes;
mod currency;
mod names;
mod pair;
mod part;
mod quick;
mod reading;
mod tables;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use classes::SetClasses;
pub use currency::Currency;
pub use names::Names;
pub(crate) use quick::{QuickMap, QuickSet};
pub use tables::Exchange;

/// The suffixes of the known exchanges.
#[cfg(test)]
pub(crate) fn suffixes() -> impl Iterator<Item = &'static str> {
    tables::EXCHANGES.iter().map(|exchange| exchange.suffix)
}

/// The pairs that are known without any source, each with the id of its coin, if it is one: the coins that are asked for most and
/// the money of ISO 4217, as markets write them against the dollar.
pub(crate) fn known_pairs() -> impl Iterator<Item = (Symbol, Option<&'static str>)> {
    let coins = tables::coins::ids().map(|(id, ticker)| (ticker, Some(id)));
    let money = tables::money::CURRENCIES.iter().map(|code| (*code, None));
    let in_dollars = |(code, id): (&str, _)| Symbol::market_pair(code, "USD").map(|(pair, _)| (pair, id));
    coins.chain(money).filter_map(in_dollars)
}

/// The most characters in a symbol in its canonical spelling.
pub const LONGEST: usize = 32;

/// How many characters of a text that is not understood are shown.
pub const LONGEST_SHOWN: usize = 64;

/// A symbol in its canonical spelling. Cheap to clone. Two symbols are equal if they are spelled alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    text: Arc<str>,
    kind: Kind,
}

/// What a symbol's spelling says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `AAPL`, `BRK.B`, `BAC-PL`, `CCIV-WT`: a listing in the United States.
    UnitedStates,
    /// `VOD.L`: the index of its suffix in the table of exchanges.
    Listing(usize),
    /// `QQQQ.RO`: a suffix that no table has.
    Elsewhere,
    /// `^GSPC`.
    Index,
    /// `GC=F`: the nearest future of a contract.
    Future,
    /// `US0378331005`: a security by its ISIN, wherever it is listed.
    Isin,
    /// `BTC-USD`: the position of the hyphen, and whether both legs are money.
    Pair { hyphen: usize, fx: bool },
    /// A name that the user has defined, and that could be nothing else.
    Own,
}

/// A kind of market. The ages and rules of the fold are set per class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Shares, and everything else that is listed on an exchange, futures included.
    Equity,
    /// A market index.
    Index,
    /// A pair of which at least one leg is not money.
    Crypto,
    /// A pair of money: currencies of ISO 4217, those that are gone or not in it, and precious metals.
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
    #[error("{text} contains {1:?}; a symbol consists of A-Z a-z 0-9 . - _ / = ^ & :", text = quoted(.0))]
    Character(String, char),
    /// The right characters, but in no known form.
    #[error("{} is not spelled like a symbol; write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD, EURUSD=X or an ISIN", quoted(.0))]
    Form(String),
    /// It is known what the text is instead, or what was probably meant: the text, and how the sentence about it goes on.
    #[error("{text} {1}", text = quoted(.0))]
    Other(String, String),
}

impl SymbolError {
    /// Whether it is the query that is wrong, rather than one symbol in it: it asks for nothing, or holds a control character.
    pub fn is_of_query(&self) -> bool {
        match self {
            SymbolError::Empty => true,
            SymbolError::Character(_, wrong) => wrong.is_control(),
            SymbolError::TooLong(_) | SymbolError::Form(_) | SymbolError::Other(..) => false,
        }
    }
}

/// The beginning of a text that is not understood: its first [`LONGEST_SHOWN`] characters.
pub fn shown(text: &str) -> &str {
    text.char_indices().nth(LONGEST_SHOWN).map_or(text, |(end, _)| &text[..end])
}

/// A text in quotation marks, with an ellipsis if it is cut.
fn quoted(text: &str) -> String {
    let beginning = shown(text);
    if beginning == text { format!("{text:?}") } else { format!("{beginning:?}…") }
}

impl Hash for Symbol {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // what it is follows from its spelling
        self.text.hash(state);
    }
}

impl Symbol {
    /// Reads a symbol in any of the spellings that are understood, in any case. Names that a user has defined are not among them:
    /// see [`Names::read`].
    ///
    /// ```
    /// use quotefold::symbol::{Class, Symbol};
    ///
    /// assert_eq!(Symbol::parse("brk/b")?.as_str(), "BRK.B");
    /// assert_eq!(Symbol::parse("EURUSD=X")?.as_str(), "EUR-USD");
    /// assert_eq!(Symbol::parse("btc-usd")?.class(), Class::Crypto);
    /// assert_eq!(Symbol::parse("NASDAQ:AAPL")?.as_str(), "AAPL");
    /// assert_eq!(Symbol::parse("isin:US0378331005")?.as_str(), "US0378331005");
    /// assert!(Symbol::parse("BTC-PERP").unwrap_err().to_string().ends_with("did you mean BTC-USD?"));
    /// # Ok::<(), quotefold::symbol::SymbolError>(())
    /// ```
    ///
    /// # Errors
    /// The text is empty, too long, contains a character that no symbol has, is in no known form, or is known to be something
    /// else than a symbol.
    pub fn parse(text: &str) -> Result<Self, SymbolError> {
        reading::read(text)
    }

    /// Reads an ISIN, in any case.
    ///
    /// # Errors
    /// The text is not formed like an ISIN, its check digit is wrong, or it is another identifier.
    pub(crate) fn of_isin(text: &str) -> Result<Self, SymbolError> {
        reading::read_isin(text)
    }

    fn new(text: &str, kind: Kind) -> Self {
        Symbol { text: text.into(), kind }
    }

    fn pair(base: &str, quote: &str) -> Option<Self> {
        let fx = tables::is_money(base) && tables::is_money(quote);
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
            Kind::UnitedStates | Kind::Listing(_) | Kind::Elsewhere | Kind::Future | Kind::Isin | Kind::Own => {
                Class::Equity
            }
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

    /// Whether it is spelled like a listing in the United States.
    pub(crate) fn is_united_states(&self) -> bool {
        self.kind == Kind::UnitedStates
    }

    /// Whether it is spelled like a listing in the United States with a ticker of one to five letters. With six, it may as well
    /// be a pair without its hyphen.
    pub(crate) fn is_us_listing(&self) -> bool {
        let ticker = self.text.split(['.', '-']).next().unwrap_or_default();
        self.is_united_states() && ticker.len() <= 5
    }

    /// Whether it is the nearest future of a contract (`GC=F`).
    pub(crate) fn is_future(&self) -> bool {
        self.kind == Kind::Future
    }

    /// The ISIN, if the symbol is one.
    pub(crate) fn isin(&self) -> Option<&str> {
        (self.kind == Kind::Isin).then_some(self.as_str())
    }

    /// Whether a security that is spelled so may have an ISIN: a share or a fund, by its ticker or by a name of the user.
    pub(crate) fn may_have_isin(&self) -> bool {
        matches!(self.kind, Kind::UnitedStates | Kind::Listing(_) | Kind::Elsewhere | Kind::Own)
    }

    /// Whether it has a suffix that is in no table, so that nothing is known of its exchange.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.kind == Kind::Elsewhere
    }

    /// Whether only its definition by the user says what it is.
    pub(crate) fn is_only_a_name(&self) -> bool {
        self.kind == Kind::Own
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

    /// The currency of most prices on its exchange outside the United States. `None` if it is listed nowhere else, if its exchange
    /// trades in several, and for the series that are there to trade in another currency: `DLR-U.TO` in US dollars, and numbers
    /// from 80000 on in Hong Kong in renminbi.
    pub(crate) fn listing_currency(&self) -> Option<Currency> {
        let (ticker, exchange) = self.listing()?;
        let in_another = match exchange.suffix {
            "HK" => ticker.len() == 5 && ticker.starts_with('8') && ticker.bytes().all(|byte| byte.is_ascii_digit()),
            "CN" | "NE" | "TO" | "V" => ticker.ends_with("-U"),
            _ => false,
        };
        exchange.currency.filter(|_| !in_another).map(Currency::new)
    }

    /// The currency of most prices on its exchange; `None` if the exchange is not known, or trades in several.
    pub fn usual_currency(&self) -> Option<Currency> {
        match self.kind {
            Kind::UnitedStates => self.is_us_listing().then(|| Currency::new("USD")),
            Kind::Listing(_) => self.listing_currency(),
            Kind::Pair { .. } => self.pair_currency(),
            Kind::Index | Kind::Elsewhere | Kind::Future | Kind::Isin | Kind::Own => None,
        }
    }

    /// For a pair in a part of a currency, the pair in the whole: `BTC-GBP` for `BTC-GBX`. `None` for every other symbol.
    pub(crate) fn in_whole_currency(&self) -> Option<String> {
        let (base, quote) = self.legs()?;
        let (whole, places) = Currency::of_unit(quote);
        (places > 0).then(|| format!("{base}-{whole}"))
    }

    /// The pair that was perhaps meant: `BTC-USD` for `BTCUSD` and for `SOLANA`, `BTC-GBP` for `BTC-GBX`. It is only ever
    /// suggested.
    pub(crate) fn did_you_mean(&self) -> Option<String> {
        if let Some(pair) = self.in_whole_currency() {
            return Some(pair);
        }
        self.coin_meant().or_else(|| self.of_whole_currency())
    }

    /// For a pair whose base is called like a part of a currency, the pair of the whole: `GBP-USD` for `GBX-USD`. There are coins
    /// by such names.
    pub(crate) fn of_whole_currency(&self) -> Option<String> {
        let (base, quote) = self.legs()?;
        let (whole, _) = part::whole_of(base)?;
        (whole != quote).then(|| format!("{whole}-{quote}"))
    }

    /// The pair that was perhaps meant by a bare listing in the United States: `BTC-USD` for `BTC`, `BTCUSD` and `SOLANA`. There
    /// are shares and funds by such names.
    pub(crate) fn coin_meant(&self) -> Option<String> {
        let is_bare = self.is_united_states() && !self.text.contains(['.', '-']);
        if is_bare { reading::pair_meant(&self.text) } else { None }
    }

    /// What is to be said of money in this pair that is gone: half a sentence. `None` if neither leg is such money.
    pub(crate) fn gone_money(&self) -> Option<String> {
        let (base, quote) = self.legs().filter(|_| self.class() == Class::Fx)?;
        let gone: Vec<String> = [base, quote].into_iter().filter_map(Currency::gone_since).collect();
        (!gone.is_empty()).then(|| gone.join("; "))
    }
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
