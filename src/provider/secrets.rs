//! Knows where people write secrets, so that nothing that we print shows one.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "***";

/// The shortest text that is masked, in bytes: masking every `5` in a sentence would make it unreadable.
const SHORTEST: usize = 4;

/// Whether a header, a query parameter or a key of this name usually holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    // in a URL, the letters of a name may be escaped
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    ["key", "token", "secret", "pass", "pwd", "sig", "auth", "bearer", "jwt", "cookie", "app_id", "appid", "credential"]
        .iter()
        .any(|part| name.contains(part))
}

/// Writes a mask for a secret of the settings.
pub(crate) fn masked<S: Serializer>(_secret: &Option<SecretString>, into: S) -> Result<S::Ok, S::Error> {
    into.serialize_str(MASK)
}

/// Writes a mask for each of several secrets.
pub(crate) fn masked_each<S: Serializer>(secrets: &[SecretString], into: S) -> Result<S::Ok, S::Error> {
    into.collect_seq(secrets.iter().map(|_| MASK))
}

/// Whether a secret of the settings is left out or empty.
pub(crate) fn is_not_set(secret: &Option<SecretString>) -> bool {
    secret.as_ref().is_none_or(|secret| secret.expose_secret().is_empty())
}

/// A text with a mask in place of the given secrets, in upper or lower case.
pub(crate) fn scrub(text: &str, hidden: &[SecretString]) -> String {
    let secrets = hidden.iter().map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= SHORTEST);
    // messages quote what was found, and quoting escapes some characters
    let forms = secrets.flat_map(|secret| [secret.to_owned(), secret.escape_debug().to_string()]);
    let mut forms: Vec<String> = forms.collect();
    // the longest first: one secret may be a part of another
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.iter().fold(text.to_owned(), |text, form| replace(&text, form, MASK))
}

/// A text in which each occurrence of `wanted`, in upper or lower case, is replaced.
pub(crate) fn replace(text: &str, wanted: &str, with: &str) -> String {
    let (mut whole, mut done) = (String::new(), 0);
    for (at, found) in text.to_ascii_lowercase().match_indices(&wanted.to_ascii_lowercase()) {
        whole.push_str(&text[done..at]);
        whole.push_str(with);
        done = at + found.len();
    }
    whole + &text[done..]
}

/// A URL that may be shown: user name, password, and the values of parameters with secret-sounding names are masked.
pub(crate) fn mask_url(url: &str) -> String {
    pieces(url).into_iter().map(|(text, secret)| if secret { MASK } else { text }).collect()
}

/// The secrets that a URL spells out.
pub(crate) fn in_url(url: &str) -> Vec<SecretString> {
    pieces(url).into_iter().filter(|(_, secret)| *secret).map(|(text, _)| text.to_owned().into()).collect()
}

/// A URL's name and password as a header, and in plain text the password, or the name if there is no password.
pub(super) fn credentials(url: &Url) -> Vec<SecretString> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = (plain(url.username()), url.password().map(plain).unwrap_or_default());
    if name.is_empty() && password.is_empty() {
        return Vec::new();
    }
    let header = BASE64_STANDARD.encode(format!("{name}:{password}"));
    [header, if password.is_empty() { name } else { password }].map(SecretString::from).into()
}

/// The secrets in a header's value: all of it, and its last word, which may follow a word such as `Bearer`.
pub(crate) fn in_header(name: &str, value: &str) -> Vec<SecretString> {
    if !is_secret_name(name) || value.contains('{') {
        return Vec::new();
    }
    let last_word = value.split_whitespace().next_back().unwrap_or(value);
    vec![value.to_owned().into(), last_word.to_owned().into()]
}

/// A URL cut into pieces, each with whether it is a secret. Placeholders such as `{key}` are not secrets.
fn pieces(url: &str) -> Vec<(&str, bool)> {
    let is_secret = |text: &str| !(text.is_empty() || text.starts_with('{') && text.ends_with('}'));
    let mut pieces = Vec::new();
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    let host = &url[authority..end];
    let has_port = host.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    // if what follows a colon is not a port, it is a password, even with a slash or a question mark in it
    let host = if has_port || host.contains('@') { host } else { &url[authority..] };
    let user = host.rfind('@').map_or(authority, |at| authority + at);
    let (front, query) = url.split_at(url[user..].find('?').map_or(url.len(), |at| user + at));
    if user > authority {
        let secret = url[authority..user].split(':').any(is_secret);
        pieces.extend([(&url[..authority], false), (&url[authority..user], secret), (&front[user..], false)]);
    } else {
        pieces.push((front, false));
    }
    for parameter in query.split_inclusive(['?', '&']) {
        let end = parameter.len() - usize::from(parameter.ends_with(['?', '&']));
        let value = parameter[..end].find('=').map_or(end, |at| at + 1);
        let secret = is_secret_name(&parameter[..value]) && is_secret(&parameter[value..end]);
        pieces.extend([(&parameter[..value], false), (&parameter[value..end], secret), (&parameter[end..], false)]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        let masked = [
            ("https://x.test/a?symbols={symbols}&apikey=abc", "https://x.test/a?symbols={symbols}&apikey=***"),
            ("https://x.test/a?token={key}&s={symbol}", "https://x.test/a?token={key}&s={symbol}"),
            ("https://me:pw@x.test/@a?Sig=1&b=2", "https://***@x.test/@a?Sig=***&b=2"),
            ("https://{key}:{secret}@x.test/", "https://{key}:{secret}@x.test/"),
            ("me:pw@x", "***@x"),
            ("https://me:p/w@x.test/{symbols}", "https://***@x.test/{symbols}"),
            ("https://me:p?w@x.test/a?key=1", "https://***@x.test/a?key=***"),
            ("https://me:p#w/x?y@x.test", "https://***@x.test"),
            ("https://x.test:80/@a", "https://x.test:80/@a"),
            ("https://x.test/latest.json?app_id=abc", "https://x.test/latest.json?app_id=***"),
            ("/prices?symbols=A&%6bEy=abc&key=a=b&token", "/prices?symbols=A&%6bEy=***&key=***&token"),
            ("", ""),
        ];
        for (url, shown) in masked {
            assert_eq!(mask_url(url), shown);
        }
        assert_eq!(in_url("https://me:pw@x.test/?pass=abc").len(), 2);
    }

    #[test]
    fn secrets_are_masked_in_plain_and_in_quoted_form() {
        let hidden = ["abcd".to_owned().into(), "abcd\"ef".to_owned().into(), "5".to_owned().into()];
        assert_eq!(scrub("abcd, \"abcd\\\"ef\", ABCD, 5", &hidden), "***, \"***\", ***, 5");
    }

    #[test]
    fn the_credentials_of_a_url_are_its_header_and_its_password_or_else_its_name() {
        let of = |url: &str| -> Vec<String> {
            credentials(&url.parse().unwrap()).iter().map(|secret| secret.expose_secret().to_owned()).collect()
        };
        assert_eq!(of("http://me:p%40w@x.test/"), ["bWU6cEB3", "p@w"]);
        assert_eq!(of("http://me@x.test/"), ["bWU6", "me"]);
        assert_eq!(of("http://:pw@x.test/"), ["OnB3", "pw"]);
        assert!(of("http://x.test/").is_empty());
    }

    #[test]
    fn a_header_with_a_credential_is_recognised_by_its_name() {
        assert_eq!(in_header("Authorization", "Bearer abcd").len(), 2);
        assert!(in_header("accept", "application/json").is_empty());
        assert!(in_header("x-api-key", "{key}").is_empty());
    }
}
