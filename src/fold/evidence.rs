//! Holds what the fold is given: what a source said and, where that is derived from another pair's quote, how.

use std::sync::Arc;

use super::{Degraded, Price, Status, Unavailable, Weighed};
use crate::quote::{Outcome, Quote};
use crate::symbol::Symbol;

/// What one source said about the symbol, or what was derived from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it said, or what was derived from that.
    pub outcome: Outcome,
    /// How it was derived, if the source was not asked for the symbol itself.
    pub derivation: Option<Arc<Derivation>>,
}

/// How a quote was derived from that of another pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The pair the source was asked for.
    pub asked: Symbol,
    /// What it said about that pair, if it gave a quote.
    pub stated: Option<Quote>,
    /// Whether that quote was inverted.
    pub inverted: bool,
    /// The rates that it was multiplied or divided by, one after the other.
    pub rates: Vec<UsedRate>,
    /// How its last price and its book were weighed before the derivation. Only the price in it is the derived one.
    pub weighed: Weighed,
}

/// A rate in a derived quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedRate {
    /// The rate, with its own proof.
    pub price: Arc<Price>,
    /// Whether the quote is divided by it.
    pub inverted: bool,
}

impl Derivation {
    /// The pairs through which the quote came: those of its rates or, if it was only inverted, the pair that was asked
    /// for.
    pub fn via(&self) -> Vec<&Symbol> {
        if self.rates.is_empty() {
            return vec![&self.asked];
        }
        self.rates.iter().map(|rate| &rate.price.symbol).collect()
    }

    /// Whether the source states another currency than that of the pair it was asked for.
    pub(crate) fn states_other_currency(&self) -> bool {
        let stated = self.stated.as_ref().and_then(|stated| stated.currency.as_ref());
        stated.is_some() && stated != self.asked.pair_currency().as_ref()
    }

    /// The worst of its degraded rates, and what that rate lacks.
    pub fn degraded(&self) -> Option<(&Price, Degraded)> {
        let degraded = self.rates.iter().filter_map(|rate| match rate.price.status {
            Status::Degraded(reason) => Some((rate.price.as_ref(), reason)),
            _ => None,
        });
        degraded.max_by_key(|(_, reason)| *reason)
    }

    /// The first of its rates that has no price.
    pub(crate) fn without_rate(&self) -> Option<&Price> {
        self.rates.iter().map(|rate| rate.price.as_ref()).find(|price| price.folded.is_none())
    }

    /// Whether none of the sources asked has the rate at all. Then this source cannot price the symbol, now or later.
    pub(crate) fn never_has_rate(&self) -> bool {
        self.without_rate()
            .is_some_and(|rate| matches!(rate.status, Status::Unknown | Status::Unavailable(Unavailable::NotCovered)))
    }
}

impl From<Outcome> for Evidence {
    fn from(outcome: Outcome) -> Self {
        Evidence { outcome, derivation: None }
    }
}
