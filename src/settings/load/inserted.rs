//! Knows which texts variables and files inserted into a configuration, and keeps them out of what we print.

use std::ops::Range;

use secrecy::SecretString;

use super::document::joined;
use crate::provider::secrets::{self, MASK};
use crate::settings::error::ConfigError;

/// A part of a URL's path counts as a token from this many characters on: names of versions and regions are shorter.
const TOKEN: usize = 12;

/// A piece of a value is hidden in an error from this many characters on.
const PIECE: usize = 3;

/// A text that was inserted into a value.
#[derive(Clone, Debug)]
pub(super) struct Inserted {
    /// The path of the value.
    pub(super) path: Vec<String>,
    /// The text. No configuration error shows it: a variable in the wrong place may hold a secret.
    pub(super) text: SecretString,
    /// The parts of it that must never be shown anywhere.
    pub(super) secrets: Vec<SecretString>,
}

/// A value with something inserted, and the same with a mask in its place.
#[derive(Clone, Debug)]
pub(super) struct Masked {
    pub(super) path: Vec<String>,
    pub(super) whole: String,
    pub(super) shown: String,
}

impl Inserted {
    /// The text at a place in a value. `is_file` says that it comes from a file, where people keep keys.
    pub(super) fn new(path: &[String], whole: &str, place: Range<usize>, is_file: bool) -> Self {
        let text = SecretString::from(&whole[place.clone()]);
        let secrets = match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            _ if is_file => vec![text.clone()],
            ["access", "keys"] | ["sources", _, "key" | "secret" | "body" | "headers", ..] => vec![text.clone()],
            ["sources", _, "url" | "base_url"] => in_url(whole, place),
            _ => Vec::new(),
        };
        Inserted { path: path.to_vec(), text, secrets }
    }
}

/// Hides inserted texts in an error's message. A text from the section that the error is about is also hidden together
/// with the rest of its value, and in pieces, because checks quote the part that they refuse.
pub(super) fn hide(error: &mut ConfigError, inserted: &[Inserted], masked: &[Masked]) {
    for masked in masked {
        if concerns(&masked.path, error) {
            let quoted = masked.whole.escape_debug().to_string();
            let message = secrets::replace(&error.message, &quoted, &masked.shown);
            let message = secrets::replace(&message, &masked.whole, &masked.shown);
            let known: Vec<_> = pieces(&masked.shown).collect();
            let secret = pieces(&masked.whole).filter(|piece| piece.chars().count() >= PIECE && !known.contains(piece));
            error.message = secret.fold(message, |message, piece| without_word(&message, piece));
        }
    }
    let texts: Vec<_> = inserted.iter().map(|inserted| inserted.text.clone()).collect();
    error.message = secrets::scrub(&error.message, &texts);
}

/// The pieces that parsers may cut a text into: it is split at every character that is not a letter or digit.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
}

/// Whether an error is about a value at this path, or about one of the same section.
fn concerns(path: &[String], error: &ConfigError) -> bool {
    let section = if path.first().is_some_and(|first| first == "sources") { 2 } else { 1 };
    let section = joined(path.get(..section).unwrap_or(path));
    error.key.strip_prefix(&section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The text with a mask in place of a word, in upper or lower case. Parts of longer words stay.
fn without_word(text: &str, word: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut whole, mut done) = (String::new(), 0);
    for (at, found) in lower.match_indices(&word.to_ascii_lowercase()) {
        let end = at + found.len();
        if !is_word(text[..at].chars().next_back()) && !is_word(text[end..].chars().next()) {
            whole.push_str(&text[done..at]);
            whole.push_str(MASK);
            done = end;
        }
    }
    whole + &text[done..]
}

/// The secrets in a text that was inserted into a URL: whatever falls into its user name and password or into its
/// query. Hosts are not secret. A long part of the path is, since some vendors want the key there.
fn in_url(url: &str, place: Range<usize>) -> Vec<SecretString> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let query = url.find(['?', '#']).unwrap_or(url.len());
    let user = url[..query].rfind('@').filter(|at| *at >= authority && !url[authority..*at].contains('/'));
    let host = user.unwrap_or(authority);
    let path = url[host..query].find('/').map_or(query, |at| host + at);
    let within = |part: Range<usize>| part.start.max(place.start)..part.end.min(place.end);
    let text = |part: Range<usize>| url.get(part).filter(|text| !text.is_empty());
    let mut secrets = Vec::new();
    secrets.extend(user.and_then(|at| text(within(authority..at))));
    let parts = text(within(path..query)).into_iter().flat_map(|path| path.split('/'));
    secrets.extend(parts.filter(|part| part.chars().count() >= TOKEN));
    let values = text(within(query..url.len())).into_iter().flat_map(|query| query.split(['?', '&', '=', '#']));
    secrets.extend(values.filter(|value| !value.is_empty()));
    secrets.into_iter().map(SecretString::from).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// The secrets of a value when something is inserted in place of `@`.
    fn secrets(path: &[&str], value: &str, put_in: &str) -> Vec<String> {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let start = value.find('@').unwrap();
        let whole = value.replacen('@', put_in, 1);
        let inserted = Inserted::new(&path, &whole, start..start + put_in.len(), false);
        inserted.secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect()
    }

    #[test]
    fn a_text_inserted_into_a_url_is_secret_where_urls_hold_keys() {
        let url = ["sources", "x", "url"];
        let cases: [(&str, &str, &[&str]); 9] = [
            ("https://@.test/{symbol}", "eu", &[]),
            ("@/{symbol}", "http://prices.internal:8080", &[]),
            ("https://@/{symbol}", "me:pass@x.test", &["me:pass"]),
            ("https://x.test/v1/@/{symbol}", "latest", &[]),
            ("https://x.test/v1/@/{symbol}", "0123456789abcdef", &["0123456789abcdef"]),
            ("https://x.test/?token=@&s={symbol}", "abc", &["abc"]),
            ("https://x.test/?@&s={symbol}", "token=abc", &["token", "abc"]),
            ("@", "https://me:pass@x.test/0123456789abcdef?k=v", &["me:pass", "0123456789abcdef", "k", "v"]),
            ("https://x.test/{symbol}?a=@", "x@y/z", &["x@y/z"]),
        ];
        for (value, put_in, expected) in cases {
            assert_eq!(secrets(&url, value, put_in), expected, "{value} with {put_in}");
        }
    }

    #[test]
    fn a_text_inserted_into_a_key_is_secret_and_into_a_time_is_not() {
        for path in [&["sources", "x", "key"][..], &["sources", "x", "headers", "x-a"], &["access", "keys"]] {
            assert_eq!(secrets(path, "Bearer @", "abc"), ["abc"], "{path:?}");
        }
        assert!(secrets(&["sources", "x", "timeout"], "@", "2s").is_empty());
        let file = Inserted::new(&["server".to_owned(), "timeout".to_owned()], "2s", 0..2, true);
        assert_eq!(file.secrets.len(), 1);
    }
}
