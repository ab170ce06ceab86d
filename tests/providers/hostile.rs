//! Hostile bodies through every description: none causes a panic, and none takes longer than a second.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use quotefold::failure::SourceError;
use quotefold::provider::extract::{Extracted, Extractor, RawReply};
use quotefold::symbol::Symbol;

use crate::providers;

fn read(extractor: &Extractor, status: u16, body: &[u8], asked: &[Symbol]) -> Result<Extracted, SourceError> {
    let reply = RawReply::bare(status, body.to_vec(), Timestamp::UNIX_EPOCH);
    let begun = time_on_a_core();
    let extracted = extractor.read(&reply, asked, quotefold::clock::cpu::timer);
    let took = time_on_a_core() - begun;
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    if let Ok(extracted) = &extracted {
        assert_eq!(extracted.outcomes.len(), asked.len());
    }
    if let Err(SourceError::Internal(words)) = &extracted {
        panic!("{words}");
    }
    extracted
}

/// How long this thread has run on a core so far, which does not depend on how busy the machine is.
fn time_on_a_core() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(statistics.split(' ').next().unwrap().parse().unwrap())
}

fn symbols(texts: &[String]) -> Vec<Symbol> {
    texts.iter().map(|text| Symbol::parse(text).unwrap()).collect()
}

/// Any JSON, with the words that filters look for among its keys.
fn json() -> impl Strategy<Value = String> {
    let keys = "(error|result|chart|meta|code|status|message|symbol|ticker|price|last|close|c|t|a|b|v|AAPL|BTCUSDT|[a-z]{0,3})";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("NaN".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,5})?",
        "\"(error|USD|GBp|[A-Z]{1,6}|-?[0-9]{1,9}(,[0-9]{3})?|\\\\\\\\u[0-9a-f]{4}|[ -!#-\\[\\]-~]{0,8})\"",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((keys, inner), 0..6).prop_map(|fields| {
                let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

#[test]
fn arbitrary_bytes_and_arbitrary_json_do_no_harm() {
    let providers = providers();
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        json().prop_map(String::into_bytes),
        json().prop_map(String::into_bytes),
    ];
    let status = prop_oneof![Just(200_u16), Just(404), 200_u16..600];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let outcome = runner.run(&(body, status), |(body, status)| {
        for (source, extractor) in &providers {
            for example in &source.examples {
                let _ = read(extractor, status, &body, &symbols(&example.asked));
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_known_body_with_bytes_broken_does_no_harm() {
    let providers = providers();
    let place = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    let outcome = runner.run(&place, |(first, second, byte, how)| {
        for (source, extractor) in &providers {
            for example in &source.examples {
                let mut body = example.body.clone().into_bytes();
                let (first, second) = (first.index(body.len()), second.index(body.len()));
                match how {
                    0 => body[first] = byte,
                    1 => body.truncate(first),
                    _ => body.swap(first, second),
                }
                let _ = read(extractor, example.status, &body, &symbols(&example.asked));
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn deep_long_and_wide_bodies_are_malformed_or_read() {
    let deep = ["[".repeat(100_000), "{\"result\":".repeat(20_000), "{\"a\":[".repeat(50_000), "9".repeat(250_000)];
    let wide =
        [format!("[{}1]", "1,".repeat(100_000)), format!("{{\"result\":{{{}\"b\":1}}}}", "\"a\":{},".repeat(20_000))];
    for (source, extractor) in providers() {
        let asked = symbols(&source.examples[0].asked);
        for body in &deep {
            assert_eq!(
                read(&extractor, 200, body.as_bytes(), &asked).unwrap_err().reason(),
                "malformed",
                "{}",
                source.name
            );
        }
        for body in &wide {
            let _ = read(&extractor, 200, body.as_bytes(), &asked);
        }
    }
}

#[test]
fn numbers_of_forty_digits_and_wrong_currencies_are_read_as_said() {
    for (source, extractor) in providers() {
        for example in &source.examples {
            let digits = example.body.replace(|c: char| c.is_ascii_digit(), "1234567890123456789012345678901234567890");
            let _ = read(&extractor, example.status, digits.as_bytes(), &symbols(&example.asked));
            for (known, wrong) in
                [("\"USD\"", "\"XYZ\""), ("\"GBp\"", "\"\""), ("\"USD\"", "\"\\u0000 \\ud83d\\ude00\"")]
            {
                let body = example.body.replace(known, wrong);
                let _ = read(&extractor, example.status, body.as_bytes(), &symbols(&example.asked));
            }
        }
    }
}

#[test]
fn thousands_of_rows_about_one_symbol_take_no_longer_than_one() {
    let (source, extractor) = providers().into_iter().find(|(source, _)| source.name == "tiingo").unwrap();
    let row = r#"{"ticker":"AAPL","last":51.27,"bidPrice":51.2,"askPrice":51.3,"volume":1,"timestamp":"2021-11-05T16:00:00Z"}"#;
    let body = format!("[{}{row}]", format!("{row},").repeat(2_000));
    let extracted = read(&extractor, 200, body.as_bytes(), &symbols(&["AAPL".to_owned()])).unwrap();
    assert!(extracted.outcomes[0].1.is_ok() && source.batch == 50);
}
