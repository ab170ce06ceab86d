//! Knows which of two currencies stands first in a pair, the way markets write it: `EUR-USD`, `USD-JPY`, `BTC-USD`.

use super::{Currency, Kind, Symbol, tables};

/// The moneys that have their place among dealers: the earlier of two is the base. All others stand behind these.
const MAJORS: [&str; 8] = ["EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY"];

/// Coins that stand for a money one to one, as their issuers promise. Markets quote other coins in them, as in money; what
/// they are worth is a price like any other, and never assumed.
const STABLE: [&str; 8] = ["BUSD", "DAI", "FDUSD", "PYUSD", "TUSD", "USDC", "USDS", "USDT"];

/// Coins in which other coins are quoted: an earlier one stands behind a later one (`ETH-BTC`).
const QUOTED_IN: [&str; 2] = ["BTC", "ETH"];

/// Where the stable coins stand: behind all other coins, those in which others are quoted included.
const STABLE_RANK: usize = QUOTED_IN.len() + 1;
/// Where the moneys begin, behind the metals.
const MONEY_RANK: usize = STABLE_RANK + 2;

impl Symbol {
    /// The pair of two currencies as it is written: base, then quote. `None` if they are no two currencies.
    pub fn of_legs(base: &str, quote: &str) -> Option<Self> {
        Self::pair(base, quote)
    }

    /// The pair turned round: `USD-EUR` for `EUR-USD`. `None` for anything but a pair.
    pub fn turned(&self) -> Option<Self> {
        self.legs().and_then(|(base, quote)| Self::pair(quote, base))
    }

    /// The pair that markets have of two currencies, in either order, and whether it is the second's price in the first
    /// (`EUR-USD`, turned, for a dollar in euros).
    pub fn market_pair(one: &str, other: &str) -> Option<(Self, bool)> {
        let pair = Self::pair(one, other)?;
        if pair.is_turned() { Some((Self::pair(other, one)?, true)) } else { Some((pair, false)) }
    }

    /// Whether markets write this pair the other way round.
    pub fn is_turned(&self) -> bool {
        self.legs().is_some_and(|(base, quote)| (rank(base), base) > (rank(quote), quote))
    }

    /// Whether one market may write this pair so and another the other way round: a stable coin against money. A dollar in
    /// a coin that stands for dollars is quoted by nobody.
    pub(crate) fn has_two_ways(&self) -> bool {
        self.legs().is_some_and(|(base, quote)| {
            is_stable(base) != is_stable(quote)
                && rank(base).min(rank(quote)) >= STABLE_RANK
                && base != "USD"
                && quote != "USD"
        })
    }

    /// Whether this is a coin's price: of none that stands for money, and of no money.
    pub(crate) fn is_of_coin(&self) -> bool {
        matches!(self.kind, Kind::Pair { .. }) && self.legs().is_some_and(|(base, _)| rank(base) < STABLE_RANK)
    }
}

impl Currency {
    /// Whether it is a coin that stands for a money.
    pub fn is_stable(&self) -> bool {
        is_stable(self.as_str())
    }

    /// Whether it is money of ISO 4217, or a precious metal.
    pub fn is_money(&self) -> bool {
        tables::is_money(self.as_str())
    }

    /// Whether it is one of the precious metals that dealers quote like money.
    pub fn is_metal(&self) -> bool {
        tables::is_metal(self.as_str())
    }

    /// Whether other things are quoted in it, one to one with money or as money itself.
    pub fn is_money_or_stable(&self) -> bool {
        rank(self.as_str()) >= STABLE_RANK
    }

    /// Whether shares, funds and the like are priced in it: money, or a coin that stands for money.
    pub fn prices_listings(&self) -> bool {
        self.is_stable() || (self.is_money() && !self.is_metal())
    }

    /// Whether it is a coin in which other coins are quoted.
    pub(super) fn is_quoted_in(&self) -> bool {
        QUOTED_IN.contains(&self.as_str())
    }

    /// Whether it is one of the moneys whose code no coin has anywhere.
    pub fn is_major(&self) -> bool {
        MAJORS.contains(&self.as_str())
    }

    /// A currency that prices can be asked for in: money of ISO 4217, the stable coins, bitcoin and ether, in any case.
    ///
    /// # Errors
    /// What to ask for instead, as the end of a sentence.
    pub fn asked_for(text: &str) -> Result<Self, String> {
        let code = text.to_ascii_uppercase();
        // GBp is pence, and nobody who writes gbx means anything else
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
}

fn is_stable(code: &str) -> bool {
    STABLE.binary_search(&code).is_ok()
}

/// How far behind a currency stands in a pair.
fn rank(code: &str) -> usize {
    let major = || MAJORS.iter().position(|major| *major == code).map(|place| MONEY_RANK + place);
    if is_stable(code) {
        STABLE_RANK
    } else if tables::is_metal(code) {
        STABLE_RANK + 1
    } else if tables::is_money(code) {
        major().unwrap_or(MONEY_RANK + MAJORS.len())
    } else {
        // of all other coins none is quoted in another
        QUOTED_IN.iter().rev().position(|coin| *coin == code).map_or(0, |place| place + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(one: &str, other: &str) -> (String, bool) {
        let (pair, turned) = Symbol::market_pair(one, other).unwrap();
        (pair.to_string(), turned)
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
            let turned = !written.starts_with(&format!("{one}-"));
            assert_eq!(market(one, other), (written.to_owned(), turned));
            assert_eq!(market(other, one), (written.to_owned(), !turned));
        }
        assert_eq!(Symbol::market_pair("EUR", "EUR"), None);
    }

    #[test]
    fn the_list_of_stable_coins_is_sorted_or_it_could_not_be_searched() {
        assert!(STABLE.is_sorted());
    }

    #[test]
    fn a_coin_is_told_from_what_stands_for_money() {
        let is_of_coin = |text: &str| Symbol::parse(text).unwrap().is_of_coin();
        assert!(is_of_coin("BTC-USD") && is_of_coin("PEPE-USDT"));
        assert!(!is_of_coin("USDT-USD") && !is_of_coin("EUR-USD") && !is_of_coin("AAPL"));
        assert!(Symbol::parse("USDT-EUR").unwrap().has_two_ways() && Symbol::parse("EUR-USDT").unwrap().has_two_ways());
        assert!(!Symbol::parse("USD-USDT").unwrap().has_two_ways());
        assert!(
            !Symbol::parse("BTC-USDT").unwrap().has_two_ways() && !Symbol::parse("EUR-USD").unwrap().has_two_ways()
        );
    }

    #[test]
    fn prices_can_be_asked_for_in_money_and_in_what_is_used_like_it() {
        let can = |text: &str| Currency::asked_for(text).is_ok();
        assert!(can("EUR") && can("USDT") && can("BTC") && can("eur") && !can("PEPE") && !can(""));
        assert!(can("GBP") && can("gbp") && !can("GBp") && !can("gbx") && !can("ILA"));
        // cents, perhaps, and never dollars
        assert!(can("usd") && can("Usd") && !can("USd") && !can("CHf"));
        assert_eq!(Currency::asked_for("USd").unwrap_err(), ", which is written like a part of USD; ask for USD");
    }
}
