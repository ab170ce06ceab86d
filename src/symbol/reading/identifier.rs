//! The first test: identifiers that stand for one security everywhere. An ISIN is a symbol; of the others, the sentence says so.

use super::{Reading, Typed, is_digits, is_letters};
use crate::symbol::{Kind, Symbol};

/// The prefixes under which identifiers are written, and what each is called.
const NAMED: [(&str, &str); 6] = [
    ("FIGI", "a FIGI"),
    ("CUSIP", "a CUSIP"),
    ("SEDOL", "a SEDOL"),
    ("WKN", "a German WKN"),
    ("LEI", "an LEI, which names a company and not what it lists"),
    ("CONID", "an identifier of Interactive Brokers"),
];

/// Prefixes of ISINs that are no country's: international securities, the European Union, derivatives of the euro zone, what
/// ANNA issues where there is no agency, and securities of international organizations.
/// <https://www.isin.org/isin-format/>, ISO 6166.
const NO_COUNTRY: [&str; 10] = ["XS", "EU", "EZ", "XA", "XB", "XC", "XD", "XF", "QS", "QT"];

/// The alpha-2 codes of ISO 3166-1, in order, and Kosovo's: <https://www.iso.org/obp/ui/#search/code/>.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW \
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB \
    GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM \
    KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC \
    NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL \
    SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK \
    YE YT ZA ZM ZW";

/// `US0378331005`, `isin:US0378331005`, and what only looks like it.
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let upper = typed.upper.as_str();
    if let Some((prefix, rest)) = upper.split_once(':') {
        if prefix == "ISIN" {
            return Some(isin_after_prefix(typed, rest.trim()));
        }
        let (_, what) = NAMED.iter().find(|(name, _)| *name == prefix)?;
        return Some(typed.no_symbol(format!("is {what}; {}", instead())));
    }
    // a tenth of all FIGIs pass as an ISIN of Barbados
    if is_figi(upper) {
        return Some(typed.no_symbol(format!("is a FIGI; {}", instead())));
    }
    if is_isin(upper) {
        return Some(Ok(Symbol::new(upper, Kind::Isin)));
    }
    if let Some(isin) = upper.split_at_checked(12).and_then(|(isin, rest)| isin_before(isin, rest)) {
        return Some(Err(typed.perhaps("goes on after an ISIN", isin)));
    }
    if is_contract(upper) {
        return Some(typed.no_symbol("is the address of a contract; ask for the pair of its coin, such as UNI-USD"));
    }
    is_option(upper)
        .then(|| typed.no_symbol("is an option, which is not priced here; ask for what it is on, such as AAPL"))
}

/// An ISIN that something else follows, such as a place or a currency.
fn isin_before<'t>(isin: &'t str, rest: &str) -> Option<&'t str> {
    (rest.starts_with(|c: char| !c.is_ascii_alphanumeric()) && is_isin(isin)).then_some(isin)
}

fn instead() -> &'static str {
    "ask for its ISIN or for its ticker, such as US0378331005 or AAPL"
}

fn isin_after_prefix(typed: &Typed<'_>, rest: &str) -> Reading {
    if is_figi(rest) {
        return typed.no_symbol(format!("has a FIGI after isin:; {}", instead()));
    }
    isin(typed, rest)
}

/// An ISIN without a prefix, where nothing else can stand.
pub(super) fn read_isin(typed: &Typed<'_>) -> Reading {
    if is_figi(&typed.upper) {
        return typed.no_symbol("is a FIGI and no ISIN; an ISIN is written like US0378331005");
    }
    isin(typed, &typed.upper)
}

fn isin(typed: &Typed<'_>, text: &str) -> Reading {
    if is_isin(text) {
        return Ok(Symbol::new(text, Kind::Isin));
    }
    typed.no_symbol(why_no_isin(text).unwrap_or_else(|| {
        "is no ISIN: that is a country's two letters, nine letters or digits, and a check digit, such as US0378331005"
            .to_owned()
    }))
}

/// Why a text that is formed like an ISIN is not one.
pub(super) fn why_no_isin(text: &str) -> Option<String> {
    let (payload, check) = text.split_at_checked(11)?;
    let is_formed = text.len() == 12 && is_formed_like_isin(text) && !is_isin(text);
    let expected = luhn(&expanded(payload)).filter(|_| is_formed)?;
    Some(format!(
        "is formed like an ISIN, but its last digit is {check} and would have to be {expected}; check how it is written"
    ))
}

