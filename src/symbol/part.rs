//! The parts of currencies that prices are quoted in: pence, cents, agorot, fils.
//!
//! No standard names them. Three conventions are in use: an X in place of the last letter of the code (`GBX`), the part's initial
//! in lower case (`GBp`, `USc`) or in capitals (`ZAC`), and the code's own last letter in lower case (`ZAr`).

/// A part of a currency.
struct Part {
    /// Its spellings. Case counts only in those with small letters: `GBp` is pence, `GBP` is pounds.
    spelled: &'static [&'static str],
    /// The currency it is a part of.
    currency: &'static str,
    /// How many decimal places it lies below that currency.
    places: u32,
}

const fn part_of(currency: &'static str, places: u32, spelled: &'static [&'static str]) -> Part {
    Part { spelled, currency, places }
}

/// Every part that prices are quoted in, with the sources of its spellings.
const PARTS: &[Part] = &[
    // pence: London Stock Exchange, TRADEcho FIX specification (GBX); Yahoo Finance and Bloomberg (GBp)
    part_of("GBP", 2, &["GBX", "GBp"]),
    // cents of grain and cattle in Chicago: Yahoo Finance and TRADEcho (USX); Refinitiv (USc)
    part_of("USD", 2, &["USX", "USc"]),
    // cents of gas and power: ACER, REMIT Transaction Reporting User Manual, field 17, and TRADEcho (EUX); Refinitiv (EUc)
    part_of("EUR", 2, &["EUX", "EUc"]),
    // cents of Johannesburg: JSE and Yahoo Finance (ZAC, ZAc); Bloomberg (ZAr)
    part_of("ZAR", 2, &["ZAC", "ZAr"]),
    // agorot of Tel Aviv: TASE and Yahoo Finance (ILA); Bloomberg (ILs)
    part_of("ILS", 2, &["ILA", "ILs"]),
    // fils of Kuwait, a thousandth: Boursa Kuwait and Yahoo Finance (KWF); Bloomberg (KWd)
    part_of("KWD", 3, &["KWF", "KWd"]),
];

/// The currency that a unit is a part of, and how many decimal places it lies below that; `None` if it is not a known part.
pub(super) fn whole_of(unit: &str) -> Option<(&'static str, u32)> {
    let capitals = unit.to_ascii_uppercase();
    // `gbx` cannot mean anything else, but `gbp` means pounds
    let is_spelled = |spelled: &&str| *spelled == unit || *spelled == capitals;
    PARTS.iter().find(|part| part.spelled.iter().any(is_spelled)).map(|part| (part.currency, part.places))
}

/// Whether a unit is written like a part: two capitals and a small letter. A part that the table does not have must not be taken
/// for the whole currency.
pub(super) fn is_written_like_one(unit: &str) -> bool {
    matches!(unit.as_bytes(), [first, second, last]
        if first.is_ascii_uppercase() && second.is_ascii_uppercase() && last.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::tables;

    #[test]
    fn a_part_is_known_only_in_the_case_that_makes_it_one() {
        for pence in ["GBX", "GBp", "gbx", "GBx"] {
            assert_eq!(whole_of(pence), Some(("GBP", 2)), "{pence}");
        }
        for whole in ["GBP", "gbp", "Gbp", "USD", "usc", "USC", "KWD", "PENCE", ""] {
            assert_eq!(whole_of(whole), None, "{whole}");
        }
        assert_eq!(whole_of("KWF"), Some(("KWD", 3)));
    }

    #[test]
    fn no_part_is_spelled_like_a_currency_or_like_another_part() {
        let all: Vec<&str> = PARTS.iter().flat_map(|part| part.spelled).copied().collect();
        for spelled in &all {
            assert!(!tables::is_money(spelled), "{spelled}");
            assert_eq!(all.iter().filter(|other| other == &spelled).count(), 1, "{spelled}");
        }
        assert!(PARTS.iter().all(|part| tables::is_money(part.currency)));
    }
}
