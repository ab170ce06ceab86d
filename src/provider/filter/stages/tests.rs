//! The place that is named is the one where a person would look first.

use super::*;
use crate::provider::description::Notation;

/// Where a filter fails on a body, as `line:column stage ← given`.
fn place(code: &str, body: &str) -> String {
    let run = |filter: &Filter| {
        filter.run(
            body.as_bytes(),
            Notation::Json,
            200,
            &["AAPL"],
            crate::provider::filter::Fuel::most(crate::clock::cpu::timer),
        )
    };
    let filter = Filter::compile(code).unwrap_or_else(|error| panic!("{code}: {error}"));
    let failure = run(&filter).failure.unwrap_or_else(|| panic!("{code} must fail"));
    let place = filter.place(&failure, &run);
    place.map_or("nowhere".to_owned(), |place| {
        format!("{}:{} {} ← {}", place.line, place.column, place.stage, place.given.unwrap_or_default())
    })
}

#[test]
fn the_first_stage_that_fails_is_named_with_what_it_was_given() {
    let body = r#"{"data":[{"s":"AAPL","p":"1"}]}"#;
    assert_eq!(place(".items[] | {symbol: .s, price: .p}", body), format!("1:1 .items[] ← {body}"));
    assert_eq!(place(".data | .[] | {price: .p.last}", body), r#"1:15 {price: .p.last} ← {"s":"AAPL","p":"1"}"#);
    assert_eq!(place(".data\n  | map(.s | .[0]) # no\n  | .", body), r#"2:5 map(.s | .[0]) ← [{"s":"AAPL","p":"1"}]"#);
    assert_eq!(place("\"é\" as $e | .data.s", body), format!("1:13 .data.s ← {body}"));
}

#[test]
fn of_many_values_the_one_on_which_it_failed_is_shown() {
    let body = r#"[{"p":{"x":1}},{"p":{"x":2}},{"p":"3"},{"p":{"x":4}}]"#;
    assert_eq!(place(".[] | {price: .p.x}", body), r#"1:7 {price: .p.x} ← {"p":"3"}"#);
    assert_eq!(place(".[] | .p | .x, .x | {price: .}", body), r#"1:12 .x, .x ← "3""#);
}

#[test]
fn the_value_that_a_name_is_bound_to_is_a_stage_but_its_pattern_is_not() {
    let body = r#"{"error":null,"data":1}"#;
    assert_eq!(place(".data as $data | .error[] as $error | $data", body), format!("1:18 .error[] ← {body}"));
    // a binding leaves the value unchanged
    assert_eq!(place(".error as $error | .data[] | {price: .}", body), format!("1:20 .data[] ← {body}"));
    assert_eq!(place(". as {$data} | $data | .x", body), "1:24 .x ← 1");
    assert_eq!(place("label $out | .data | .x, break $out", body), "1:22 .x, break $out ← 1");
}

#[test]
fn bars_within_brackets_texts_and_branches_do_not_split_the_pipe() {
    let body = r#"{"a|b":1,"if":2}"#;
    assert_eq!(place("{x: (.if | .)} | \"\\(.x | .)|\" | .[0] | .", body), r#"1:33 .[0] ← "2|""#);
    assert_eq!(place("if .if then . | . else . end | .[\"a|b\"] | .x", body), "1:43 .x ← 1");
}

#[test]
fn brackets_and_branches_are_searched() {
    let body = r#"{"error":null,"result":{"X":{"c":"1"}}}"#;
    let code = "(.error | length) as $errors\n| if $errors > 0 then {error: \"unavailable\"}\n  elif .result then\n    .result | to_entries[]\n    | {symbol: .key, price: .value.c.last}\n  else empty end";
    assert_eq!(place(code, body), r#"5:7 {symbol: .key, price: .value.c.last} ← {"key":"X","value":{"c":"1"}}"#);
    assert_eq!(place("((.error | length) | .[0]) as $x | .", body), "1:22 .[0] ← 0");
    assert_eq!(place("if .error then 1 else [.result | .[] | .c | .[0]] end", body), r#"1:45 .[0] ← "1""#);
    assert_eq!(place("if .result | .X.c.d then 1 else 2 end", body), r#"1:14 .X.c.d ← {"X":{"c":"1"}}"#);
    assert_eq!(place("if false then 1 elif (.error | .[]) then 2 else 3 end", body), "1:32 .[] ← null");
    let two = "(if .error then 1 else 2 end) + (if .error then 3 else .error[] end)";
    assert_eq!(place(two, body), format!("1:1 {two} ← {body}"));
    assert_eq!(place("if .error then 1 end, if .error then 1 else .error[] end", body).split(' ').next(), Some("1:1"));
}

#[test]
fn a_body_that_cannot_be_read_has_no_place_in_the_filter() {
    assert_eq!(place(".a | .b", "<html>"), "nowhere");
}
