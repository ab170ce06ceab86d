//! Reads the entries of a saved answer back into what the fold was given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::decimal::{self, is_beyond};
use crate::derive::derive_weighed;
use crate::failure::{Failure, SourceError};
use crate::fold::{Basis, BelowQuorum, Book, Evidence, Folded, Price, Rule, Status, weighed_as};
use crate::hours::Hours;
use crate::quote::{NoMarket, Origin, Outcome, Quote, Role, Session, Sides, Stated};
use crate::route::{Rate, Route};
use crate::symbol::{Currency, Symbol};
use crate::units::Percent;

/// How far from an inverse a number may be that was rounded to twelve digits in another order: 1e-9 of it.
const ROUNDING: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// What is read of one entry.
#[derive(Deserialize)]
pub(super) struct SavedEntry {
    symbol: String,
    pub(super) conversion: Option<SavedConversion>,
    as_of: Time,
    rule: SavedRule,
    pub(super) quotes: Vec<SavedQuote>,
}

#[derive(Deserialize)]
struct SavedRule {
    required: usize,
    below_quorum: BelowQuorum,
    outlier_beyond: Percent,
    disagree_beyond: Percent,
    book_within: Option<Percent>,
    usable_for_ms: u64,
    fallback_for_ms: u64,
    closed_for_ms: Option<u64>,
    max_age_ms: Option<u64>,
    hours: Option<String>,
    currency_settled: Option<String>,
    currency_by_isin: Option<String>,
    in_points: bool,
    asked_by_isin: Vec<String>,
    doubted: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct SavedConversion {
    pub(super) to: String,
    pub(super) symbol: String,
    pub(super) rate: Option<Number>,
    status: String,
    reason: Option<String>,
    observed_at: Option<Time>,
}

#[derive(Deserialize)]
pub(super) struct SavedQuote {
    pub(super) source: String,
    status: String,
    reason: Option<String>,
    failure: Option<String>,
    detail: Option<String>,
    basis: Option<Basis>,
    last: Option<Number>,
    bid: Option<Number>,
    ask: Option<Number>,
    inverse_of: Option<SavedSides>,
    book: Option<Book>,
    volume: Option<Number>,
    currency: Option<String>,
    pub(super) derivation: Option<SavedDerivation>,
    session: Option<Session>,
    role: Role,
    account: String,
    lag_ms: i64,
    observed_at: Option<Time>,
    last_at: Option<Time>,
    book_at: Option<Time>,
    received_at: Option<Time>,
    latency_ms: Option<u64>,
    retry_at: Option<Time>,
}

#[derive(Deserialize)]
pub(super) struct SavedDerivation {
    symbol: String,
    inverse: bool,
    price: Option<Number>,
    bid: Option<Number>,
    ask: Option<Number>,
    inverse_of: Option<SavedSides>,
    observed_at: Option<Time>,
    received_at: Option<Time>,
    pub(super) rates: Vec<SavedRate>,
}

#[derive(Deserialize)]
pub(super) struct SavedRate {
    pub(super) symbol: String,
    pub(super) price: Option<Number>,
    inverse: bool,
    status: String,
    reason: Option<String>,
    observed_at: Option<Time>,
    aged_from: Option<Time>,
}

#[derive(Clone, Copy, Deserialize)]
struct SavedSides {
    last: Option<Number>,
    bid: Option<Number>,
    ask: Option<Number>,
}

/// A decimal in a string.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Number(pub(super) Decimal);

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Time(Timestamp);

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Decimal::from_str_exact(&text).map(Number).map_err(|_| format!("{text:?} is not a number"))
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Time).map_err(|_| format!("{text:?} is not a time"))
    }
}

impl From<SavedSides> for Sides {
    fn from(saved: SavedSides) -> Self {
        Sides { last: number(saved.last), bid: number(saved.bid), ask: number(saved.ask) }
    }
}

fn number(saved: Option<Number>) -> Option<Decimal> {
    saved.map(|Number(number)| number)
}

