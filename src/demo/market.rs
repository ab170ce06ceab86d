//! A seeded random walk of some thirty prices from plausible levels: the market that the demo's venues quote.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use parking_lot::Mutex;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::symbol::Symbol;

/// Symbol, price level in major units, decimals, and the unit in which venues quote it.
#[rustfmt::skip]
const LEVELS: [(&str, &str, u32, &str); 32] = [
    ("AAPL", "231.44", 2, "USD"), ("MSFT", "512.30", 2, "USD"), ("NVDA", "188.15", 2, "USD"), ("AMZN", "229.70", 2, "USD"),
    ("GOOGL", "286.52", 2, "USD"), ("META", "611.90", 2, "USD"), ("TSLA", "402.65", 2, "USD"), ("BRK.B", "507.81", 2, "USD"),
    ("JPM", "309.22", 2, "USD"), ("KO", "71.18", 2, "USD"),
    ("VOD.L", "0.9184", 4, "GBp"), ("SHEL.L", "28.415", 4, "GBp"), ("SAP.DE", "218.95", 2, "EUR"), ("AIR.PA", "205.40", 2, "EUR"),
    ("NESN.SW", "80.12", 2, "CHF"), ("7203.T", "3120", 0, "JPY"),
    ("BTC-USD", "92350.10", 2, "USD"), ("ETH-USD", "3041.55", 2, "USD"), ("SOL-USD", "138.42", 2, "USD"),
    ("XRP-USD", "2.1140", 4, "USD"), ("LTC-USD", "94.61", 2, "USD"), ("BTC-EUR", "79830.40", 2, "EUR"),
    ("ETH-EUR", "2629.10", 2, "EUR"), ("BTC-USDT", "92401.70", 2, "USDT"), ("ETH-USDT", "3043.20", 2, "USDT"),
    ("SOL-USDT", "138.49", 2, "USDT"), ("USDT-USD", "0.99944", 5, "USD"),
    ("EUR-USD", "1.15682", 5, "USD"), ("GBP-USD", "1.31410", 5, "USD"), ("USD-JPY", "154.622", 3, "JPY"),
    ("USD-CHF", "0.80451", 5, "CHF"), ("EUR-GBP", "0.88031", 5, "GBP"),
];

/// The market. Every price in it is invented.
#[derive(Debug)]
pub struct Market(Mutex<State>);

#[derive(Debug)]
struct State {
    chance: fastrand::Rng,
    levels: BTreeMap<Symbol, Level>,
}

#[derive(Clone, Debug)]
struct Level {
    start: Decimal,
    now: Decimal,
    decimals: u32,
    unit: &'static str,
}

/// A venue's ticker of a symbol, in major units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// The last price.
    pub price: Decimal,
    /// The best bid.
    pub bid: Decimal,
    /// The best ask.
    pub ask: Decimal,
    /// The day's volume.
    pub volume: Decimal,
    /// The unit in which the price is usually quoted: `USD`, `GBp`.
    pub unit: &'static str,
    /// How long ago the last trade was; the book is current.
    pub traded_ago: SignedDuration,
}

/// How long ago the last trade was at a venue without trading.
const OLD: SignedDuration = SignedDuration::from_mins(10);

impl State {
    /// The price of a symbol. A price in USDT follows from the price in dollars and that of USDT.
    fn now(&self, symbol: &Symbol) -> Option<Decimal> {
        let level = |symbol: &Symbol| self.levels.get(symbol).map(|level| level.now);
        let in_tethers = || {
            let (base, "USDT") = symbol.legs()? else { return None };
            level(&Symbol::of_legs(base, "USD")?)?.checked_div(level(&Symbol::of_legs("USDT", "USD")?)?)
        };
        in_tethers().or_else(|| level(symbol))
    }
}

