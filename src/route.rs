//! Finds how a source can price a symbol: by the pair it quotes, by that pair inverted, or through a third currency.
//!
//! A source that trades against tethers can price `BTC-USD` with the price of `USDT-USD`; one that quotes dollars can
//! price `EUR-USD` by inverting `USD-EUR`; one whose rates are all against the euro can price `GBP-USD` by crossing. At
//! most two rates take part, and a rate is itself made only of quotes that need no rate, so there are no circles. The
//! code of a currency that is a coin at a source takes part in none of this: only a request for that very pair gets it.

use crate::profile::Profile;
use crate::settings::Settings;
use crate::symbol::{Class, Currency, Symbol};

/// The third currencies through which currency pairs are crossed: a source that has only one base has one of these.
const CROSSED_THROUGH: [&str; 2] = ["USD", "EUR"];

/// The currencies in which stable coins have markets. Hardly any source quotes them in another one.
const QUOTES_STABLE_COINS: [&str; 2] = ["USD", "EUR"];

/// How a source prices a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The symbol that the source is asked for.
    pub asked: Symbol,
    /// Whether its quote is inverted before anything else.
    pub inverted: bool,
    /// The rates that turn the quote's currency into the symbol's, one after the other: at most two, and empty if no
    /// rate is needed.
    pub rates: Vec<Rate>,
}

/// A rate that a route needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The pair, the way markets write it.
    pub symbol: Symbol,
    /// Whether the quote is divided by its price instead of multiplied.
    pub inverted: bool,
}

impl Route {
    /// The route of a source that is asked for the symbol itself.
    pub fn straight(asked: &Symbol) -> Self {
        Route { asked: asked.clone(), inverted: false, rates: Vec::new() }
    }

    /// Whether the source is asked for the symbol itself.
    pub(crate) fn is_straight(&self) -> bool {
        !self.inverted && self.rates.is_empty()
    }

    /// How a source prices a symbol without any rate; `None` if it does not.
    pub fn direct(source: &Profile, symbol: &Symbol, settings: &Settings) -> Option<Self> {
        let covers = source.covers(symbol, settings.class(symbol)) && !is_another_coin(source, symbol, settings);
        let straight = covers.then(|| Self::straight(symbol));
        if settings.is_own_name(symbol) {
            // the user says what the symbol is called, and another that only looks like it is not the same
            return straight;
        }
        let inverted = Self::inverted(source, symbol, settings);
        // a market lists a pair in only one of two ways
        let is_inverted = is_market(source) && symbol.is_inverted() && !symbol.has_two_ways();
        if is_inverted { inverted.or(straight) } else { straight.or(inverted) }
    }

    /// How a source prices, without any rate, a pair from which another price is made. A name of money must mean that
    /// money there, or a coin of that name would be taken for it.
    pub fn leg(source: &Profile, pair: &Symbol, settings: &Settings) -> Option<Self> {
        Self::direct(source, pair, settings).filter(|_| source.settings.has_currencies_of(pair))
    }

    /// The inverted pair, if the source may have it.
    pub fn inverted(source: &Profile, symbol: &Symbol, settings: &Settings) -> Option<Self> {
        let asked =
            symbol.inverted().filter(|_| !settings.is_own_name(symbol) && symbol.in_whole_currency().is_none())?;
        let is_unlikely = is_market(source) && asked.is_inverted() && !asked.has_two_ways();
        let covers = source.covers(&asked, settings.class(&asked)) && source.settings.has_currencies_of(&asked);
        (covers && !is_unlikely).then(|| Route { asked, inverted: true, rates: Vec::new() })
    }

    /// How a source prices a symbol: directly if it can, or else through rates; `None` if it cannot.
    pub fn find(source: &Profile, symbol: &Symbol, settings: &Settings) -> Option<Self> {
        Self::direct(source, symbol, settings).or_else(|| Self::derived(source, symbol, settings))
    }

    /// How a source prices a symbol through rates, whether or not it quotes the symbol itself.
    pub fn derived(source: &Profile, symbol: &Symbol, settings: &Settings) -> Option<Self> {
        let (base, quote) = symbol.legs().filter(|_| is_made_of_others(symbol, settings))?;
        // the price of a stable coin in dollars or euros is never derived: other quotes are derived from it
        let is_cross = |quote| Currency::new(quote).is_fx() && !QUOTES_STABLE_COINS.contains(&quote);
        match settings.class(symbol) {
            Class::Crypto if symbol.is_of_coin() => Self::of_coin(source, base, quote, settings),
            Class::Crypto if is_cross(quote) => Self::crossed(source, base, quote, settings),
            Class::Fx => Self::crossed(source, base, quote, settings),
            _ => None,
        }
    }