fn time(saved: Option<Time>) -> Option<Timestamp> {
    saved.map(|Time(time)| time)
}

fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::named(text).map_err(|error| error.to_string())
}

fn status(name: &str, reason: Option<&str>) -> Result<Status, String> {
    Status::named(name, reason).ok_or_else(|| match reason {
        Some(reason) => format!("{name} / {reason} is no status of a rate"),
        None => format!("{name} is no status of a rate"),
    })
}

impl SavedEntry {
    /// The symbol that was priced.
    ///
    /// # Errors
    /// It is not a symbol.
    pub(super) fn symbol(&self) -> Result<Symbol, String> {
        symbol(&self.symbol)
    }

    /// When it was folded.
    pub(super) fn as_of(&self) -> Timestamp {
        self.as_of.0
    }

    /// The rule by which it was folded.
    ///
    /// # Errors
    /// It names a market that this program does not know.
    pub(super) fn rule(&self) -> Result<Rule, String> {
        let rule = &self.rule;
        let hours = |name: &String| Hours::named(name).ok_or_else(|| format!("the hours {name:?} are not known here"));
        Ok(Rule {
            required: rule.required,
            below_quorum: rule.below_quorum,
            outlier_beyond: rule.outlier_beyond.0,
            book_within: rule.book_within.map(|within| within.0),
            disagree_beyond: rule.disagree_beyond.0,
            usable_for: Duration::from_millis(rule.usable_for_ms),
            fallback_for: Duration::from_millis(rule.fallback_for_ms),
            closed_for: rule.closed_for_ms.map(Duration::from_millis),
            max_age: rule.max_age_ms.map(Duration::from_millis),
            currency: rule.currency_settled.as_deref().map(Currency::new),
            in_points: rule.in_points,
            security_currency: rule.currency_by_isin.as_deref().map(Currency::new),
            hours: rule.hours.as_ref().map(hours).transpose()?,
        })
    }

    /// What each source said, as the fold was given it. Rates are as the answer states them.
    ///
    /// # Errors
    /// A quote names something that does not exist.
    pub(super) fn evidence(&self) -> Result<Vec<Evidence>, String> {
        let (symbol, rule) = (self.symbol()?, self.rule()?);
        let evidence = |quote: &SavedQuote| {
            let said = match &quote.derivation {
                Some(derivation) => self.derived(&symbol, &rule, quote, derivation),
                None => self.outcome(&symbol, quote, quote.own()).map(Evidence::from),
            };
            said.map_err(|why| format!("{}: {why}", quote.source))
        };
        self.quotes.iter().map(evidence).collect()
    }

    fn outcome(&self, symbol: &Symbol, saved: &SavedQuote, quote: Option<Quote>) -> Result<Outcome, String> {
        let is_among = |names: &[String]| names.contains(&saved.source);
        let origin = Origin {
            source: saved.source.clone(),
            account: saved.account.clone(),
            role: saved.role,
            lag_ms: saved.lag_ms,
            by_isin: is_among(&self.rule.asked_by_isin),
        };
        let latency = saved.latency_ms.map(Duration::from_millis).filter(|_| quote.is_none());
        let failure = saved.failure()?.map(|error| {
            let is_doubted = is_among(&self.rule.doubted);
            Box::new(Failure { error, at: self.as_of(), latency, is_doubted, retry_at: time(saved.retry_at) })
        });
        Ok(Outcome { origin: Arc::new(origin), symbol: symbol.clone(), quote, failure })
    }

