//! Makes a provider's words safe to show: without keys, without control characters, and short.

mod decode;

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret, SecretString};

use super::spelling::RESERVED;
use crate::provider::secrets::MASK;
use crate::text::is_unprintable;
use decode::View;

/// The most characters of a provider's words that are shown.
const LONGEST: usize = 200;

/// How many bytes of a provider's words are searched to show that many characters.
const LOOKED_AT: usize = 16 * 1024;

/// How many characters a secret needs to be hidden in other encodings and in other case, too. Encodings of shorter ones
/// would also turn up by chance, where there is no secret.
const LONG: usize = 12;

/// How many bytes a secret needs to be hidden in lower case, too: a key in a host name is written in lower case.
const HOST: usize = 4;

/// How many nested encodings are decoded: JSON in HTML in a URL.
const LAYERS: usize = 3;

/// The most characters that an encoding makes of one: `&#x000041;`.
const WIDEST: usize = 10;

/// Hides the texts that must never be shown, in every form in which they travel.
#[derive(Clone)]
pub(crate) struct Scrub {
    hidden: Vec<String>,
    /// The long ones as bytes without white space, in lower case.
    plain: Vec<Vec<u8>>,
    /// The long ones in hexadecimal digits.
    hex: Vec<Vec<u8>>,
    /// The part of a long one's base64 that does not depend on the text around it, for each of the three offsets within
    /// a group.
    base64: Vec<Vec<u8>>,
    /// The most bytes that the longest one takes when it is encoded.
    longest: usize,
}

impl Scrub {
    /// Hides these texts, and also their forms in URLs and in JSON. Texts of 12 characters or more are hidden in other
    /// case and in other encodings as well: base64, hexadecimal, and the escapes of URLs, JSON and HTML.
    pub(crate) fn new(hidden: &[SecretString]) -> Self {
        let secrets: Vec<&str> =
            hidden.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty()).collect();
        let mut hidden: Vec<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        // one key may contain another, so the longest comes first
        hidden.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        hidden.dedup();
        let long: Vec<&str> = secrets.iter().copied().filter(|secret| secret.chars().count() >= LONG).collect();
        Scrub {
            hidden,
            plain: long.iter().flat_map(|secret| spaced(secret)).map(|secret| decode::plain(&secret)).collect(),
            hex: long.iter().map(|secret| hex(secret)).collect(),
            base64: long.iter().flat_map(|secret| base64(secret)).collect(),
            longest: secrets.iter().map(|secret| secret.len() * WIDEST).max().unwrap_or(0),
        }
    }

    /// The text with keys replaced by `***` and nothing else changed, for people who look at a whole reply.
    pub(crate) fn hide(&self, text: &str) -> String {
        masked(text, text.len(), &self.found(text))
    }

    /// The text in a form that may be shown: keys are replaced by `***`, white space and unprintable characters by
    /// single spaces, and the text is cut to 200 characters.
    pub(crate) fn clean(&self, text: &str) -> String {
        // searches a little farther, so that a key across the cut is found as a whole
        let seen = &text[..text.floor_char_boundary(LOOKED_AT + self.longest)];
        let text = masked(seen, LOOKED_AT, &self.found(seen));
        let plain = |c: char| if is_unprintable(c) { ' ' } else { c };
        let mut words = String::new();
        // keeps a little more than is shown, to tell whether the text is cut
        for word in text.chars().map(plain).take(LONGEST * 4).collect::<String>().split_whitespace() {
            words.extend((!words.is_empty()).then_some(' '));
            words.push_str(word);
        }
        // collapsing white space may have turned a text into a key
        let words = self.hide(&words);
        match words.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }

    /// The places of the text that hold a secret.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        let exact = self.hidden.iter().flat_map(|secret| text.match_indices(secret.as_str()));
        let mut found: Vec<_> = exact.map(|(at, secret)| at..at + secret.len()).collect();
        if text.len() >= LONG && !self.plain.is_empty() {
            let mut view = View::of(text);
            for _ in 0..LAYERS {
                found.extend(view.digits().find(&self.hex));
                found.extend(view.find(&self.base64).into_iter().map(|found| around(text, found)));
                found.extend(view.in_small_letters().find(&self.plain));
                let Some(decoded) = view.decoded() else { break };
                view = decoded;
            }
        }
        found
    }
}

