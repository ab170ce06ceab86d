//! Names currencies, and tells pence from pounds.

use std::fmt;
use std::sync::Arc;

use super::part;

/// A currency's code, in capitals: `USD`, `USDT`, `BTC`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Currency(Arc<str>);

impl Currency {
    /// A currency by its code, in any case. Sub-units (`GBp`) are not currencies: see [`Currency::of_unit`].
    pub fn new(code: &str) -> Self {
        Currency(code.to_ascii_uppercase().into())
    }

    /// The currency of a unit that prices are quoted in, and how many decimal places the unit lies below it: `GBp` is pence,
    /// a hundredth, and `GBP` pounds; case counts here. A word that is no unit becomes a currency that is no
    /// [code](Currency::is_code).
    pub fn of_unit(unit: &str) -> (Self, u32) {
        match part::whole_of(unit) {
            Some((currency, places)) => (Currency::new(currency), places),
            // `CHf` is not the franc
            None if part::is_written_like_one(unit) => (Currency(unit.into()), 0),
            None => (Currency::new(unit), 0),
        }
    }

    /// The currency that a code means, in any case; and a word that is no [code](Currency::is_code) for what is a part of a
    /// currency, or written like one: `USd` may be cents, and is never a way to write dollars.
    pub fn of_code(code: &str) -> Self {
        match Currency::of_unit(code) {
            (whole, 0) => whole,
            _ => Currency(code.into()),
        }
    }

    /// Whether this is the code of something that prices are stated in: money of ISO 4217, a stable coin, bitcoin or ether.
    /// `PENCE`, `P` and `JPY100` are none.
    pub fn is_code(&self) -> bool {
        self.is_money_or_stable() || self.is_quoted_in()
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    fn words_that_are_no_code_are_told_from_those_that_are() {
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
}
