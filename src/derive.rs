//! Makes the quote of one pair out of a source's quote of another: turned round, or multiplied with a rate.
//!
//! The rate is a folded price like any other, shown with the quote and never counted: the witness is the source that quoted
//! the pair it was asked for. A derived quote is as old as its oldest part, and stands no better than its rate.

use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::decimal::{CALCULATED_DIGITS, significant};
use crate::fold::{Degraded, Price, Status, Unavailable};
use crate::quote::{Outcome, Quote, Stated};
use crate::route::Route;
use crate::symbol::{Currency, Symbol};

/// How a quote was made of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The pair the source was asked for.
    pub asked: Symbol,
    /// What it said about that pair.
    pub stated: Quote,
    /// Whether that was turned round.
    pub turned: bool,
    /// The rate it was multiplied with, or divided by.
    pub rate: Option<UsedRate>,
}

/// A rate in a derived quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedRate {
    /// The rate, with its own proof.
    pub price: Arc<Price>,
    /// Whether it divides.
    pub turned: bool,
}

impl Derivation {
    /// The pairs through which the quote came: its rate's, or where it was only turned round, the pair that was.
    pub fn via(&self) -> Vec<&Symbol> {
        vec![self.rate.as_ref().map_or(&self.asked, |rate| &rate.price.symbol)]
    }

    /// What the rate lacks for a price that uses it to be in order.
    pub fn degraded(&self) -> Option<Degraded> {
        match self.rate.as_ref()?.price.status {
            Status::Degraded(reason) => Some(reason),
            _ => None,
        }
    }

    /// The rate, if it has no price.
    pub fn without_rate(&self) -> Option<&Price> {
        let rate = self.rate.as_ref().map(|rate| rate.price.as_ref());
        rate.filter(|price| price.folded.is_none())
    }

    /// Whether nobody who is asked has the rate at all: then the source cannot price the symbol, now or later.
    pub fn never_has_rate(&self) -> bool {
        self.without_rate()
            .is_some_and(|rate| matches!(rate.status, Status::Unknown | Status::Unavailable(Unavailable::NotCovered)))
    }
}

/// The outcome for a symbol, of the outcome for what the source was asked. `rate` is the route's rate.
pub fn derive(symbol: &Symbol, route: &Route, outcome: Outcome, rate: Option<&Arc<Price>>) -> Outcome {
    if route.is_straight() {
        return outcome;
    }
    let quote = outcome.quote.map(|quote| of_quote(symbol, route, quote, rate));
    Outcome { symbol: symbol.clone(), quote, ..outcome }
}

fn of_quote(symbol: &Symbol, route: &Route, stated: Quote, rate: Option<&Arc<Price>>) -> Quote {
    let rate =
        route.rate.as_ref().zip(rate).map(|(way, price)| UsedRate { price: Arc::clone(price), turned: way.turned });
    let factor = match &rate {
        None => Some((Decimal::ONE, false)),
        Some(rate) => rate.price.folded.as_ref().map(|folded| (folded.price, rate.turned)),
    };
    let worth = |value: Decimal| worth(value, route.turned, factor?);
    let (bid, ask) = if route.turned { (stated.ask, stated.bid) } else { (stated.bid, stated.ask) };
    let price = match &stated.price {
        // zero is no price, and has no inverse
        Stated::Number(number) => match worth(*number) {
            Some(price) => Stated::Number(price),
            None if factor.is_none() => Stated::Absent,
            None => Stated::NotANumber(number.to_string()),
        },
        other => other.clone(),
    };
    let (observed_at, received_at) = oldest(&stated, rate.as_ref());
    Quote {
        price,
        bid: bid.and_then(worth),
        ask: ask.and_then(worth),
        // of a pair turned round it is an amount of the other leg
        volume: stated.volume.filter(|_| !route.turned),
        currency: currency(symbol, route, &stated),
        session: stated.session,
        observed_at,
        received_at,
        latency: stated.latency,
        derivation: Some(Arc::new(Derivation { asked: route.asked.clone(), stated, turned: route.turned, rate })),
    }
}

/// What a number of the pair asked for comes to, rounded once.
fn worth(value: Decimal, turned: bool, (rate, divides): (Decimal, bool)) -> Option<Decimal> {
    let exact = match (turned, divides) {
        (false, false) => value.checked_mul(rate),
        (false, true) => value.checked_div(rate),
        (true, false) => rate.checked_div(value),
        (true, true) => Decimal::ONE.checked_div(value.checked_mul(rate)?),
    };
    exact.map(|exact| significant(exact, CALCULATED_DIGITS))
}

/// The times of the part that is the oldest. Where that part states none, the quote states none.
fn oldest(stated: &Quote, rate: Option<&UsedRate>) -> (Option<Timestamp>, Timestamp) {
    let own = stated.observed_at.unwrap_or(stated.received_at);
    let folded = rate.and_then(|rate| rate.price.folded.as_ref());
    match folded.filter(|folded| folded.aged_from < own) {
        Some(folded) if folded.observed_at == Some(folded.aged_from) => (folded.observed_at, stated.received_at),
        Some(folded) => (None, folded.aged_from),
        None => (stated.observed_at, stated.received_at),
    }
}

/// The symbol's currency, unless the source says that its quote is in another one than the pair it was asked for.
fn currency(symbol: &Symbol, route: &Route, stated: &Quote) -> Option<Currency> {
    let other = stated.currency.clone().filter(|stated| Some(stated) != route.asked.pair_currency().as_ref());
    other.or_else(|| symbol.pair_currency())
}

#[cfg(test)]
mod tests;
