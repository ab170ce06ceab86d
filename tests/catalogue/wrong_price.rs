//! The wrong price: an example is worth something only if a description that takes the wrong field would fail it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use quotefold::decimal;
use quotefold::settings::source::{Example, Expected};
use quotefold::source::example;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::providers;

/// Every number and time in a body, by its JSON pointer.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                leaves(field, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{index}"), found);
            }
        }
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Number(number) => found.push((path.to_owned(), number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The body with other text in some places; a number stays a number.
fn with(body: &Value, changes: &[(&str, &str)]) -> String {
    let mut body = body.clone();
    for (path, text) in changes {
        let place = body.pointer_mut(path).unwrap();
        *place = match place {
            Value::Number(_) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(*text)),
            _ => Value::from(*text),
        };
    }
    body.to_string()
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
            let body: Value = serde_json::from_str(&example.body).unwrap();
            let passes = |body: String| {
                let example = Example { body, ..example.clone() };
                example::check(&extractor, &source, &example).is_ok()
            };
            assert!(passes(body.to_string()), "{}: {}", source.name, example.about);
            let mut all = Vec::new();
            leaves(&body, "", &mut all);
            for expected in example.expect.iter().filter(|one| is_quoted(one)) {
                let name = format!("{}: {}: {}", source.name, example.about, expected.symbol);
                swap_scale_and_invert(&name, &body, &all, expected, &passes);
                shift_the_time(&name, &body, &all, expected, &passes);
            }
        }
    }
}

fn swap_scale_and_invert(
    name: &str,
    body: &Value,
    all: &[(String, String)],
    expected: &Expected,
    passes: &dyn Fn(String) -> bool,
) {
    for number in expected_numbers(expected) {
        // the fields the filter reads are those without which the example fails
        let read =
            all.iter().filter(|(path, text)| is_stated(text, number) && !passes(with(body, &[(path, "987654.5")])));
        let read: Vec<_> = read.collect();
        assert!(!read.is_empty(), "{name}: {number} is read from no field of its own");
        for (path, text) in read {
            let stated = number_in(text).unwrap();
            for (other, value) in all.iter().filter(|(_, value)| number_in(value).is_some_and(|v| v != stated)) {
                assert!(
                    !passes(with(body, &[(path, value), (other, text)])),
                    "{name}: {path} and {other} can be swapped"
                );
            }
            let hundredth = decimal::plain(stated / Decimal::ONE_HUNDRED);
            assert!(!passes(with(body, &[(path, &hundredth)])), "{name}: {path} can be divided by 100");
            let inverse = decimal::plain((Decimal::ONE / stated).round_dp(12));
            assert!(!passes(with(body, &[(path, &inverse)])), "{name}: {path} can be inverted");
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

fn shift_the_time(
    name: &str,
    body: &Value,
    all: &[(String, String)],
    expected: &Expected,
    passes: &dyn Fn(String) -> bool,
) {
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
    for (path, text) in all {
        let numbers = then.iter().position(|notation| notation == text).map(|index| shifted[index].clone());
        let written = || is_written(text, time).then(|| later.to_string());
        if let Some(later) = numbers.or_else(written) {
            read += usize::from(!passes(with(body, &[(path, &later)])));
        }
    }
    assert!(read > 0, "{name}: the time can be shifted by 5 hours");
}
