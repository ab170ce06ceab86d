//! The JSON of one symbol: every field in every entry, null where it has no value.

use jiff::Timestamp;
use serde::Serialize;

use super::figures::{Plain, Points, Time, milliseconds};
use super::quote::Quote;
use super::rates::{Conversion, used};
use crate::clock::age;
use crate::convert::Priced;
use crate::fold::{BelowQuorum, Folded, Judged, Price, Verdict};
use crate::quote::Session;
use crate::units::Percent;

/// One symbol.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    symbol: &'a str,
    status: &'static str,
    reason: Option<&'static str>,
    detail: Option<&'a str>,
    price: Option<Plain>,
    plus_minus: Option<Plain>,
    currency: Option<&'a str>,
    session: Option<Session>,
    method: Option<&'static str>,
    divergence_bps: Option<Points>,
    conversion: Option<Conversion<'a>>,
    as_of: Time,
    observed_at: Option<Time>,
    age_ms: Option<u64>,
    sources: Counts,
    rule: Option<Rule>,
    quotes: Option<Vec<Quote<'a>>>,
}

#[derive(Serialize)]
struct Counts {
    asked: usize,
    answered: usize,
    used: usize,
    required: usize,
}

/// What the fold went by, so that the price can be recomputed.
#[derive(Serialize)]
struct Rule {
    required: usize,
    covering: usize,
    below_quorum: BelowQuorum,
    outlier_beyond: String,
    disagree_beyond: String,
    book_within: Option<String>,
    usable_for_ms: u64,
    fallback_for_ms: u64,
    closed_for_ms: Option<u64>,
    max_age_ms: Option<u64>,
    hours: Option<&'static str>,
    market: Option<&'static str>,
    opened_at: Option<Time>,
    closed_at: Option<Time>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(priced: &'a Priced, quotes: bool, now: Timestamp) -> Self {
        let Priced { price, conversion } = priced;
        let folded = price.folded.as_ref();
        let used = used(price).count();
        let (shown, plus_minus) = match conversion {
            Some(conversion) => (conversion.price, conversion.plus_minus),
            None => (folded.map(|folded| folded.price), folded.and_then(|folded| folded.plus_minus)),
        };
        Entry {
            symbol: price.symbol.as_str(),
            status: price.status.as_str(),
            reason: price.status.reason(),
            detail: price.detail.as_deref(),
            price: shown.map(Plain),
            plus_minus: plus_minus.map(Plain),
            currency: price.currency.as_ref().map(crate::symbol::Currency::as_str),
            session: price.session,
            method: folded.map(|_| if used == 1 { "single" } else { "median" }),
            divergence_bps: folded.and_then(|folded| folded.divergence_bps).map(Points),
            conversion: conversion.as_ref().map(Conversion::new),
            as_of: Time(price.as_of),
            observed_at: folded.and_then(|folded| folded.observed_at).map(Time),
            age_ms: folded.map(|folded| age_ms(folded, now)),
            sources: Counts {
                asked: price.quotes.len(),
                answered: price.quotes.iter().filter(|quote| answered(quote)).count(),
                used,
                required: price.rule.required,
            },
            rule: quotes.then(|| Rule::new(price)),
            quotes: quotes.then(|| price.quotes.iter().map(Quote::new).collect()),
        }
    }
}

fn age_ms(folded: &Folded, now: Timestamp) -> u64 {
    milliseconds(age(now, folded.aged_from))
}

/// Whether the source gave a quote, or the understood answer that it has no such symbol.
fn answered(quote: &Judged) -> bool {
    quote.verdict != Verdict::Failed || quote.outcome.denies_symbol()
}

impl Rule {
    fn new(price: &Price) -> Self {
        let rule = &price.rule;
        Rule {
            required: rule.required,
            covering: price.covering,
            below_quorum: rule.below_quorum,
            outlier_beyond: Percent(rule.outlier_beyond).to_string(),
            disagree_beyond: Percent(rule.disagree_beyond).to_string(),
            book_within: rule.book_within.map(|within| Percent(within).to_string()),
            usable_for_ms: milliseconds(rule.usable_for),
            fallback_for_ms: milliseconds(rule.fallback_for),
            closed_for_ms: rule.closed_for.map(milliseconds),
            max_age_ms: rule.max_age.map(milliseconds),
            hours: rule.hours.map(|hours| hours.name()),
            market: price.market.map(|market| if market.is_open { "open" } else { "closed" }),
            opened_at: price.market.and_then(|market| market.around.opened_at).map(Time),
            closed_at: price.market.map(|market| Time(market.around.closed_at)),
        }
    }
}
