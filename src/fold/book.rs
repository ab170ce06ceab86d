//! Weighs a quote's last price against its book: the last trade may be old, but the orders in the book are not.
//!
//! It goes by the numbers as the source states them, before they are inverted or multiplied by rates.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::Rule;
use crate::clock::age;
use crate::decimal::{self, MOST_DECIMALS, is_beyond, middle};
use crate::hours::Hours;
use crate::quote::{Origin, Quote, Session, Sides, Stated};

/// The lowest price that is accepted: 1e-12.
const LOWEST: Decimal = Decimal::from_parts(1, 0, 0, false, 12);
/// The highest price that is accepted: 1e15.
const HIGHEST: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);

/// Which of a quote's numbers its price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Book {
    /// The book outranks it.
    Counts,
    /// There is a bid or an ask, but not both.
    OneSided,
    /// The bid is above the ask.
    Crossed,
    /// Bid and ask are farther apart than `book_within`.
    Wide,
    /// The last trade is newer.
    Older,
    /// The book is not from the exchange's regular hours, or nothing says that it is.
    OtherSession,
    /// The book is that of an index or a fund: nothing is traded at its prices.
    Untraded,
}

/// The price that follows from a quote's last price and its book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// The price; `None` if the quote has no usable one.
    pub price: Option<Decimal>,
    /// Which number the price is; `None` without a price.
    pub basis: Option<Basis>,
    /// Whether the book counts; `None` without a book.
    pub book: Option<Book>,
    /// When the market made the price. A last price within a book that counts is as new as that book.
    pub observed_at: Option<Timestamp>,
}

/// Weighs a quote by the rule of its symbol.
pub(crate) fn weigh(quote: &Quote, origin: &Origin, rule: &Rule) -> Weighed {
    let stated = as_stated(quote);
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
    weighed(quote, read, book)
}

/// The price of a quote that has been weighed already, of which only the verdict is known: which number its price is, and whether
/// its book counts.
pub(crate) fn weighed_as(quote: &Quote, basis: Option<Basis>, book: Option<Book>) -> Weighed {
    let Sides { last, bid, ask } = as_stated(quote);
    let sides = || bid.and_then(possible).zip(ask.and_then(possible));
    let read = basis.and_then(|basis| match basis {
        Basis::Last => Some(Read::Last),
        Basis::Side => {
            let last = last.and_then(possible);
            sides().zip(last).map(|((bid, _), last)| if last < bid { Read::Bid } else { Read::Ask })
        }
        Basis::Middle => sides().map(|(bid, ask)| Read::Middle(middle(bid, ask))),
    });
    weighed(quote, read, book)
}

/// The numbers of a quote as the source states them.
fn as_stated(quote: &Quote) -> Sides {
    let own = Sides { last: quote.last(), bid: quote.bid, ask: quote.ask };
    quote.inverse_of.as_deref().copied().unwrap_or(own)
}

fn weighed(quote: &Quote, read: Option<Read>, book: Option<Book>) -> Weighed {
    // where the source states the inverse of the price, its bid has become the ask
    let is_inverse = quote.inverse_of.is_some();
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

/// Which number a price is read from.
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

/// The last price, if it lies within the book: outside of it, no trade is possible any more. Otherwise the nearer side,
/// if the last price is no farther away than the book is wide, or else the middle. So no step is larger than the book
/// is wide.
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

/// The middle, unless the book is crossed or so wide that its own sides are far from it: then a trade there is
/// unlikely.
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

/// Whether a book is from the exchange's regular hours. Only then may it be compared with the last price: the book
/// before and after hours belongs to another market than the close.
fn is_of_the_session(quote: &Quote, origin: &Origin, rule: &Rule) -> bool {
    if rule.closed_for.is_none() {
        return true;
    }
    match quote.session {
        Some(session) => session == Session::Regular,
        None => rule.hours.is_some_and(|hours| is_of_a_session(quote, origin, rule, hours)),
    }
}

/// Whether a book is from a session, by the exchange's hours. A book without a time of its own may be as old as the
/// last trade. If that trade is from before the opening, the book may be too, until the market has been open for as
/// long as a quote stays usable.
fn is_of_a_session(quote: &Quote, origin: &Origin, rule: &Rule, hours: Hours) -> bool {
    let moment = moment(quote, origin);
    let Some(opened_at) = hours.around(moment).and_then(|around| around.opened_at) else { return false };
    quote.book_at.is_some()
        || quote.observed_at.is_some_and(|last_at| last_at >= opened_at)
        || age(moment, opened_at) >= rule.usable_for
}

/// When the market had this book. Where the source does not say, it is the time of arrival less the source's lag.
fn moment(quote: &Quote, origin: &Origin) -> Timestamp {
    let lag = SignedDuration::from_millis(origin.lag_ms.max(0));
    quote.book_at.unwrap_or_else(|| quote.received_at.checked_sub(lag).unwrap_or(quote.received_at))
}

/// The number, rounded to the decimals that are kept, if it can be a price.
pub(crate) fn possible(number: Decimal) -> Option<Decimal> {
    let rounded = number.round_dp_with_strategy(MOST_DECIMALS, RoundingStrategy::MidpointNearestEven);
    (LOWEST..=HIGHEST).contains(&rounded).then_some(rounded)
}

#[cfg(test)]
mod tests;
