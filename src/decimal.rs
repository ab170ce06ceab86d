//! Reads and writes money: exact decimals from any text of a number that a provider sends, and plain text from
//! decimals.

mod exact;
mod notation;

use rust_decimal::{Decimal, RoundingStrategy};

pub use exact::{divided, ratio, scaled};
pub use notation::{DecimalMark, Written, without_signs, written};

const HALF: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

/// The most decimals that a price keeps; a price with more is rounded half to even.
pub const MOST_DECIMALS: u32 = 18;

/// The most signs of a decimal in plain notation: 29 digits, a point and a minus.
const MOST_SIGNS: usize = 31;

/// The significant digits of a quote that was calculated: an inverse, or a product with a rate.
pub const CALCULATED_DIGITS: u32 = 12;

/// Reads a number's text exactly: digits, one point, an exponent (`1e-8`, `9.083198811E7`), any length.
///
/// More than [`MOST_DECIMALS`] decimals, or more than the 28 digits that fit, are rounded half to even on the text
/// itself. `None` if it is not a number, or is too large for 96 bits. Decorations are not understood here: see
/// [`written`].
pub fn read(text: &str) -> Option<Decimal> {
    let (negative, digits, decimals) = digits(text)?;
    if digits.is_empty() {
        return Some(Decimal::ZERO);
    }
    let value = round_digits(&digits, decimals, MOST_DECIMALS)?;
    Some(if negative { -value } else { value })
}

/// The digits of a number without leading zeros, whether it is negative, and how many of the digits come after the
/// point; that may be negative, or more than there are digits.
fn digits(text: &str) -> Option<(bool, String, i64)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let decimals = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    let (whole, fraction) = match whole.trim_start_matches('0') {
        "" => ("", fraction.trim_start_matches('0')),
        whole => (whole, fraction),
    };
    Some((negative, [whole, fraction].concat(), decimals))
}

/// The number `digits · 10^-decimals`, rounded half to even to `most_decimals` and to what a decimal holds.
fn round_digits(digits: &str, decimals: i64, most_decimals: u32) -> Option<Decimal> {
    let length = i64::try_from(digits.len()).ok()?;
    let whole_digits = length.saturating_sub(decimals);
    if whole_digits > 28 {
        return None;
    }
    let kept_decimals = decimals.min(i64::from(most_decimals)).min(28 - whole_digits.max(0));
    let dropped = decimals - kept_decimals;
    if dropped > length {
        return Some(Decimal::ZERO);
    }
    let (kept, rest) = digits.split_at(usize::try_from(length - dropped.max(0)).ok()?);
    let mut mantissa: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let up = match rest.as_bytes() {
        [] => false,
        [b'5', tail @ ..] if tail.iter().all(|digit| *digit == b'0') => mantissa % 2 == 1,
        [first, ..] => *first >= b'5',
    };
    mantissa += i128::from(up);
    match u32::try_from(kept_decimals) {
        Ok(scale) => Decimal::try_from_i128_with_scale(mantissa, scale).ok(),
        // a whole number with zeros to append: 12e3
        Err(_) => {
            let zeros = u32::try_from(-kept_decimals).ok()?;
            Decimal::try_from_i128_with_scale(mantissa.checked_mul(10_i128.checked_pow(zeros)?)?, 0).ok()
        }
    }
}

/// Whether a text is one that vendors write for a missing value: `""`, `-`, `--`, `N/A`, `NA`, `N/D`.
pub(crate) fn is_missing(text: &str) -> bool {
    matches!(text.trim(), "" | "-" | "--" | "N/A" | "NA" | "N/D")
}

/// The number in a decorated text, in a notation in which a point precedes the decimals: without a currency sign and
/// grouping (`$4,098.12` → `4098.12`).
///
/// A text that is no number in this notation stays as it is, so that [`read`] refuses it.
/// `None` for the texts that vendors write for a missing value: `""`, `-`, `--`, `N/A`, `NA`, `N/D`.
pub fn undecorated(text: &str) -> Option<String> {
    let bare = without_signs(text);
    (!is_missing(text)).then(|| match written(text, Some(DecimalMark::Point)) {
        Written::Number(number) if bare.contains(',') => number,
        _ => bare.to_owned(),
    })
}

/// Plain notation without trailing zeros: `231.44`, `0.00000001`, `70000`.
pub fn plain(value: Decimal) -> String {
    short(value).unwrap_or_else(|| value.normalize().to_string())
}

