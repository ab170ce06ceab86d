//! Refusals that no description knows: no matter the body, a status is taken to mean what it says and no more.

use jiff::Timestamp;
use quotefold::failure::{Scope, SourceError};
use quotefold::provider::description::{NotFound, SourceSettings};
use quotefold::provider::extract::{Extractor, RawReply};
use quotefold::symbol::Symbol;

use crate::providers;

/// Bodies that no vendor of the catalogue is known to send, many of them in envelopes that vendors use.
const UNHEARD_OF: [&str; 15] = [
    "",
    "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>\n",
    "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
    "Something new",
    "error code: 1020",
    "\"Something new\"",
    "null",
    "[]",
    "{}",
    r#"{"error":"Something new"}"#,
    r#"{"error":{"code":"something_new","message":"Something new"},"success":false}"#,
    r#"{"message":"Something new","detail":"Something new","Error Message":"Something new"}"#,
    r#"{"code":"99999","retCode":99999,"msg":"Something new","retMsg":"Something new","label":"SOMETHING_NEW"}"#,
    r#"{"status":"error","result":"error","Response":"Error","err-code":"something-new","reason":"Something new"}"#,
    r#"["error",99999,"Something new"]"#,
];

/// The statuses that have a meaning of their own, and some that have none.
const TELLING: [u16; 14] = [400, 401, 402, 403, 404, 410, 418, 422, 429, 451, 500, 502, 503, 530];

fn outcomes(extractor: &Extractor, status: u16, body: &str, asked: &[Symbol]) -> Vec<SourceError> {
    let reply = RawReply::bare(status, body, Timestamp::UNIX_EPOCH);
    match extractor.read(&reply, asked, quotefold::clock::cpu::timer) {
        Err(error) => vec![error],
        Ok(extracted) => extracted.outcomes.into_iter().filter_map(|(_, outcome)| outcome.err()).collect(),
    }
}

/// What a status on its own is about.
fn scope(source: &SourceSettings, status: u16, body: &str) -> Option<Scope> {
    let is_json = serde_json::from_str::<serde_json::Value>(body).is_ok();
    match status {
        401 | 402 | 418 | 429 => Some(Scope::Account),
        403 if is_json && source.sends_key() => Some(Scope::Account),
        403 | 451 => Some(Scope::Address),
        _ => None,
    }
}

#[test]
fn a_refusal_that_no_description_knows_means_what_its_status_means() {
    let mut wrong = Vec::new();
    for (source, extractor) in providers() {
        let example = source.examples.iter().find(|example| !example.expect.is_empty()).unwrap();
        let asked: Vec<Symbol> = example.asked.iter().map(|text| Symbol::parse(text).unwrap()).collect();
        for status in 400..600_u16 {
            let rotated = || UNHEARD_OF.iter().skip(usize::from(status) % UNHEARD_OF.len()).take(1);
            let bodies: Vec<&str> =
                if TELLING.contains(&status) { UNHEARD_OF.to_vec() } else { rotated().copied().collect() };
            for body in bodies {
                let said = outcomes(&extractor, status, body, &asked);
                let expected = scope(&source, status, body);
                if said.is_empty() || said.iter().any(|error| error.scope() != expected) {
                    wrong.push(format!("{}: {status} {body:?}: {said:?}", source.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());
}

#[test]
fn no_source_of_the_catalogue_takes_a_bare_status_for_a_denial() {
    for (source, _) in providers() {
        assert!(source.not_found == NotFound::HttpStatus, "{}", source.name);
    }
}
