//! What is walked gives the rows that the interpreter gives.

use proptest::prelude::*;

use super::*;
use crate::clock::cpu;
use crate::provider::catalogue::catalogue;
use crate::provider::description::{Example, Notation, SourceSettings};
use crate::provider::filter::{Filter, Fuel};

/// A filter that is walked where it can be, and the same for the interpreter alone.
fn both(code: &str) -> (Filter, Filter) {
    (Filter::compile(code).unwrap(), Filter { direct: Flow::Other, ..Filter::compile(code).unwrap() })
}

fn run(filter: &Filter, layout: impl Into<crate::provider::description::Layout>, body: &[u8], status: u16) -> String {
    let Rows { rows, cut, failure } = filter.run(body, layout, status, &["BTC/USD", "A"], Fuel::most(cpu::timer));
    format!("{rows:?} {cut} {failure:?}")
}

/// Whether a filter needs no interpreter for a body.
fn is_walked(filter: &Filter, body: &str, status: u16) -> bool {
    let input = super::super::body::read(body.as_bytes(), Notation::Json.into()).unwrap();
    let mut rows = Rows { rows: Vec::new(), cut: false, failure: None };
    let bound = vec![Val::from(isize::try_from(status).unwrap()), std::iter::once(Val::utf8_str("A")).collect()];
    filter.direct.walk(&input, bound, &Fuel::most(cpu::timer).meter(), &mut rows)
}

/// The sources of the catalogue that reply in JSON, with their examples.
fn examples() -> Vec<(SourceSettings, Example)> {
    let sources = catalogue().iter().map(|(name, table)| table.clone().resolve(name).unwrap());
    let all = sources.flat_map(|source| source.examples.clone().into_iter().map(move |one| (source.clone(), one)));
    all.collect()
}

#[test]
fn every_example_of_the_catalogue_gives_the_rows_of_the_interpreter() {
    let (mut walked, mut json) = (0, 0);
    for (source, example) in examples() {
        let (filter, interpreted) = both(&source.jq);
        let run = |filter| run(filter, source.layout(), example.body.as_bytes(), example.status);
        assert_eq!(run(&filter), run(&interpreted), "{}: {}", source.name, example.about);
        if source.reply == Notation::Json && serde_json::from_str::<serde_json::Value>(&example.body).is_ok() {
            json += 1;
            walked += usize::from(is_walked(&filter, &example.body, example.status));
        }
    }
    assert!(walked * 4 > json, "{walked} of {json} examples are walked");
}

#[test]
fn parts_of_filters_give_what_the_interpreter_gives() {
    let bodies = [
        "null",
        "1",
        "\"a\"",
        "[]",
        "{}",
        "[1,\"a\",null,[2],{\"a\":1}]",
        "{\"a\":1,\"b\":{\"a\":false,\"c\":[1,2]}}",
        "{\"a\":null,\"b\":[]}",
        "[[1,2],[3,4]]",
        "{\"a\":\"x\",\"b\":\"y\",\"x\":{\"y\":2.50}}",
        "{\"a\":\"XyX\",\"b\":\"X\",\"c\":\"\"}",
        "[{\"a\":\"X\\u00c4y\"},{\"a\":[1,2]},{\"a\":{\"b\":[1]}}]",
    ];
    let filters = [
        ".",
        ".a",
        ".a.b",
        ".[]",
        ".[0]",
        ".[5]",
        ".a[]",
        ".b.c[1]",
        ".a // .b",
        ".a // .b // 3",
        "empty",
        "null",
        "true",
        "type",
        ".[] | type",
        "if .a then .b else .x end",
        "if .a then 1 elif .b then 2 end",
        ".a == 1",
        ".a != .b",
        ".a < .b",
        ".a and .b",
        ".a or .b",
        "has(\"a\")",
        "{a}",
        "{a, b: .b, \"c d\": 1}",
        "{a: .b, a: 2}",
        "(.a, .b)",
        ".a, .b | {x: .}",
        ".a as $x | .b | {$x, y: .}",
        ".[] as $x | {$x, $status}",
        ".a as $x | {$x: .b}",
        "$asked[]",
        ".[.a]",
        ".x[.b]",
        "$asked[] as $x | {$x, y: .a}",
        ". as $all | .b.c[] | {n: ., a: $all.a}",
        ".a.b.c",
        "\"a\\n\\u0041\"",
        "\"x\\(.a)\"",
        "{(.a): 1}",
        ".[]?",
        ".a?",
        ".[-1]",
        ".[1:]",
        "[.[]]",
        ".a | not",
        ".a as [$x] | $x",
        "[.a] | .[0]",
        ".b | .a | . == false",
        "(.a | type) == \"number\"",
        "-1",
        "1.50",
        ".a == 1.0",
        "if (.a, .b) then 1 else 2 end",
        ".a // empty",
        "first(.[])",
        ".[][]",
        "{a: (.a, 1)}",
        "error",
        "not",
        ".a | not | not",
        ".a | ascii_downcase",
        ".[] | .a | ascii_downcase",
        ".a | contains(\"x\")",
        "contains({a: \"X\"})",
        ".[] | .a | contains(\"\")",
        ".[] | .a | contains([1])",
        ".b as $b | .a | contains($b)",
        ".a as $a | .b | startswith($a)",
        ".a | startswith(\"X\")",
        ".a | endswith(\"yX\")",
        ".a | startswith(\"X\", \"y\")",
        ".[] | startswith(1)",
        "select(.a)",
        ".[] | select(.)",
        ".[] | select(.a, .b)",
        ".[] | select(type == \"object\") | .a",
        ".[] | select(.a == null | not) | {a}",
        ".[] | select(.) as $x | $x",
        ".[] | select(error) | 1",
        ".[] | select(false) | error",
    ];
    for code in filters {
        let (filter, interpreted) = both(code);
        for body in bodies {
            let run = |filter| run(filter, Notation::Json, body.as_bytes(), 200);
            assert_eq!(run(&filter), run(&interpreted), "{code} of {body}");
        }
    }
}

