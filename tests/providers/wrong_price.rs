//! The wrong price: an example is useful only if a description that takes the wrong field fails it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use quotefold::decimal;
use quotefold::provider::description::{Example, Expected};
use quotefold::provider::example;
use rust_decimal::Decimal;

use super::body::{Leaf, leaves, with};
use crate::providers;

/// The numbers that an example expects, as the body states them (before sub-units become major units).
fn expected_numbers(expected: &Expected) -> Vec<Decimal> {
    let stated = [&expected.price, &expected.bid, &expected.ask, &expected.volume];
    stated.into_iter().flatten().filter_map(|text| decimal::read(text)).collect()
}

/// The number in a field, also in one such as `$4,098.12`.
fn number_in(leaf: &str) -> Option<Decimal> {
    decimal::read(&decimal::undecorated(leaf)?)
}

/// Whether a field has the digits of a number: it may be of pence, of a hundred units, or go with a power of ten.
fn is_stated(leaf: &str, expected: Decimal) -> bool {
    number_in(leaf).is_some_and(|number| digits(number) == digits(expected))
}

/// A number without its power of ten.
fn digits(number: Decimal) -> i128 {
    let mut digits = number.mantissa();
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
    }
    digits
}

/// Whether an example expects numbers for a symbol: a price, or a side of a book.
fn is_quoted(expected: &Expected) -> bool {
    expected.price.is_some() || expected.bid.is_some() || expected.ask.is_some()
}

#[test]
fn every_mutation_of_an_example_fails_it() {
    for (source, extractor) in providers() {
        for example in source.examples.iter().filter(|example| example.expect.iter().any(is_quoted)) {
            let body = &example.body;
            let passes = |body: String| {
                let example = Example { body, ..example.clone() };
                example::check(&extractor, &source, &example, quotefold::clock::cpu::timer).is_ok()
            };
            assert!(passes(body.clone()), "{}: {}", source.name, example.about);
            let all = leaves(body, source.reply);
            for expected in example.expect.iter().filter(|one| is_quoted(one)) {
                let name = format!("{}: {}: {}", source.name, example.about, expected.symbol);
                swap_scale_and_invert(&name, body, &all, expected, &passes);
                shift_the_times(&name, body, &all, expected, &passes);
            }
        }
    }
}

fn swap_scale_and_invert(name: &str, body: &str, all: &[Leaf], expected: &Expected, passes: &dyn Fn(String) -> bool) {
    for number in expected_numbers(expected) {
        // the filter reads those fields whose change makes the example fail
        let read: Vec<_> = all
            .iter()
            .filter(|leaf| is_stated(&leaf.text, number) && !passes(with(body, &[(leaf, "987654.5")])))
            .collect();
        assert!(!read.is_empty(), "{name}: {number} is read from no field of its own");
        for leaf in read {
            let (text, at) = (&leaf.text, leaf.place.start);
            let stated = number_in(text).unwrap();
            for other in all.iter().filter(|other| number_in(&other.text).is_some_and(|value| value != stated)) {
                let swapped = with(body, &[(leaf, &other.text), (other, text)]);
                assert!(!passes(swapped), "{name}: {text} at byte {at} and {} can be swapped", other.text);
            }
            let hundredth = decimal::plain(stated / Decimal::ONE_HUNDRED);
            assert!(!passes(with(body, &[(leaf, &hundredth)])), "{name}: {text} at byte {at} can be divided by 100");
            let inverse = decimal::plain((Decimal::ONE / stated).round_dp(12));
            assert!(!passes(with(body, &[(leaf, &inverse)])), "{name}: {text} at byte {at} can be inverted");
        }
    }
}

/// Whether a text is this time in words: with an offset, as a date, or in the local time of a zone that is named
/// elsewhere.
fn is_written(text: &str, time: Timestamp) -> bool {
    if let Ok(stated) = text.parse::<Timestamp>() {
        return stated == time;
    }
    let as_utc = |local: DateTime| Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp());
    text.parse().ok().and_then(as_utc).is_some_and(|stated| {
        let offset = time.duration_since(stated).as_secs();
        offset.abs() <= 14 * 3600 && offset % 900 == 0 && stated.subsec_nanosecond() == time.subsec_nanosecond()
    })
}

fn shift_the_times(name: &str, body: &str, all: &[Leaf], expected: &Expected, passes: &dyn Fn(String) -> bool) {
    for stated in [&expected.observed_at, &expected.book_at].into_iter().flatten() {
        shift_one_time(name, body, all, stated.parse().unwrap(), passes);
    }
}

fn shift_one_time(name: &str, body: &str, all: &[Leaf], time: Timestamp, passes: &dyn Fn(String) -> bool) {
    let later = time + SignedDuration::from_hours(5);
    let notations = |time: Timestamp| {
        [
            time.as_second().to_string(),
            time.as_millisecond().to_string(),
            time.as_microsecond().to_string(),
            time.as_nanosecond().to_string(),
        ]
    };
    let (then, shifted) = (notations(time), notations(later));
    let mut read = 0;
    for leaf in all {
        let text = &leaf.text;
        let numbers = then.iter().position(|notation| notation == text).map(|index| shifted[index].clone());
        let written = || is_written(text, time).then(|| later.to_string());
        if let Some(later) = numbers.or_else(written).or_else(|| shifted_in_part(text, time)) {
            read += usize::from(!passes(with(body, &[(leaf, &later)])));
        }
    }
    assert!(read > 0, "{name}: the time can be shifted by 5 hours");
}

/// A part of a time, shifted: a local time of day by 5 hours, a date by 5 days.
fn shifted_in_part(text: &str, time: Timestamp) -> Option<String> {
    let utc = time.to_zoned(TimeZone::UTC);
    if let (Ok(local), true) = (text.parse::<Time>(), text.len() == "22:00:05".len()) {
        let is_it = (local.minute(), local.second()) == (utc.minute(), utc.second());
        return is_it.then(|| local.wrapping_add(5.hours()).to_string());
    }
    // a date alone, or one that is written as its first second
    let (date, rest) = text.split_at_checked("2026-05-26".len())?;
    let date = date.parse::<Date>().ok().filter(|_| rest.is_empty() || rest.starts_with("T00:00:00"))?;
    let days_apart = (date - utc.date()).get_days();
    (days_apart.abs() <= 1).then(|| format!("{}{rest}", date + 5.days()))
}
