//! The comparison of replies with the description notices each kind of mistake, and says where it is.

use serde_json::{Value, json};

use crate::support::Reply;
use crate::support::openapi::{Description, Request};

/// A small interface with one of each kind.
fn description() -> Description {
    Description::new(json!({
        "paths": {
            "/things/{name}": {
                "get": {
                    "tags": ["Things"],
                    "responses": {
                        "200": {
                            "headers": {
                                "X-Request-Id": { "required": true, "schema": { "type": "string" } },
                                "Count": { "schema": { "type": "integer", "minimum": 1 } }
                            },
                            "content": {
                                "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } },
                                "text/csv": { "schema": { "type": "string", "x-columns": ["name", "price"] } },
                                "application/x-ndjson": {
                                    "schema": { "type": "string", "x-lines": { "$ref": "#/components/schemas/Thing" } }
                                }
                            }
                        },
                        "304": { "headers": { "X-Request-Id": { "required": true, "schema": { "type": "string" } } } }
                    }
                }
            },
            "/prices": { "get": { "tags": ["Prices"], "responses": { "200": {
                "headers": {
                    "X-Request-Id": { "schema": { "type": "string" } },
                    "Vary": { "schema": { "type": "string" } },
                    "Prices-Status": { "schema": { "type": "string" } }
                },
                "content": { "application/json": { "schema": { "type": "object" } } }
            } } } }
        },
        "components": { "schemas": {
            "Thing": {
                "type": "object",
                "required": ["name", "price", "kind", "at", "parts"],
                "properties": {
                    "name": { "type": "string", "minLength": 1 },
                    "price": { "type": ["string", "null"], "format": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$" },
                    "kind": { "oneOf": [{ "$ref": "#/components/schemas/Kind" }, { "type": "null" }] },
                    "at": { "type": "string", "format": "date-time" },
                    "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Part" }, "maxItems": 2 },
                    "counts": {
                        "type": "object",
                        "propertyNames": { "$ref": "#/components/schemas/Kind" },
                        "additionalProperties": { "type": "integer", "minimum": 0 }
                    }
                }
            },
            "Part": { "type": "object", "required": ["on"], "properties": { "on": { "type": "boolean" } } },
            "Kind": { "type": "string", "enum": ["round", "square"] },
            "Problem": { "type": "object", "required": ["type"], "properties": { "type": { "type": "string" } } }
        } }
    }))
}

fn thing() -> Value {
    json!({
        "name": "a", "price": "1.50", "kind": "round", "at": "2026-11-21T08:24:15.729Z", "parts": [{ "on": true }],
        "counts": { "square": 3 }
    })
}

fn reply(status: u16, kind: &str, headers: &str, body: &str) -> Reply {
    let kind = if kind.is_empty() { String::new() } else { format!("\r\ncontent-type: {kind}") };
    let head = format!("HTTP/1.1 {status} X\r\nx-request-id: 1{headers}{kind}\r\ndate: now");
    Reply { status, head, body: body.to_owned() }
}

