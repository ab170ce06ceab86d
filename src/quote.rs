//! Holds what one source said about one symbol: a quote, a failure, or a quote and the later failure of its refresh.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::clock::in_milliseconds;
use crate::failure::Failure;
use crate::symbol::{Currency, Symbol};

/// A quote as a source stated it, in major units. The fold decides whether it may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The last price, as the source gave it.
    pub price: Stated,
    /// The best bid, if stated as a number.
    pub bid: Option<Decimal>,
    /// The best ask, if stated as a number.
    pub ask: Option<Decimal>,
    /// The last price, bid and ask as the source stated them, if it states the inverse of the price. The fields above
    /// are inverted then. Boxed, because few sources do, and a board holds many quotes.
    pub inverse_of: Option<Box<Sides>>,
    /// The volume of the last 24 hours or of the day, in units of the base, if stated.
    pub volume: Option<Decimal>,
    /// The currency the source states, or that its settings say it quotes in; `None` if neither does.
    pub currency: Option<Currency>,
    /// The trading session the source says the price is from.
    pub session: Option<Session>,
    /// Why nothing can be traded at the price, as far as the source says.
    pub no_market: Option<NoMarket>,
    /// When the market made the price, according to the source: the time of the last trade, or of the book once the
    /// fold goes by that. Never invented.
    pub observed_at: Option<Timestamp>,
    /// When the market had this book, or when the reply was made, if the source states that.
    pub book_at: Option<Timestamp>,
    /// When the reply arrived here.
    pub received_at: Timestamp,
    /// How long the call that brought it took.
    pub latency: Duration,
}

/// A stated price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stated {
    /// The source gives no price (null, `N/A`), or does not provide one (an order book has only a bid and an ask).
    Absent,
    /// A number, not yet checked.
    Number(Decimal),
    /// Text that is not a number, or a number that cannot be a price: kept for the proof.
    NotANumber(String),
}

/// A last price and both sides of a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// The last price, if it is a number.
    pub last: Option<Decimal>,
    /// The best bid.
    pub bid: Option<Decimal>,
    /// The best ask.
    pub ask: Option<Decimal>,
}

/// Why nothing can be traded at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoMarket {
    /// Trading is halted.
    Halted,
    /// Orders can only be cancelled.
    CancelOnly,
    /// The symbol is no longer listed.
    Delisted,
    /// There are neither bids nor asks, and nothing was traded in the period that the volume covers.
    NothingTraded,
    /// There are neither bids nor asks, and no time of a trade is stated.
    NoTradeStated,
    /// The vendor's list of what it trades has the symbol as halted.
    ListedAsHalted,
}

/// The part of the trading day a price is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// Before the exchange opens.
    Pre,
    /// While it is open.
    Regular,
    /// After it has closed.
    Post,
    /// The market is closed; the price is the last one.
    Closed,
}

/// What a source is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Gives independent prices, and is always asked.
    Primary,
    /// Independent but scarce: asked only where the primaries fall short.
    Reserve,
    /// Aggregates other sources, or is daily by design: folded only if the others fall short.
    Reference,
}

/// What the fold needs to know of a source. All outcomes of the source share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The source's name.
    pub source: String,
    /// The account at the vendor, which the vendor's sources share. Only an account's newest quote for a symbol is
    /// folded.
    pub account: String,
    /// What the source is good for.
    pub role: Role,
    /// How much older than the class's `usable_for` its quotes may be, in milliseconds: its `lag`, plus its own
    /// `usable_for` less that of the class. Negative if the source is held to a shorter age than its class.
    pub lag_ms: i64,
    /// Whether it is asked for a security by its ISIN, so that it does not say at which of its listings the price was made. Such
    /// a price may be in another currency than the symbol that has this ISIN.
    pub by_isin: bool,
}

/// What one source last said about one symbol. At least one of `quote` and `failure` is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who said it.
    pub origin: Arc<Origin>,
    /// The symbol it is about.
    pub symbol: Symbol,
    /// Its last quote, however old.
    pub quote: Option<Quote>,
    /// Its last failure, if that came after the quote. Boxed, because most quotes have none beside them.
    pub failure: Option<Box<Failure>>,
}

