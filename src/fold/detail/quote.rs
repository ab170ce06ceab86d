//! Says in one plain sentence what became of a single quote.

use jiff::Timestamp;

use super::words::span;
use crate::clock;
use crate::decimal::{fraction, percent, plain};
use crate::fold::admit::Entry;
use crate::fold::ladder::Decision;
use crate::fold::{Exclusion, Judged, Rule, Verdict, age};
use crate::quote::{NoMarket, Origin, Quote, Session, Stated};
use crate::symbol::Currency;

/// The sentence for a quote's verdict, where the verdict alone does not say enough.
pub(in crate::fold) fn of_quote(
    entry: &Entry,
    decision: &Decision,
    currency: Option<&Currency>,
    rule: &Rule,
    now: Timestamp,
) -> Option<String> {
    let outcome = &entry.judged.outcome;
    let exclusion = match entry.judged.verdict {
        Verdict::Failed => return outcome.failure.as_ref().map(|failure| failure.error.to_string()),
        Verdict::Used if !entry.standing.is_usable() => Exclusion::Stale,
        Verdict::Used => return None,
        Verdict::Excluded(exclusion) => exclusion,
    };
    let quote = outcome.quote.as_ref()?;
    Some(match exclusion {
        Exclusion::NotFolded => return None,
        Exclusion::Outlier => from_the_median(entry, decision, rule)?,
        Exclusion::Stale => aged(quote, &outcome.origin, rule, now),
        Exclusion::Future => format!("{}, {} allowed", said(quote, now), span(age::AHEAD)),
        Exclusion::InvalidPrice => no_price(quote),
        Exclusion::NoMarket => no_market(quote.no_market?).to_owned(),
        Exclusion::CurrencyMismatch => mismatch(&entry.judged, currency)?,
        Exclusion::CurrencyUnknown => no_currency(&entry.judged),
        Exclusion::OtherSession => other_session(quote.session?),
        Exclusion::SameAccount => format!("another quote of the account {} is newer", outcome.origin.account),
        Exclusion::Reference => "a reference; the other sources suffice".to_owned(),
        Exclusion::DegradedRate => degraded_rate(&entry.judged)?,
        Exclusion::NoConversion => no_rate(&entry.judged)?,
    })
}

fn from_the_median(entry: &Entry, decision: &Decision, rule: &Rule) -> Option<String> {
    let Decision::Agreed { agreed, .. } = decision else { return None };
    let median = agreed.median;
    let distance = percent(entry.judged.price?.saturating_sub(median), median);
    let allowed = fraction(rule.outlier_beyond);
    Some(format!("{distance} from the median {}, {allowed} allowed", plain(median)))
}

fn no_price(quote: &Quote) -> String {
    match &quote.price {
        Stated::Number(number) => format!("{} is no price", plain(*number)),
        Stated::NotANumber(text) => format!("{text:?} is no price"),
        Stated::Absent => "no price, and no book whose middle could be one".to_owned(),
    }
}

fn no_market(why: NoMarket) -> &'static str {
    match why {
        NoMarket::Halted => "it says that trading is halted",
        NoMarket::CancelOnly => "it says that orders can only be cancelled",
        NoMarket::Delisted => "it says that this is not listed any more",
        NoMarket::NothingTraded => "there are no bids and no asks, and its volume is 0: nobody trades there",
        NoMarket::NoTradeStated => {
            "there are no bids and no asks, and it states no time of a trade: nobody trades there"
        }
    }
}

/// In which currency a quote is, and in which it should be; of a derived one, by the pair that was asked for.
fn mismatch(judged: &Judged, currency: Option<&Currency>) -> Option<String> {
    let stated = judged.outcome.quote.as_ref()?.currency.as_ref()?;
    let expected = match &judged.derivation {
        Some(derivation) => derivation.asked.pair_currency()?,
        None => currency?.clone(),
    };
    Some(format!("in {stated}, not in {expected}"))
}

/// Why nobody knows in which currency a quote is.
fn no_currency(judged: &Judged) -> String {
    let stated = match &judged.derivation {
        Some(derivation) => derivation.stated.as_ref(),
        None => judged.outcome.quote.as_ref(),
    };
    match stated.and_then(|stated| stated.currency.as_ref()) {
        Some(word) => format!("it states the currency {:?}, which is no currency's code", word.as_str()),
        None => "it does not say in which currency".to_owned(),
    }
}

fn degraded_rate(judged: &Judged) -> Option<String> {
    let (rate, _) = judged.derivation.as_ref()?.degraded()?;
    let reason = rate.status.reason()?;
    Some(format!("its rate {} is degraded / {reason}; the other sources suffice", rate.symbol))
}

/// Why a quote could not be turned into the symbol's currency.
fn no_rate(judged: &Judged) -> Option<String> {
    let derivation = judged.derivation.as_ref()?;
    let (asked, rate) = (&derivation.asked, derivation.without_rate()?);
    let why = rate.detail.as_deref().unwrap_or("it has no price");
    Some(format!("it quotes {asked}, and there is no price of {}: {why}", rate.symbol))
}

fn other_session(session: Session) -> String {
    match session {
        Session::Pre => "from before hours, where regular or later quotes decide",
        Session::Post => "from after hours, where regular or later quotes decide",
        Session::Regular | Session::Closed => "from another session than the price",
    }
    .to_owned()
}

/// How old the quote is, and how old it may be.
pub(super) fn aged(quote: &Quote, origin: &Origin, rule: &Rule, now: Timestamp) -> String {
    let said = said(quote, now);
    if let Some(max_age) = rule.max_age.filter(|max_age| clock::age(now, age::time_of(quote)) > *max_age) {
        return format!("{said}, max_age is {}", span(max_age));
    }
    if origin.lag_ms <= 0 {
        return format!("{said}, {} allowed", span(age::usable_for(rule, origin)));
    }
    let lag = std::time::Duration::from_millis(origin.lag_ms.unsigned_abs());
    format!("{said}, {} allowed (+ {} lag)", span(rule.usable_for), span(lag))
}

/// How long ago, or how far ahead, the quote's time is.
pub(super) fn said(quote: &Quote, now: Timestamp) -> String {
    let time = age::time_of(quote);
    let verb = if quote.observed_at.is_none() && time == quote.received_at { "received" } else { "stated" };
    if time > now {
        format!("{verb} {} ahead of our clock", span(clock::age(time, now)))
    } else {
        format!("{verb} {} ago", span(clock::age(now, time)))
    }
}
