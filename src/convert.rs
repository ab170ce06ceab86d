//! Converts a price into the caller's currency by a rate, which is itself a folded price, or says why it cannot.
//!
//! The quotes stay in their own currency: they are the proof of the price, and the rate is the proof of the conversion.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::clock::skew::Skew;
use crate::decimal::significant;
use crate::fold::{Exclusion, Price, Status, Unavailable, Verdict};
use crate::symbol::{Currency, Symbol};

/// The significant digits of a converted price, rounded half to even.
pub(crate) const DIGITS: u32 = 10;

/// How a price was converted, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The currency that the quotes are in.
    pub from: Currency,
    /// The currency that was asked for.
    pub to: Currency,
    /// The rate, the way markets write it, with its own proof; `None` if no source was asked for it.
    pub rate: Option<Arc<Price>>,
    /// The rate's name.
    pub symbol: Symbol,
    /// The price before it was converted.
    pub own_price: Decimal,
    /// The converted price.
    pub price: Option<Decimal>,
    /// The price's `plus_minus`, converted.
    pub plus_minus: Option<Decimal>,
}

/// A symbol's price, and how it was converted into the caller's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The price. Its quotes and its figures stay in the currency of the quotes.
    pub price: Price,
    /// How it was converted, or why it could not be; `None` if no conversion was needed.
    pub conversion: Option<Conversion>,
}

impl Priced {
    /// The same, which says that this machine's clock seems to be off, if it does.
    pub(crate) fn with_skew(self, skew: Option<Skew>) -> Self {
        let Some(skew) = skew else { return self };
        let rate = self.conversion.as_ref().and_then(|conversion| conversion.rate.as_deref());
        Priced { price: self.price.with_skew(rate, skew), conversion: self.conversion }
    }
}

impl From<Price> for Priced {
    fn from(price: Price) -> Self {
        Priced { price, conversion: None }
    }
}

/// Converts a price into a currency. `rate` gives the price of a pair, if a source was asked for it.
///
/// A symbol without a price stays as it is. A degraded rate degrades the price, with the rate's reason. Without a rate
/// there is no price.
pub fn convert(price: Price, to: &Currency, rate: impl Fn(&Symbol) -> Option<Arc<Price>>) -> Priced {
    let Some(folded) = &price.folded else { return price.into() };
    if price.rule.in_points {
        return if price.currency.as_ref() == Some(to) { price } else { in_points(price, to) }.into();
    }
    let Some(from) = price.currency.clone() else { return in_no_currency(price, to).into() };
    let Some((symbol, is_of_from)) = Symbol::market_pair(to.as_str(), from.as_str()) else { return price.into() };
    let rate = rate(&symbol);
    let factor = rate.as_ref().and_then(|rate| rate.folded.as_ref()).map(|folded| folded.price);
    // `EUR-USD` is the price of a euro in dollars, so it divides a price in dollars
    let worth = |value: Decimal| {
        let exact = if is_of_from { value.checked_mul(factor?) } else { value.checked_div(factor?) };
        exact.map(|exact| significant(exact, DIGITS))
    };
    let conversion = Conversion {
        own_price: folded.price,
        price: worth(folded.price),
        plus_minus: folded.plus_minus.and_then(worth),
        from,
        to: to.clone(),
        rate,
        symbol,
    };
    match conversion.price {
        Some(_) => converted(price, conversion),
        None => unconverted(price, conversion),
    }
}

fn converted(price: Price, conversion: Conversion) -> Priced {
    let rate = conversion.rate.as_ref().filter(|rate| rate.status != Status::Ok);
    let said = rate.map(|rate| {
        let why = rate.detail.as_deref().unwrap_or("it is degraded");
        format!("converted with {}: {why}", rate.symbol)
    });
    let said = joined(said, Currency::gone_since(conversion.to.as_str()));
    let status = match (price.status, rate) {
        (Status::Ok, Some(rate)) => rate.status,
        (own, _) => own,
    };
    let detail = joined(price.detail.clone(), said);
    let currency = Some(conversion.to.clone());
    Priced { price: Price { status, detail, currency, ..price }, conversion: Some(conversion) }
}

fn unconverted(price: Price, conversion: Conversion) -> Priced {
    let Conversion { from, to, symbol, .. } = &conversion;
    let why = match &conversion.rate {
        Some(rate) => rate.detail.clone().unwrap_or_default(),
        None => format!("no source was asked for {symbol}"),
    };
    let detail = format!(
        "the price is in {from}, and there is no rate to {to}: {why}; ask without a currency to get it in {from}"
    );
    let currency = Some(to.clone());
    let price = without_price(Price { detail: Some(detail), currency, ..price });
    Priced { price, conversion: Some(conversion) }
}

/// An index is not an amount of any currency, even if the sources state one beside it.
fn in_points(price: Price, to: &Currency) -> Price {
    let detail =
        format!("{} is in points, which no rate converts into {to}; ask for it without a currency", price.symbol);
    without_price(Price { detail: Some(detail), ..price })
}

fn in_no_currency(price: Price, to: &Currency) -> Price {
    let detail = format!(
        "no source states the currency of {}, so it cannot be converted into {to}; ask for it without a currency",
        price.symbol
    );
    without_price(Price { detail: Some(detail), ..price })
}

/// The same without a price, so that no quote counts as used.
fn without_price(mut price: Price) -> Price {
    for judged in &mut price.quotes {
        if judged.verdict == Verdict::Used {
            judged.verdict = Verdict::Excluded(Exclusion::NotFolded);
        }
        judged.deviation_bps = None;
    }
    Price { status: Status::Unavailable(Unavailable::NoConversion), folded: None, session: None, ..price }
}

fn joined(own: Option<String>, more: Option<String>) -> Option<String> {
    match (own, more) {
        (Some(own), Some(more)) => Some(format!("{own}; {more}")),
        (own, more) => own.or(more),
    }
}

#[cfg(test)]
mod tests;