impl Quote {
    /// A quote that states a price and nothing else, and came at once.
    pub fn bare(price: Decimal, received_at: Timestamp) -> Self {
        Quote {
            price: Stated::Number(price),
            bid: None,
            ask: None,
            inverse_of: None,
            volume: None,
            currency: None,
            session: None,
            no_market: None,
            observed_at: None,
            book_at: None,
            received_at,
            latency: Duration::ZERO,
        }
    }

    /// The same with its times as answers state them, so that what is made of it can be recomputed from an answer.
    pub(crate) fn in_milliseconds(self) -> Self {
        Quote {
            observed_at: self.observed_at.map(in_milliseconds),
            book_at: self.book_at.map(in_milliseconds),
            received_at: in_milliseconds(self.received_at),
            ..self
        }
    }

    /// The last price, if it is a number.
    pub fn last(&self) -> Option<Decimal> {
        match self.price {
            Stated::Number(last) => Some(last),
            Stated::Absent | Stated::NotANumber(_) => None,
        }
    }

    /// The time that its age counts from: when the market made the price. Where the source does not state that, the
    /// stated time of the book or the reply, or the arrival here, whichever is earlier.
    pub fn aged_from(&self) -> Timestamp {
        let arrived = || self.book_at.map_or(self.received_at, |book_at| book_at.min(self.received_at));
        self.observed_at.unwrap_or_else(arrived)
    }
}

impl Sides {
    /// Applies the same change to each number.
    pub fn map(self, change: impl Fn(Decimal) -> Decimal) -> Self {
        let Sides { last, bid, ask } = self;
        Sides { last: last.map(&change), bid: bid.map(&change), ask: ask.map(&change) }
    }

    /// Applies the same change to each number, given its name in a row.
    ///
    /// # Errors
    /// The first change that fails.
    pub(crate) fn try_map<E>(self, change: impl Fn(&str, Decimal) -> Result<Decimal, E>) -> Result<Self, E> {
        let each = |name: &str, number: Option<Decimal>| number.map(|number| change(name, number)).transpose();
        Ok(Sides { last: each("price", self.last)?, bid: each("bid", self.bid)?, ask: each("ask", self.ask)? })
    }
}

impl Outcome {
    /// Whether the source's latest word, beyond doubt, is that it has no such symbol (for us). Then it does not cover
    /// the symbol.
    pub(crate) fn denies_symbol(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.error.denies_symbol() && !failure.is_doubted)
    }

    /// The same, whether the denial is doubted or not.
    pub(crate) fn is_denied(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.error.denies_symbol())
    }
}

impl Role {
    /// Its name in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Reserve => "reserve",
            Role::Reference => "reference",
        }
    }
}

impl NoMarket {
    /// Every reason.
    pub(crate) const ALL: [NoMarket; 6] = [
        NoMarket::Halted,
        NoMarket::CancelOnly,
        NoMarket::Delisted,
        NoMarket::NothingTraded,
        NoMarket::NoTradeStated,
        NoMarket::ListedAsHalted,
    ];

    /// Whether the source itself says so; otherwise it is inferred from what the source says.
    pub fn is_stated(self) -> bool {
        matches!(self, NoMarket::Halted | NoMarket::CancelOnly | NoMarket::Delisted | NoMarket::ListedAsHalted)
    }

    /// What a user reads of it.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            NoMarket::Halted => "it says that trading is halted",
            NoMarket::CancelOnly => "it says that orders can only be cancelled",
            NoMarket::Delisted => "it says that this symbol is no longer listed",
            NoMarket::NothingTraded => "it has no bids, no asks and a volume of 0: nothing is traded there",
            NoMarket::NoTradeStated => "it has no bids, no asks and no time of a last trade: nothing is traded there",
            NoMarket::ListedAsHalted => "the vendor's list of what it trades has it as halted",
        }
    }

    /// Its name in examples.
    pub fn as_str(self) -> &'static str {
        match self {
            NoMarket::Halted => "halted",
            NoMarket::CancelOnly => "cancel_only",
            NoMarket::Delisted => "delisted",
            NoMarket::NothingTraded => "nothing_traded",
            NoMarket::NoTradeStated => "no_trade_stated",
            NoMarket::ListedAsHalted => "listed_as_halted",
        }
    }
}

impl Session {
    /// Its name in filters and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Session::Pre => "pre",
            Session::Regular => "regular",
            Session::Post => "post",
            Session::Closed => "closed",
        }
    }
}