/// The same for a number whose digits fit into 64 bits, as those of nearly every price do. The library divides 96 bits for each
/// digit, and an answer has a dozen numbers per quote.
fn short(value: Decimal) -> Option<String> {
    let (mut digits, mut decimals) = (u64::try_from(value.mantissa().unsigned_abs()).ok()?, value.scale());
    while decimals > 0 && digits.is_multiple_of(10) {
        (digits, decimals) = (digits / 10, decimals - 1);
    }
    let is_negative = value.is_sign_negative() && digits > 0;
    // from the last digit to the first
    let mut text = Vec::with_capacity(MOST_SIGNS);
    for place in 0.. {
        if place > decimals && digits == 0 {
            break;
        }
        if place > 0 && place == decimals {
            text.push(b'.');
        }
        text.push(b'0' + u8::try_from(digits % 10).ok()?);
        digits /= 10;
    }
    text.extend(is_negative.then_some(b'-'));
    text.reverse();
    String::from_utf8(text).ok()
}

/// The number rounded half to even to this many significant digits, as calculated prices are.
pub fn significant(value: Decimal, digits: u32) -> Decimal {
    let rounded = value.round_sf_with_strategy(digits, RoundingStrategy::MidpointNearestEven).unwrap_or(value);
    rounded.normalize()
}

/// 1/x with [`CALCULATED_DIGITS`] significant digits. Zero stays zero: neither is a price.
pub fn inverse(value: Decimal) -> Decimal {
    significant(Decimal::ONE.checked_div(value).unwrap_or_default(), CALCULATED_DIGITS)
}

/// The mean of two prices, exact wherever a decimal can hold it. It is calculated from their difference, which has room
/// for one more digit where their sum may have none.
pub fn middle(lower: Decimal, upper: Decimal) -> Decimal {
    lower.saturating_add(upper.saturating_sub(lower).saturating_mul(HALF))
}

/// Whether `price` differs from `from` by more than this `fraction` of `from`.
pub(crate) fn is_beyond(fraction: Decimal, price: Decimal, from: Decimal) -> bool {
    // multiplies instead of dividing, so that the border is exact
    price.saturating_sub(from).abs() > fraction.saturating_mul(from)
}

/// `part / whole` in basis points with one decimal, half to even; `None` if it cannot be calculated.
pub(crate) fn basis_points(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let ratio = part.checked_div(whole)?.checked_mul(Decimal::from(10_000))?;
    let mut points = ratio.round_dp_with_strategy(1, RoundingStrategy::MidpointNearestEven);
    points.rescale(1);
    // "-0.0" says nothing that "0.0" does not
    Some(if points.is_zero() { Decimal::new(0, 1) } else { points })
}

/// `part / whole` in percent, to one decimal: `6.4 %`.
pub fn percent(part: Decimal, whole: Decimal) -> String {
    let ratio = part.abs().checked_div(whole).and_then(|ratio| ratio.checked_mul(Decimal::ONE_HUNDRED));
    let rounded = ratio.map(|ratio| {
        let mut rounded = ratio.round_dp_with_strategy(1, RoundingStrategy::MidpointNearestEven);
        rounded.rescale(1);
        rounded.to_string()
    });
    format!("{} %", rounded.as_deref().unwrap_or("infinite"))
}

/// `part / whole` in percent, where that is more than `allowed`: with as many decimals as it takes to see that, at least
/// one. "2.0 % apart, 2 % allowed" would contradict itself.
pub(crate) fn percent_over(part: Decimal, whole: Decimal, allowed: Decimal) -> String {
    let ratio = part.abs().checked_div(whole).and_then(|ratio| ratio.checked_mul(Decimal::ONE_HUNDRED));
    let allowed = allowed.saturating_mul(Decimal::ONE_HUNDRED);
    let rounded =
        |places| ratio.map(|ratio| ratio.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven));
    let enough = (2..=12).find_map(|places| rounded(places).filter(|rounded| *rounded > allowed));
    match (rounded(1), enough) {
        (Some(short), Some(enough)) if short <= allowed => format!("{} %", plain(enough)),
        _ => percent(part, whole),
    }
}

