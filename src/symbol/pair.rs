//! Knows which of two currencies is the base of their pair, the way markets write it: `EUR-USD`, `USD-JPY`, `BTC-USD`.

use super::currency::{MAJORS, QUOTED_IN, is_stable};
use super::{Kind, Symbol, tables};

/// The rank of the stable coins: after all other coins, even those in which others are quoted.
const STABLE_RANK: usize = QUOTED_IN.len() + 1;
/// The rank at which the currencies begin, after the metals.
const CURRENCY_RANK: usize = STABLE_RANK + 2;

impl Symbol {
    /// The pair of two currencies: base, then quote. `None` if they are the same, or not both codes.
    pub fn of_legs(base: &str, quote: &str) -> Option<Self> {
        Self::pair(base, quote)
    }

    /// The inverse pair: `USD-EUR` for `EUR-USD`. `None` for anything but a pair.
    pub fn inverted(&self) -> Option<Self> {
        self.legs().and_then(|(base, quote)| Self::pair(quote, base))
    }

    /// The pair of two currencies as markets write it, and whether that is inverted: the price of the second in the first
    /// (`EUR-USD`, inverted, for `USD` and `EUR`).
    pub(crate) fn market_pair(one: &str, other: &str) -> Option<(Self, bool)> {
        let pair = Self::pair(one, other)?;
        if pair.is_inverted() { Some((Self::pair(other, one)?, true)) } else { Some((pair, false)) }
    }

    /// Whether markets write this pair the other way round, so that this is the inverse.
    pub(crate) fn is_inverted(&self) -> bool {
        self.legs().is_some_and(|(base, quote)| (rank(base), base) > (rank(quote), quote))
    }

    /// Whether some markets write this pair one way and some the other: a stable coin against a currency. The exception is the
    /// dollar, which no market quotes in a stable coin.
    pub(crate) fn has_two_ways(&self) -> bool {
        self.legs().is_some_and(|(base, quote)| {
            is_stable(base) != is_stable(quote)
                && rank(base).min(rank(quote)) >= STABLE_RANK
                && base != "USD"
                && quote != "USD"
        })
    }

    /// Whether this is the price of a coin that is neither stable nor a currency.
    pub(crate) fn is_of_coin(&self) -> bool {
        matches!(self.kind, Kind::Pair { .. }) && self.legs().is_some_and(|(base, _)| rank(base) < STABLE_RANK)
    }
}

/// Where a currency comes in a pair: of two, the one with the lower rank is the base.
fn rank(code: &str) -> usize {
    let major = || MAJORS.iter().position(|major| *major == code).map(|place| CURRENCY_RANK + place);
    if is_stable(code) {
        STABLE_RANK
    } else if tables::is_metal(code) {
        STABLE_RANK + 1
    } else if tables::is_money(code) {
        major().unwrap_or(CURRENCY_RANK + MAJORS.len())
    } else {
        // no other coin is the quote currency of a pair
        QUOTED_IN.iter().rev().position(|coin| *coin == code).map_or(0, |place| place + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(one: &str, other: &str) -> (String, bool) {
        let (pair, inverted) = Symbol::market_pair(one, other).unwrap();
        (pair.to_string(), inverted)
    }

    #[test]
    fn pairs_are_written_the_way_markets_do() {
        let pairs = [
            ("USD", "EUR", "EUR-USD"),
            ("GBP", "EUR", "EUR-GBP"),
            ("USD", "JPY", "USD-JPY"),
            ("CHF", "SEK", "CHF-SEK"),
            ("SEK", "NOK", "NOK-SEK"),
            ("USD", "BTC", "BTC-USD"),
            ("BTC", "ETH", "ETH-BTC"),
            ("BTC", "USDT", "BTC-USDT"),
            ("USD", "USDT", "USDT-USD"),
            ("USD", "XAU", "XAU-USD"),
            ("ETH", "SOL", "SOL-ETH"),
        ];
        for (one, other, written) in pairs {
            let inverted = !written.starts_with(&format!("{one}-"));
            assert_eq!(market(one, other), (written.to_owned(), inverted));
            assert_eq!(market(other, one), (written.to_owned(), !inverted));
        }
        assert_eq!(Symbol::market_pair("EUR", "EUR"), None);
    }

    #[test]
    fn a_coin_is_told_from_a_currency_and_from_a_stable_coin() {
        let is_of_coin = |text: &str| Symbol::parse(text).unwrap().is_of_coin();
        assert!(is_of_coin("BTC-USD") && is_of_coin("PEPE-USDT"));
        assert!(!is_of_coin("USDT-USD") && !is_of_coin("EUR-USD") && !is_of_coin("AAPL"));
        assert!(Symbol::parse("USDT-EUR").unwrap().has_two_ways() && Symbol::parse("EUR-USDT").unwrap().has_two_ways());
        assert!(!Symbol::parse("USD-USDT").unwrap().has_two_ways());
        assert!(
            !Symbol::parse("BTC-USDT").unwrap().has_two_ways() && !Symbol::parse("EUR-USD").unwrap().has_two_ways()
        );
    }
}
