//! The wrong price: an example is worth something only if a description that takes the wrong field would fail it.

use std::ops::Range;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use quotefold::decimal;
use quotefold::settings::source::{Example, Expected};
use quotefold::source::example;
use rust_decimal::Decimal;

use crate::providers;

/// A number or a text in a body: where it stands, and what it says.
struct Leaf {
    place: Range<usize>,
    text: String,
    is_text: bool,
}

/// Every number and every text of a body but its keys. The body stays text throughout: some providers send more digits than
/// any number of ours would keep.
fn leaves(body: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = body.as_bytes().get(at) {
        let rest = &body[at..];
        let length = match byte {
            b'"' => end_of_text(rest),
            b'-' | b'0'..=b'9' => {
                rest.find(|c| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len())
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let (written, after) = rest.split_at(length);
        let is_text = *byte == b'"';
        let is_key = is_text && after.trim_start().starts_with(':');
        if (is_text || *byte == b'-' || byte.is_ascii_digit()) && !is_key {
            let text = if is_text { serde_json::from_str(written).unwrap() } else { written.to_owned() };
            found.push(Leaf { place: at..at + length, text, is_text });
        }
        at += length;
    }
    found
}

/// How long the quoted text is that stands in front, with both its marks.
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    let closing = rest.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    closing.map_or(rest.len(), |length| length + 2)
}

/// The body with other text in some places; a number stays a number.
fn with(body: &str, changes: &[(&Leaf, &str)]) -> String {
    let mut body = body.to_owned();
    let mut changes: Vec<_> = changes.iter().collect();
    changes.sort_by_key(|(leaf, _)| std::cmp::Reverse(leaf.place.start));
    for (leaf, text) in changes {
        let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
        let written =
            if is_number && !leaf.is_text { (*text).to_owned() } else { serde_json::Value::from(*text).to_string() };
        body.replace_range(leaf.place.clone(), &written);
    }
    body
}

/// The numbers an example expects, as the body states them (before sub-units become major ones).
fn expected_numbers(expected: &Expected) -> Vec<Decimal> {
    let stated = [&expected.price, &expected.bid, &expected.ask, &expected.volume];
    stated.into_iter().flatten().filter_map(|text| decimal::read(text)).collect()
}

/// The number in a field, also in one such as `$4,098.12`.
fn number_in(leaf: &str) -> Option<Decimal> {
    decimal::read(&decimal::undecorated(leaf)?)
}

fn is_stated(leaf: &str, expected: Decimal) -> bool {
    let hundred = expected.checked_mul(Decimal::ONE_HUNDRED);
    number_in(leaf).is_some_and(|number| number == expected || Some(number) == hundred)
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
                example::check(&extractor, &source, &example).is_ok()
            };
            assert!(passes(body.clone()), "{}: {}", source.name, example.about);
            let all = leaves(body);
            for expected in example.expect.iter().filter(|one| is_quoted(one)) {
                let name = format!("{}: {}: {}", source.name, example.about, expected.symbol);
                swap_scale_and_invert(&name, body, &all, expected, &passes);
                shift_the_time(&name, body, &all, expected, &passes);
            }
        }
    }
}

fn swap_scale_and_invert(name: &str, body: &str, all: &[Leaf], expected: &Expected, passes: &dyn Fn(String) -> bool) {
    for number in expected_numbers(expected) {
        // the fields the filter reads are those without which the example fails
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

/// Whether a text is a time in words: with an offset, as a date, or as the time of some zone, whose name stands elsewhere.
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

fn shift_the_time(name: &str, body: &str, all: &[Leaf], expected: &Expected, passes: &dyn Fn(String) -> bool) {
    let Some(expected) = &expected.observed_at else { return };
    let time: Timestamp = expected.parse().unwrap();
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
        if let Some(later) = numbers.or_else(written) {
            read += usize::from(!passes(with(body, &[(leaf, &later)])));
        }
    }
    assert!(read > 0, "{name}: the time can be shifted by 5 hours");
}
