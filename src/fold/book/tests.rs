use proptest::prelude::*;

use super::*;
use crate::fold::testing::{MINUTE, ago, decimal, equity, of_origin, rule, says, with};
use crate::hours::Hours;
use crate::quote::Outcome;

/// A quote with this price and book; a side that is not a number is left out.
fn says_beside(price: Stated, bid: &str, ask: &str) -> Outcome {
    with(says("alpha", "1"), |quote| {
        quote.price = price;
        quote.bid = decimal::read(bid);
        quote.ask = decimal::read(ask);
    })
}

fn weighed_by(rule: &Rule, outcome: &Outcome) -> Weighed {
    weigh(outcome.quote.as_ref().unwrap(), &outcome.origin, rule)
}

fn weighed(price: Stated, bid: &str, ask: &str) -> Weighed {
    weighed_by(&rule(), &says_beside(price, bid, ask))
}

fn last(text: &str) -> Stated {
    Stated::Number(decimal(text))
}

/// Price and basis.
fn read(weighed: Weighed) -> (String, Basis) {
    (decimal::plain(weighed.price.unwrap()), weighed.basis.unwrap())
}

/// Whether the book of such a quote counts by the rule for shares, or why not.
fn of_a_share(change: impl FnOnce(&mut Quote)) -> Option<Book> {
    let outcome = with(says_beside(last("347.02"), "335.80", "337.00"), change);
    weighed_by(&equity(), &outcome).book
}

#[test]
fn the_bounds_of_a_price_are_as_documented() {
    assert_eq!(LOWEST, decimal("1e-12"));
    assert_eq!(HIGHEST, decimal("1e15"));
}

#[test]
fn a_price_is_never_zero_negative_tiny_huge_or_not_a_number() {
    for wrong in ["0", "-0.01", "0.0000000000009", "1000000000000000.1"] {
        assert_eq!(weighed(last(wrong), "", "").price, None, "{wrong}");
    }
    for right in ["1e-12", "1e15", "231.44"] {
        assert_eq!(weighed(last(right), "", "").price, Some(decimal(right)), "{right}");
    }
    for nothing in [
        weighed(Stated::NotANumber("NaN".into()), "99", "101"),
        weighed(last("0"), "99.9", "100.1"),
        weighed(Stated::Absent, "", ""),
        weighed(Stated::Absent, "99", ""),
    ] {
        assert_eq!((nothing.price, nothing.basis), (None, None));
    }
}

#[test]
fn more_than_eighteen_decimals_are_rounded_half_to_even() {
    let halves = [(15, "1.000000000000000002"), (25, "1.000000000000000002")];
    for (tail, expected) in halves {
        let number = decimal("1").checked_add(Decimal::new(tail, 19)).unwrap();
        assert_eq!(weighed(Stated::Number(number), "", "").price, Some(decimal(expected)));
    }
}

#[test]
fn a_quote_with_only_a_book_is_its_middle() {
    let book = weighed(Stated::Absent, "231.44", "231.47");
    assert_eq!(read(book), ("231.455".into(), Basis::Middle));
    assert_eq!(book.book, Some(Book::Counts));
}

#[test]
fn the_middle_of_a_very_wide_or_crossed_book_is_not_a_price() {
    assert_eq!(weighed(Stated::Absent, "90", "110").price, None);
    assert_eq!(weighed(Stated::Absent, "101", "100").price, None);
    // the middle of a book that is too wide to overrule a last price is still a price without one
    assert_eq!(read(weighed(Stated::Absent, "98.5", "101.5")), ("100".into(), Basis::Middle));
}

#[test]
fn a_last_price_outside_of_its_book_is_not_the_price() {
    for (stated, price, basis) in [
        ("105", "100", Basis::Middle),
        ("101.5", "100", Basis::Middle),
        ("100.03", "100.01", Basis::Side),
        ("100.031", "100", Basis::Middle),
        ("100.01", "100.01", Basis::Last),
        ("99.995", "99.995", Basis::Last),
        ("99.99", "99.99", Basis::Last),
        ("99.97", "99.99", Basis::Side),
        ("99.969", "100", Basis::Middle),
        ("0.01", "100", Basis::Middle),
    ] {
        assert_eq!(read(weighed(last(stated), "99.99", "100.01")), (price.into(), basis), "{stated}");
    }
    assert_eq!(read(weighed(last("0.004924"), "0.00482", "0.004913")), ("0.004913".into(), Basis::Side));
}