/// A fraction in percent, unrounded: `0.5 %`.
pub fn fraction(fraction: Decimal) -> String {
    format!("{} %", plain(fraction.saturating_mul(Decimal::ONE_HUNDRED)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: &str) -> Option<String> {
        read(number).map(plain)
    }

    #[test]
    fn numbers_keep_every_digit_that_was_on_the_wire() {
        let numbers = [
            ("1234.500000000000000001", "1234.500000000000000001"),
            ("6622.57000000", "6622.57"),
            ("1e-8", "0.00000001"),
            ("9.083198811E7", "90831988.11"),
            ("5.175E-5", "0.00005175"),
            ("12e3", "12000"),
            ("70000", "70000"),
            ("-0.5", "-0.5"),
            (".5", "0.5"),
            ("0.0", "0"),
            ("0e999999", "0"),
        ];
        for (number, expected) in numbers {
            assert_eq!(text(number).as_deref(), Some(expected), "{number}");
        }
    }

    #[test]
    fn forty_digits_are_rounded_half_to_even_at_the_eighteenth() {
        assert_eq!(text("9468.9000000000000000000000000000000001").unwrap(), "9468.9");
        assert_eq!(text("0.0000000000000000015").unwrap(), "0.000000000000000002");
        assert_eq!(text("0.0000000000000000025").unwrap(), "0.000000000000000002");
        assert_eq!(text("0.00000000000000000250001").unwrap(), "0.000000000000000003");
        assert_eq!(text("0.9999999999999999999").unwrap(), "1");
        // more digits before the point leave fewer behind it
        assert_eq!(text("123456789012345.1234567890123456789").unwrap(), "123456789012345.1234567890123");
        assert_eq!(text("1e-400").unwrap(), "0");
    }

    #[test]
    fn a_text_that_is_not_a_number_is_none() {
        for wrong in ["", "-", "NaN", "inf", "1e999", "1.2.3", "0x10", "1_000", "12 ", "e5", "1e", "--1", "."] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&"9".repeat(40)), None);
    }

    #[test]
    fn decorations_are_removed_and_texts_for_a_missing_value_are_none() {
        assert_eq!(undecorated("$4,098.12").as_deref(), Some("4098.12"));
        assert_eq!(undecorated("77,555,460").as_deref(), Some("77555460"));
        assert_eq!(undecorated("12,34,567.8").as_deref(), Some("1234567.8"));
        for point in ["12,5", "1.234,56", "1234,567", "1,2345", ",5", "0,123", "-0,001", "1,2e5", "1,5E3"] {
            assert_eq!(undecorated(point).as_deref(), Some(point));
            assert_eq!(read(point), None);
        }
        for nothing in ["", "-", "--", "N/A", "NA", "N/D", "  "] {
            assert_eq!(undecorated(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn basis_points_have_one_decimal_rounded_half_to_even() {
        let points =
            |part: &str, whole: &str| basis_points(read(part).unwrap(), read(whole).unwrap()).unwrap().to_string();
        assert_eq!(points("0.01", "231.44"), "0.4");
        assert_eq!(points("-18.44", "231.44"), "-796.8");
        assert_eq!(points("0.000025", "1"), "0.2");
        assert_eq!(points("-0.0000001", "1"), "0.0");
        assert_eq!(basis_points(Decimal::ONE, Decimal::ZERO), None);
    }

    #[test]
    fn shares_are_given_in_percent() {
        let decimal = |text: &str| read(text).unwrap();
        assert_eq!(percent(decimal("-18.44"), decimal("231.44")), "8.0 %");
        assert_eq!(percent(Decimal::ONE, Decimal::ZERO), "infinite %");
        assert_eq!(fraction(decimal("0.0050")), "0.5 %");
    }

    #[test]
    fn what_is_over_an_allowed_share_never_reads_like_it() {
        let decimal = |text: &str| read(text).unwrap();
        let over = |part: &str| percent_over(decimal(part), Decimal::ONE_HUNDRED, decimal("0.02"));
        assert_eq!(["8", "-2.1", "2.04", "2.0004", "2"].map(over), ["8.0 %", "2.1 %", "2.04 %", "2.0004 %", "2.0 %"]);
        assert_eq!(percent_over(Decimal::ONE, Decimal::ZERO, Decimal::ONE), "infinite %");
    }

    proptest! {
        #[test]
        fn plain_notation_is_that_of_the_library(
            digits in any::<i64>(),
            shift in 0_u32..64,
            zeros in 0_u32..10,
            decimals in 0_u32..=28,
        ) {
            let digits = i128::from(digits >> shift) * 10_i128.pow(zeros);
            let value = Decimal::from_i128_with_scale(digits, decimals);
            prop_assert_eq!(plain(value), value.normalize().to_string());
            prop_assert_eq!(plain(-value), (-value).normalize().to_string());
        }
    }

    #[test]
    fn an_inverse_has_twelve_digits() {
        let inverse = |text: &str| plain(inverse(read(text).unwrap()));
        assert_eq!(inverse("0.92"), "1.08695652174");
        assert_eq!(inverse("149.53"), "0.00668762121313");
        assert_eq!(inverse("8"), "0.125");
        assert_eq!(inverse("0"), "0");
    }
}
