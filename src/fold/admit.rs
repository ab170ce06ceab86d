//! Reads each outcome: a quote that may be folded, or the first reason why it may not.

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Exclusion, Judged, Rule, Verdict, age};
use crate::decimal::{MOST_DECIMALS, is_beyond, middle};
use crate::quote::{Outcome, Quote, Stated};

/// What no price lies below: 1e-12.
const LOWEST: Decimal = Decimal::from_parts(1, 0, 0, false, 12);
/// What no price lies above: 1e15.
const HIGHEST: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);

/// An outcome on its way through the fold.
#[derive(Debug)]
pub(super) struct Entry {
    /// What will be shown of it. Until a price is found, the verdict of an admitted quote is `NotFolded`.
    pub(super) judged: Judged,
    /// On which rungs of the ladder it may stand.
    pub(super) standing: Standing,
}

/// On which rungs of the ladder a quote may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// On every rung: it is young.
    Usable,
    /// On every rung: it is the last one of a market that has closed since.
    Last,
    /// Only where older quotes are let in, and where there is nothing else: its source was heard of lately and knows nothing
    /// newer, though the market has been open since. Its verdict is `Stale` elsewhere.
    Quiet,
    /// Only where older quotes are let in; its verdict is `Stale` elsewhere.
    Fallback,
    /// On none.
    Out,
}

impl Standing {
    /// Whether the quote may make a price that is `ok`.
    pub(super) fn is_usable(self) -> bool {
        matches!(self, Standing::Usable | Standing::Last)
    }
}

impl Entry {
    /// Leaves the quote out for good.
    pub(super) fn exclude(&mut self, exclusion: Exclusion) {
        self.judged.verdict = Verdict::Excluded(exclusion);
        self.standing = Standing::Out;
    }

    /// The quote, unless something spoke against it already.
    pub(super) fn admitted(&self) -> Option<&Quote> {
        self.judged.outcome.quote.as_ref().filter(|_| self.standing != Standing::Out)
    }
}

/// Looks at one outcome by itself; what depends on the others (currency, age on a closed market) comes later.
pub(super) fn admit(outcome: Outcome, rule: &Rule, now: Timestamp) -> Entry {
    let read = |quote: &Quote| {
        let reading = read(quote, rule.outlier_beyond);
        (verdict(quote, &outcome, reading.price, rule, now), reading)
    };
    let (verdict, reading) = outcome.quote.as_ref().map_or((Verdict::Failed, Reading::default()), read);
    // what a failure shows is the failure, not what was said before it
    let Reading { price, bid, ask } = if verdict == Verdict::Failed { Reading::default() } else { reading };
    let admitted = verdict == Verdict::Excluded(Exclusion::NotFolded);
    let standing = if admitted { Standing::Usable } else { Standing::Out };
    let judged = Judged { outcome, verdict, price, bid, ask, deviation_bps: None, detail: None };
    Entry { judged, standing }
}

fn verdict(quote: &Quote, outcome: &Outcome, price: Option<Decimal>, rule: &Rule, now: Timestamp) -> Verdict {
    let too_old = age::is_past_looking_at(quote, &outcome.origin, rule, now);
    // a source that no longer covers the symbol does not vouch for what it said before
    if outcome.denies_symbol() || too_old && outcome.failure.is_some() {
        return Verdict::Failed;
    }
    let derivation = outcome.derivation.as_ref();
    let stated = derivation.and_then(|derivation| derivation.stated.as_ref());
    Verdict::Excluded(if derivation.is_some_and(|derivation| derivation.without_rate().is_some()) {
        Exclusion::NoConversion
    } else if price.is_none() {
        Exclusion::InvalidPrice
    } else if age::is_future(quote, now) || stated.is_some_and(|stated| age::is_future(stated, now)) {
        // an older rate does not bring a quote back from the future
        Exclusion::Future
    } else if too_old {
        Exclusion::Stale
    } else {
        Exclusion::NotFolded
    })
}

/// A quote's figures as far as they can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    price: Option<Decimal>,
    bid: Option<Decimal>,
    ask: Option<Decimal>,
}

/// Reads the price and cleans the book: a wrong side costs the quote that side, not its price.
fn read(quote: &Quote, farthest: Decimal) -> Reading {
    let sides = (quote.bid.and_then(possible), quote.ask.and_then(possible));
    let (bid, ask) = match sides {
        // crossed: nobody can say which side is the wrong one
        (Some(bid), Some(ask)) if bid > ask => (None, None),
        sides => sides,
    };
    let only_a_book = quote.price == Stated::Absent;
    let stated = match &quote.price {
        Stated::Number(number) => possible(*number),
        Stated::Absent => bid.zip(ask).map(|(bid, ask)| middle(bid, ask)),
        Stated::NotANumber(_) => None,
    };
    let Some(price) = stated else { return Reading { price: None, bid, ask } };
    let near = |side: &Decimal| !is_beyond(farthest, *side, price);
    let (bid, ask) = (bid.filter(near), ask.filter(near));
    // the middle of a book so wide that its own sides are far from it is nobody's price
    let believed = !only_a_book || (bid.is_some() && ask.is_some());
    Reading { price: believed.then_some(price), bid, ask }
}

