//! Reads the numbers of a row. A price must appear in the body: jq calculates in binary fractions, which are not exact.

use jaq_json::{Num, Val};
use memchr::memmem;
use rust_decimal::Decimal;

use super::row::{self, Context};
use crate::decimal::{self, Written};

/// A number as the body states it.
pub(super) enum Literal {
    /// No number: null, `N/A`.
    Absent,
    /// A number.
    Number(Decimal),
    /// Something else where a number should be, or a number too large for a price.
    NotANumber(String),
}

impl Literal {
    pub(super) fn decimal(&self) -> Option<Decimal> {
        match self {
            Literal::Number(value) => Some(*value),
            Literal::Absent | Literal::NotANumber(_) => None,
        }
    }
}

/// Reads a number that must appear in the body, as a number or as text, and moves its decimal point by `scale` places.
pub(super) fn read(value: &Val, context: &Context<'_>, scale: i32) -> Result<Literal, String> {
    const CALCULATED: &str = "the filter calculated it, which is not exact. Hand it over as it stands in the body; \
        `scale`, `per`, `inverse`, `currency: \"GBp\"` and the source's `decimal` are applied exactly";
    match value {
        Val::Null => Ok(Literal::Absent),
        // numbers of the body are decimal texts; the filter made every other kind
        Val::Num(Num::Dec(text)) if stands_in(&context.body, text) => literal(text, text, scale),
        Val::Num(Num::Float(special)) if !special.is_finite() => Ok(Literal::NotANumber(special.to_string())),
        Val::Num(number) => Err(format!("is {number}: {CALCULATED}")),
        other => {
            let text = row::text(other).ok_or_else(|| format!("is {other}, neither a number nor text"))?;
            match decimal::written(&text, context.decimal) {
                Written::Missing => Ok(Literal::Absent),
                Written::NotANumber => Ok(Literal::NotANumber(text)),
                Written::Ambiguous => Err(ambiguous(&text)),
                Written::Number(_) if !is_written_in(&context.body, decimal::without_signs(&text)) => {
                    Err(format!("is {text:?}: {CALCULATED}"))
                }
                Written::Number(number) => literal(&number, &text, scale),
            }
        }
    }
}

/// A number in plain notation, which the row states as `text`.
fn literal(number: &str, text: &str, scale: i32) -> Result<Literal, String> {
    match (scale, decimal::read(number)) {
        (0, Some(value)) => Ok(Literal::Number(value)),
        (0, None) => Ok(Literal::NotANumber(text.to_owned())),
        _ => decimal::scaled(number, scale).map(Literal::Number).ok_or_else(|| {
            format!("is {text}, which is too little or too much for a price when multiplied by 10^{scale}")
        }),
    }
}

fn ambiguous(text: &str) -> String {
    format!(
        "is {text:?}: its comma may group digits or precede decimals. State it for this source: decimal = \".\" if it \
         groups digits, decimal = \",\" if it precedes decimals"
    )
}

/// Whether the text of a number appears in the body as a whole, be it that the signs that group its digits are escaped
/// there as in JSON or XML.
fn is_written_in(body: &str, number: &str) -> bool {
    let is_escaped = |sign: char| !sign.is_ascii() || sign == '\'';
    let escaped = |escape: &dyn Fn(u32) -> String| {
        let signs = number.chars().map(|sign| if is_escaped(sign) { escape(sign.into()) } else { sign.to_string() });
        stands_in(body, &signs.collect::<String>())
    };
    stands_in(body, number)
        || number.contains(is_escaped)
            && (escaped(&|code| format!("\\u{code:04x}"))
                || escaped(&|code| format!("\\u{code:04X}"))
                || escaped(&|code| format!("&#{code};"))
                || escaped(&|code| format!("&#x{code:x};"))
                || escaped(&|code| format!("&#x{code:X};"))
                || escaped(&|_| "&apos;".to_owned()))
}

/// Whether a number appears in the body as a whole, not as a part of a longer one.
fn stands_in(body: &str, number: &str) -> bool {
    memmem::find_iter(body.as_bytes(), number).any(|at| {
        let (before, rest) = body.as_bytes().split_at(at);
        let after = &rest[number.len()..];
        let (next, next_but_one) = (after.first().copied(), after.get(1).copied());
        let goes_on = match next {
            Some(b'.' | b'e' | b'E') => next_but_one.is_some_and(|byte| byte.is_ascii_digit() || b"+-".contains(&byte)),
            Some(byte) => byte.is_ascii_digit(),
            None => false,
        };
        let is_begun = before.last().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        !goes_on && (!is_begun || ends_in_escape(before))
    })
}

/// Whether a text ends in a character that JSON writes with digits: `\u00a3` for a pound sign.
fn ends_in_escape(text: &[u8]) -> bool {
    let Some((before, [b'\\', b'u', digits @ ..])) = text.len().checked_sub(6).map(|at| text.split_at(at)) else {
        return false;
    };
    // an escaped backslash does not begin an escape
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    digits.iter().all(u8::is_ascii_hexdigit) && backslashes % 2 == 0
}

/// A price in pence as pounds: the decimal point moves left by `places`, exactly.
pub(super) fn shifted(value: Decimal, places: u32) -> Decimal {
    value.checked_mul(Decimal::new(1, places)).unwrap_or(value)
}

/// A price in pounds as pence, the reverse.
pub(super) fn raised(value: Decimal, places: u32) -> Decimal {
    value.checked_mul(Decimal::from(10_u64.saturating_pow(places))).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_a_body_only_as_a_whole() {
        for body in ["5.5", "[5.5]", "{\"a\":\"$5.5\"}", "5.5,", "5.5. End", "5.5EUR", "5.5\n"] {
            assert!(stands_in(body, "5.5"), "{body}");
        }
        for body in ["", "5.55", "15.5", "-5.5", "5.5.1", "5.5e3", "5.5E-3", "0.5.5"] {
            assert!(!stands_in(body, "5.5"), "{body}");
        }
        assert!(stands_in("15.5 and 5.5", "5.5"));
        assert!(stands_in("[71, 17]", "17") && !stands_in("[71, 171]", "17") && !stands_in("5", ""));
        assert!(stands_in(".5", ".5") && stands_in("1.5, 5.", "5.") && !stands_in("5", ".5"));
        for body in [r#""\u00a35.5""#, r#""\u00a5 5.5""#, r#""\u20a95.5""#, r#""\u00245.5""#] {
            assert!(stands_in(body, "5.5"), "{body}");
        }
        for body in [r#""\\u00a35.5""#, r#""\u00a315.5""#, r#""u00a35.5""#] {
            assert!(!stands_in(body, "5.5"), "{body}");
        }
    }

    #[test]
    fn pence_become_pounds_exactly() {
        assert_eq!(decimal::plain(shifted(decimal::read("74.82").unwrap(), 2)), "0.7482");
        assert_eq!(
            decimal::plain(shifted(decimal::read("0.000000000000000001").unwrap(), 3)),
            "0.000000000000000000001"
        );
        assert_eq!(shifted(Decimal::MAX, 3).trunc().to_string(), "79228162514264337593543950");
    }
}
