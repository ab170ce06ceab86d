//! The JSON of one source's quote, with what became of it.

use std::borrow::Cow;

use serde::Serialize;

use super::figures::{Plain, Points, Time, milliseconds};
use super::rates::Derivation;
use crate::failure::Failure;
use crate::fold::{Basis, Book, Judged, Verdict};
use crate::quote::Session;
use crate::symbol::Symbol;

/// One source.
#[derive(Serialize)]
pub(super) struct Quote<'a> {
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

impl<'a> Quote<'a> {
    pub(super) fn new(judged: &'a Judged) -> Self {
        let outcome = &judged.outcome;
        let failure = outcome.failure.as_ref();
        let failed = judged.verdict == Verdict::Failed;
        // a failed outcome's quote is too old to be looked at: it is not shown
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
            last: quote.and_then(crate::quote::Quote::last).map(Plain),
            bid: quote.and_then(|quote| quote.bid).map(Plain),
            ask: quote.and_then(|quote| quote.ask).map(Plain),
            book: judged.book,
            inverse: quote.is_some_and(|quote| quote.inverse_of.is_some()),
            volume: quote.and_then(|quote| quote.volume).map(Plain),
            currency: quote.and_then(|quote| quote.currency.as_ref()).map(crate::symbol::Currency::as_str),
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

/// What is said of a quote; of one whose refresh failed, that too, in the failure's own words.
fn detail(judged: &Judged) -> Option<Cow<'_, str>> {
    let said = judged.detail.as_deref();
    let failure = judged.outcome.failure.as_ref().filter(|_| judged.verdict != Verdict::Failed);
    let Some(failure) = failure else { return said.map(Cow::Borrowed) };
    let said = said.map(|said| format!("{said}; ")).unwrap_or_default();
    Some(Cow::Owned(format!("{said}its refresh failed: {}", failure.error)))
}
