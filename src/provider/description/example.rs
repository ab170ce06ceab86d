//! Bodies that providers send, and what they mean: the tests of a filter.

use serde::Deserialize;

use crate::quote::{NoMarket, Session};

/// A body that a provider sends, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What the example shows.
    pub about: String,
    /// The symbols that were asked for, in our spelling.
    pub asked: Vec<String>,
    /// The HTTP status of the reply; 200 if left out.
    #[serde(default = "ok")]
    pub status: u16,
    /// The body.
    pub body: String,
    /// The reason for which the whole call must fail.
    pub error: Option<String>,
    /// The outcome that each symbol must have. A symbol that was asked for and is not listed must be `missing`.
    #[serde(default)]
    pub expect: Vec<Expected>,
}

/// What an example must give for one symbol. A field that is left out must be absent from the quote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The symbol, in our spelling.
    pub symbol: String,
    /// The price, in major units.
    pub price: Option<String>,
    /// The bid.
    pub bid: Option<String>,
    /// The ask.
    pub ask: Option<String>,
    /// The volume.
    pub volume: Option<String>,
    /// The currency.
    pub currency: Option<String>,
    /// The session.
    pub session: Option<Session>,
    /// The time of the last trade, in RFC 3339.
    pub observed_at: Option<String>,
    /// The time of the book, in RFC 3339.
    pub book_at: Option<String>,
    /// Why there is no market behind the price.
    pub no_market: Option<NoMarket>,
    /// The reason for which the symbol must fail, instead of all the above.
    pub error: Option<String>,
}

fn ok() -> u16 {
    200
}
