//! Folds what the sources said about one symbol into one price, or refuses to: a disagreement is never averaged.
//!
//! A pure function of the outcomes, the rule and `now`: the same outcomes give the same bytes.

mod admit;
mod age;
mod book;
mod currency;
mod detail;
mod evidence;
mod judged;
mod ladder;
mod price;
mod skew;
mod status;
#[cfg(test)]
pub(crate) mod testing;

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::decimal::basis_points;
use crate::hours::{Around, Hours};
use crate::quote::Session;
use crate::symbol::{Currency, Symbol};

use admit::{Eligibility, Entry};
pub use age::is_usable;
pub(crate) use age::{AHEAD, with_lag};
pub use book::{Basis, Book, Weighed};
pub(crate) use book::{possible, weigh, weighed_as};
pub use evidence::{Derivation, Evidence, UsedRate};
pub use judged::{Exclusion, Judged, Verdict};
use ladder::Decision;
pub(crate) use price::median;
pub use status::{Degraded, Status, Unavailable};
use status::{accounts, without_price};

/// The rule for folding one symbol: the settings of its class, and what this request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How many sources of different accounts must agree; at least 1.
    pub required: usize,
    /// What happens when fewer do.
    pub below_quorum: BelowQuorum,
    /// A quote farther than this from the median is an outlier; a fraction (0.02 is 2 %).
    pub outlier_beyond: Decimal,
    /// A book whose sides are farther apart than this fraction of their middle does not count; `None` where no book
    /// counts: indices and funds are not traded at their bids and asks.
    pub book_within: Option<Decimal>,
    /// Survivors farther apart than this, relative to their median, disagree; a fraction.
    pub disagree_beyond: Decimal,
    /// How old a quote may be to be folded (a source's lag is added).
    pub usable_for: Duration,
    /// How old a quote may be where older ones may fill in (`stale_fallback`).
    pub fallback_for: Duration,
    /// How old the last quotes of a closed market may be; `None` for a market that never closes.
    pub closed_for: Option<Duration>,
    /// No quote older than this may be used at all: what the caller asked for.
    pub max_age: Option<Duration>,
    /// The currency that settings fix for this symbol, or for all listings in the United States.
    pub currency: Option<Currency>,
    /// Whether its prices are points, and not in any currency: an index.
    pub in_points: bool,
    /// The currency that settings fix for the security itself, wherever it is listed: in the symbol's own section, or for an ISIN in
    /// any. A quote by ISIN that states no currency is in this one; `None` if its currency is not known.
    pub security_currency: Option<Currency>,
    /// When the symbol's market is open; `None` where that is not known.
    pub hours: Option<Hours>,
}

/// What to do with fewer quotes than `required`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BelowQuorum {
    /// Give no price.
    Refuse,
    /// Give a price, marked `degraded / few_sources`.
    Degrade,
}

/// One symbol's price, or why there is none, and every quote's verdict: the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// What was priced.
    pub symbol: Symbol,
    /// Whether the price may be believed.
    pub status: Status,
    /// The price and its figures; `None` unless the status is `Ok` or `Degraded`.
    pub folded: Option<Folded>,
    /// The currency prices of this symbol are in, if it is known.
    pub currency: Option<Currency>,
    /// The session the price is from, where a source or the rule for closed markets says so.
    pub session: Option<Session>,
    /// Whether its market is open by its hours; `None` where they are not known.
    pub market: Option<Market>,
    /// When it was folded.
    pub as_of: Timestamp,
    /// How many accounts cover the symbol. An account does not cover it if its latest word is that it has no such
    /// symbol or that its market is dead, or if it quotes in a currency for which no source has a rate.
    pub covering: usize,
    /// The rule it was folded by.
    pub rule: Rule,
    /// Every outcome with its verdict, ordered by the source's name.
    pub quotes: Vec<Judged>,
    /// One plain sentence with the figures; present unless the status is `Ok`.
    pub detail: Option<String>,
}

/// What the hours of a symbol's market said when it was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// Whether last prices must be young: from `usable_for` after an opening until the closing, and no quote from
    /// before the opening is used.
    pub is_open: bool,
    /// The sessions around that time.
    pub around: Around,
}

