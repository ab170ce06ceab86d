//! Writes the JSON of one symbol: every entry has every field, `null` where it has no value.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::clock::age;
use crate::convert::{self, Priced};
use crate::decimal;
use crate::failure::Failure;
use crate::fold::{self, Basis, BelowQuorum, Book, Judged, Price, Status, Unavailable, Verdict};
use crate::question::NotASymbol;
use crate::quote::{self, Session};
use crate::symbol::{Currency, Symbol};
use crate::text::in_one_line;
use crate::units::Percent;

/// One symbol.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    pub(super) symbol: &'a str,
    pub(super) status: &'static str,
    pub(super) reason: Option<&'static str>,
    detail: Option<&'a str>,
    pub(super) price: Option<Plain>,
    pub(super) plus_minus: Option<Plain>,
    pub(super) currency: Option<&'a str>,
    session: Option<Session>,
    method: Option<&'static str>,
    divergence_bps: Option<Points>,
    conversion: Option<Conversion<'a>>,
    as_of: Time,
    pub(super) observed_at: Option<Time>,
    pub(super) age_ms: Option<u64>,
    /// Whether its quotes are being fetched again behind the answer.
    refreshing: bool,
    pub(super) sources: Counts,
    rule: Option<Rule<'a>>,
    quotes: Option<Vec<Quote<'a>>>,
}

#[derive(Serialize)]
pub(super) struct Counts {
    asked: usize,
    answered: usize,
    pub(super) used: usize,
    pub(super) required: usize,
}

/// The rule that the price was folded by, so that it can be recomputed.
#[derive(Serialize)]
struct Rule<'a> {
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
    /// Whether the market was open by its hours alone.
    market_open: Option<bool>,
    opened_at: Option<Time>,
    closed_at: Option<Time>,
    /// The currency that the settings fix, before any source has stated one.
    currency_settled: Option<&'a str>,
    /// The same for the security, wherever it is listed: that of unlabelled prices by ISIN.
    currency_by_isin: Option<&'a str>,
    in_points: bool,
    /// The sources that are asked by ISIN.
    asked_by_isin: Vec<&'a str>,
    /// The sources whose denial of the symbol is doubted.
    doubted: Vec<&'a str>,
}

/// How the price was converted into the caller's currency, or why it was not.
#[derive(Serialize)]
struct Conversion<'a> {
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

/// One source's quote, and its verdict.
#[derive(Serialize)]
struct Quote<'a> {
    source: &'a str,
    status: &'static str,
    reason: Option<&'static str>,
    failure: Option<&'static str>,
    detail: Option<Cow<'a, str>>,
    price: Option<Plain>,
    basis: Option<Basis>,
    last: Option<Plain>,
    bid: Option<Plain>,
    ask: Option<Plain>,
    book: Option<Book>,
    inverse: bool,
    /// What the source states, where that is the inverse of the price.
    inverse_of: Option<Sides>,
    volume: Option<Plain>,
    currency: Option<&'a str>,
    via: Option<Vec<&'a str>>,
    derivation: Option<Derivation<'a>>,
    session: Option<Session>,
    role: &'static str,
    account: &'a str,
    lag_ms: i64,
    deviation_bps: Option<Points>,
    observed_at: Option<Time>,
    last_at: Option<Time>,
    book_at: Option<Time>,
    received_at: Option<Time>,
    latency_ms: Option<u64>,
    retry_at: Option<Time>,
}

/// A last price and both sides of a book, before they are inverted.
#[derive(Serialize)]
struct Sides {
    last: Option<Plain>,
    bid: Option<Plain>,
    ask: Option<Plain>,
}

/// How a quote was derived from a quote of another pair.
#[derive(Serialize)]
struct Derivation<'a> {
    symbol: &'a str,
    inverse: bool,
    price: Option<Plain>,
    bid: Option<Plain>,
    ask: Option<Plain>,
    inverse_of: Option<Sides>,
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
    /// The time that its age counts from.
    aged_from: Option<Time>,
    used: Vec<&'a str>,
}

/// A decimal in plain notation, as a string.
pub(super) struct Plain(pub(super) Decimal);

/// Basis points: always one decimal.
struct Points(Decimal);