    /// What a source said about another pair, and the quote that follows from it.
    fn derived(
        &self,
        symbol: &Symbol,
        rule: &Rule,
        saved: &SavedQuote,
        derivation: &SavedDerivation,
    ) -> Result<Evidence, String> {
        let asked = self::symbol(&derivation.symbol)?;
        let stated = saved.stated(derivation, symbol.pair_currency().as_ref());
        let weighed = stated.as_ref().map(|quote| {
            let mut weighed = weighed_as(quote, saved.basis, saved.book);
            // without a rate, the answer does not say that the price would have been the middle of its book, but when that was
            let is_middle = saved.basis.is_none() && quote.last().is_none() && quote.bid.and(quote.ask).is_some();
            if is_middle && time(saved.observed_at) == quote.book_at {
                weighed.observed_at = quote.book_at;
            }
            weighed
        });
        let (mut rates, mut prices) = (Vec::new(), BTreeMap::new());
        for rate in &derivation.rates {
            let symbol = self::symbol(&rate.symbol)?;
            let price = rate.price(&symbol, rule, self.as_of())?;
            rates.push(Rate { symbol: symbol.clone(), inverted: rate.inverse });
            prices.insert(symbol, Arc::new(price));
        }
        let route = Route { asked: asked.clone(), inverted: derivation.inverse, rates };
        let outcome = self.outcome(&asked, saved, stated)?;
        Ok(derive_weighed(symbol, &route, outcome, &prices, weighed.unwrap_or_default()))
    }
}

impl SavedEntry {
    /// Where a quote is not the inverse of what its source states: the field, what it is, and what it should be.
    pub(super) fn not_inverse(&self) -> impl Iterator<Item = (String, Decimal, Decimal)> {
        self.quotes.iter().flat_map(|quote| {
            let own = pairs("", quote.inverse_of, [quote.last, quote.bid, quote.ask]);
            let asked = quote.derivation.as_ref().map(|derivation| {
                let SavedDerivation { inverse_of, price, bid, ask, .. } = derivation;
                pairs("derivation.", *inverse_of, [*price, *bid, *ask])
            });
            let all = own.into_iter().chain(asked.into_iter().flatten());
            all.filter_map(|(name, shown, stated)| {
                let inverse = decimal::inverse(stated);
                // a factor of the source may have been applied before the rounding to twelve digits
                let is_far = is_beyond(ROUNDING, shown, inverse);
                is_far.then(|| (format!("quotes[{}].{name}", quote.source), shown, inverse))
            })
        })
    }
}

/// Numbers that should be the inverse of others, with their names; the bid is the inverse of the ask.
fn pairs(
    place: &str,
    inverse_of: Option<SavedSides>,
    [last, bid, ask]: [Option<Number>; 3],
) -> Vec<(String, Decimal, Decimal)> {
    let Some(stated) = inverse_of else { return Vec::new() };
    let name = |name: &str| format!("{place}{name}");
    let last_name = if place.is_empty() { "last" } else { "price" };
    [(last_name, last, stated.last), ("bid", bid, stated.ask), ("ask", ask, stated.bid)]
        .into_iter()
        .filter_map(|(field, shown, stated)| Some((name(field), number(shown)?, number(stated)?)))
        // what is no price has no inverse
        .filter(|(_, _, stated)| *stated > Decimal::ZERO)
        .collect()
}

impl SavedQuote {
    /// The quote of the symbol itself; `None` if the source gave none that counts.
    fn own(&self) -> Option<Quote> {
        let observed_at = time(self.last_at);
        let sides = [number(self.last), number(self.bid), number(self.ask)];
        self.quote(
            sides,
            self.inverse_of,
            observed_at,
            self.received_at,
            self.currency.as_deref().map(Currency::of_code),
        )
    }

    /// The quote of the pair that was asked for instead. `own` is the currency of the symbol, which a derived quote is in unless
    /// its source stated another one than that of the pair.
    fn stated(&self, derivation: &SavedDerivation, own: Option<&Currency>) -> Option<Quote> {
        let is_wrong = matches!(self.reason.as_deref(), Some("currency_mismatch" | "currency_unknown"));
        let stated = self.currency.as_deref().map(Currency::of_code);
        let currency = stated.filter(|currency| is_wrong || Some(currency) != own);
        let sides = [number(derivation.price), number(derivation.bid), number(derivation.ask)];
        let (observed_at, received_at) = (time(derivation.observed_at), derivation.received_at);
        self.quote(sides, derivation.inverse_of, observed_at, received_at, currency)
    }

