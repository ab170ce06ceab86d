//! Reads numbers as people write them: with currency signs, grouped digits, and a comma or a point before the decimals.

use serde::{Deserialize, Serialize};

use super::is_missing;

/// The sign before the decimals of a number. In `1.084`, a point makes it a little more than one, a comma a thousand
/// and eighty-four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum DecimalMark {
    /// `1,213.03`: the point. Digits may be grouped by commas, spaces or apostrophes.
    #[serde(rename = ".")]
    Point,
    /// `1.213,03`: the comma. Digits may be grouped by points, spaces or apostrophes.
    #[serde(rename = ",")]
    Comma,
}

/// What a text says where a number is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing: it is empty, or one of the words for a missing value, such as `N/A`.
    Missing,
    /// A number, here in plain notation, so that [`read`](super::read) understands it.
    Number(String),
    /// A number whose only comma stands before three digits, in an unknown notation: `1,084`.
    Ambiguous,
    /// Anything else.
    NotANumber,
}

/// The currency signs that may precede or follow a number.
const SIGNS: [char; 7] = ['$', '€', '£', '¥', '₹', '₩', '₿'];

/// The signs that group digits in any notation: the space and its narrow and unbreakable kinds, and apostrophes.
const GROUPING: [char; 6] = [' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '’'];

/// Reads the text of a number in this notation; `None` if the notation is not known.
///
/// In an unknown notation, a point precedes the decimals and commas group digits, unless the text could also be read
/// with a decimal comma.
pub fn written(text: &str, mark: Option<DecimalMark>) -> Written {
    if is_missing(text) {
        return Written::Missing;
    }
    let number = without_signs(text);
    let plain = match mark {
        Some(mark) => mark.plain(number),
        None if is_ambiguous(number) => return Written::Ambiguous,
        None => DecimalMark::Point.plain(number).filter(|_| !number.contains(GROUPING)),
    };
    plain.map_or(Written::NotANumber, Written::Number)
}

/// The number within a text, without the currency sign before or after it.
pub fn without_signs(text: &str) -> &str {
    text.trim().trim_start_matches(SIGNS).trim_end_matches(SIGNS).trim()
}

/// Whether the only comma of a number stands before its last three digits: in `1,084` it may group digits or precede
/// decimals. Thousands are not grouped as `0,084`, nor as `1234,567`.
fn is_ambiguous(number: &str) -> bool {
    number.matches(',').count() == 1 && !number.contains('.') && DecimalMark::Point.plain(number).is_some()
}

impl DecimalMark {
    /// The sign itself.
    pub fn as_char(self) -> char {
        match self {
            DecimalMark::Point => '.',
            DecimalMark::Comma => ',',
        }
    }

    /// The number of this notation in plain notation: ungrouped, with a point. `None` if it is no number.
    fn plain(self, number: &str) -> Option<String> {
        let (sign, unsigned) = number.split_at(usize::from(number.starts_with(['-', '+'])));
        let (mantissa, exponent) = unsigned.split_at(unsigned.find(['e', 'E']).unwrap_or(unsigned.len()));
        let (whole, fraction) = mantissa.split_once(self.as_char()).unwrap_or((mantissa, ""));
        let ungrouped = match whole.contains(|sign| self.groups(sign)) {
            true if exponent.is_empty() => self.ungrouped(whole)?,
            // `1,2e5` groups nothing
            true => return None,
            false => whole.to_owned(),
        };
        let point = if fraction.is_empty() { "" } else { "." };
        let plain = format!("{sign}{ungrouped}{point}{fraction}{exponent}");
        is_plain(&plain).then_some(plain)
    }

    /// Whether a sign groups digits in this notation.
    fn groups(self, sign: char) -> bool {
        GROUPING.contains(&sign)
            || match self {
                DecimalMark::Point => sign == ',',
                DecimalMark::Comma => sign == '.',
            }
    }

    /// The digits of a grouped whole number: groups of three, or of two before the last as in India, all parted by the
    /// same sign.
    fn ungrouped(self, whole: &str) -> Option<String> {
        let sign = whole.chars().find(|sign| self.groups(*sign))?;
        let groups: Vec<&str> = whole.split(sign).collect();
        let (first, rest) = groups.split_first()?;
        let is_grouped = !first.starts_with('0')
            && (1..=3).contains(&first.len())
            && rest.iter().all(|group| (2..=3).contains(&group.len()))
            && rest.last().is_some_and(|group| group.len() == 3);
        is_grouped.then(|| groups.concat())
    }
}

/// Whether a text is a number in plain notation, however large: digits, a point among them or beside them, an exponent.
fn is_plain(number: &str) -> bool {
    let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    [whole, fraction, exponent].into_iter().all(all_digits)
        && !exponent.is_empty()
        && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests;
