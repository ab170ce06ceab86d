//! Says in one plain sentence, with the figures, what became of a symbol or a quote and why.

mod labels;
mod quote;
mod words;

use jiff::Timestamp;

use super::ladder::Decision;
use super::price::{Disagreement, Said};
use super::status::{accounts, says_unknown};
use super::{Degraded, Exclusion, Judged, Price, Rule, Status, Unavailable, Verdict, age};
use crate::clock;
use crate::decimal::{fraction, percent, plain};
use crate::failure::SourceError;
use crate::quote::Role;

pub(super) use quote::of_quote;
use quote::{aged, said};
use words::{clock_time, day_and_time, listed, span};

const COMMA: &str = ", ";

/// The sentence for a symbol's status. Where all is well none is needed, unless most sources speak of another currency.
pub(super) fn of_symbol(price: &Price, decision: &Decision) -> Option<String> {
    let symbol = &price.symbol;
    let sentence = match price.status {
        Status::Ok => return labels::mostly_contrary(price),
        Status::Degraded(Degraded::WithReferences) => with_references(price),
        Status::Degraded(Degraded::StaleFallback) => with_last_trade(stale_fallback(price), price),
        Status::Degraded(Degraded::FewSources) => with_last_trade(below_quorum(price), price),
        Status::Unavailable(Unavailable::NotCovered) => format!("no source that is switched on covers {symbol}"),
        Status::Unavailable(Unavailable::NoAnswer) => no_answer(price),
        Status::Unavailable(Unavailable::AllStale) => all_stale(price),
        Status::Unavailable(Unavailable::SourcesDisagree) => match decision {
            Decision::Disagreed(disagreement) => disagree(disagreement, &price.rule),
            Decision::Agreed { .. } | Decision::NoQuorum => below_quorum(price),
        },
        Status::Unavailable(Unavailable::NoQuorum | Unavailable::NoConversion) => below_quorum(price),
        Status::Unknown => unknown(price),
    };
    let nothing_known =
        matches!(price.status, Status::Unknown | Status::Unavailable(Unavailable::NoAnswer | Unavailable::NotCovered));
    let meant = symbol.did_you_mean().filter(|_| nothing_known).map(|pair| format!("did you mean {pair}?"));
    Some(match meant.or_else(|| labels::mostly_contrary(price)) {
        Some(more) => format!("{sentence}; {more}"),
        None => sentence,
    })
}

fn used(price: &Price) -> impl Iterator<Item = &Judged> {
    price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used)
}

fn failed(price: &Price) -> Vec<&Judged> {
    price.quotes.iter().filter(|judged| judged.verdict == Verdict::Failed).collect()
}

fn with_references(price: &Price) -> String {
    let (references, own): (Vec<_>, Vec<_>) =
        used(price).partition(|judged| judged.outcome.origin.role == Role::Reference);
    let names = references.iter().map(|judged| judged.outcome.origin.source.as_str());
    let names = listed(names.map(str::to_owned).collect(), COMMA);
    let needed = price.rule.required;
    if references.is_empty() {
        return weak_rates(price);
    }
    let sentence =
        format!("{} of {needed} needed independent sources answered; references helped out: {names}", own.len());
    with_reasons(sentence, failed(price), price.as_of)
}

fn stale_fallback(price: &Price) -> String {
    let (old, fresh): (Vec<_>, Vec<_>) = used(price).partition(|judged| judged.is_used_though_old());
    if old.is_empty() {
        return weak_rates(price);
    }
    let ages = old.iter().filter_map(|judged| {
        let said = said(judged.outcome.quote.as_ref()?, price.as_of);
        Some(format!("{} {said}", judged.outcome.origin.source))
    });
    let (fresh, needed, ages) = (fresh.len(), price.rule.required, listed(ages.collect(), COMMA));
    let sentence = format!("{fresh} of {needed} needed sources gave a fresh price; older ones helped out: {ages}");
    with_reasons(sentence, failed(price), price.as_of)
}

fn below_quorum(price: &Price) -> String {
    let folded = |judged: &&Judged| {
        matches!(judged.verdict, Verdict::Used | Verdict::Excluded(Exclusion::NotFolded | Exclusion::Outlier))
    };
    let (here, away): (Vec<_>, Vec<_>) = price.quotes.iter().partition(folded);
    let needed = price.rule.required;
    if used(price).count() >= needed {
        return weak_rates(price);
    }
    if (1..needed).contains(&price.covering) && here.len() >= price.covering {
        let (vendor, covers) = if price.covering == 1 { ("vendor", "covers") } else { ("vendors", "cover") };
        return format!(
            "of those asked, only {} {vendor} {covers} {}; {needed} are needed",
            price.covering, price.symbol
        );
    }
    let all_failed = away.iter().all(|judged| judged.verdict == Verdict::Failed);
    let did = if all_failed { "answered" } else { "gave a price that can be used" };
    with_reasons(format!("{} of {needed} needed sources {did}", here.len()), away, price.as_of)
}

/// Adds when the symbol was last traded, by the clocks of its exchange, if that is why its price is old.
fn with_last_trade(sentence: String, price: &Price) -> String {
    match last_trade(price) {
        Some(last) => format!("{sentence}; {last}"),
        None => sentence,
    }
}