    /// A coin's price in what the source trades it against, and that currency's own price.
    fn of_coin(source: &Profile, base: &str, quote: &str, settings: &Settings) -> Option<Self> {
        let against = source.settings.currencies.iter().filter(|code| Currency::new(code).is_fx_or_stable());
        let route = |code: &String| {
            let asked = Symbol::of_legs(base, code)?;
            let route = Self::leg(source, &asked, settings).filter(Self::is_straight)?;
            route.with_rates(code, quote)
        };
        against.filter_map(route).next()
    }

    /// A currency's price in a third one, and the price of that third one.
    fn crossed(source: &Profile, base: &str, quote: &str, settings: &Settings) -> Option<Self> {
        let route = |third: &&str| {
            let own = Symbol::of_legs(base, third)?;
            Self::leg(source, &own, settings)?.with_rates(third, quote)
        };
        CROSSED_THROUGH.iter().filter_map(route).next()
    }

    /// Adds the rates that turn one currency into another; `None` if the two are the same.
    fn with_rates(self, from: &str, to: &str) -> Option<Self> {
        let rate =
            |from: &str, to: &str| Symbol::market_pair(from, to).map(|(symbol, inverted)| Rate { symbol, inverted });
        let rates = match (Currency::new(from).is_stable(), to) {
            (true, to) if Currency::new(to).is_fx() && !QUOTES_STABLE_COINS.contains(&to) => {
                vec![rate(from, "USD")?, rate("USD", to)?]
            }
            _ => vec![rate(from, to)?],
        };
        Some(Route { rates, ..self })
    }
}

/// Whether a pair's price may be made of other pairs' prices. A name that the user defined means only what the user
/// says. A pair in pence (`BTC-GBX`) would be made of the price of a coin of that name, which is not what it means.
fn is_made_of_others(symbol: &Symbol, settings: &Settings) -> bool {
    !settings.is_own_name(symbol) && symbol.in_whole_currency().is_none()
}

/// Whether a pair's base has the code of a currency, and is that currency at other sources but a coin at this one.
fn is_another_coin(source: &Profile, symbol: &Symbol, settings: &Settings) -> bool {
    let base = symbol.legs().map(|(base, _)| Currency::new(base)).filter(Currency::is_fx);
    base.filter(|_| source.settings.fiat.is_some() && !settings.is_own_name(symbol))
        .is_some_and(|base| !source.settings.is_currency_there(&base) && settings.is_currency_in_markets(&base, symbol))
}