#[test]
fn what_the_filters_of_the_catalogue_are_made_of_is_walked() {
    for code in [
        ".a.b",
        ".[] | {a, b: .c}",
        "if .a then .b else .x end",
        "if .a then .b end",
        ".a // .b",
        ".a == 1",
        ".a as $x | .b | {$x}",
        ".a and .b",
        ".a | not",
        "type | ascii_downcase",
        "type | contains(\"bj\")",
        "type | startswith(\"ob\")",
        "type | endswith(\"ct\")",
        ".[] | select(has(\"b\")) | .b",
        ".[] | select(.c)",
    ] {
        assert!(is_walked(&Filter::compile(code).unwrap(), "{\"a\":{\"b\":1},\"b\":{\"c\":2}}", 200), "{code}");
    }
}

#[test]
fn what_is_walked_is_bounded_like_what_is_interpreted() {
    let body = format!("[{}0]", "0,".repeat(MOST_ROWS));
    let (filter, interpreted) = both(".[]");
    let rows = filter.run(body.as_bytes(), Notation::Json, 200, &[], Fuel::most(cpu::timer));
    assert!(rows.rows.len() == MOST_ROWS && rows.cut && rows.failure.is_none());
    assert_eq!(
        run(&filter, Notation::Json, body.as_bytes(), 200),
        run(&interpreted, Notation::Json, body.as_bytes(), 200)
    );
    let endless = Filter::compile(". as $all | .[] as $x | $all[] as $y | $all[] as $z | empty").unwrap();
    assert!(!endless.direct.is_other());
    let failure = endless.run(body.as_bytes(), Notation::Json, 200, &[], Fuel::most(cpu::timer)).failure;
    assert!(matches!(failure, Some(super::super::RunError::OutOfFuel(_))), "{failure:?}");
}

proptest! {
    #[test]
    fn a_body_that_is_changed_anywhere_gives_the_rows_of_the_interpreter(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        other in prop::sample::select(vec!["", "null", "0", "\"", "[", "]", "{", "}", ",", "a", "false", "1,", "[]"]),
        length in 0_usize..6,
        status in prop::sample::select(vec![200_u16, 404, 429, 500]),
    ) {
        let all = examples();
        let (source, example) = which.get(&all);
        let mut body = example.body.clone().into_bytes();
        let at = at.index(body.len() + 1);
        let end = (at + length).min(body.len());
        body.splice(at..end, other.bytes());
        let (filter, interpreted) = both(&source.jq);
        let run = |filter| run(filter, source.layout(), &body, status);
        prop_assert_eq!(run(&filter), run(&interpreted), "{} {}", source.name, String::from_utf8_lossy(&body));
    }
}