#[test]
fn a_book_that_does_not_count_says_why_and_leaves_the_price_alone() {
    for (bid, ask, expected) in [
        ("", "", None),
        ("-1", "", None),
        ("99.9", "", Some(Book::OneSided)),
        ("-1", "90", Some(Book::OneSided)),
        ("90.2", "90.1", Some(Book::Crossed)),
        ("89", "91", Some(Book::Wide)),
        ("1.31418", "1.35792", Some(Book::Wide)),
    ] {
        let weighed = weighed(last("100"), bid, ask);
        assert_eq!(weighed.book, expected, "{bid} {ask}");
        assert_eq!(read(weighed), ("100".into(), Basis::Last), "{bid} {ask}");
    }
    // exactly as wide as is allowed, and not at all
    assert_eq!(weighed(last("100"), "99", "101").book, Some(Book::Counts));
    assert_eq!(weighed(last("100"), "100", "100").book, Some(Book::Counts));
    let index = Rule { book_within: None, ..rule() };
    let weighed = weighed_by(&index, &says_beside(last("105"), "99.99", "100.01"));
    assert_eq!((weighed.book, read(weighed)), (Some(Book::Untraded), ("105".into(), Basis::Last)));
}

#[test]
fn a_book_that_is_older_than_the_last_trade_does_not_count() {
    let at = |at: Option<i64>, book_at: Option<i64>| {
        let outcome = with(says_beside(last("105"), "99.99", "100.01"), |quote| {
            (quote.observed_at, quote.book_at) = (at.map(ago), book_at.map(ago));
        });
        weighed_by(&rule(), &outcome)
    };
    for (trade, book) in [(None, None), (Some(9), None), (None, Some(9)), (Some(9), Some(9)), (Some(9), Some(1))] {
        assert_eq!(at(trade, book).book, Some(Book::Counts), "{trade:?} {book:?}");
    }
    let ten_days = 10 * 24 * 60 * MINUTE;
    for (trade, book) in [(Some(1), Some(2)), (Some(1), Some(ten_days))] {
        let weighed = at(trade, book);
        assert_eq!((weighed.book, read(weighed)), (Some(Book::Older), ("105".into(), Basis::Last)));
        assert_eq!(weighed.observed_at, Some(ago(1)));
    }
    // without a last price, the book is not older than anything
    let bare = with(says_beside(Stated::Absent, "99.99", "100.01"), |quote| {
        (quote.observed_at, quote.book_at) = (Some(ago(1)), Some(ago(2)));
    });
    assert_eq!(weighed_by(&rule(), &bare).book, Some(Book::Counts));
}

#[test]
fn a_price_from_a_book_or_within_it_is_as_old_as_the_book() {
    let at = |price: &str, bid: &str| {
        let outcome = with(says_beside(last(price), bid, "100.01"), |quote| {
            (quote.observed_at, quote.book_at) = (Some(ago(90)), Some(ago(3)));
        });
        weighed_by(&rule(), &outcome).observed_at
    };
    assert_eq!(at("105", "99.99"), Some(ago(3)));
    assert_eq!(at("100.02", "99.99"), Some(ago(3)));
    assert_eq!(at("100", "99.99"), Some(ago(3)));
    // a book that does not count says nothing about a trade, and neither does the time of a reply
    assert_eq!(at("100", "90"), Some(ago(90)));
    let reply = with(says_beside(last("7"), "", ""), |quote| quote.book_at = Some(ago(3)));
    assert_eq!(weighed_by(&rule(), &reply).observed_at, None);
    assert_eq!(reply.quote.unwrap().aged_from(), ago(3));
}

#[test]
fn where_markets_close_only_a_book_of_the_regular_session_counts() {
    for (session, expected) in [
        (Some(Session::Regular), Book::Counts),
        (Some(Session::Pre), Book::OtherSession),
        (Some(Session::Post), Book::OtherSession),
        (Some(Session::Closed), Book::OtherSession),
        // the hours of its exchange are not known
        (None, Book::OtherSession),
    ] {
        assert_eq!(of_a_share(|quote| quote.session = session), Some(expected), "{session:?}");
        // a market that never closes has one session
        let coin = with(says_beside(last("347.02"), "335.80", "337.00"), |quote| quote.session = session);
        assert_eq!(weighed_by(&rule(), &coin).book, Some(Book::Counts));
    }
}

/// Whether the book of a share in New York counts, by the times of the book and of its arrival. Its last price is from
/// the close before.
fn in_new_york(book_at: Option<&str>, received_at: &str, lag_minutes: i64) -> Option<Book> {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let outcome = with(says_beside(last("347.02"), "335.80", "337.00"), |quote| {
        quote.observed_at = Some(time("2026-11-19T21:00:00Z"));
        (quote.book_at, quote.received_at) = (book_at.map(time), time(received_at));
    });
    let outcome = of_origin(outcome, |origin| origin.lag_ms = lag_minutes * MINUTE * 1000);
    weighed_by(&Rule { hours: Hours::named("XNYS"), ..equity() }, &outcome).book
}

