//! Money that is gone: the currencies that ISO 4217 has withdrawn, since when, and what followed each.
//!
//! From list three of ISO 4217 (codes for historic denominations), and, for what followed, the notes of its amendments:
//! <https://www.six-group.com/en/products-services/financial-information/data-standards.html>.

use std::fmt;

/// A currency that is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoneMoney {
    /// Its code.
    pub(crate) code: &'static str,
    /// When the code was withdrawn: a year and a month (`2023-01`), or a year.
    pub(crate) since: &'static str,
    /// The code of the currency that followed. It may be gone, too.
    pub(crate) followed_by: &'static str,
}

const fn gone(code: &'static str, since: &'static str, followed_by: &'static str) -> GoneMoney {
    GoneMoney { code, since, followed_by }
}

/// The withdrawn currencies. Left out are units of account, and the codes by which exchanges list a coin today: ADP, BAD, BEL,
/// ESP, GNS, LVL and MTL.
#[rustfmt::skip]
const GONE: &[GoneMoney] = &[
    gone("AFA", "2003-01", "AFN"),
    gone("ALK", "1989-12", "ALL"),
    gone("ANG", "2025-03", "XCG"),
    gone("AOK", "1991-03", "AON"),
    gone("AON", "2000-02", "AOA"),
    gone("AOR", "2000-02", "AOA"),
    gone("ARA", "1992-01", "ARS"),
    gone("ARP", "1985-07", "ARA"),
    gone("ARY", "1990", "ARA"),
    gone("ATS", "2002-03", "EUR"),
    gone("AYM", "2005-10", "AZN"),
    gone("AZM", "2005-12", "AZN"),
    gone("BEC", "1990-03", "BEF"),
    gone("BEF", "2002-03", "EUR"),
    gone("BGJ", "1990", "BGL"),
    gone("BGK", "1990", "BGL"),
    gone("BGL", "2003-11", "BGN"),
    gone("BGN", "2026-01", "EUR"),
    gone("BOP", "1987-02", "BOB"),
    gone("BRB", "1986-03", "BRC"),
    gone("BRC", "1989-02", "BRN"),
    gone("BRE", "1993-03", "BRR"),
    gone("BRN", "1990-03", "BRE"),
    gone("BRR", "1994-07", "BRL"),
    gone("BUK", "1990-02", "MMK"),
    gone("BYB", "2001-01", "BYR"),
    gone("BYR", "2017-01", "BYN"),
    gone("CSD", "2006-10", "RSD"),
    gone("CSJ", "1990", "CSK"),
    gone("CSK", "1993-03", "CZK"),
    gone("CUC", "2021-06", "CUP"),
    gone("CYP", "2008-01", "EUR"),
    gone("DDM", "1990-09", "DEM"),
    gone("DEM", "2002-03", "EUR"),
    gone("ECS", "2000-09", "USD"),
    gone("EEK", "2011-01", "EUR"),
    gone("EQE", "1989-12", "XAF"),
    gone("FIM", "2002-03", "EUR"),
    gone("FRF", "2002-03", "EUR"),
    gone("GEK", "1995-10", "GEL"),
    gone("GHC", "2008-01", "GHS"),
    gone("GHP", "2007-06", "GHS"),
    gone("GNE", "1989-12", "GNF"),
    gone("GQE", "1986-06", "XAF"),
    gone("GRD", "2002-03", "EUR"),
    gone("GWE", "1981", "GWP"),
    gone("GWP", "1997-05", "XOF"),
    gone("HRD", "1995-01", "HRK"),
    gone("HRK", "2023-01", "EUR"),
    gone("IEP", "2002-03", "EUR"),
    gone("ILP", "1981", "ILR"),
    gone("ILR", "1990", "ILS"),
    gone("ISJ", "1990", "ISK"),
    gone("ITL", "2002-03", "EUR"),
    gone("LAJ", "1989-12", "LAK"),
    gone("LSM", "1985-05", "LSL"),
    gone("LTL", "2014-12", "EUR"),
    gone("LTT", "1993-07", "LTL"),
    gone("LUF", "2002-03", "EUR"),
    gone("MGF", "2004-12", "MGA"),
    gone("MLF", "1984-11", "XOF"),
    gone("MRO", "2017-12", "MRU"),
    gone("MVQ", "1989-12", "MVR"),
    gone("MXP", "1993-01", "MXN"),
    gone("MZE", "1981", "MZM"),
    gone("MZM", "2006-06", "MZN"),
    gone("NIC", "1990-10", "NIO"),
    gone("NLG", "2002-03", "EUR"),
    gone("PEH", "1990", "PEI"),
    gone("PEI", "1991-07", "PEN"),
    gone("PES", "1986-02", "PEI"),
    gone("PLZ", "1997-01", "PLN"),
    gone("PTE", "2002-03", "EUR"),
    gone("RHD", "1981", "ZWD"),
    gone("ROK", "1990", "ROL"),
    gone("ROL", "2005-06", "RON"),
    gone("RUR", "2004-01", "RUB"),
    gone("SDD", "2007-07", "SDG"),
    gone("SDP", "1998-06", "SDD"),
    gone("SIT", "2007-01", "EUR"),
    gone("SKK", "2009-01", "EUR"),
    gone("SLL", "2023-12", "SLE"),
    gone("SRG", "2003-12", "SRD"),
    gone("STD", "2017-12", "STN"),
    gone("SUR", "1990-12", "RUR"),
    gone("TJR", "2001-04", "TJS"),
    gone("TMM", "2009-01", "TMT"),
    gone("TPE", "2002-11", "USD"),
    gone("TRL", "2005-12", "TRY"),
    gone("UAK", "1996-09", "UAH"),
    gone("UGS", "1987-05", "UGX"),
    gone("UGW", "1990", "UGS"),
    gone("UYN", "1989-12", "UYP"),
    gone("UYP", "1993-03", "UYU"),
    gone("VEB", "2008-01", "VEF"),
    gone("VEF", "2018-08", "VES"),
    gone("VNC", "1990", "VND"),
    gone("XEU", "1999-01", "EUR"),
    gone("YDD", "1991-09", "YER"),
    gone("YUD", "1990-01", "YUN"),
    gone("YUM", "2003-07", "CSD"),
    gone("YUN", "1995-11", "YUM"),
    gone("ZAL", "1995-03", "ZAR"),
    gone("ZMK", "2012-12", "ZMW"),
    gone("ZRN", "1999-06", "CDF"),
    gone("ZRZ", "1994-02", "ZRN"),
    gone("ZWC", "1989-12", "ZWD"),
    gone("ZWD", "2008-08", "ZWR"),
    gone("ZWL", "2024-09", "ZWG"),
    gone("ZWN", "2006-09", "ZWR"),
    gone("ZWR", "2009-06", "ZWL"),
];

