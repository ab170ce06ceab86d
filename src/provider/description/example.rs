//! Bodies that providers send, and what they mean: what keeps a filter honest.

use serde::Deserialize;

use crate::quote::{NoMarket, Session};

/// A body that a provider sends, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows.
    pub about: String,
    /// What was asked, in our spelling.
    pub asked: Vec<String>,
    /// The status it came with; 200 if left out.
    #[serde(default = "ok")]
    pub status: u16,
    /// The body.
    pub body: String,
    /// The failure of the whole call that must come of it.
    pub error: Option<String>,
    /// The outcome of each symbol that must come of it; whoever was asked and is not here must be `missing`.
    #[serde(default)]
    pub expect: Vec<Expected>,
}

/// What an example must give for one symbol. What is left out must be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// In our spelling.
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
    /// Why the price is that of no market.
    pub no_market: Option<NoMarket>,
    /// The failure's reason, instead of all the above.
    pub error: Option<String>,
}

fn ok() -> u16 {
    200
}