/// The number with no more decimals than are kept, if a price can be that.
fn possible(number: Decimal) -> Option<Decimal> {
    let rounded = number.round_dp_with_strategy(MOST_DECIMALS, RoundingStrategy::MidpointNearestEven);
    (LOWEST..=HIGHEST).contains(&rounded).then_some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::{decimal, refused, rule, says, says_at, with};
    use crate::source::error::SourceError;

    fn reading(price: Stated, bid: &str, ask: &str) -> Reading {
        let side = |text: &str| crate::decimal::read(text);
        let outcome = with(says("alpha", "1"), |quote| {
            quote.price = price;
            quote.bid = side(bid);
            quote.ask = side(ask);
        });
        read(&outcome.quote.unwrap(), decimal("0.02"))
    }

    fn number(text: &str) -> Stated {
        Stated::Number(decimal(text))
    }

    fn verdict(outcome: Outcome) -> Verdict {
        admit(outcome, &rule(), crate::fold::testing::now()).judged.verdict
    }

    #[test]
    fn the_bounds_of_a_price_are_what_they_are_said_to_be() {
        assert_eq!(LOWEST, decimal("1e-12"));
        assert_eq!(HIGHEST, decimal("1e15"));
    }

    #[test]
    fn no_price_is_zero_or_negative_or_tiny_or_huge_or_no_number() {
        for wrong in ["0", "-0.01", "0.0000000000009", "1000000000000000.1"] {
            assert_eq!(reading(number(wrong), "", "").price, None, "{wrong}");
        }
        for right in ["1e-12", "1e15", "231.44"] {
            assert_eq!(reading(number(right), "", "").price, Some(decimal(right)), "{right}");
        }
        assert_eq!(reading(Stated::NotANumber("NaN".into()), "99", "101").price, None);
        assert_eq!(reading(Stated::Absent, "", "").price, None);
        assert_eq!(reading(Stated::Absent, "99", "").price, None);
    }

    #[test]
    fn more_than_eighteen_decimals_are_rounded_half_to_even() {
        let halves = [(15, "1.000000000000000002"), (25, "1.000000000000000002")];
        for (tail, expected) in halves {
            let number = decimal("1").checked_add(Decimal::new(tail, 19)).unwrap();
            assert_eq!(reading(Stated::Number(number), "", "").price, Some(decimal(expected)));
        }
    }

    #[test]
    fn a_quote_with_only_a_book_is_its_middle() {
        let book = reading(Stated::Absent, "231.44", "231.47");
        assert_eq!(book.price, Some(decimal("231.455")));
        assert_eq!((book.bid, book.ask), (Some(decimal("231.44")), Some(decimal("231.47"))));
    }

    #[test]
    fn the_middle_of_a_very_wide_or_crossed_book_is_no_price() {
        assert_eq!(reading(Stated::Absent, "90", "110").price, None);
        assert_eq!(reading(Stated::Absent, "101", "100").price, None);
    }

    #[test]
    fn a_book_is_cleaned_and_the_price_beside_it_stands() {
        let books = [
            ("0", "100.1", None, Some("100.1")),
            ("99.9", "-1", Some("99.9"), None),
            ("100.2", "100.1", None, None),
            ("97.9", "100.1", None, Some("100.1")),
            ("98", "102.1", Some("98"), None),
        ];
        for (bid, ask, clean_bid, clean_ask) in books {
            let clean = reading(number("100"), bid, ask);
            assert_eq!(clean.price, Some(decimal("100")), "{bid} {ask}");
            assert_eq!(clean.bid, clean_bid.map(decimal), "{bid} {ask}");
            assert_eq!(clean.ask, clean_ask.map(decimal), "{bid} {ask}");
        }
    }

    #[test]
    fn a_quote_more_than_five_seconds_ahead_is_from_the_future() {
        assert_eq!(verdict(says_at("alpha", "1", -5)), Verdict::Excluded(Exclusion::NotFolded));
        assert_eq!(verdict(says_at("alpha", "1", -6)), Verdict::Excluded(Exclusion::Future));
    }

    #[test]
    fn a_quote_too_old_to_be_looked_at_is_stale_or_with_a_later_failure_failed() {
        let day = 24 * 3600;
        assert_eq!(verdict(says_at("alpha", "1", 6 * day)), Verdict::Excluded(Exclusion::Stale));
        let failing = |age| refused(says_at("alpha", "1", age), SourceError::unavailable("503"));
        assert_eq!(verdict(failing(6 * day)), Verdict::Failed);
        assert_eq!(verdict(failing(1)), Verdict::Excluded(Exclusion::NotFolded));
    }

    #[test]
    fn what_a_source_said_before_it_denied_the_symbol_is_not_folded() {
        let denied = refused(says("alpha", "1"), SourceError::UnknownSymbol("gone".into()));
        let entry = admit(denied, &rule(), crate::fold::testing::now());
        assert_eq!((entry.judged.verdict, entry.judged.price), (Verdict::Failed, None));
    }
}
