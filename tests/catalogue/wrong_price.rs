//! The wrong price: an example is worth something only if a description that takes the wrong field would fail it.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use quotefold::decimal;
use quotefold::settings::source::{Example, Expected, Notation};
use quotefold::source::example;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::providers;

/// A body whose numbers and times can be changed one by one.
enum Body {
    Json(Value),
    /// CSV or XML: what stands between the signs that part such texts, and these signs, in turn.
    Text(Vec<String>),
}

impl Body {
    fn new(example: &Example, reply: Notation) -> Self {
        match reply {
            Notation::Json => Body::Json(serde_json::from_str(&example.body).unwrap()),
            Notation::Csv | Notation::Xml => {
                let pieces = example.body.split_inclusive([',', '"', '\'', '<', '>', '\r', '\n']);
                let last = |piece: &str| piece.char_indices().next_back().map_or(0, |(at, _)| at);
                Body::Text(
                    pieces
                        .flat_map(|piece| [&piece[..last(piece)], &piece[last(piece)..]].map(str::to_owned))
                        .collect(),
                )
            }
        }
    }

    /// Every number, time and word, by its place.
    fn leaves(&self) -> Vec<(String, String)> {
        match self {
            Body::Json(value) => {
                let mut found = Vec::new();
                leaves(value, "", &mut found);
                found
            }
            Body::Text(pieces) => {
                pieces.iter().enumerate().map(|(at, text)| (at.to_string(), text.clone())).step_by(2).collect()
            }
        }
    }

    /// The body with other text in some places; in JSON a number stays a number.
    fn with(&self, changes: &[(&str, &str)]) -> String {
        match self {
            Body::Json(value) => {
                let mut value = value.clone();
                for (path, text) in changes {
                    let place = value.pointer_mut(path).unwrap();
                    *place = match place {
                        Value::Number(_) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(*text)),
                        _ => Value::from(*text),
                    };
                }
                value.to_string()
            }
            Body::Text(pieces) => {
                let mut pieces = pieces.clone();
                for (at, text) in changes {
                    (*text).clone_into(&mut pieces[at.parse::<usize>().unwrap()]);
                }
                pieces.concat()
            }
        }
    }
}

/// Every number and time in JSON, by its pointer.
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

/// The numbers an example expects, as the body states them (before sub-units become major ones).
fn expected_numbers(expected: &Expected) -> Vec<Decimal> {
    let stated = [&expected.price, &expected.bid, &expected.ask, &expected.volume];
    stated.into_iter().flatten().filter_map(|text| decimal::read(text)).collect()
}

fn is_stated(leaf: &str, expected: Decimal) -> bool {
    let hundred = expected.checked_mul(Decimal::ONE_HUNDRED);
    decimal::read(leaf).is_some_and(|number| number == expected || Some(number) == hundred)
}

#[test]
fn every_mutation_of_an_example_fails_it() {
    for (source, extractor) in providers() {
        for example in source.examples.iter().filter(|example| example.expect.iter().any(|one| one.price.is_some())) {
            let body = Body::new(example, source.reply);
            let passes = |body: String| {
                let example = Example { body, ..example.clone() };
                example::check(&extractor, &source, &example).is_ok()
            };
            assert!(passes(body.with(&[])), "{}: {}", source.name, example.about);
            let all = body.leaves();
            for expected in example.expect.iter().filter(|one| one.price.is_some()) {
                let name = format!("{}: {}: {}", source.name, example.about, expected.symbol);
                swap_scale_and_invert(&name, &body, &all, expected, &passes);
                shift_the_time(&name, &body, &all, expected, &passes);
            }
        }
    }
}

fn swap_scale_and_invert(
    name: &str,
    body: &Body,
    all: &[(String, String)],
    expected: &Expected,
    passes: &dyn Fn(String) -> bool,
) {
    for number in expected_numbers(expected) {
        // the fields the filter reads are those without which the example fails
        let read =
            all.iter().filter(|(path, text)| is_stated(text, number) && !passes(body.with(&[(path, "987654.5")])));
        let read: Vec<_> = read.collect();
        assert!(!read.is_empty(), "{name}: {number} is read from no field of its own");
        for (path, text) in read {
            let stated = decimal::read(text).unwrap();
            for (other, value) in all.iter().filter(|(_, value)| decimal::read(value).is_some_and(|v| v != stated)) {
                assert!(
                    !passes(body.with(&[(path, value), (other, text)])),
                    "{name}: {path} and {other} can be swapped"
                );
            }
            let hundredth = decimal::plain(stated / Decimal::ONE_HUNDRED);
            assert!(!passes(body.with(&[(path, &hundredth)])), "{name}: {path} can be divided by 100");
            let inverse = decimal::plain((Decimal::ONE / stated).round_dp(12));
            assert!(!passes(body.with(&[(path, &inverse)])), "{name}: {path} can be inverted");
        }
    }
}

fn shift_the_time(
    name: &str,
    body: &Body,
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
        let written = || (text.parse::<Timestamp>().ok() == Some(time)).then(|| later.to_string());
        if let Some(later) = numbers.or_else(written).or_else(|| shifted_in_part(text, time)) {
            read += usize::from(!passes(body.with(&[(path, &later)])));
        }
    }
    assert!(read > 0, "{name}: the time can be shifted by 5 hours");
}

/// A part of a time, later: the time of day of some zone by 5 hours, a date by 5 days.
fn shifted_in_part(text: &str, time: Timestamp) -> Option<String> {
    let utc = time.to_zoned(TimeZone::UTC);
    if let (Ok(local), true) = (text.parse::<Time>(), text.len() == "22:00:05".len()) {
        let is_it = (local.minute(), local.second()) == (utc.minute(), utc.second());
        return is_it.then(|| local.wrapping_add(5.hours()).to_string());
    }
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-05-26".len())?;
    let days_apart = (date - utc.date()).get_days();
    (days_apart.abs() <= 1).then(|| (date + 5.days()).to_string())
}