fn differences(method: &str, target: &str, reply: &Reply) -> Vec<String> {
    let request = Request::read(&format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap();
    description().differences(&request, reply)
}

/// The only difference of a reply.
fn difference(method: &str, target: &str, reply: &Reply) -> String {
    let mut found = differences(method, target, reply);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The only difference of a thing in which a field has another value.
fn with(field: &str, value: Value) -> String {
    let mut thing = thing();
    thing[field] = value;
    difference("GET", "/things/a", &reply(200, "application/json", "", &thing.to_string()))
}

#[test]
fn a_reply_that_is_as_described_has_no_difference() {
    let body = thing().to_string();
    let none = Vec::<String>::new();
    for kind in ["application/json", "application/json; charset=utf-8"] {
        assert_eq!(differences("GET", "/things/a?q=1", &reply(200, kind, "\r\ncount: 3", &body)), none);
    }
    let mut other = thing();
    (other["price"], other["kind"]) = (Value::Null, Value::Null);
    assert_eq!(differences("GET", "http://x/things/a", &reply(200, "application/json", "", &other.to_string())), none);
    assert_eq!(differences("HEAD", "/things/a", &reply(200, "application/json", "", "")), none);
    assert_eq!(differences("GET", "/things/a", &reply(304, "", "", "")), none);
    assert_eq!(differences("GET", "/things/a", &reply(200, "text/csv", "", "name,price\r\na,1\r\n")), none);
    let lines = format!("{}\n{}\n", thing(), thing());
    assert_eq!(differences("GET", "/things/a", &reply(200, "application/x-ndjson", "", &lines)), none);
}

#[test]
fn a_wrong_field_is_named_with_its_place_and_what_is_allowed() {
    assert_eq!(with("more", json!(1)), "/more: the field is not described; it is 1 (Thing)");
    assert_eq!(with("name", json!(7)), r#"/name: 7 is found, but the type is "string" (Thing)"#);
    assert_eq!(with("name", json!("")), r#"/name: "" is found, but minLength 1 (Thing)"#);
    assert_eq!(with("kind", json!("flat")), r#"/kind: "flat" is found, but enum ["round","square"] (Kind)"#);
    assert_eq!(with("parts", json!([{ "on": 1 }])), r#"/parts/0/on: 1 is found, but the type is "boolean" (Part)"#);
    assert_eq!(with("parts", json!([{}])), "/parts/0/on: the field is missing (Part)");
    assert!(with("parts", json!([{ "on": true }, { "on": true }, { "on": true }])).contains("maxItems 2"));
    assert!(with("counts", json!({ "flat": 1 })).contains("enum"));
    assert!(with("counts", json!({ "round": -1 })).starts_with("/counts/round: -1 is found, but minimum 0"));
    assert!(with("counts", json!({ "round": 1.5 })).contains("the type is"));
    let mut without = thing();
    without.as_object_mut().unwrap().remove("at");
    let found = difference("GET", "/things/a", &reply(200, "application/json", "", &without.to_string()));
    assert_eq!(found, "/at: the field is missing (Thing)");
}

#[test]
fn a_decimal_or_a_time_in_another_notation_is_noticed() {
    for wrong in ["1,5", "1e3", "", "-", ".5", "1.", "+1", "1 000", "NaN"] {
        assert!(with("price", json!(wrong)).contains("pattern"), "{wrong}");
    }
    for wrong in ["2026-11-21", "2026-11-21T08:24:15Z", "2026-11-21T08:24:15.729+00:00", "2026-13-21T08:24:15.729Z"] {
        assert!(with("at", json!(wrong)).contains("date-time"), "{wrong}");
    }
    assert!(with("price", json!(1.5)).contains("the type is"));
}

#[test]
fn a_code_a_header_and_a_content_type_that_are_not_described_are_noticed() {
    let (body, json) = (thing().to_string(), "application/json");
    let of = |status, kind: &str, headers: &str, body: &str| {
        difference("GET", "/things/a", &reply(status, kind, headers, body))
    };
    assert!(of(418, json, "", &body).starts_with("the code 418 is not described"));
    assert!(of(200, "text/html", "", &body).contains("text/html"));
    assert!(of(200, json, "\r\nx-other: 1", &body).contains("x-other"));
    assert!(of(200, json, "\r\ncount: 0", &body).starts_with("header Count: 0"));
    assert!(of(200, json, "\r\ncount: many", &body).contains("many"));
    assert!(of(200, json, "", "{").contains("not JSON"));
    assert!(of(304, "", "", "x").contains("no body"));
    assert!(of(200, "text/csv", "", "price,name\r\n").contains("columns"));
    assert!(of(200, "application/x-ndjson", "", "{}x\n").starts_with("line 1: "));
    let nameless =
        Reply { head: "HTTP/1.1 200 OK\r\ncontent-type: application/json".to_owned(), ..reply(200, json, "", &body) };
    assert_eq!(difference("GET", "/things/a", &nameless), "the header X-Request-Id is missing");
    assert!(difference("HEAD", "/things/a", &reply(200, json, "", &body)).contains("HEAD"));
}

#[test]
fn what_is_not_described_may_only_be_refused() {
    let problem = "application/problem+json";
    for (method, target) in [("GET", "/other"), ("GET", "/things/"), ("GET", "/things/a/b"), ("DELETE", "/things/a")] {
        assert_eq!(differences(method, target, &reply(404, problem, "", r#"{"type":"x"}"#)), Vec::<String>::new());
        assert!(difference(method, target, &reply(200, "application/json", "", "{}")).contains("not described"));
        assert!(difference(method, target, &reply(404, problem, "", "{}")).contains("/type"));
    }
}

#[test]
fn a_reply_is_either_an_answer_or_a_problem() {
    let of = |headers: &str| differences("GET", "/prices", &reply(200, "application/json", headers, "{}"));
    assert_eq!(of("\r\nprices-status: none\r\nvary: Origin\r\nvary: Accept"), Vec::<String>::new());
    assert!(of("\r\nvary: Accept")[0].contains("Prices-Status"));
    assert!(of("\r\nprices-status: none\r\nvary: Origin")[0].contains("Vary"));
}

#[test]
fn what_is_refused_before_it_is_a_request_has_no_body() {
    let bare = |body: &str| Reply {
        status: 431,
        head: "HTTP/1.1 431 X\r\ncontent-length: 0".to_owned(),
        body: body.to_owned(),
    };
    assert_eq!(differences("GET", "/things/a", &bare("")), Vec::<String>::new());
    assert!(difference("GET", "/things/a", &bare("x")).contains("body"));
}

#[test]
#[should_panic(expected = "no test knows the pattern")]
fn a_pattern_that_no_test_knows_is_not_passed_over() {
    let document = json!({});
    let _ =
        Description::new(document).schemas().differences("", &json!("a"), &json!({ "type": "string", "pattern": "b" }));
}

#[test]
fn a_keyword_that_no_test_knows_is_not_passed_over() {
    let document = Description::new(json!({}));
    let found = document.schemas().differences("", &json!("a"), &json!({ "type": "string", "contentEncoding": "b" }));
    assert_eq!(found, [": no test knows the keyword contentEncoding"]);
}

#[test]
fn the_request_is_read_from_what_was_sent() {
    let read = |words: &str| Request::read(words).map(|request| (request.method, request.path));
    let asked = |method: &str, path: &str| Some((method.to_owned(), path.to_owned()));
    assert_eq!(read("GET /a?b=c HTTP/1.1\r\n"), asked("GET", "/a"));
    assert_eq!(read("HEAD http://x:80/a/b?c HTTP/1.0\r\nHost: x"), asked("HEAD", "/a/b"));
    for wrong in ["", "GET /a HTTP/1.1", "GET /a\r\n", "hello\r\n\r\n"] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
}