/// The text up to `end`, with a mask in each of the places that were found.
fn masked(text: &str, end: usize, found: &[Range<usize>]) -> String {
    let mut found = found.to_vec();
    found.sort_unstable_by_key(|place| place.start);
    let end = text.floor_char_boundary(end);
    let (mut whole, mut done) = (String::new(), 0);
    let mut places = found.into_iter().filter(|place| place.start < end).peekable();
    while let Some(mut place) = places.next() {
        // one secret may contain another, and a place may be found in two ways
        while let Some(next) = places.next_if(|next| next.start < place.end) {
            place.end = place.end.max(next.end);
        }
        whole.push_str(&text[done..text.floor_char_boundary(place.start)]);
        whole.push_str(MASK);
        done = text.ceil_char_boundary(place.end);
    }
    whole.push_str(text.get(done..end).unwrap_or_default());
    whole
}

/// The whole run of base64 around the part that was found: a secret does not begin and end where its base64 characters
/// do.
fn around(text: &str, found: Range<usize>) -> Range<usize> {
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let bytes = text.as_bytes();
    let before = bytes[..found.start].iter().rev().take_while(is_base64).count();
    let after = bytes[found.end..].iter().take_while(is_base64).count();
    found.start - before..found.end + after
}

fn hex(secret: &str) -> Vec<u8> {
    secret.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// The base64 of a secret with 0, 1 and 2 bytes in front, each without the characters that depend on the bytes around
/// the secret; in both alphabets.
fn base64(secret: &str) -> Vec<Vec<u8>> {
    let core = |front: usize| {
        let bytes = [&[0; 2][..front], secret.as_bytes()].concat();
        let text = STANDARD_NO_PAD.encode(&bytes);
        // a character holds six bits: the first ones may include bits of what comes before, the last one of what comes
        // after
        text[(front * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
    };
    (0..3).map(core).flat_map(|core| [core.replace('+', "-").replace('/', "_"), core]).map(String::into_bytes).collect()
}

/// A secret, and the secret with its spaces as forms write them.
fn spaced(secret: &str) -> impl Iterator<Item = String> {
    [secret.to_owned(), secret.replace(' ', "+")].into_iter()
}

fn forms(secret: &str) -> [String; 6] {
    let encoded = utf8_percent_encode(secret, RESERVED).to_string();
    let json = serde_json::Value::from(secret).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned();
    let lower = lower_escapes(&encoded);
    // PHP escapes slashes in JSON
    let slashes = json.replace('/', "\\/");
    let host = if secret.len() >= HOST { secret.to_ascii_lowercase() } else { secret.to_owned() };
    [secret.to_owned(), encoded, lower, json, slashes, host]
}

/// `%2F` as `%2f`, as some servers echo it.
fn lower_escapes(encoded: &str) -> String {
    let mut escape = 0;
    let lower = |c: char| {
        escape = if c == '%' { 3 } else { escape - i32::from(escape > 0) };
        if escape > 0 { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn scrub(secrets: &[&str]) -> Scrub {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        Scrub::new(&secrets)
    }

    #[test]
    fn keys_are_hidden_in_every_form_they_travel_in() {
        let scrub = scrub(&["a/B+\"c", "a/B", ""]);
        for shown in ["a/B+\"c", "a%2FB%2B%22c", "a%2fB%2b%22c", "a/B+\\\"c", "a\\/B+\\\"c"] {
            assert_eq!(scrub.clean(&format!("no such key: {shown}!")), "no such key: ***!", "{shown}");
        }
        assert_eq!(scrub.clean("a/B only"), "*** only");
        let words = Scrub::new(&[SecretString::from("correct horse")]);
        assert_eq!(words.clean("no such key: correct\t horse"), "no such key: ***");
    }

    #[test]
    fn base64_leaves_out_only_the_characters_that_depend_on_what_is_around() {
        let found = |secret: &str| base64(secret).into_iter().map(|bytes| String::from_utf8(bytes).unwrap());
        let all: Vec<String> = found("abcdefghijkl").collect();
        // each twice, in both alphabets
        let expected = ["YWJjZGVmZ2hpamts", "FiY2RlZmdoaWprb", "hYmNkZWZnaGlqa2"];
        assert_eq!(all, expected.into_iter().flat_map(|core| [core; 2]).collect::<Vec<_>>());
        assert!(found("?>?>?>?>?>?>").any(|core| core.contains('_') && !core.contains('/')));
    }

    #[test]
    fn a_secret_is_hidden_though_its_spaces_are_escaped_white_space() {
        let scrub = scrub(&["correct horse battery staple"]);
        for space in ["\\n", "\\t", "\\r", "\\u0020", "%20"] {
            let shown = format!("no such key: {}!", "correct horse battery staple".replace(' ', space));
            assert_eq!(scrub.clean(&shown), "no such key: ***!", "{space}");
        }
    }

    const LONG_ONE: &str = "Planted/By+The=Desk&\"q\"<é>";

    /// The ways in which a vendor may write back what it was sent.
    fn encodings() -> impl Strategy<Value = fn(&str) -> String> {
        let base64: fn(&str) -> String = |text| STANDARD.encode(text);
        prop_oneof![
            Just(base64),
            Just((|text| URL_SAFE_NO_PAD.encode(text)) as fn(&str) -> String),
            Just((|text| text.bytes().map(|byte| format!("{byte:02x}")).collect()) as fn(&str) -> String),
            Just((|text| text.bytes().map(|byte| format!("{byte:02X} ")).collect()) as fn(&str) -> String),
            Just((|text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()) as fn(&str) -> String),
            Just((|text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect()) as fn(&str) -> String),
            Just((|text| text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect()) as fn(&str) -> String),
            Just((|text| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()) as fn(&str) -> String),
            Just((|text| text.to_ascii_uppercase()) as fn(&str) -> String),
            Just((|text| text.to_ascii_lowercase()) as fn(&str) -> String),
            Just(
                (|text| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('/', "&#x2F;"))
                    as fn(&str) -> String
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_long_secret_is_hidden_in_any_encoding_of_any_text_around_it(
            encoding in encodings(),
            inner in prop_oneof![Just((|text: &str| text.to_owned()) as fn(&str) -> String),
                Just((|text| utf8_percent_encode(text, RESERVED).to_string()) as fn(&str) -> String),
                Just((|text| serde_json::Value::from(text).to_string()) as fn(&str) -> String)],
            before in "[ -~é]{0,20}",
            after in "[ -~é]{0,20}",
        ) {
            let scrub = scrub(&[LONG_ONE]);
            let is_escape = !encoding("}").chars().all(|c| c.is_ascii_alphanumeric() || "+/-_= ".contains(c));
            // base64 and hexadecimal hold the plain secret, escapes may hold text that is escaped already
            let told = if is_escape { inner(LONG_ONE) } else { LONG_ONE.to_owned() };
            let text = format!("no such key: {}!", encoding(&format!("{before}{told}{after}")));
            let shown = scrub.hide(&text);
            prop_assert!(shown.contains("***"), "{}", text);
            // no part of it can be read by undoing the encoding; in base64, its ends depend on the text around it
            let encoded: Vec<char> = encoding(&told).chars().collect();
            for piece in encoded[4..encoded.len() - 4].windows(24) {
                prop_assert!(!shown.contains(&piece.iter().collect::<String>()), "{} shows {:?}", shown, piece);
            }
        }

        #[test]
        fn nothing_is_hidden_where_there_is_no_secret(text in "\\PC{0,200}") {
            prop_assert_eq!(scrub(&[LONG_ONE]).hide(&text), text);
        }
    }

    #[test]
    fn only_the_encoded_secret_is_hidden_and_not_the_text_around_it() {
        let scrub = scrub(&[LONG_ONE]);
        for (told, shown) in [
            (LONG_ONE.to_ascii_uppercase(), "the key *** is wrong"),
            (STANDARD.encode(LONG_ONE), "the key *** is wrong"),
            (String::from_utf8(hex(LONG_ONE)).unwrap(), "the key *** is wrong"),
        ] {
            assert_eq!(scrub.hide(&format!("the key {told} is wrong")), shown);
        }
        // a short secret is found as it is, and in lower case, as in a host
        let short = self::scrub(&["Short/1"]);
        assert_eq!(short.hide("Short/1 Short%2F1 short/1 SHORT/1"), "*** *** *** SHORT/1");
    }

    #[test]
    fn a_secret_across_the_end_of_the_searched_text_is_hidden_whole() {
        // masks are so much shorter that the end of the searched text is shown
        let long = LONG_ONE.repeat(12);
        let shown = scrub(&[&long]).clean(&long.repeat(LOOKED_AT / long.len() + 2));
        assert!(shown.len() < LONGEST && shown.chars().all(|c| c == '*'), "{shown}");
    }

    #[test]
    fn words_are_short_and_plain() {
        let scrub = scrub(&[]);
        assert_eq!(scrub.clean(" a\u{1b}[31m\r\n\tb\0 "), "a [31m b");
        assert_eq!(scrub.clean(&"é".repeat(500)).chars().count(), 201);
        assert_eq!(scrub.clean(&format!("{}a", " ".repeat(300))), "a");
    }
}
