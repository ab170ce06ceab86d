//! The JSON of one symbol: every field in every entry, null where it has no value.

use std::borrow::Cow;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::clock::age;
use crate::decimal;
use crate::fold::{BelowQuorum, Folded, Judged, Price, Verdict};
use crate::quote::{Failure, Session};
use crate::settings::units::Percent;

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
    usable_for_ms: u64,
    fallback_for_ms: u64,
    closed_for_ms: Option<u64>,
    max_age_ms: Option<u64>,
}

#[derive(Serialize)]
struct Quote<'a> {
    source: &'a str,
    status: &'static str,
    reason: Option<&'static str>,
    failure: Option<&'static str>,
    detail: Option<Cow<'a, str>>,
    price: Option<Plain>,
    bid: Option<Plain>,
    ask: Option<Plain>,
    volume: Option<Plain>,
    currency: Option<&'a str>,
    session: Option<Session>,
    role: &'static str,
    account: &'a str,
    lag_ms: i64,
    deviation_bps: Option<Points>,
    observed_at: Option<Time>,
    received_at: Option<Time>,
    latency_ms: Option<u64>,
    retry_at: Option<Time>,
}

/// A decimal in plain notation, as a string.
struct Plain(Decimal);

/// Basis points: always one decimal.
struct Points(Decimal);

/// RFC 3339, UTC, milliseconds.
struct Time(Timestamp);

impl<'a> Entry<'a> {
    pub(super) fn new(price: &'a Price, quotes: bool, now: Timestamp) -> Self {
        let folded = price.folded.as_ref();
        let used = price.quotes.iter().filter(|quote| quote.verdict == Verdict::Used).count();
        Entry {
            symbol: price.symbol.as_str(),
            status: price.status.as_str(),
            reason: price.status.reason(),
            detail: price.detail.as_deref(),
            price: folded.map(|folded| Plain(folded.price)),
            plus_minus: folded.and_then(|folded| folded.plus_minus).map(Plain),
            currency: price.currency.as_ref().map(crate::symbol::Currency::as_str),
            session: price.session,
            method: folded.map(|_| if used == 1 { "single" } else { "median" }),
            divergence_bps: folded.and_then(|folded| folded.divergence_bps).map(Points),
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
            usable_for_ms: milliseconds(rule.usable_for),
            fallback_for_ms: milliseconds(rule.fallback_for),
            closed_for_ms: rule.closed_for.map(milliseconds),
            max_age_ms: rule.max_age.map(milliseconds),
        }
    }
}

impl<'a> Quote<'a> {
    fn new(judged: &'a Judged) -> Self {
        let outcome = &judged.outcome;
        let failure = outcome.failure.as_ref();
        let failed = judged.verdict == Verdict::Failed;
        // a failed outcome's quote is too old to be looked at: it is not shown
        let quote = outcome.quote.as_ref().filter(|_| !failed);
        let failure_latency = || failure.and_then(|failure| failure.latency);
        Quote {
            source: &outcome.origin.source,
            status: judged.verdict.as_str(),
            reason: judged.reason(),
            failure: failure.filter(|_| !failed).map(|failure| failure.error.reason()),
            detail: detail(judged),
            price: judged.price.filter(|_| !failed).map(Plain),
            bid: judged.bid.filter(|_| !failed).map(Plain),
            ask: judged.ask.filter(|_| !failed).map(Plain),
            volume: quote.and_then(|quote| quote.volume).map(Plain),
            currency: quote.and_then(|quote| quote.currency.as_ref()).map(crate::symbol::Currency::as_str),
            session: quote.and_then(|quote| quote.session),
            role: outcome.origin.role.as_str(),
            account: &outcome.origin.account,
            lag_ms: outcome.origin.lag_ms,
            deviation_bps: judged.deviation_bps.map(Points),
            observed_at: quote.and_then(|quote| quote.observed_at).map(Time),
            received_at: quote.map(|quote| Time(quote.received_at)),
            latency_ms: quote.map(|quote| quote.latency).or_else(failure_latency).map(milliseconds),
            retry_at: failure.and_then(|failure: &Failure| failure.retry_at).map(Time),
        }
    }
}

/// What is said of a quote; of one whose refresh failed, that too, in the failure's own words.
fn detail(judged: &Judged) -> Option<Cow<'_, str>> {
    let said = judged.detail.as_deref();
    let failure = judged.outcome.failure.as_ref().filter(|_| judged.verdict != Verdict::Failed);
    let Some(failure) = failure else { return said.map(Cow::Borrowed) };
    let said = said.map(|said| format!("{said}; ")).unwrap_or_default();
    Some(Cow::Owned(format!("{said}its refresh failed: {}", failure.error)))
}

fn milliseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
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
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}