#[test]
fn the_hours_of_an_exchange_say_which_books_are_from_its_session() {
    let (counts, other) = (Some(Book::Counts), Some(Book::OtherSession));
    // on a Friday in winter, from 14:30 to 21:00 in UTC
    for (book_at, expected) in [
        ("2026-11-20T11:09:00Z", other),
        ("2026-11-20T14:29:59Z", other),
        ("2026-11-20T14:30:00Z", counts),
        ("2026-11-20T20:59:59Z", counts),
        ("2026-11-20T21:00:00Z", other),
        ("2026-11-20T22:30:00Z", other),
        ("2026-11-21T16:00:00Z", other),
        // the day after Thanksgiving ends at 18:00
        ("2026-11-26T16:00:00Z", other),
        ("2026-11-27T17:59:59Z", counts),
        ("2026-11-27T18:00:00Z", other),
    ] {
        assert_eq!(in_new_york(Some(book_at), book_at, 0), expected, "{book_at}");
        // a book without a time may be as old as the last trade, which is from the day before, until the market has
        // been open for a while
        let expected = if book_at == "2026-11-20T14:30:00Z" { other } else { expected };
        assert_eq!(in_new_york(None, book_at, 0), expected, "{book_at}");
    }
    assert_eq!(in_new_york(None, "2026-11-20T14:54:59Z", 0), other);
    assert_eq!(in_new_york(None, "2026-11-20T14:55:00Z", 0), counts);
    // the last book of the day belongs to that day, even if it is fetched later
    assert_eq!(in_new_york(Some("2026-11-20T20:59:59Z"), "2026-11-21T09:00:00Z", 0), counts);
    // just after the opening, a book from a source with a lag is from before it
    assert_eq!(in_new_york(None, "2026-11-20T14:40:00Z", 15), other);
    assert_eq!(in_new_york(None, "2026-11-20T15:09:59Z", 15), other);
    assert_eq!(in_new_york(None, "2026-11-20T15:10:00Z", 15), counts);
    // a book beside a trade from this session is from this session too
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let outcome = with(says_beside(last("347.02"), "335.80", "337.00"), |quote| {
        quote.observed_at = Some(time("2026-11-20T14:31:00Z"));
        quote.received_at = time("2026-11-20T14:32:00Z");
    });
    assert_eq!(weighed_by(&Rule { hours: Hours::named("XNYS"), ..equity() }, &outcome).book, counts);
}

#[test]
fn an_inverse_price_is_judged_as_it_is_stated() {
    let stated = Sides { last: Some(decimal("105")), bid: Some(decimal("99")), ask: Some(decimal("101")) };
    let turned = stated.map(decimal::inverse);
    let inverse = |stated_last: &str| {
        let outcome = with(says("alpha", "1"), |quote| {
            quote.price = Stated::Number(decimal::inverse(decimal(stated_last)));
            (quote.bid, quote.ask) = (turned.ask, turned.bid);
            quote.inverse_of = Some(Box::new(Sides { last: Some(decimal(stated_last)), ..stated }));
        });
        weighed_by(&rule(), &outcome)
    };
    assert_eq!(read(inverse("105")), ("0.01".into(), Basis::Middle));
    assert_eq!(read(inverse("102.5")), (decimal::plain(decimal::inverse(decimal("101"))), Basis::Side));
    assert_eq!(read(inverse("98.5")), (decimal::plain(decimal::inverse(decimal("99"))), Basis::Side));
    assert_eq!(read(inverse("100.5")), (decimal::plain(decimal::inverse(decimal("100.5"))), Basis::Last));
}

proptest! {
    #[test]
    fn a_tick_of_the_last_price_moves_the_price_by_at_most_the_books_width(
        bid in 990_000_i64..1_010_000,
        width in 0_i64..40_000,
        last in 1_i64..3_000_000,
        scale in 0_u32..10,
    ) {
        let number = |ticks: i64| Decimal::new(ticks, scale);
        let of = |ticks: i64| {
            let outcome = with(says("alpha", "1"), |quote| {
                quote.price = Stated::Number(number(ticks));
                (quote.bid, quote.ask) = (Some(number(bid)), Some(number(bid + width)));
            });
            weighed_by(&rule(), &outcome)
        };
        let (one, next) = (of(last), of(last + 1));
        let step = (next.price.unwrap() - one.price.unwrap()).abs();
        prop_assert!(step <= number(width.max(1)), "{one:?} {next:?}");
        // a book that counts holds the price
        if one.book == Some(Book::Counts) {
            prop_assert!((number(bid)..=number(bid + width)).contains(&one.price.unwrap()));
        } else {
            prop_assert_eq!((one.price, one.basis), (Some(number(last)), Some(Basis::Last)));
        }
    }

    #[test]
    fn a_last_price_within_its_book_is_the_price(
        bid in 1_i64..1_000_000,
        inside in 0_i64..1_000,
        width in 1_000_i64..2_000,
    ) {
        let number = |ticks: i64| Decimal::new(ticks, 4);
        let outcome = with(says("alpha", "1"), |quote| {
            quote.price = Stated::Number(number(bid + inside));
            (quote.bid, quote.ask) = (Some(number(bid)), Some(number(bid + width)));
        });
        prop_assert_eq!(weighed_by(&rule(), &outcome).price, Some(number(bid + inside)));
    }
}
