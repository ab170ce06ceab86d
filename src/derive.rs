//! Makes the quote of one pair out of a source's quote of another: by inverting it, or by applying rates.
//!
//! A rate is a folded price like any other. It is shown with the quote, but does not count as a witness: that is the
//! source which quoted the pair. A derived quote is as old as its oldest part, and stands no higher than its worst
//! rate.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::decimal::{CALCULATED_DIGITS, significant};
use crate::fold::{Derivation, Evidence, Price, Rule, UsedRate, Weighed, possible, weigh};
use crate::quote::{Outcome, Quote, Stated};
use crate::route::{Rate, Route};
use crate::symbol::Symbol;

/// Turns the outcome for the pair that a source was asked for into evidence about a symbol. `rule` is that of the pair,
/// and `rates` has a price for each rate of the route.
pub fn derive(
    symbol: &Symbol,
    route: &Route,
    outcome: Outcome,
    rates: &BTreeMap<Symbol, Arc<Price>>,
    rule: &Rule,
) -> Evidence {
    if route.is_straight() {
        return outcome.into();
    }
    // the orders in a book are for the pair that is traded, so that pair decides which of its prices counts
    let weighed = outcome.quote.as_ref().map(|quote| weigh(quote, &outcome.origin, rule)).unwrap_or_default();
    derive_weighed(symbol, route, outcome, rates, weighed)
}

/// The same for an outcome whose quote has been weighed.
pub(crate) fn derive_weighed(
    symbol: &Symbol,
    route: &Route,
    outcome: Outcome,
    rates: &BTreeMap<Symbol, Arc<Price>>,
    weighed: Weighed,
) -> Evidence {
    let used = |rate: &Rate| {
        rates.get(&rate.symbol).map(|price| UsedRate { price: Arc::clone(price), inverted: rate.inverted })
    };
    let mut derivation = Derivation {
        asked: route.asked.clone(),
        stated: outcome.quote.clone(),
        inverted: route.inverted,
        rates: route.rates.iter().filter_map(used).collect(),
        weighed,
    };
    let factor = factor(&derivation.rates).filter(|_| derivation.rates.len() == route.rates.len());
    let quote = outcome.quote.map(|quote| of_quote(symbol, quote, &derivation, factor));
    let price = weighed.price.and_then(|price| possible(worth(price, route.inverted, factor?)?));
    derivation.weighed = Weighed { price, basis: weighed.basis.filter(|_| price.is_some()), ..weighed };
    let outcome = Outcome { symbol: symbol.clone(), quote, ..outcome };
    Evidence { outcome, derivation: Some(Arc::new(derivation)) }
}

/// Makes a quote of the symbol out of one of the pair that was asked for. `factor` multiplies and divides it.
fn of_quote(symbol: &Symbol, stated: Quote, derivation: &Derivation, factor: Option<(Decimal, Decimal)>) -> Quote {
    let inverted = derivation.inverted;
    let worth = |value: Decimal| worth(value, inverted, factor?);
    let (bid, ask) = if inverted { (stated.ask, stated.bid) } else { (stated.bid, stated.ask) };
    let price = match &stated.price {
        // zero is not a price, and has no inverse
        Stated::Number(number) => match worth(*number) {
            Some(price) => Stated::Number(price),
            None if factor.is_none() => Stated::Absent,
            None => Stated::NotANumber(number.to_string()),
        },
        other => other.clone(),
    };
    let weighed = Quote { observed_at: derivation.weighed.observed_at, ..stated };
    let (observed_at, received_at) = oldest(&weighed, &derivation.rates);
    Quote {
        price,
        bid: bid.and_then(worth),
        ask: ask.and_then(worth),
        inverse_of: None,
        // the volume of an inverted pair is an amount of the other leg
        volume: weighed.volume.filter(|_| !inverted),
        // a wrong currency stays visible
        currency: if derivation.states_other_currency() { weighed.currency } else { symbol.pair_currency() },
        observed_at,
        received_at,
        ..weighed
    }
}

/// What all rates together multiply by and divide by; `None` if one of them has no price.
fn factor(rates: &[UsedRate]) -> Option<(Decimal, Decimal)> {
    rates.iter().try_fold((Decimal::ONE, Decimal::ONE), |(multiplies, divides), rate| {
        let price = rate.price.folded.as_ref()?.price;
        match rate.inverted {
            false => Some((multiplies.checked_mul(price)?, divides)),
            true => Some((multiplies, divides.checked_mul(price)?)),
        }
    })
}

/// Converts a number of the pair that was asked for, and rounds it at the end.
fn worth(value: Decimal, inverted: bool, (multiplies, divides): (Decimal, Decimal)) -> Option<Decimal> {
    let exact = if inverted {
        multiplies.checked_div(value.checked_mul(divides)?)
    } else {
        value.checked_mul(multiplies)?.checked_div(divides)
    };
    exact.map(|exact| significant(exact, CALCULATED_DIGITS))
}

/// The times of the oldest part. Where that part states no time, neither does the quote.
fn oldest(stated: &Quote, rates: &[UsedRate]) -> (Option<Timestamp>, Timestamp) {
    let own = stated.aged_from();
    let oldest = rates.iter().filter_map(|rate| rate.price.folded.as_ref()).min_by_key(|folded| folded.aged_from);
    match oldest.filter(|folded| folded.aged_from < own) {
        Some(folded) if folded.observed_at == Some(folded.aged_from) => (folded.observed_at, stated.received_at),
        Some(folded) => (None, folded.aged_from),
        None => (stated.observed_at, stated.received_at),
    }
}

#[cfg(test)]
mod tests;
