//! Applies the factors that a source states, powers of ten and whole numbers, exactly where a decimal holds the result.

use rust_decimal::Decimal;

use super::{CALCULATED_DIGITS, digits, round_digits, significant};

/// Reads a number's text with its decimal point moved: `text · 10^scale`. Up to 28 digits and 28 decimals are kept, and
/// more are rounded half to even.
///
/// `None` if it is not a number, is too large for 96 bits, or is so small that fewer than [`CALCULATED_DIGITS`] digits
/// of a longer number would be left.
pub fn scaled(text: &str, scale: i32) -> Option<Decimal> {
    let (negative, digits, decimals) = digits(text)?;
    // zeros at the end of a whole number say nothing, and would count as digits that are lost
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some(Decimal::ZERO);
    }
    let length = i64::try_from(kept.len()).ok()?;
    let decimals = decimals - i64::try_from(digits.len()).ok()? + length - i64::from(scale);
    let lost = (decimals - i64::from(Decimal::MAX_SCALE)).max(0);
    if lost > 0 && length - lost < i64::from(CALCULATED_DIGITS) {
        return None;
    }
    let value = round_digits(kept, decimals, Decimal::MAX_SCALE)?;
    Some(if negative { -value } else { value })
}

/// The number divided by a whole number: exactly if a decimal holds the quotient, else rounded half to even to
/// [`CALCULATED_DIGITS`] significant digits.
///
/// `None` if the divisor is 0, or if the quotient is so small that a decimal does not hold that many of its digits.
pub fn divided(value: Decimal, divisor: u64) -> Option<Decimal> {
    if divisor == 0 {
        return None;
    }
    if divisor == 1 || value.is_zero() {
        return Some(value);
    }
    quotient(value, divisor).or_else(|| {
        let value = value.checked_div(Decimal::from(divisor))?;
        let has_digits = value.mantissa().unsigned_abs() >= 10_u128.pow(CALCULATED_DIGITS);
        has_digits.then(|| significant(value, CALCULATED_DIGITS))
    })
}

/// The exact quotient; `None` if it has no end, or more digits than a decimal holds.
fn quotient(value: Decimal, divisor: u64) -> Option<Decimal> {
    let value = value.normalize();
    let (mantissa, divisor) = (value.mantissa(), i128::from(divisor));
    let common = common_divisor(mantissa.unsigned_abs(), divisor.unsigned_abs());
    let common = i128::try_from(common).ok().filter(|common| *common > 0)?;
    let (mut mantissa, mut divisor) = (mantissa / common, divisor / common);
    let mut decimals = value.scale();
    // only twos and fives divide a power of ten
    for (factor, rest) in [(10, 1), (5, 2), (2, 5)] {
        while divisor % factor == 0 {
            (divisor, mantissa) = (divisor / factor, mantissa.checked_mul(rest)?);
            decimals += 1;
        }
    }
    (divisor == 1).then(|| Decimal::try_from_i128_with_scale(mantissa, decimals).ok())?
}

