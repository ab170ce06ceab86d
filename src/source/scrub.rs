//! Makes a provider's words fit to be shown: without keys, without control characters, and short.

use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret, SecretString};

use super::spelling::RESERVED;

/// The most characters of a provider's words that are shown.
const LONGEST: usize = 200;

/// What stands for a key.
const MASK: &str = "***";

/// The texts that must never be shown, in every form in which they travel.
#[derive(Clone)]
pub struct Scrub {
    hidden: Vec<String>,
}

impl Scrub {
    /// Hides these texts, and also their forms in URLs and in JSON.
    pub fn new(hidden: &[SecretString]) -> Self {
        let secrets = hidden.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty());
        let mut hidden: Vec<String> = secrets.flat_map(forms).collect();
        // a key may hold another one, so the longest goes first
        hidden.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        hidden.dedup();
        Scrub { hidden }
    }

    /// The text with keys replaced by `***`, and nothing else changed: for people who look at a whole reply.
    pub fn hide(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// A text that may be shown: keys replaced by `***`, white space and control characters by single spaces, cut to 200
    /// characters.
    pub fn clean(&self, text: &str) -> String {
        let text = self.hide(text);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let mut words = String::new();
        // a little more than is shown, so that the cut can be told
        for word in text.chars().map(plain).take(LONGEST * 4).collect::<String>().split_whitespace() {
            words.extend((!words.is_empty()).then_some(' '));
            words.push_str(word);
        }
        // white space put right may have made a key of what was none
        let words = self.hide(&words);
        match words.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}

fn forms(secret: &str) -> [String; 5] {
    let encoded = utf8_percent_encode(secret, RESERVED).to_string();
    let json = serde_json::Value::from(secret).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned();
    let lower = lower_escapes(&encoded);
    // PHP writes a slash in JSON so
    let slashes = json.replace('/', "\\/");
    [secret.to_owned(), encoded, lower, json, slashes]
}

/// `%2F` as `%2f`: some servers echo it so.
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
    fn words_are_short_and_plain() {
        let scrub = scrub(&[]);
        assert_eq!(scrub.clean(" a\u{1b}[31m\r\n\tb\0 "), "a [31m b");
        assert_eq!(scrub.clean(&"é".repeat(500)).chars().count(), 201);
        assert_eq!(scrub.clean(&format!("{}a", " ".repeat(300))), "a");
    }
}