/// A price from a quorum, or from as few quotes as the rule accepts instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The median of the used quotes.
    pub price: Decimal,
    /// How far the used quotes' votes lie from it (the rule Pyth publishes); `None` for a single quote.
    pub plus_minus: Option<Decimal>,
    /// (max − min) / price of the used quotes, in basis points; `None` for a single quote.
    pub divergence_bps: Option<Decimal>,
    /// The oldest time that the used quotes state; `None` if none states one.
    pub observed_at: Option<Timestamp>,
    /// The time that its age counts from: the oldest of the used quotes' `observed_at`. A quote without one counts from
    /// its `book_at` or its `received_at`, whichever is earlier.
    pub aged_from: Timestamp,
}

impl Market {
    fn new(around: Around, stands_closed: bool, rule: &Rule, now: Timestamp) -> Self {
        let since = around.opened_at.map(|opened_at| clock::age(now, opened_at));
        Market { is_open: !stands_closed && since.is_some_and(|since| since >= rule.usable_for), around }
    }
}

/// Folds the evidence about one symbol, one piece per source that was asked for it.
///
/// Each quote is judged alone, then by its currency, then by its age. A closed market lets its last quotes be older.
/// The ladder finds the best quotes of which there are enough; if those agree, their median is the price.
pub fn fold<E: Into<Evidence>>(
    symbol: &Symbol,
    evidence: impl IntoIterator<Item = E>,
    rule: &Rule,
    now: Timestamp,
) -> Price {
    let mut evidence: Vec<Evidence> = evidence.into_iter().map(Into::into).collect();
    // everything below sees it in this order, so the order it came in cannot matter
    evidence.sort_by(|one, other| one.outcome.origin.source.cmp(&other.outcome.origin.source));
    let mut entries: Vec<Entry> = evidence.into_iter().map(|evidence| admit::admit(evidence, rule, now)).collect();
    let covering = accounts(entries.iter().filter(|entry| entry.may_price()).map(|entry| &entry.judged.outcome));
    let settled = currency::settle(symbol, &mut entries, rule);
    age::judge(&mut entries, rule, covering, now);
    let (currency, decision) = match settled {
        Ok(currency) => (currency, ladder::climb(&mut entries, rule, covering)),
        Err(tie) => (None, Decision::Disagreed(tie)),
    };

    let status = match &decision {
        Decision::Agreed { status, .. } => *status,
        Decision::Disagreed(_) | Decision::NoQuorum => without_price(&entries, &decision, rule),
    };
    // a symbol that does not exist has no currency, even if its spelling suggests one
    let currency = currency.filter(|_| status != Status::Unknown);
    let folded = decision.folded().cloned();
    let stands_closed = is_of_the_close(&entries);
    let session = decision.session(stands_closed);
    let market =
        rule.hours.and_then(|hours| hours.around(now)).map(|around| Market::new(around, stands_closed, rule, now));
    let quotes = entries.into_iter().map(|entry| conclude(entry, &decision, currency.as_ref(), rule, now)).collect();
    let mut price = Price {
        symbol: symbol.clone(),
        status,
        folded,
        currency,
        session,
        market,
        as_of: now,
        covering,
        rule: rule.clone(),
        quotes,
        detail: None,
    };
    price.detail = detail::of_symbol(&price, &decision);
    price
}

/// Whether the price is the last one of a closed market, with no older quote in it.
fn is_of_the_close(entries: &[Entry]) -> bool {
    let mut used = entries.iter().filter(|entry| entry.judged.verdict == Verdict::Used).map(|entry| entry.eligibility);
    used.clone().any(|eligibility| eligibility == Eligibility::Last) && used.all(Eligibility::is_usable)
}

/// Adds to a quote what can only be said once the price is known.
fn conclude(entry: Entry, decision: &Decision, currency: Option<&Currency>, rule: &Rule, now: Timestamp) -> Judged {
    let detail = detail::of_quote(&entry, decision, currency, rule, now);
    let deviation_bps = decision.folded().zip(entry.judged.price).and_then(|(folded, price)| {
        let difference = price.checked_sub(folded.price)?;
        basis_points(difference, folded.price)
    });
    Judged { deviation_bps, detail, ..entry.judged }
}

#[cfg(test)]
mod tests;
