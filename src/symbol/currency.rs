//! Names currencies: which codes are one, which coins are used like one, and which words are only parts of one, such as pence.

use std::fmt;
use std::sync::Arc;

use super::{part, tables};

/// The currencies that have a rank among dealers: of two in a pair, the earlier is the base. All others come after these.
pub(super) const MAJORS: [&str; 8] = ["EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY"];

/// Coins whose issuers promise one unit of a currency for each. Markets quote other coins in them, as in a currency; what they
/// are worth is a price like any other, and never assumed.
const STABLE: [&str; 8] = ["BUSD", "DAI", "FDUSD", "PYUSD", "TUSD", "USDC", "USDS", "USDT"];

/// Coins in which other coins are quoted. In a pair of them, the later is the base (`ETH-BTC`).
pub(super) const QUOTED_IN: [&str; 2] = ["BTC", "ETH"];

/// The code of what prices are stated in, in capitals: `USD`, `USDT`, `BTC`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Currency(Arc<str>);

impl Currency {
    /// A currency by its code, in any case. A part of a currency (`GBp`) is not a currency: see [`Currency::of_unit`].
    pub fn new(code: &str) -> Self {
        Currency(code.to_ascii_uppercase().into())
    }

    /// The currency of a unit that prices are quoted in, and how many decimal places the unit lies below it: `GBp` is pence, a
    /// hundredth, and `GBP` is pounds. Case counts here. A word that is no unit becomes a currency that is not a
    /// [code](Currency::is_code).
    pub fn of_unit(unit: &str) -> (Self, u32) {
        match part::whole_of(unit) {
            Some((currency, places)) => (Currency::new(currency), places),
            // `CHf` is not the franc
            None if part::is_written_like_one(unit) => (Currency(unit.into()), 0),
            None => (Currency::new(unit), 0),
        }
    }

    /// The currency that a code means, in any case. A part of a currency, or a word written like one, becomes a word that is not
    /// a [code](Currency::is_code): `USd` may mean cents, and is never a way to write dollars.
    pub(crate) fn of_code(code: &str) -> Self {
        match Currency::of_unit(code) {
            (whole, 0) => whole,
            _ => Currency(code.into()),
        }
    }

    /// A currency that prices can be asked for in, in any case: money, also if it is gone or not in ISO 4217, a stable coin, bitcoin
    /// or ether.
    ///
    /// # Errors
    /// The text is not a currency. The error says what to ask for instead, as the end of a sentence.
    pub(crate) fn asked_for(text: &str) -> Result<Self, String> {
        let code = text.to_ascii_uppercase();
        // GBp is pence, and gbx cannot mean anything else
        let of_unit = [text, &code].map(Currency::of_unit).into_iter().find(|(_, places)| *places > 0);
        if let Some((major, _)) = of_unit {
            return Err(format!(", a part of {major}; ask for {major}"));
        }
        let can = tables::is_money(&code) || is_stable(&code) || QUOTED_IN.contains(&code.as_str());
        if can && !Currency::of_code(text).is_code() {
            return Err(format!(", which is written like a part of {code}; ask for {code}"));
        }
        can.then(|| Currency::new(&code))
            .ok_or_else(|| "; write an ISO 4217 code such as EUR, or USDT, USDC, BTC, ETH".to_owned())
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the code of something that prices are stated in: money, a stable coin, bitcoin or ether.
    /// `PENCE`, `P` and `JPY100` are not.
    pub fn is_code(&self) -> bool {
        self.is_fx_or_stable() || QUOTED_IN.contains(&self.as_str())
    }

    /// Whether it is traded as foreign exchange, or was: a currency of ISO 4217, which has the precious metals too; one that is
    /// withdrawn from it; or one that is not in it (`CNH`, `GGP`).
    pub fn is_fx(&self) -> bool {
        tables::is_money(self.as_str())
    }

    /// Since when the money of this code, in capitals, is gone, and what followed it: half a sentence. `None` for all others.
    pub(crate) fn gone_since(code: &str) -> Option<String> {
        tables::gone::gone_money(code).map(ToString::to_string)
    }

    /// Whether it is one of the precious metals, which dealers quote like currencies.
    pub(crate) fn is_metal(&self) -> bool {
        tables::is_metal(self.as_str())
    }

    /// Whether it is a coin whose issuer promises one unit of a currency for it.
    pub(crate) fn is_stable(&self) -> bool {
        is_stable(self.as_str())
    }

    /// Whether it is traded as foreign exchange, or is a stable coin.
    pub(crate) fn is_fx_or_stable(&self) -> bool {
        self.is_fx() || self.is_stable()
    }

    /// Whether shares, funds and the like are priced in it: a currency that is not a metal, or a stable coin.
    pub(crate) fn prices_listings(&self) -> bool {
        self.is_stable() || (self.is_fx() && !self.is_metal())
    }

    /// Whether it is one of the currencies whose code no coin has anywhere.
    pub(crate) fn is_major(&self) -> bool {
        MAJORS.contains(&self.as_str())
    }
}

/// Whether a code, in capitals, is that of a stable coin.
pub(super) fn is_stable(code: &str) -> bool {
    STABLE.binary_search(&code).is_ok()
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_not_a_code_are_told_from_codes() {
        let is_code = |unit: &str| Currency::of_unit(unit).0.is_code();
        for code in ["USD", "usd", "Eur", "GBp", "USX", "KWF", "USDT", "BTC", "XAU"] {
            assert!(is_code(code), "{code}");
        }
        for part in ["GBp", "GBX", "gbx", "USd", "CHf", "KWd"] {
            assert!(!Currency::of_code(part).is_code(), "{part}");
        }
        for code in ["USD", "usd", "Usd", "usD", "btc", "USDt", "eUR"] {
            assert_eq!(Currency::of_code(code), Currency::new(code), "{code}");
        }
        for word in ["PENCE", "P", "JPY100", "CHf", "USd", "US$", "DOLLAR", "USDX", "", "£"] {
            assert!(!is_code(word), "{word}");
        }
    }

    #[test]
    fn prices_can_be_asked_for_in_currencies_and_in_coins_used_like_them() {
        let can = |text: &str| Currency::asked_for(text).is_ok();
        assert!(can("EUR") && can("USDT") && can("BTC") && can("eur") && !can("PEPE") && !can(""));
        assert!(can("GBP") && can("gbp") && !can("GBp") && !can("gbx") && !can("ILA"));
        // perhaps cents, but never dollars
        assert!(can("usd") && can("Usd") && !can("USd") && !can("CHf"));
        assert_eq!(Currency::asked_for("USd").unwrap_err(), ", which is written like a part of USD; ask for USD");
    }

    #[test]
    fn the_list_of_stable_coins_is_sorted_so_that_it_can_be_searched() {
        assert!(STABLE.is_sorted());
    }
}
