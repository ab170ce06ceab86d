//! The prices of honest venues over time, to check prices against.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quotefold::demo::venue::Venues;
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;

/// How often the market is recorded: as often as it moves.
const STEP: Duration = Duration::from_millis(250);

/// How long prices are remembered: longer than any quote is usable.
const REMEMBERED: Duration = Duration::from_secs(120);

/// The prices of the market in the last minutes.
pub(crate) struct History {
    venues: Arc<Venues>,
    prices: Mutex<BTreeMap<Symbol, VecDeque<(Instant, Decimal)>>>,
}

impl History {
    /// Follows the market from now on.
    pub(crate) fn of(venues: Arc<Venues>) -> Arc<Self> {
        let history = Arc::new(History { venues, prices: Mutex::default() });
        let following = Arc::clone(&history);
        tokio::spawn(async move {
            let mut steps = tokio::time::interval(STEP);
            loop {
                steps.tick().await;
                following.note();
            }
        });
        history
    }

    fn note(&self) {
        let now = Instant::now();
        let mut prices = self.prices.lock().unwrap();
        for symbol in self.venues.market().symbols() {
            let Some(ticker) = self.venues.market().ticker(&symbol) else { continue };
            let line = prices.entry(symbol).or_default();
            line.push_back((now, ticker.price));
            while line.front().is_some_and(|(at, _)| now - *at > REMEMBERED) {
                line.pop_front();
            }
        }
    }

    /// Every symbol of the market.
    pub(crate) fn symbols(&self) -> Vec<Symbol> {
        self.venues.market().symbols()
    }

    /// Whether an honest venue could have quoted this since an instant. A pair may be derived from two others, which move
    /// independently; either is far less than the 8 % of a lie.
    pub(crate) fn allows(&self, symbol: &Symbol, price: Decimal, since: Instant) -> bool {
        let slack = if symbol.legs().is_some() { Decimal::new(3, 2) } else { Decimal::new(5, 3) };
        let prices = self.prices.lock().unwrap();
        let Some(line) = prices.get(symbol) else { return false };
        let recent = line.iter().rev().take_while(|(at, _)| *at >= since).map(|(_, price)| *price);
        let (low, high) =
            recent.fold((Decimal::MAX, Decimal::ZERO), |(low, high), price| (low.min(price), high.max(price)));
        high > Decimal::ZERO && price >= low * (Decimal::ONE - slack) && price <= high * (Decimal::ONE + slack)
    }
}
