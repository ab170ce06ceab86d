//! Puts jq's errors into words for people, and finds where in a filter they are.

use jaq_core::load::lex::{StrPart, Tok, Token};
use jaq_json::Val;

/// The message for a part of a filter in a place that needs something else.
pub(super) fn unexpected(expected: &str, found: &str) -> String {
    let found = found.lines().next().unwrap_or_default();
    let shown: String = found.chars().take(30).collect();
    let expected = match expected {
        "nothing" => "the filter to end here".to_owned(),
        // a keyword or a sign is shown as it is written
        sign if sign.len() < 5 && sign != "term" && sign != "key" => format!("`{sign}`"),
        words => words.to_owned(),
    };
    if shown.is_empty() {
        return format!("the filter ends too early; expected {expected}");
    }
    format!("found `{shown}`, but expected {expected}")
}

/// The message for a name that does not exist.
pub(super) fn undefined_name(name: &str, kind: &str) -> String {
    match kind {
        "variable" => {
            format!("found `{name}`, which is not bound; a filter can name $status, $asked and what it binds")
        }
        "filter" => format!("found `{name}`, but there is no such filter with this number of arguments"),
        kind => format!("found `{name}`, but there is no such {kind}"),
    }
}

/// An error's own words, without the quotation marks of JSON.
pub(super) fn words(error: jaq_json::Error) -> String {
    match error.into_val() {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        other => other.to_string(),
    }
}

/// The first place of a sign; for `*`, also as a part of `*=`.
pub(super) fn first_sign<'s>(tokens: &[Token<&'s str>], sign: &str) -> Option<&'s str> {
    tokens.iter().find_map(|Token(text, kind)| match kind {
        Tok::Sym if text.starts_with(sign) => Some(*text),
        Tok::Block(inner) => first_sign(inner, sign),
        Tok::Str(parts) => parts.iter().find_map(|part| match part {
            StrPart::Term(token) => first_sign(std::slice::from_ref(token), sign),
            StrPart::Str(_) | StrPart::Char(_) => None,
        }),
        _ => None,
    })
}
