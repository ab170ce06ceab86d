//! Weighs a quote's last price against its book: a trade may be an old one, the orders beside it are not.
//!
//! Judged on the numbers as the source states them, before they are turned round or multiplied with rates.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::Rule;
use crate::clock::age;
use crate::decimal::{self, MOST_DECIMALS, is_beyond, middle};
use crate::hours::Hours;
use crate::quote::{Origin, Quote, Session, Sides, Stated};

/// What no price lies below: 1e-12.
const LOWEST: Decimal = Decimal::from_parts(1, 0, 0, false, 12);
/// What no price lies above: 1e15.
const HIGHEST: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);

/// What a quote's price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The last price.
    Last,
    /// The bid or the ask, whichever is nearer to the last price, which lies a little outside of the book.
    Side,
    /// The middle of the book, because the last price lies far outside of it, or because there is none.
    Middle,
}

/// Whether a book outranks a last price outside of it, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Book {
    /// It outranks it.
    Counts,
    /// There is a bid or an ask, and not both.
    OneSided,
    /// The bid is above the ask.
    Crossed,
    /// Bid and ask are farther apart than `book_within`.
    Wide,
    /// The last trade is newer.
    Older,
    /// It is not from the exchange's own hours, or nothing says that it is.
    OtherSession,
    /// It is that of an index or a fund: nobody trades at these prices.
    Untraded,
}

/// The price that a quote's last price and its book make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// The price; `None` if the quote has no usable one.
    pub price: Option<Decimal>,
    /// What the price is; `None` without one.
    pub basis: Option<Basis>,
    /// Whether the book counts; `None` without one.
    pub book: Option<Book>,
    /// When the market said the price. A last price that lies within a book which counts is as new as that book.
    pub observed_at: Option<Timestamp>,
}

/// Weighs a quote of a symbol that has this rule.
pub(crate) fn weigh(quote: &Quote, origin: &Origin, rule: &Rule) -> Weighed {
    let is_inverse = quote.inverse_of.is_some();
    let stated = quote.inverse_of.unwrap_or(Sides { last: quote.last(), bid: quote.bid, ask: quote.ask });
    let (bid, ask) = (stated.bid.and_then(possible), stated.ask.and_then(possible));
    let book = judge(bid, ask, quote, origin, rule);
    let read = match &quote.price {
        Stated::Number(_) => stated.last.and_then(possible).map(|last| match bid.zip(ask) {
            Some((bid, ask)) if book == Some(Book::Counts) => nearest(last, bid, ask),
            _ => Read::Last,
        }),
        Stated::Absent => bid.zip(ask).and_then(|(bid, ask)| only_a_book(bid, ask, rule)),
        Stated::NotANumber(_) => None,
    };
    // where the source states one over the price, its bid has become the ask
    let (bid, ask) = if is_inverse { (quote.ask, quote.bid) } else { (quote.bid, quote.ask) };
    let price = read.and_then(|read| match read {
        Read::Last => quote.last(),
        Read::Bid => bid,
        Read::Ask => ask,
        Read::Middle(middle) => Some(if is_inverse { decimal::inverse(middle) } else { middle }),
    });
    let price = price.and_then(possible);
    let basis = read.filter(|_| price.is_some()).map(Read::basis);
    let of_the_book = book == Some(Book::Counts) || basis == Some(Basis::Middle);
    let observed_at = if of_the_book { quote.book_at.or(quote.observed_at) } else { quote.observed_at };
    Weighed { price, basis, book, observed_at }
}

/// Where a price is read.
#[derive(Clone, Copy)]
enum Read {
    Last,
    Bid,
    Ask,
    Middle(Decimal),
}

impl Read {
    fn basis(self) -> Basis {
        match self {
            Read::Last => Basis::Last,
            Read::Bid | Read::Ask => Basis::Side,
            Read::Middle(_) => Basis::Middle,
        }
    }
}

/// The last price if it lies within the book, since outside of it no trade is possible any more. The nearer side stands for a
/// last price no farther away than the book is wide, else the middle does: so no step is larger than the book is wide.
fn nearest(last: Decimal, bid: Decimal, ask: Decimal) -> Read {
    let width = ask.saturating_sub(bid);
    if last < bid {
        if bid.saturating_sub(last) <= width { Read::Bid } else { Read::Middle(middle(bid, ask)) }
    } else if last > ask {
        if last.saturating_sub(ask) <= width { Read::Ask } else { Read::Middle(middle(bid, ask)) }
    } else {
        Read::Last
    }
}

/// The middle, unless the book is crossed, or so wide that its own sides are far from it: then no trade is likely there.
fn only_a_book(bid: Decimal, ask: Decimal, rule: &Rule) -> Option<Read> {
    let middle = middle(bid, ask);
    let is_near = |side| !is_beyond(rule.outlier_beyond, side, middle);
    (bid <= ask && is_near(bid) && is_near(ask)).then_some(Read::Middle(middle))
}

fn judge(bid: Option<Decimal>, ask: Option<Decimal>, quote: &Quote, origin: &Origin, rule: &Rule) -> Option<Book> {
    let (bid, ask) = match (bid, ask) {
        (Some(bid), Some(ask)) => (bid, ask),
        (None, None) => return None,
        _ => return Some(Book::OneSided),
    };
    let last_at = quote.observed_at.filter(|_| quote.last().is_some());
    let is_older = last_at.zip(quote.book_at).is_some_and(|(last, book)| book < last);
    Some(match rule.book_within {
        None => Book::Untraded,
        Some(_) if bid > ask => Book::Crossed,
        Some(within) if ask.saturating_sub(bid) > within.saturating_mul(middle(bid, ask)) => Book::Wide,
        Some(_) if is_older => Book::Older,
        Some(_) if !is_of_the_session(quote, origin, rule) => Book::OtherSession,
        Some(_) => Book::Counts,
    })
}

/// Whether a book is from the exchange's own hours, which is when a last price beside it may be compared with it: the book
/// before and after hours is another market than that of the close.
fn is_of_the_session(quote: &Quote, origin: &Origin, rule: &Rule) -> bool {
    if rule.closed_for.is_none() {
        return true;
    }
    match quote.session {
        Some(session) => session == Session::Regular,
        None => rule.hours.is_some_and(|hours| is_of_a_session(quote, origin, rule, hours)),
    }
}

/// Whether a book is from a session by the exchange's hours. One without a time of its own may be as old as the last trade: if
/// that is from before the opening, so may the book be, until the market has been open for as long as a quote stays usable.
fn is_of_a_session(quote: &Quote, origin: &Origin, rule: &Rule, hours: Hours) -> bool {
    let moment = moment(quote, origin);
    let Some(opened_at) = hours.around(moment).and_then(|around| around.opened_at) else { return false };
    quote.book_at.is_some()
        || quote.observed_at.is_some_and(|last_at| last_at >= opened_at)
        || age(moment, opened_at) >= rule.usable_for
}

/// When the market had this book. Where the source does not say, it is as late as the source is by design.
fn moment(quote: &Quote, origin: &Origin) -> Timestamp {
    let lag = SignedDuration::from_millis(origin.lag_ms.max(0));
    quote.book_at.unwrap_or_else(|| quote.received_at.checked_sub(lag).unwrap_or(quote.received_at))
}

/// The number with no more decimals than are kept, if a price can be that.
pub(crate) fn possible(number: Decimal) -> Option<Decimal> {
    let rounded = number.round_dp_with_strategy(MOST_DECIMALS, RoundingStrategy::MidpointNearestEven);
    (LOWEST..=HIGHEST).contains(&rounded).then_some(rounded)
}

#[cfg(test)]
mod tests;