/// RFC 3339, UTC, milliseconds.
pub(super) struct Time(Timestamp);

impl<'a> Entry<'a> {
    /// The entry of a price, written at `now`. `quotes` says whether the caller wants the proof.
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
            currency: price.currency.as_ref().map(Currency::as_str),
            session: price.session,
            method: folded.map(|_| if used == 1 { "single" } else { "median" }),
            divergence_bps: folded.and_then(|folded| folded.divergence_bps).map(Points),
            conversion: conversion.as_ref().map(Conversion::new),
            as_of: Time(price.as_of),
            observed_at: folded.and_then(|folded| folded.observed_at).map(Time),
            age_ms: folded.map(|folded| age_ms(folded.aged_from, now)),
            refreshing: false,
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

impl<'a> Entry<'a> {
    /// The same, which says whether its quotes are being fetched again behind the answer.
    pub(super) fn refreshing(self, refreshing: bool) -> Self {
        Entry { refreshing, ..self }
    }

    /// The entry of a text that is not understood as a symbol: no source was asked, and no rule applies. Its status is that of a
    /// symbol that no source knows.
    pub(super) fn of_not_a_symbol(not: &'a NotASymbol, quotes: bool, as_of: Timestamp) -> Self {
        Entry {
            symbol: &not.text,
            status: Status::Unknown.as_str(),
            reason: Some("not_a_symbol"),
            detail: Some(&not.detail),
            price: None,
            plus_minus: None,
            currency: None,
            session: None,
            method: None,
            divergence_bps: None,
            conversion: None,
            as_of: Time(as_of),
            observed_at: None,
            age_ms: None,
            refreshing: false,
            sources: Counts { asked: 0, answered: 0, used: 0, required: 0 },
            rule: None,
            quotes: quotes.then(Vec::new),
        }
    }
}

impl Entry<'_> {
    /// The price alone; without one, or where it does not count, the sentence that says why.
    pub(super) fn in_one_line(&self, counts: bool) -> String {
        let price = self.price.as_ref().filter(|_| counts).map(|price| decimal::plain(price.0));
        price.unwrap_or_else(|| match (self.detail, self.reason) {
            (Some(detail), _) => format!("{}: {}", self.symbol, in_one_line(detail)),
            (None, reason) => format!("{}: {} / {}", self.symbol, self.status, reason.unwrap_or("no price")),
        })
    }
}

/// The age of a price whose oldest used quote is from this time.
pub(super) fn age_ms(aged_from: Timestamp, now: Timestamp) -> u64 {
    milliseconds(age(now, aged_from))
}

/// Whether the source gave a quote, or answered that it has no such symbol.
fn answered(quote: &Judged) -> bool {
    quote.verdict != Verdict::Failed || quote.outcome.denies_symbol()
}

/// The sources whose quotes were used.
fn used(price: &Price) -> impl Iterator<Item = &str> {
    let used = price.quotes.iter().filter(|quote| quote.verdict == Verdict::Used);
    used.map(|quote| quote.outcome.origin.source.as_str())
}

impl<'a> Rule<'a> {
    fn new(price: &'a Price) -> Self {
        let rule = &price.rule;
        let sources = |is_one: fn(&Judged) -> bool| {
            let outcomes = price.quotes.iter().filter(|judged| is_one(judged)).map(|judged| &judged.outcome);
            outcomes.map(|outcome| outcome.origin.source.as_str()).collect()
        };
        let is_doubted = |judged: &Judged| judged.outcome.failure.as_ref().is_some_and(|failure| failure.is_doubted);
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
            market_open: price.market.map(|market| market.around.opened_at.is_some()),
            opened_at: price.market.and_then(|market| market.around.opened_at).map(Time),
            closed_at: price.market.map(|market| Time(market.around.closed_at)),
            currency_settled: rule.currency.as_ref().map(Currency::as_str),
            currency_by_isin: rule.security_currency.as_ref().map(Currency::as_str),
            in_points: rule.in_points,
            asked_by_isin: sources(|judged| judged.outcome.origin.by_isin),
            doubted: sources(is_doubted),
        }
    }
}