fn common_divisor(one: u128, other: u128) -> u128 {
    let (mut one, mut other) = (one, other);
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// `whole / value` with [`CALCULATED_DIGITS`] significant digits. Zero stays zero: neither is a price.
///
/// `None` if a decimal does not hold that many digits of it.
pub fn ratio(whole: u64, value: Decimal) -> Option<Decimal> {
    if value.is_zero() {
        return Some(Decimal::ZERO);
    }
    let ratio = Decimal::from(whole).checked_div(value)?;
    let rounded = significant(ratio, CALCULATED_DIGITS);
    let is_exact = rounded.checked_mul(value) == Some(Decimal::from(whole));
    (is_exact || ratio.mantissa().unsigned_abs() >= 10_u128.pow(CALCULATED_DIGITS)).then_some(rounded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::{plain, read};

    fn number(text: &str) -> Decimal {
        read(text).unwrap()
    }

    #[test]
    fn a_scale_moves_the_decimal_point_and_loses_no_digit() {
        for (text, scale, expected) in [
            ("6140993501000", -8, "61409.93501"),
            ("61409935010000000000000000000000000000", -33, "61409.93501"),
            ("1234.5", 3, "1234500"),
            ("-5", -2, "-0.05"),
            ("0.0000000000000000000000012345", 24, "1.2345"),
            ("5e30", -30, "5"),
            ("5", -28, "0.0000000000000000000000000005"),
            ("123456789012345", -30, "0.0000000000000001234567890123"),
            ("0", 30, "0"),
            ("0.000", -30, "0"),
        ] {
            assert_eq!(scaled(text, scale).map(plain).as_deref(), Some(expected), "{text} {scale}");
        }
        for (text, scale) in
            [("5", 30), ("5", -29), ("1234567", -30), ("1e2147483647", 30), ("1e-2147483648", -30), ("x", 0), ("", 1)]
        {
            assert_eq!(scaled(text, scale), None, "{text} {scale}");
        }
    }

    #[test]
    fn a_quotient_is_exact_or_has_twelve_digits() {
        for (value, divisor, expected) in [
            ("250.0", 100, "2.5"),
            ("0.0099105", 1000, "0.0000099105"),
            ("1", 3, "0.333333333333"),
            ("2", 3, "0.666666666667"),
            ("12345.678", 7, "1763.66828571"),
            ("-21", 14, "-1.5"),
            ("1", 1 << 20, "0.00000095367431640625"),
            ("0", 7, "0"),
        ] {
            assert_eq!(divided(number(value), divisor).map(plain).as_deref(), Some(expected), "{value}/{divisor}");
        }
        assert_eq!(divided(Decimal::MAX, 5).map(plain).as_deref(), Some("15845632502852867518708790067"));
        assert_eq!(divided(number("1"), 0), None);
        assert_eq!(divided(number("0"), 0), None);
        assert_eq!(divided(number("0.00000000000000001"), 3), None);
    }

    #[test]
    fn a_ratio_has_twelve_digits_or_none() {
        assert_eq!(ratio(100, number("250")).map(plain).as_deref(), Some("0.4"));
        assert_eq!(ratio(100, number("7")).map(plain).as_deref(), Some("14.2857142857"));
        assert_eq!(ratio(100, number("0")), Some(Decimal::ZERO));
        assert_eq!(ratio(u64::MAX, number("0.000000000000000001")), None);
        assert_eq!(ratio(1, Decimal::MAX), None);
    }

    proptest! {
        #[test]
        fn a_scaled_number_is_the_number_with_its_point_moved(
            mantissa in 1_i64..1_000_000_000_000, decimals in 0_u32..12, scale in -30_i32..=30,
        ) {
            let text = Decimal::new(mantissa, decimals).to_string();
            let exponent = scale - i32::try_from(decimals).unwrap();
            let expected = match u32::try_from(exponent) {
                Ok(zeros) => 10_i128.checked_pow(zeros)
                    .and_then(|power| power.checked_mul(mantissa.into()))
                    // a price has at most 28 digits
                    .filter(|whole| *whole < 10_i128.pow(28))
                    .map(|whole| Decimal::from_i128_with_scale(whole, 0)),
                Err(_) => Decimal::try_from_i128_with_scale(mantissa.into(), exponent.unsigned_abs()).ok(),
            };
            let found = scaled(&text, scale);
            prop_assert!(expected.is_none() || found == expected, "{} {}: {:?}", text, scale, found);
            // the number written out is the same number
            if let (Some(found), Some(plainly)) = (found, read(&format!("{text}e{scale}"))) {
                prop_assert_eq!(found.round_dp(18), plainly.round_dp(18));
            }
        }

        #[test]
        fn a_quotient_times_its_divisor_is_the_number_up_to_rounding(
            mantissa in 1_i64..i64::MAX, decimals in 0_u32..6, divisor in 1_u64..1_000_000,
        ) {
            let value = Decimal::new(mantissa, decimals);
            let back = divided(value, divisor).unwrap() * Decimal::from(divisor);
            prop_assert!((back - value).abs() <= value * Decimal::new(1, CALCULATED_DIGITS - 1), "{}", back);
            let product = Decimal::from(mantissa) * Decimal::from(divisor);
            prop_assert_eq!(divided(product, divisor), Some(Decimal::from(mantissa)));
        }
    }
}
