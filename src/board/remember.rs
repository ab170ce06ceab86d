//! Carries the last quotes over a restart, with the times they had.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Board, InARow, Known, Rank, Stands};
use crate::clock::{Moment, age};
use crate::quote::{NoMarket, Origin, Outcome, Quote, Session, Sides, Stated};
use crate::symbol::{Currency, Symbol};
use crate::text::as_string;

/// A quote as it stood on the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteState {
    /// The name of the source.
    pub source: String,
    /// The symbol.
    pub symbol: String,
    /// The price; `None` if only a book was given.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The best bid.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Decimal>,
    /// The best ask.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Decimal>,
    /// The last price, bid and ask as they were stated, if the source states the inverse of the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse_of: Option<SidesState>,
    /// The volume.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Decimal>,
    /// The currency it states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The session it states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Why nothing can be traded at the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_market: Option<NoMarket>,
    /// When the last trade was.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// When the market had the book.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub book_at: Option<Timestamp>,
    /// When it arrived here.
    #[serde(with = "as_string")]
    pub received_at: Timestamp,
    /// How long the call took, in milliseconds.
    pub latency_ms: u64,
}

/// A last price and a book as they were stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidesState {
    /// The last price.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Decimal>,
    /// The best bid.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Decimal>,
    /// The best ask.
    #[serde(with = "as_string::optional", default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Decimal>,
}

impl Board {
    /// How many quotes have landed so far.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().landed
    }

    /// The last quotes, at most `most`: those that cost most to get again first and, among these, those whose symbols
    /// were asked for most recently. Failures are not included.
    pub fn remember(&self, most: usize) -> Vec<QuoteState> {
        let state = self.lock();
        let mut quotes: Vec<(Reverse<Rank>, &str, &Outcome)> = Vec::new();
        for entries in state.symbols.values() {
            let quoted = entries.by_source.all().filter(|entry| entry.known.outcome.quote.is_some());
            let rank = |source| Reverse(state.quotes.rank(source, entries.last));
            quotes.extend(quoted.map(|entry| (rank(entry.source()), entry.source(), &entry.known.outcome)));
        }
        quotes.sort_unstable_by_key(|(rank, source, _)| (*rank, *source));
        quotes.into_iter().filter_map(|(.., outcome)| kept(outcome)).take(most).collect()
    }

    /// Takes over a quote of an earlier process; it counts as landed when it arrived there. Returns whether it was
    /// taken over: what is here already is younger, and a quote that no process can have saved is left out.
    pub fn restore(&self, origin: &Arc<Origin>, past: &QuoteState, now: Moment) -> bool {
        let Some(symbol) = Symbol::written(&past.symbol) else { return false };
        let mut state = self.lock();
        let is_here = |symbol| Some(state.symbols.get(symbol)?.by_source.get(&origin.source).is_some());
        if past.received_at > now.wall || is_here(&symbol) == Some(true) {
            return false;
        }
        // a quote from before the earliest `Instant` is too old for any caller anyway
        let landed = now.monotonic.checked_sub(age(now.wall, past.received_at));
        let known = Known {
            outcome: Outcome {
                origin: Arc::clone(origin),
                symbol: symbol.clone(),
                quote: Some(quote(past)),
                failure: None,
            },
            quote_landed: landed,
            own_landed: landed,
            failure_landed: None,
            stands: Stands::WithSource,
            refused_until: None,
            in_a_row: InARow::default(),
            answered: landed,
        };
        state.insert(&symbol, Arc::new(known), None);
        true
    }
}

/// A quote as it is saved; `None` if its price is not a number, since it would be of no use later.
pub(super) fn kept(outcome: &Outcome) -> Option<QuoteState> {
    let quote = outcome.quote.as_ref()?;
    let price = match &quote.price {
        Stated::Absent => None,
        Stated::Number(price) => Some(*price),
        Stated::NotANumber(_) => return None,
    };
    Some(QuoteState {
        source: outcome.origin.source.clone(),
        symbol: outcome.symbol.to_string(),
        price,
        bid: quote.bid,
        ask: quote.ask,
        inverse_of: quote.inverse_of.as_deref().map(|&Sides { last, bid, ask }| SidesState { last, bid, ask }),
        volume: quote.volume,
        currency: quote.currency.as_ref().map(ToString::to_string),
        session: quote.session,
        no_market: quote.no_market,
        observed_at: quote.observed_at,
        book_at: quote.book_at,
        received_at: quote.received_at,
        latency_ms: u64::try_from(quote.latency.as_millis()).unwrap_or(u64::MAX),
    })
}

pub(super) fn quote(past: &QuoteState) -> Quote {
    Quote {
        price: past.price.map_or(Stated::Absent, Stated::Number),
        bid: past.bid,
        ask: past.ask,
        inverse_of: past.inverse_of.map(|SidesState { last, bid, ask }| Box::new(Sides { last, bid, ask })),
        volume: past.volume,
        currency: past.currency.as_deref().map(Currency::new),
        session: past.session,
        no_market: past.no_market,
        observed_at: past.observed_at,
        book_at: past.book_at,
        received_at: past.received_at,
        latency: Duration::from_millis(past.latency_ms),
    }
}
