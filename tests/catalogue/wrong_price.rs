//! The wrong price: an example is worth something only if a description that takes the wrong field would fail it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use quotefold::decimal;
use quotefold::settings::source::{Example, Expected, Notation};
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

/// An example's body, in which some places can be given another text.
enum Body {
    Json(Value),
    /// A table or XML.
    Text(String),
}

impl Body {
    fn of(text: &str, notation: Notation) -> Self {
        match notation {
            Notation::Json => Body::Json(serde_json::from_str(text).unwrap()),
            Notation::Csv | Notation::Xml => Body::Text(text.to_owned()),
        }
    }

    /// Every number and time, by the place where it stands.
    fn leaves(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        match self {
            Body::Json(body) => leaves(body, "", &mut found),
            // a place is where the text begins: what stands between two signs of the notation is one text
            Body::Text(body) => {
                let mut begin = 0;
                for piece in body.split_inclusive(['"', '\'', '<', '>', '=', ',', ';', '\r', '\n']) {
                    let text = piece.trim_end_matches(|c: char| c.is_whitespace() || "\"'<>=,;".contains(c));
                    let bare = text.trim_start();
                    if !bare.is_empty() {
                        found.push(((begin + text.len() - bare.len()).to_string(), bare.to_owned()));
                    }
                    begin += piece.len();
                }
            }
        }
        found
    }

    /// The body with other text in some places; in JSON a number stays a number.
    fn with(&self, changes: &[(&str, &str)]) -> String {
        match self {
            Body::Json(body) => {
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
            Body::Text(body) => {
                let (mut changed, mut end) = (String::new(), 0);
                for (place, leaf) in self.leaves() {
                    let begin: usize = place.parse().unwrap();
                    let change = changes.iter().find(|(path, _)| *path == place);
                    changed += &body[end..begin];
                    changed += change.map_or(leaf.as_str(), |(_, text)| text);
                    end = begin + leaf.len();
                }
                changed + &body[end..]
            }
        }
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
            let body = Body::of(&example.body, source.reply);
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

/// The time that a text says in words; a date is its midnight.
fn said(text: &str) -> Option<Timestamp> {
    let midnight = || {
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text)?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(midnight)
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
        let written = || (said(text) == Some(time)).then(|| later.to_string());
        if let Some(later) = numbers.or_else(written) {
            read += usize::from(!passes(body.with(&[(path, &later)])));
        }
    }
    assert!(read > 0, "{name}: the time can be shifted by 5 hours");
}

#[test]
fn in_a_table_and_in_xml_whatever_stands_between_two_signs_can_be_changed() {
    let leaves = |body: &Body| body.leaves().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    let xml = Body::of("<a t=\"2021-01-08\">\n  <b r='1.5'/></a>", Notation::Xml);
    assert_eq!(leaves(&xml), ["a t", "2021-01-08", "b r", "1.5", "/", "/a"]);
    let place = |wanted: &str| xml.leaves().into_iter().find(|(_, text)| text == wanted).unwrap().0;
    let swapped = xml.with(&[(&place("1.5"), "2021-01-08"), (&place("2021-01-08"), "1.5")]);
    assert_eq!(swapped, "<a t=\"1.5\">\n  <b r='2021-01-08'/></a>");
    let table = Body::of("Symbol,Close\r\nAAPL.US, 272.50\r\n", Notation::Csv);
    assert_eq!(leaves(&table), ["Symbol", "Close", "AAPL.US", "272.50"]);
}