impl Market {
    /// A market at its opening levels; the same seed gives the same walk.
    pub fn new(seed: u64) -> Self {
        let level = |(name, level, decimals, unit): &(&str, &str, u32, &'static str)| {
            let start = crate::decimal::read(level)?;
            Some((Symbol::parse(name).ok()?, Level { start, now: start, decimals: *decimals, unit }))
        };
        let levels = LEVELS.iter().filter_map(level).collect();
        Market(Mutex::new(State { chance: fastrand::Rng::with_seed(seed), levels }))
    }

    /// All symbols of the market.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.0.lock().levels.keys().cloned().collect()
    }

    /// Moves every price by up to two basis points, with a pull back towards its level once it is 1 % away.
    pub fn step(&self) {
        let mut state = self.0.lock();
        let State { chance, levels } = &mut *state;
        for level in levels.values_mut() {
            let strayed = level.now.saturating_sub(level.start).checked_div(level.start).unwrap_or_default();
            let lean = if strayed > Decimal::new(1, 2) { -10 } else { i64::from(strayed < Decimal::new(-1, 2)) * 10 };
            level.now = scaled(level.now, chance.i64(-20..=20) + lean);
        }
    }

    /// A venue's view of a symbol: within a fraction of a basis point of the market, with a book around it.
    pub fn ticker(&self, symbol: &Symbol) -> Option<Ticker> {
        let mut state = self.0.lock();
        let level = Level { now: state.now(symbol)?, ..state.levels.get(symbol)?.clone() };
        let shade = state.chance.i64(-2..=2);
        let volume = Decimal::new(state.chance.i64(1_000_000..90_000_000), 3);
        let round =
            |value: Decimal| value.round_dp_with_strategy(level.decimals, RoundingStrategy::MidpointNearestEven);
        let tick = Decimal::new(1, level.decimals);
        let price = round(scaled(level.now, shade));
        let half_spread = round(scaled(level.now, 3).saturating_sub(level.now)).max(tick);
        Some(Ticker {
            price,
            bid: price.saturating_sub(half_spread),
            ask: price.saturating_add(half_spread),
            volume,
            unit: level.unit,
            traded_ago: SignedDuration::ZERO,
        })
    }
}

impl Ticker {
    /// The same ticker from a venue that is off by 8 %.
    pub fn lie(self) -> Self {
        let off = |value: Decimal| {
            let scale = value.scale();
            value.saturating_mul(Decimal::new(108, 2)).round_dp(scale)
        };
        Ticker { price: off(self.price), bid: off(self.bid), ask: off(self.ask), ..self }
    }

    /// The same ticker from a venue that states the wrong currency.
    pub(crate) fn mislabelled(self) -> Self {
        Ticker { unit: if self.unit == "EUR" { "USD" } else { "EUR" }, ..self }
    }

    /// The same ticker from a venue without a trade since the market rose by 1.5 %: too little for the trade alone to show as an
    /// outlier.
    pub(crate) fn with_an_old_trade(self) -> Self {
        let scale = self.price.scale();
        let price = self.price.saturating_mul(Decimal::new(985, 3)).round_dp(scale);
        Ticker { price, traded_ago: OLD, ..self }
    }
}

/// The value, increased by this many hundred-thousandths.
fn scaled(value: Decimal, hundred_thousandths: i64) -> Decimal {
    value.saturating_mul(Decimal::new(100_000 + hundred_thousandths, 5)).round_dp(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_walk_which_never_strays_far() {
        let (one, two) = (Market::new(1), Market::new(1));
        assert_eq!(one.symbols().len(), LEVELS.len());
        for _ in 0..5000 {
            one.step();
            two.step();
        }
        for symbol in one.symbols() {
            let ticker = one.ticker(&symbol).unwrap();
            assert_eq!(Some(&ticker), two.ticker(&symbol).as_ref());
            let start = one.0.lock().levels[&symbol].start;
            assert!((ticker.price - start).abs() < start * Decimal::new(3, 2), "{symbol} strayed to {}", ticker.price);
            assert!(ticker.bid < ticker.price && ticker.price < ticker.ask, "{symbol}");
        }
    }
}
