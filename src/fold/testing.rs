//! Makes the outcomes that the fold's tests are about.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{BelowQuorum, Price, Rule, Verdict};
use crate::failure::{Failure, SourceError};
use crate::quote::{Origin, Outcome, Quote, Role};
use crate::symbol::{Class, Currency, Symbol};

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;

pub(crate) fn now() -> Timestamp {
    "2026-11-20T14:31:10.412Z".parse().unwrap()
}

pub(crate) fn ago(seconds: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    crate::decimal::read(text).unwrap()
}

/// The rule for a market that never closes.
pub(crate) fn rule() -> Rule {
    Rule {
        required: 2,
        below_quorum: BelowQuorum::Refuse,
        outlier_beyond: decimal("0.02"),
        disagree_beyond: decimal("0.03"),
        book_within: Some(decimal("0.02")),
        usable_for: Duration::from_secs(60),
        fallback_for: Duration::from_secs(15 * 60),
        closed_for: None,
        max_age: None,
        currency: None,
        in_points: false,
        security_currency: None,
        hours: None,
    }
}

/// The rule for shares.
pub(crate) fn equity() -> Rule {
    Rule {
        below_quorum: BelowQuorum::Degrade,
        usable_for: Duration::from_secs(25 * 60),
        fallback_for: Duration::from_secs(24 * 3600),
        closed_for: Some(Duration::from_secs(5 * 24 * 3600)),
        ..rule()
    }
}

/// A primary's quote in dollars that arrived a second ago and states no time.
pub(crate) fn says(source: &str, price: &str) -> Outcome {
    let quote = Quote { currency: Some(Currency::new("USD")), ..Quote::bare(decimal(price), ago(1)) };
    Outcome { quote: Some(quote), ..silent(source) }
}

/// The same, stating that it is this many seconds old.
pub(crate) fn says_at(source: &str, price: &str, seconds: i64) -> Outcome {
    with(says(source, price), |quote| quote.observed_at = Some(ago(seconds)))
}

/// The same with a book.
pub(crate) fn book(source: &str, price: &str, bid: &str, ask: &str) -> Outcome {
    with(says(source, price), |quote| (quote.bid, quote.ask) = (Some(decimal(bid)), Some(decimal(ask))))
}

pub(crate) fn reference(source: &str, price: &str) -> Outcome {
    of_origin(says(source, price), |origin| origin.role = Role::Reference)
}

/// No quote at all, only a failure.
pub(crate) fn failed(source: &str, error: SourceError) -> Outcome {
    refused(silent(source), error)
}

/// An outcome, and the later failure of its refresh.
pub(crate) fn refused(outcome: Outcome, error: SourceError) -> Outcome {
    let failure = Failure { error, at: now(), latency: None, is_doubted: false, retry_at: None };
    Outcome { failure: Some(Box::new(failure)), ..outcome }
}

pub(crate) fn with(mut outcome: Outcome, change: impl FnOnce(&mut Quote)) -> Outcome {
    change(outcome.quote.as_mut().unwrap());
    outcome
}

pub(crate) fn of_origin(mut outcome: Outcome, change: impl FnOnce(&mut Origin)) -> Outcome {
    change(Arc::make_mut(&mut outcome.origin));
    outcome
}

fn silent(source: &str) -> Outcome {
    let origin =
        Origin { source: source.into(), account: source.into(), role: Role::Primary, lag_ms: 0, by_isin: false };
    let symbol = Symbol::parse("AAPL").unwrap();
    Outcome { origin: Arc::new(origin), symbol, quote: None, failure: None }
}

/// The rule with what default settings add to it for a symbol.
fn of_symbol(symbol: &Symbol, rule: &Rule) -> Rule {
    let bare = symbol.is_us_listing().then(|| Currency::new("USD"));
    Rule { currency: rule.currency.clone().or(bare), in_points: symbol.class() == Class::Index, ..rule.clone() }
}

/// Folds as of [`now`].
pub(crate) fn fold(symbol: &str, outcomes: impl IntoIterator<Item = Outcome>, rule: &Rule) -> Price {
    let symbol = Symbol::named(symbol).unwrap();
    let outcomes = outcomes.into_iter().map(|outcome| Outcome { symbol: symbol.clone(), ..outcome });
    super::fold(&symbol, outcomes, &of_symbol(&symbol, rule), now())
}

/// The sources whose quotes were used.
pub(crate) fn used(price: &Price) -> Vec<&str> {
    let used = price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used);
    used.map(|judged| judged.outcome.origin.source.as_str()).collect()
}
