//! How the bodies of a source are laid out: their notation and, in a table, what stands between two columns.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Notation;

/// The sign between two columns of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Separator(u8);

/// What has to be known of a body in order to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its notation.
    pub notation: Notation,
    /// What stands between its columns, if it is a table.
    pub separator: Separator,
}

impl Separator {
    /// The sign of a `separator` in a description.
    ///
    /// # Errors
    /// It is not one sign of ASCII that can stand between columns. The error says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} cannot separate columns; write one sign such as \";\", \"\\t\" or \"|\"");
        match text.as_bytes() {
            [sign] if is_between_columns(*sign) => Ok(Separator(*sign)),
            _ => Err(refused()),
        }
    }

    /// The separator that is this byte of a message between our own processes.
    pub(crate) fn of_byte(sign: u8) -> Option<Self> {
        is_between_columns(sign).then_some(Separator(sign))
    }

    /// The sign.
    pub fn as_byte(self) -> u8 {
        self.0
    }
}

/// Whether a sign can stand between columns: it is neither a letter, a digit, nor a part of a number, a quoted text or a
/// line's end.
fn is_between_columns(sign: u8) -> bool {
    sign == b'\t' || (sign.is_ascii_punctuation() && !matches!(sign, b'"' | b'.' | b'-' | b'+'))
}

impl Default for Separator {
    fn default() -> Self {
        Separator(b',')
    }
}

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Separator::parse(&text)
    }
}

impl From<Separator> for String {
    fn from(separator: Separator) -> String {
        separator.to_string()
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(self.0))
    }
}

impl From<Notation> for Layout {
    fn from(notation: Notation) -> Self {
        Layout { notation, separator: Separator::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_one_sign_that_no_number_has() {
        for sign in [",", ";", "\t", "|", ":", "~"] {
            assert_eq!(Separator::parse(sign).unwrap().to_string(), sign);
        }
        for wrong in ["", ";;", "a", "5", " ", "\"", "\n", ".", "-", "§", "tab"] {
            assert!(Separator::parse(wrong).unwrap_err().contains("\"|\""), "{wrong:?}");
        }
    }
}