/// Whether a source is a market: it lists the currencies it trades in, and has each pair in only one of two ways.
fn is_market(source: &Profile) -> bool {
    !source.settings.symbols.names_symbols() && !source.settings.currencies.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::extract::Extractor;
    use crate::settings::load::{LoadOptions, load};

    /// How a source with these keys prices a symbol, in short: `BTC-USDT × USDT-USD`, `1/USD-EUR`.
    fn found(keys: &str, symbol: &str) -> Option<String> {
        let text = format!(
            "[sources.x]\nclasses = [\"crypto\", \"fx\", \"equity\"]\nurl = \"http://x.test/{{symbols}}\"\njq = \".\"\n{keys}"
        );
        let text = Some(("the settings".to_owned(), text));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let source = &settings.sources[0];
        let profile = Profile::new(source.clone(), Extractor::new(source).unwrap(), &settings);
        let route = Route::find(&profile, &Symbol::parse(symbol).unwrap(), &settings)?;
        let own = if route.inverted { format!("1/{}", route.asked) } else { route.asked.to_string() };
        let rates =
            route.rates.into_iter().map(|rate| format!(" {} {}", if rate.inverted { "/" } else { "×" }, rate.symbol));
        Some(rates.fold(own, |text, rate| text + &rate))
    }

    const TETHERS: &str = "currencies = [\"USDT\", \"USDC\", \"BTC\", \"EUR\"]";

    #[test]
    fn a_source_is_asked_for_what_it_quotes() {
        assert_eq!(found("", "BTC-USD").unwrap(), "BTC-USD");
        assert_eq!(found(TETHERS, "BTC-USDT").unwrap(), "BTC-USDT");
        assert_eq!(found(TETHERS, "BTC-EUR").unwrap(), "BTC-EUR");
        assert_eq!(found("", "AAPL").unwrap(), "AAPL");
    }

    #[test]
    fn at_a_source_of_coins_only_what_fiat_lists_is_money() {
        for pair in ["MNT-USD", "XAU-USD", "RON-EUR"] {
            assert_eq!(found("", pair), None, "{pair}");
            let (base, quote) = pair.split_once('-').unwrap();
            assert_eq!(found(&format!("fiat = [\"{base}\", \"{quote}\"]"), pair).as_deref(), Some(pair));
        }
        assert_eq!(found("", "EUR-USD").as_deref(), Some("EUR-USD"));
        assert_eq!(found("", "MNT-USDT").as_deref(), Some("MNT-USDT"));
    }

    #[test]
    fn a_coin_is_priced_through_what_the_source_trades_it_against() {
        assert_eq!(found(TETHERS, "BTC-USD").unwrap(), "BTC-USDT × USDT-USD");
        assert_eq!(found("currencies = [\"USDT\"]", "BTC-EUR").unwrap(), "BTC-USDT × USDT-EUR");
        assert_eq!(found("currencies = [\"USDT\"]", "BTC-USDC").unwrap(), "BTC-USDT / USDC-USDT");
        // hardly any source quotes tethers in francs, so it takes two rates
        assert_eq!(found(TETHERS, "PEPE-CHF").unwrap(), "PEPE-USDT × USDT-USD × USD-CHF");
        assert_eq!(found(TETHERS, "PEPE-GBP").unwrap(), "PEPE-USDT × USDT-USD / GBP-USD");
        assert_eq!(found("currencies = [\"EUR\"]", "BTC-USD").unwrap(), "BTC-EUR × EUR-USD");
        assert_eq!(found("currencies = [\"USD\"]", "BTC-EUR").unwrap(), "BTC-USD / EUR-USD");
        assert_eq!(found("symbols = [\"ETH-*\"]\ncurrencies = [\"USDT\"]", "BTC-USD"), None);
    }

    #[test]
    fn a_stable_coin_is_derived_only_in_currencies_that_hardly_quote_it() {
        assert_eq!(found("currencies = [\"USD\"]", "USDT-CHF").unwrap(), "USDT-USD × USD-CHF");
        assert_eq!(found(TETHERS, "USDT-USD"), None);
        assert_eq!(found("currencies = [\"EUR\"]", "USDT-USD"), None);
    }

    #[test]
    fn a_pair_is_inverted_where_the_source_has_it_the_other_way() {
        assert_eq!(found("symbols = [\"USD-*\"]", "EUR-USD").unwrap(), "1/USD-EUR");
        assert_eq!(found("symbols = [\"EUR-*\"]", "EUR-USD").unwrap(), "EUR-USD");
        // markets have it one way, no matter which way it is asked for
        assert_eq!(found("currencies = [\"USD\", \"EUR\"]", "USD-EUR").unwrap(), "1/EUR-USD");
        assert_eq!(found("currencies = [\"USD\", \"BTC\", \"ETH\"]", "BTC-ETH").unwrap(), "1/ETH-BTC");
        assert_eq!(found("currencies = [\"USDT\", \"EUR\"]", "EUR-USDT").unwrap(), "EUR-USDT");
        // a coin may have the name of pence, but a price in pence is not a price in that coin
        assert_eq!(found("currencies = [\"BTC\"]", "GBX-BTC").unwrap(), "GBX-BTC");
        for in_part in ["BTC-GBX", "BTC-USX", "EUR-ILA", "BTC-KWF"] {
            assert_eq!(found("currencies = [\"BTC\", \"EUR\", \"USDT\", \"USD\"]", in_part), None, "{in_part}");
        }
    }

    #[test]
    fn money_is_crossed_through_a_sources_only_base() {
        assert_eq!(found("symbols = [\"EUR-*\"]", "GBP-USD").unwrap(), "1/EUR-GBP × EUR-USD");
        assert_eq!(found("symbols = [\"USD-*\"]", "EUR-GBP").unwrap(), "1/USD-EUR / GBP-USD");
        assert_eq!(found("symbols = [\"USD-*\"]", "CHF-SEK").unwrap(), "1/USD-CHF × USD-SEK");
        assert_eq!(found("symbols = [\"BTC-*\"]", "GBP-USD"), None);
    }
}
