//! The JSON of rates: how a price was turned into the caller's currency, and how a quote was made of another one.

use serde::Serialize;

use super::figures::{Plain, Time};
use crate::fold::{Price, Status, Unavailable, Verdict};
use crate::quote::Quote;
use crate::{convert, fold};

/// How the price was turned into the caller's currency, or why not.
#[derive(Serialize)]
pub(super) struct Conversion<'a> {
    from: &'a str,
    to: &'a str,
    symbol: &'a str,
    price: Option<Plain>,
    rate: Option<Plain>,
    status: &'static str,
    reason: Option<&'static str>,
    detail: Option<&'a str>,
    observed_at: Option<Time>,
    used: Vec<&'a str>,
}

/// How a quote was made of one that is about another pair.
#[derive(Serialize)]
pub(super) struct Derivation<'a> {
    symbol: &'a str,
    inverse: bool,
    price: Option<Plain>,
    bid: Option<Plain>,
    ask: Option<Plain>,
    observed_at: Option<Time>,
    received_at: Option<Time>,
    rates: Vec<Rate<'a>>,
}

/// The rate in a derived quote.
#[derive(Serialize)]
struct Rate<'a> {
    symbol: &'a str,
    price: Option<Plain>,
    inverse: bool,
    status: &'static str,
    reason: Option<&'static str>,
    observed_at: Option<Time>,
    used: Vec<&'a str>,
}

/// The sources whose quotes were used.
pub(super) fn used(price: &Price) -> impl Iterator<Item = &str> {
    let used = price.quotes.iter().filter(|quote| quote.verdict == Verdict::Used);
    used.map(|quote| quote.outcome.origin.source.as_str())
}

impl<'a> Conversion<'a> {
    pub(super) fn new(conversion: &'a convert::Conversion) -> Self {
        let rate = conversion.rate.as_deref();
        // a rate that nobody was asked for is not covered by anybody
        let status = rate.map_or(Status::Unavailable(Unavailable::NotCovered), |rate| rate.status);
        let folded = rate.and_then(|rate| rate.folded.as_ref());
        Conversion {
            from: conversion.from.as_str(),
            to: conversion.to.as_str(),
            symbol: conversion.symbol.as_str(),
            price: Some(Plain(conversion.own_price)),
            rate: folded.map(|folded| Plain(folded.price)),
            status: status.as_str(),
            reason: status.reason(),
            detail: rate.and_then(|rate| rate.detail.as_deref()),
            observed_at: folded.and_then(|folded| folded.observed_at).map(Time),
            used: rate.into_iter().flat_map(used).collect(),
        }
    }
}

impl<'a> Derivation<'a> {
    /// `is_shown` is whether what the source said may still be looked at.
    pub(super) fn new(derivation: &'a fold::Derivation, is_shown: bool) -> Self {
        let stated = derivation.stated.as_ref().filter(|_| is_shown);
        Derivation {
            symbol: derivation.asked.as_str(),
            inverse: derivation.turned,
            price: stated.and_then(Quote::last).map(Plain),
            bid: stated.and_then(|stated| stated.bid).map(Plain),
            ask: stated.and_then(|stated| stated.ask).map(Plain),
            observed_at: stated.and_then(|stated| stated.observed_at).map(Time),
            received_at: stated.map(|stated| Time(stated.received_at)),
            rates: derivation.rates.iter().map(Rate::new).collect(),
        }
    }
}

impl<'a> Rate<'a> {
    fn new(rate: &'a fold::UsedRate) -> Self {
        let folded = rate.price.folded.as_ref();
        Rate {
            symbol: rate.price.symbol.as_str(),
            price: folded.map(|folded| Plain(folded.price)),
            inverse: rate.turned,
            status: rate.price.status.as_str(),
            reason: rate.price.status.reason(),
            observed_at: folded.and_then(|folded| folded.observed_at).map(Time),
            used: used(&rate.price).collect(),
        }
    }
}