    fn quote(
        &self,
        [last, bid, ask]: [Option<Decimal>; 3],
        inverse_of: Option<SavedSides>,
        observed_at: Option<Timestamp>,
        received_at: Option<Time>,
        currency: Option<Currency>,
    ) -> Option<Quote> {
        if self.status == "failed" {
            return None;
        }
        let price = match last {
            Some(last) => Stated::Number(last),
            // it gave no price: the source stated something else than a number, or a book that gives none either
            None if self.basis.is_none() => Stated::NotANumber(String::new()),
            None => Stated::Absent,
        };
        Some(Quote {
            price,
            bid,
            ask,
            inverse_of: inverse_of.map(|sides| Box::new(sides.into())),
            volume: number(self.volume),
            currency,
            session: self.session,
            no_market: self.no_market(),
            observed_at,
            book_at: time(self.book_at),
            received_at: time(received_at)?,
            latency: Duration::from_millis(self.latency_ms.unwrap_or(0)),
        })
    }

    /// Why there is no market behind it, as far as the answer says.
    fn no_market(&self) -> Option<NoMarket> {
        let said = self.detail.as_deref().unwrap_or_default();
        match self.reason.as_deref() {
            Some("halted") => Some(NoMarket::ListedAsHalted),
            Some("no_market") => {
                NoMarket::ALL.into_iter().find(|why| said.starts_with(why.sentence())).or(Some(NoMarket::Halted))
            }
            _ => None,
        }
    }

    /// Why its source gave no quote, or no newer one.
    fn failure(&self) -> Result<Option<SourceError>, String> {
        let reason = if self.status == "failed" { self.reason.as_ref() } else { self.failure.as_ref() };
        let detail = || self.detail.clone().unwrap_or_default();
        let named = |reason: &String| {
            SourceError::named(reason, detail()).ok_or_else(|| format!("{reason:?} is no failure of a source"))
        };
        reason.map(named).transpose()
    }
}

impl SavedRate {
    /// The rate as the answer states it.
    fn price(&self, symbol: &Symbol, rule: &Rule, as_of: Timestamp) -> Result<Price, String> {
        let times = (time(self.observed_at), time(self.aged_from));
        let status = status(&self.status, self.reason.as_deref())?;
        Ok(as_stated(symbol, status, number(self.price), times, rule, as_of))
    }
}

impl SavedConversion {
    /// The rate as the answer states it; `None` if no source was asked for it.
    ///
    /// # Errors
    /// It names something that does not exist.
    pub(super) fn price(&self, rule: &Rule, as_of: Timestamp) -> Result<Option<Price>, String> {
        let (symbol, status) = (symbol(&self.symbol)?, status(&self.status, self.reason.as_deref())?);
        let observed_at = time(self.observed_at);
        let times = (observed_at, observed_at.or(Some(as_of)));
        Ok(self.rate.map(|Number(rate)| as_stated(&symbol, status, Some(rate), times, rule, as_of)))
    }

    /// The status of the rate.
    ///
    /// # Errors
    /// There is no such status.
    pub(super) fn status(&self) -> Result<Status, String> {
        status(&self.status, self.reason.as_deref())
    }
}

/// A rate that has no price, of which the answer states no more than its status.
pub(super) fn without_price(symbol: &Symbol, status: Status, beside: &Price) -> Price {
    as_stated(symbol, status, None, (None, None), &beside.rule, beside.as_of)
}

/// A price of which only these figures are known.
fn as_stated(
    symbol: &Symbol,
    status: Status,
    price: Option<Decimal>,
    (observed_at, aged_from): (Option<Timestamp>, Option<Timestamp>),
    rule: &Rule,
    as_of: Timestamp,
) -> Price {
    let folded = price.zip(aged_from).map(|(price, aged_from)| Folded {
        price,
        plus_minus: None,
        divergence_bps: None,
        observed_at,
        aged_from,
    });
    Price {
        symbol: symbol.clone(),
        status,
        folded,
        currency: None,
        session: None,
        market: None,
        as_of,
        covering: 0,
        rule: rule.clone(),
        quotes: Vec::new(),
        detail: None,
    }
}
