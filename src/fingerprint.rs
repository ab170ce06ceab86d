//! Makes fingerprints of texts that are secret, or too long to keep: enough to see that a text has changed.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// The prefix of this version's fingerprints.
const FORM: &str = "sha256:";

/// The first bytes of a SHA-256 digest, which is the same on every machine and in every version of this program.
///
/// A state file may also hold the fingerprints of an earlier version, which were numbers. They cannot be compared: they
/// show neither that something has changed nor that it has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "serde_json::Value")]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a list of texts, `length` bytes long. It depends on where one text ends and the next begins.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>, length: usize) -> Self {
        let mut context = Context::new(&SHA256);
        for text in texts {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(text.as_bytes());
        }
        let digest = context.finish();
        let digits = digest.as_ref().iter().take(length).map(|byte| format!("{byte:02x}"));
        Fingerprint(FORM.to_owned() + &digits.collect::<String>())
    }

    /// Its digits alone.
    pub(crate) fn digits(&self) -> &str {
        self.0.trim_start_matches(FORM)
    }

    /// Whether this fingerprint and another are known to have been made from the same texts.
    pub(crate) fn is_same_as(&self, other: &Fingerprint) -> bool {
        self.is_comparable() && self == other
    }

    /// Whether this fingerprint can be compared with others at all.
    pub(crate) fn is_comparable(&self) -> bool {
        self.0.starts_with(FORM)
    }
}

impl From<serde_json::Value> for Fingerprint {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Fingerprint(text),
            other => Fingerprint(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_same_in_every_version_of_the_program() {
        // the SHA-256 of 0000000000000003 616263 and 0000000000000000
        let mark = serde_json::to_value(Fingerprint::of(["abc", ""], 8)).unwrap();
        assert_eq!(mark, "sha256:f5a934b5ab96157b");
    }

    #[test]
    fn a_fingerprint_depends_on_where_each_text_ends() {
        let marks = [
            Fingerprint::of(["ab", "c"], 8),
            Fingerprint::of(["a", "bc"], 8),
            Fingerprint::of(["abc"], 8),
            Fingerprint::of(["abc", ""], 8),
        ];
        for (at, one) in marks.iter().enumerate() {
            assert!(one.is_same_as(one) && !marks[at + 1..].iter().any(|other| one.is_same_as(other)), "{one:?}");
        }
    }

    #[test]
    fn a_fingerprint_of_another_form_is_read_but_not_comparable() {
        for text in ["4711", "\"siphash:12\"", "null", "[1]", "\"\""] {
            let mark: Fingerprint = serde_json::from_str(text).unwrap();
            assert!(!mark.is_comparable() && !mark.is_same_as(&mark), "{text}");
            let again: Fingerprint = serde_json::from_str(&serde_json::to_string(&mark).unwrap()).unwrap();
            assert_eq!(again, mark, "{text}");
        }
    }
}