fn last_trade(price: &Price) -> Option<String> {
    let (hours, market) = (price.rule.hours?, price.market?);
    let stated =
        used(price).filter_map(|judged| Some((judged, judged.outcome.quote.as_ref().and_then(age::stated_at)?)));
    let (newest, at) = stated.max_by_key(|(_, at)| *at)?;
    if !newest.is_used_though_old() {
        return None;
    }
    let local = |time| day_and_time(time, hours.time_zone(), price.as_of);
    match market.around.opened_at.filter(|_| market.is_open) {
        Some(opened_at) => {
            Some(format!("last traded {}, and the market has been open since {}", local(at), local(opened_at)))
        }
        None => {
            let before = clock::age(market.around.closed_at, at);
            (before > price.rule.usable_for)
                .then(|| format!("last traded {}, {} before the close", local(at), span(before)))
        }
    }
}

/// Which derived quotes make the price no better than their rates.
fn weak_rates(price: &Price) -> String {
    let rates = used(price).filter_map(|judged| {
        let derivation = judged.derivation.as_ref()?;
        let (rate, _) = derivation.degraded()?;
        let (source, reason) = (&judged.outcome.origin.source, rate.status.reason()?);
        Some(format!("{source}'s rate {} is degraded / {reason}", rate.symbol))
    });
    listed(rates.collect(), "; ")
}

fn no_answer(price: &Price) -> String {
    let none = match price.quotes.len() {
        1 => "the only source gave no price".to_owned(),
        several => format!("none of {several} sources gave a price"),
    };
    with_reasons(none, price.quotes.iter().collect(), price.as_of)
}

fn all_stale(price: &Price) -> String {
    let quotes = price.quotes.iter().filter(|judged| judged.verdict != Verdict::Failed);
    let newest = quotes.filter_map(|judged| Some((judged, judged.outcome.quote.as_ref()?)));
    let newest = newest.max_by_key(|(_, quote)| age::time_of(quote));
    newest.map_or_else(String::new, |(judged, quote)| {
        let origin = &judged.outcome.origin;
        format!(
            "every price is too old; the newest is {}'s, {}",
            origin.source,
            aged(quote, origin, &price.rule, price.as_of)
        )
    })
}

fn unknown(price: &Price) -> String {
    let saying_so = price.quotes.iter().filter(|judged| says_unknown(judged));
    let saying_so = accounts(saying_so.map(|judged| &judged.outcome));
    let answered =
        price.quotes.iter().filter(|judged| judged.verdict != Verdict::Failed || judged.outcome.denies_symbol());
    let answered = accounts(answered.map(|judged| &judged.outcome));
    let symbol = &price.symbol;
    match (saying_so, answered) {
        (0, answered) => format!("none of {answered} sources that answered has {symbol}, or a pair to derive it from"),
        (1, 1) => format!("the only source that answered says there is no {symbol}"),
        (all, answered) if all == answered => format!("all {all} sources that answered say there is no {symbol}"),
        (some, answered) => format!("{some} of {answered} sources that answered say there is no {symbol}"),
    }
}

fn disagree(disagreement: &Disagreement, rule: &Rule) -> String {
    let between = |lowest: &Said, highest: &Said| {
        format!("{} says {}, {} {}", lowest.source, lowest.price, highest.source, highest.price)
    };
    match disagreement {
        Disagreement::Apart { lowest, highest, median } => {
            let apart = percent(highest.price.saturating_sub(lowest.price), *median);
            let allowed = fraction(rule.disagree_beyond);
            format!("{}: {apart} apart, {allowed} allowed", between(lowest, highest))
        }
        Disagreement::NoMajority { lowest, highest, median, near, of, needed } => {
            let allowed = fraction(rule.outlier_beyond);
            let says = between(lowest, highest);
            format!("{says}: {near} of {of} within {allowed} of their median {}, {needed} needed", plain(*median))
        }
        Disagreement::Currencies(sides) => {
            let sides = sides.iter().map(|(currency, source)| format!("{source} states {currency}"));
            format!("{}: no currency is stated by most sources", listed(sides.collect(), COMMA))
        }
    }
}

/// Adds why the others are missing: what an operator would do something about.
fn with_reasons(sentence: String, missing: Vec<&Judged>, now: Timestamp) -> String {
    let reasons = missing.into_iter().filter_map(|judged| reason(judged, now));
    match listed(reasons.collect(), "; ") {
        none if none.is_empty() => sentence,
        reasons => format!("{sentence}; {reasons}"),
    }
}

fn reason(judged: &Judged, now: Timestamp) -> Option<String> {
    let source = &judged.outcome.origin.source;
    let until = judged.outcome.failure.as_ref().and_then(|failure| Some((&failure.error, failure.retry_at?)));
    if judged.verdict != Verdict::Failed {
        return judged.detail.as_ref().map(|detail| format!("{source}: {detail}"));
    }
    Some(match until {
        Some((SourceError::RateLimited { .. }, at)) => {
            format!("{source} asked us to wait until {}", clock_time(at, now))
        }
        Some((SourceError::QuotaExhausted { .. }, at)) => {
            format!("{source}'s quota is used up until {}", clock_time(at, now))
        }
        Some((SourceError::Throttled { .. }, at)) => {
            format!("our limit for {source} has no room until {}", clock_time(at, now))
        }
        Some((SourceError::CircuitOpen { .. }, at)) => {
            format!("{source} keeps failing and is left alone until {}", clock_time(at, now))
        }
        _ => format!("{source}: {}", judged.detail.as_deref().unwrap_or("no answer")),
    })
}

#[cfg(test)]
mod tests;
