//! Holds what the fold is given: what a source said, and how that was made of another pair's quote where it was.

use std::sync::Arc;

use super::{Degraded, Price, Status, Unavailable, Weighed};
use crate::quote::{Outcome, Quote};
use crate::symbol::Symbol;

/// What one source said about the symbol, or what was made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it said, or what that comes to.
    pub outcome: Outcome,
    /// How it was made, if the source was not asked for the symbol itself.
    pub derivation: Option<Arc<Derivation>>,
}

/// How a quote was made of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The pair the source was asked for.
    pub asked: Symbol,
    /// What it said about that pair, if it gave a quote.
    pub stated: Option<Quote>,
    /// Whether that was inverted.
    pub inverted: bool,
    /// The rates it was multiplied with, or divided by, one after the other.
    pub rates: Vec<UsedRate>,
    /// What its last price and its book came to before, with the price that was made of it.
    pub weighed: Weighed,
}

/// A rate in a derived quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedRate {
    /// The rate, with its own proof.
    pub price: Arc<Price>,
    /// Whether it divides.
    pub inverted: bool,
}

impl Derivation {
    /// The pairs through which the quote came: its rate's, or where it was only inverted, the pair that was.
    pub fn via(&self) -> Vec<&Symbol> {
        if self.rates.is_empty() {
            return vec![&self.asked];
        }
        self.rates.iter().map(|rate| &rate.price.symbol).collect()
    }

    /// Whether the source says that its quote is in another currency than that of the pair it was asked for.
    pub fn states_other_currency(&self) -> bool {
        let stated = self.stated.as_ref().and_then(|stated| stated.currency.as_ref());
        stated.is_some() && stated != self.asked.pair_currency().as_ref()
    }

    /// The worst of its rates that are degraded, and what it lacks.
    pub fn degraded(&self) -> Option<(&Price, Degraded)> {
        let degraded = self.rates.iter().filter_map(|rate| match rate.price.status {
            Status::Degraded(reason) => Some((rate.price.as_ref(), reason)),
            _ => None,
        });
        degraded.max_by_key(|(_, reason)| *reason)
    }

    /// The first of its rates that has no price.
    pub fn without_rate(&self) -> Option<&Price> {
        self.rates.iter().map(|rate| rate.price.as_ref()).find(|price| price.folded.is_none())
    }

    /// Whether no source that is asked has the rate at all. Then the source cannot price the symbol, now or later.
    pub fn never_has_rate(&self) -> bool {
        self.without_rate()
            .is_some_and(|rate| matches!(rate.status, Status::Unknown | Status::Unavailable(Unavailable::NotCovered)))
    }
}

impl From<Outcome> for Evidence {
    fn from(outcome: Outcome) -> Self {
        Evidence { outcome, derivation: None }
    }
}