impl<'a> Conversion<'a> {
    fn new(conversion: &'a convert::Conversion) -> Self {
        let rate = conversion.rate.as_deref();
        // if no source was asked for the rate, none covers it
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

impl<'a> Quote<'a> {
    fn new(judged: &'a Judged) -> Self {
        let outcome = &judged.outcome;
        let failure = outcome.failure.as_deref();
        let failed = judged.verdict == Verdict::Failed;
        // the quote of a failed outcome is too old to be used on any rung, so it is not shown
        let quote = outcome.quote.as_ref().filter(|_| !failed);
        let derivation = judged.derivation.as_deref();
        let failure_latency = || failure.and_then(|failure| failure.latency);
        Quote {
            source: &outcome.origin.source,
            status: judged.verdict.as_str(),
            reason: judged.reason(),
            failure: failure.filter(|_| !failed).map(|failure| failure.error.reason()),
            detail: detail(judged),
            price: judged.price.map(Plain),
            basis: judged.basis,
            last: quote.and_then(quote::Quote::last).map(Plain),
            bid: quote.and_then(|quote| quote.bid).map(Plain),
            ask: quote.and_then(|quote| quote.ask).map(Plain),
            book: judged.book,
            inverse: quote.is_some_and(|quote| quote.inverse_of.is_some()),
            inverse_of: quote.and_then(|quote| quote.inverse_of.as_deref()).map(Sides::new),
            volume: quote.and_then(|quote| quote.volume).map(Plain),
            currency: quote.and_then(|quote| quote.currency.as_ref()).map(Currency::as_str),
            via: derivation.map(|derivation| derivation.via().into_iter().map(Symbol::as_str).collect()),
            derivation: derivation.map(|derivation| Derivation::new(derivation, !failed)),
            session: quote.and_then(|quote| quote.session),
            role: outcome.origin.role.as_str(),
            account: &outcome.origin.account,
            lag_ms: outcome.origin.lag_ms,
            deviation_bps: judged.deviation_bps.map(Points),
            observed_at: quote.and_then(|quote| quote.observed_at).map(Time),
            last_at: judged.last_at.map(Time),
            book_at: quote.and_then(|quote| quote.book_at).map(Time),
            received_at: quote.map(|quote| Time(quote.received_at)),
            latency_ms: quote.map(|quote| quote.latency).or_else(failure_latency).map(milliseconds),
            retry_at: failure.and_then(|failure: &Failure| failure.retry_at).map(Time),
        }
    }
}

/// The sentence about a quote. If its refresh failed, the failure's sentence is added.
fn detail(judged: &Judged) -> Option<Cow<'_, str>> {
    let said = judged.detail.as_deref();
    let failure = judged.outcome.failure.as_ref().filter(|_| judged.verdict != Verdict::Failed);
    let Some(failure) = failure else { return said.map(Cow::Borrowed) };
    let said = said.map(|said| format!("{said}; ")).unwrap_or_default();
    Some(Cow::Owned(format!("{said}its refresh failed: {}", failure.error)))
}

impl Sides {
    fn new(stated: &quote::Sides) -> Self {
        Sides { last: stated.last.map(Plain), bid: stated.bid.map(Plain), ask: stated.ask.map(Plain) }
    }
}

impl<'a> Derivation<'a> {
    /// `is_shown` says whether the source's own quote is young enough to be shown.
    fn new(derivation: &'a fold::Derivation, is_shown: bool) -> Self {
        let stated = derivation.stated.as_ref().filter(|_| is_shown);
        Derivation {
            symbol: derivation.asked.as_str(),
            inverse: derivation.inverted,
            price: stated.and_then(quote::Quote::last).map(Plain),
            bid: stated.and_then(|stated| stated.bid).map(Plain),
            ask: stated.and_then(|stated| stated.ask).map(Plain),
            inverse_of: stated.and_then(|stated| stated.inverse_of.as_deref()).map(Sides::new),
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
            inverse: rate.inverted,
            status: rate.price.status.as_str(),
            reason: rate.price.status.reason(),
            observed_at: folded.and_then(|folded| folded.observed_at).map(Time),
            aged_from: folded.map(|folded| Time(folded.aged_from)),
            used: used(&rate.price).collect(),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&decimal::plain(self.0))
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}