fn is_formed_like_isin(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_prefix =
        || text.get(..2).is_some_and(|two| COUNTRIES.split(' ').any(|code| code == two) || NO_COUNTRY.contains(&two));
    // every symbol comes by here, and hardly any has that length; going through the countries takes a while
    bytes.len() == 12
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_digit)
        && has_prefix()
}

/// Whether a text, in capitals, is an ISIN: formed like one, with the right check digit (ISO 6166).
pub(super) fn is_isin(text: &str) -> bool {
    is_formed_like_isin(text) && luhn(&expanded(&text[..11])) == text.bytes().last().map(|digit| digit - b'0')
}

/// Every letter as its number, A as 10, and so on.
fn expanded(text: &str) -> Vec<u8> {
    let mut digits = Vec::with_capacity(2 * text.len());
    for byte in text.bytes() {
        match value(byte) {
            small @ 0..=9 => digits.push(small),
            large => digits.extend([large / 10, large % 10]),
        }
    }
    digits
}

fn value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte.to_ascii_uppercase().wrapping_sub(b'A').wrapping_add(10),
    }
}

/// The check digit by the formula of Luhn: every second digit from the right counts twice.
fn luhn(digits: &[u8]) -> Option<u8> {
    let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| counted(*digit, place % 2 == 0)).sum();
    u8::try_from((10 - sum % 10) % 10).ok()
}

/// A number, doubled or not, as the sum of its digits.
fn counted(number: u8, is_doubled: bool) -> u32 {
    let number = u32::from(number) * if is_doubled { 2 } else { 1 };
    number / 10 + number % 10
}

/// Whether a text, in capitals, is a FIGI: twelve characters without vowels, a G in third place, and the check digit
/// (<https://www.openfigi.com/assets/content/figi-check-digit-2173341b2d.pdf>).
fn is_figi(text: &str) -> bool {
    const OTHERS: [&str; 7] = ["BS", "BM", "GG", "GB", "GH", "KY", "VG"];
    let bytes = text.as_bytes();
    let is_formed = bytes.len() == 12
        && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() && !b"AEIOU".contains(byte))
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.get(2) == Some(&b'G')
        && bytes.last().is_some_and(u8::is_ascii_digit)
        && !OTHERS.contains(&text.get(..2).unwrap_or_default());
    let sum: u32 = bytes.iter().take(11).enumerate().map(|(place, byte)| counted(value(*byte), place % 2 == 1)).sum();
    is_formed && bytes.last().map(|byte| u32::from(value(*byte))) == Some((10 - sum % 10) % 10)
}

fn is_contract(text: &str) -> bool {
    text.strip_prefix("0X").is_some_and(|rest| rest.len() == 40 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The Options Clearing Corporation's symbol: root, date, put or call, and the strike in eight digits.
fn is_option(text: &str) -> bool {
    let Some(at) = text.len().checked_sub(15).filter(|at| text.is_char_boundary(*at)) else { return false };
    let (root, rest) = text.split_at(at);
    let root = root.trim_end();
    let (date, rest) = rest.split_at_checked(6).unwrap_or_default();
    let strike = rest.strip_prefix(['C', 'P']);
    (is_letters(root, 6) || root.strip_suffix(|c: char| c.is_ascii_digit()).is_some_and(|root| is_letters(root, 5)))
        && is_digits(date)
        && strike.is_some_and(is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isin_is_told_by_its_country_and_its_check_digit() {
        for isin in ["US0378331005", "DE0007164600", "IE00BK5BQT80", "GB00BH4HKS39", "XS2314659447", "LU0274208692"] {
            assert!(is_isin(isin) && !is_figi(isin), "{isin}");
        }
        for other in ["US0378331006", "ZZ0378331005", "US037833100", "US03783310055", "US037833100A", ""] {
            assert!(!is_isin(other), "{other}");
        }
        assert!(why_no_isin("US0378331006").unwrap().contains("would have to be 5"));
        assert_eq!((why_no_isin("US0378331005"), why_no_isin("AAPL")), (None, None));
    }

    #[test]
    fn a_figi_is_told_by_its_check_digit() {
        for figi in ["BBG000B9XRY4", "BBG000BLNNH6", "BBG000BPH459"] {
            assert!(is_figi(figi), "{figi}");
        }
        assert!(!is_figi("BBG000B9XRY5") && !is_figi("US0378331005") && !is_figi(""));
    }

    #[test]
    fn the_countries_are_sorted_and_none_is_there_twice() {
        assert!(COUNTRIES.split_whitespace().is_sorted_by(|a, b| a < b));
        assert_eq!(COUNTRIES.split_whitespace().count(), 250);
    }
}