/// The withdrawn currency of this code, in capitals.
pub(in crate::symbol) fn gone_money(code: &str) -> Option<&'static GoneMoney> {
    let place = GONE.binary_search_by(|gone| gone.code.cmp(code)).ok()?;
    GONE.get(place)
}

impl GoneMoney {
    /// The code of the currency that people pay with today instead.
    pub(crate) fn today(&self) -> &'static str {
        gone_money(self.followed_by).map_or(self.followed_by, GoneMoney::today)
    }
}

/// Half a sentence: "HRK is gone since 2023-01, and EUR followed it".
impl fmt::Display for GoneMoney {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GoneMoney { code, since, followed_by } = self;
        write!(f, "{code} is gone since {since}, and {followed_by} followed it")?;
        if self.today() == self.followed_by { Ok(()) } else { write!(f, "; today it is {}", self.today()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::tables::money::is_current;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(GONE.is_sorted_by(|a, b| a.code < b.code));
    }

    #[test]
    fn no_money_is_both_gone_and_current_and_each_has_one_that_is_paid_with_today() {
        for gone in GONE {
            assert!(!is_current(gone.code), "{}", gone.code);
            assert!(is_current(gone.today()), "{} {}", gone.code, gone.today());
        }
    }

    #[test]
    fn what_followed_is_said_with_its_date() {
        let says = |code| gone_money(code).unwrap().to_string();
        assert_eq!(says("HRK"), "HRK is gone since 2023-01, and EUR followed it");
        assert_eq!(says("VEB"), "VEB is gone since 2008-01, and VEF followed it; today it is VES");
        assert_eq!(says("BGL"), "BGL is gone since 2003-11, and BGN followed it; today it is EUR");
        assert!(gone_money("MTL").is_none(), "exchanges list a coin of that name");
    }
}
