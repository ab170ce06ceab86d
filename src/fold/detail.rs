//! Says in one plain sentence, with the figures, what became of a symbol or a quote, and why.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::admit::Entry;
use super::ladder::Decision;
use super::price::{Disagreement, Said};
use super::status::{accounts, says_unknown};
use super::{Degraded, Exclusion, Judged, Price, Rule, Status, Unavailable, Verdict, age};
use crate::clock;
use crate::decimal::{fraction, percent_over, plain};
use crate::failure::{Failure, SourceError};
use crate::quote::{Origin, Quote, Role, Session, Stated};
use crate::symbol::{Currency, Symbol};
use crate::text::words::{self, clock_time, day_and_time, duration};

/// How many sources or reasons a sentence names at most.
const NAMED: usize = 3;

/// The sentence for a symbol's status. A price that is `ok` needs no sentence, unless most sources state another
/// currency, or the symbol is perhaps not what its caller thinks.
pub(super) fn of_symbol(price: &Price, decision: &Decision) -> Option<String> {
    let symbol = &price.symbol;
    let sentence = match price.status {
        Status::Ok => return most_state_another_currency(price).or_else(|| what_it_is(symbol)),
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
    Some(match meant.or_else(|| most_state_another_currency(price)) {
        Some(more) => format!("{sentence}; {more}"),
        None => sentence,
    })
}

/// What a caller may not know of a symbol that has a price: that its money is gone, or that it is a share by the name of a coin.
fn what_it_is(symbol: &Symbol) -> Option<String> {
    let share = || Some(("a listing in the United States", symbol.coin_meant()?));
    let coin = || Some(("the price of a coin", symbol.of_whole_currency()?));
    let other = || {
        let (kind, meant) = share().or_else(coin)?;
        Some(format!("{symbol} is read as {kind}; did you mean {meant}?"))
    };
    symbol.gone_money().or_else(other)
}

fn used(price: &Price) -> impl Iterator<Item = &Judged> {
    price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used)
}

fn failed(price: &Price) -> Vec<&Judged> {
    price.quotes.iter().filter(|judged| judged.verdict == Verdict::Failed).collect()
}

/// The first few, and how many more there are.
fn first_few(all: impl Iterator<Item = String>, separator: &str) -> String {
    words::clauses(all.collect(), separator, NAMED)
}

fn with_references(price: &Price) -> String {
    let (references, own): (Vec<_>, Vec<_>) =
        used(price).partition(|judged| judged.outcome.origin.role == Role::Reference);
    if references.is_empty() {
        return weak_rates(price);
    }
    let names = first_few(references.iter().map(|judged| judged.outcome.origin.source.clone()), ", ");
    let (own, required) = (own.len(), price.rule.required);
    let sentence = format!("{own} of {required} required independent sources answered; references filled in: {names}");
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
    let (fresh, required, ages) = (fresh.len(), price.rule.required, first_few(ages, ", "));
    let sentence = format!("{fresh} of {required} required sources gave a fresh price; older ones filled in: {ages}");
    with_reasons(sentence, failed(price), price.as_of)
}

fn below_quorum(price: &Price) -> String {
    let folded = |judged: &&Judged| {
        matches!(judged.verdict, Verdict::Used | Verdict::Excluded(Exclusion::NotFolded | Exclusion::Outlier))
    };
    let (here, away): (Vec<_>, Vec<_>) = price.quotes.iter().partition(folded);
    let (required, covering) = (price.rule.required, price.covering);
    if used(price).count() >= required {
        return weak_rates(price);
    }
    if (1..required).contains(&covering) && here.len() >= covering {
        let covers = if covering == 1 { "covers" } else { "cover" };
        return format!("of the vendors asked, only {covering} {covers} {}; {required} are required", price.symbol);
    }
    let all_failed = away.iter().all(|judged| judged.verdict == Verdict::Failed);
    let did = if all_failed { "answered" } else { "gave a usable price" };
    with_reasons(format!("{} of {required} required sources {did}", here.len()), away, price.as_of)
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
                .then(|| format!("last traded {}, {} before the close", local(at), duration(before)))
        }
    }
}

/// Names the degraded rates of the derived quotes, which are why the price is degraded.
fn weak_rates(price: &Price) -> String {
    let rates = used(price).filter_map(|judged| {
        let derivation = judged.derivation.as_ref()?;
        let (rate, _) = derivation.degraded()?;
        let (source, reason) = (&judged.outcome.origin.source, rate.status.reason()?);
        Some(format!("{source}'s rate {} is degraded / {reason}", rate.symbol))
    });
    first_few(rates, "; ")
}

fn no_answer(price: &Price) -> String {
    let none = match price.quotes.len() {
        1 => "the only source gave no price".to_owned(),
        several => format!("none of the {several} sources gave a price"),
    };
    with_reasons(none, price.quotes.iter().collect(), price.as_of)
}

fn all_stale(price: &Price) -> String {
    let quotes = price.quotes.iter().filter(|judged| judged.verdict != Verdict::Failed);
    let newest = quotes.filter_map(|judged| Some((judged, judged.outcome.quote.as_ref()?)));
    let newest = newest.max_by_key(|(_, quote)| age::time_of(quote));
    newest.map_or_else(String::new, |(judged, quote)| {
        let origin = &judged.outcome.origin;
        let aged = aged(quote, origin, &price.rule, price.as_of);
        format!("every price is too old; the newest is {}'s, {aged}", origin.source)
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
        (0, 1) => format!("the only source that answered has neither {symbol} nor a pair to derive it from"),
        (0, answered) => {
            format!("none of the {answered} sources that answered has {symbol}, or a pair to derive it from")
        }
        (1, 1) => format!("the only source that answered says there is no {symbol}"),
        (all, answered) if all == answered => format!("all {all} sources that answered say there is no {symbol}"),
        (1, answered) => format!("1 of {answered} sources that answered says there is no {symbol}"),
        (some, answered) => format!("{some} of {answered} sources that answered say there is no {symbol}"),
    }
}

fn disagree(disagreement: &Disagreement, rule: &Rule) -> String {
    let between = |lowest: &Said, highest: &Said| {
        format!("{} says {}, {} {}", lowest.source, plain(lowest.price), highest.source, plain(highest.price))
    };
    match disagreement {
        Disagreement::Apart { lowest, highest, median } => {
            let apart = percent_over(highest.price.saturating_sub(lowest.price), *median, rule.disagree_beyond);
            let allowed = fraction(rule.disagree_beyond);
            format!("{}: {apart} apart, {allowed} allowed", between(lowest, highest))
        }
        Disagreement::NoMajority { lowest, highest, median, near, of, needed } => {
            let allowed = fraction(rule.outlier_beyond);
            let says = between(lowest, highest);
            format!("{says}: {near} of {of} within {allowed} of their median {}, {needed} required", plain(*median))
        }
        Disagreement::Currencies(sides) => {
            let sides = sides.iter().map(|(currency, source)| format!("{source} states {currency}"));
            format!("{}: no currency is stated by most sources", first_few(sides, ", "))
        }
    }
}

/// Adds why the others are missing: the reasons that an operator would act on.
fn with_reasons(sentence: String, missing: Vec<&Judged>, now: Timestamp) -> String {
    match first_few(missing.into_iter().filter_map(|judged| reason(judged, now)), "; ") {
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
        Some((SourceError::RateLimited { retry_after: Some(_), .. }, at)) => {
            format!("{source} asked us to wait until {}", clock_time(at, now))
        }
        Some((SourceError::RateLimited { retry_after: None, .. }, at)) => {
            format!("{source} rate-limits us, and is called again at {}", clock_time(at, now))
        }
        Some((SourceError::QuotaExhausted { .. }, at)) => {
            format!("{source}'s quota is used up until {}", clock_time(at, now))
        }
        Some((SourceError::Throttled { .. }, at)) => {
            format!("our limit for {source} has no room until {}", clock_time(at, now))
        }
        Some((SourceError::CircuitOpen { .. }, at)) => {
            format!("{source} keeps failing and is not called until {}", clock_time(at, now))
        }
        _ => format!("{source}: {}", judged.detail.as_deref().unwrap_or("no answer")),
    })
}

/// A clause on what the caller may have meant, if most accounts that gave a quote state another currency than the
/// symbol's.
fn most_state_another_currency(price: &Price) -> Option<String> {
    let settled = price.currency.as_ref()?;
    let answered = price.quotes.iter().filter(|judged| judged.verdict != Verdict::Failed);
    let answered: BTreeSet<&str> = answered.map(account).collect();
    let mut stating: BTreeMap<&Currency, BTreeSet<&str>> = BTreeMap::new();
    let mut contrary = BTreeSet::new();
    // a quote of the symbol itself that was left out for its currency
    let is_contrary = |judged: &&Judged| {
        judged.verdict == Verdict::Excluded(Exclusion::CurrencyMismatch) && judged.derivation.is_none()
    };
    for judged in price.quotes.iter().filter(is_contrary) {
        if let Some(stated) = judged.outcome.quote.as_ref().and_then(|quote| quote.currency.as_ref()) {
            stating.entry(stated).or_default().insert(account(judged));
            contrary.insert(account(judged));
        }
    }
    if contrary.len() * 2 <= answered.len() {
        return None;
    }
    // of currencies that are stated equally often, the first by name
    let (most, _) = stating.iter().max_by_key(|(code, accounts)| (accounts.len(), Reverse(**code)))?;
    let codes = first_few(stating.keys().map(ToString::to_string), " or ");
    Some(format!("most sources state {codes}, and {}", another_symbol(&price.symbol, settled, most)))
}

fn account(judged: &Judged) -> &str {
    &judged.outcome.origin.account
}

/// States which currency the symbol is in, and how to ask for the one that the sources state.
fn another_symbol(symbol: &Symbol, settled: &Currency, stated: &Currency) -> String {
    if let Some((base, _)) = symbol.legs() {
        return format!("{symbol} is in {settled}; did you mean {base}-{stated}?");
    }
    let entry = format!("{} currency = \"{stated}\"", symbol.section());
    match symbol.listed_in(stated) {
        Some(listing) => {
            format!("{symbol} is taken to be in {settled}; did you mean {listing}? If not, set {entry}")
        }
        None => format!("{symbol} is taken to be in {settled}; if that is wrong, set {entry}"),
    }
}

/// The sentence for a quote's verdict, where the verdict alone does not say enough.
pub(super) fn of_quote(
    entry: &Entry,
    decision: &Decision,
    currency: Option<&Currency>,
    rule: &Rule,
    now: Timestamp,
) -> Option<String> {
    let outcome = &entry.judged.outcome;
    let exclusion = match entry.judged.verdict {
        Verdict::Failed => return outcome.failure.as_ref().map(|failure| failed_with(failure, now)),
        Verdict::Used if !entry.eligibility.is_usable() => Exclusion::Stale,
        Verdict::Used => return None,
        Verdict::Excluded(exclusion) => exclusion,
    };
    let quote = outcome.quote.as_ref()?;
    Some(match exclusion {
        Exclusion::NotFolded => return None,
        Exclusion::Outlier => from_the_median(entry, decision, rule)?,
        Exclusion::Stale => aged(quote, &outcome.origin, rule, now),
        Exclusion::Future => format!("{}, {} allowed", said(quote, now), duration(age::AHEAD)),
        Exclusion::InvalidPrice => invalid_price(quote),
        Exclusion::NoMarket | Exclusion::Halted => quote.no_market?.sentence().to_owned(),
        Exclusion::CurrencyMismatch => mismatch(&entry.judged, currency)?,
        Exclusion::CurrencyUnknown => no_currency(&entry.judged),
        Exclusion::OtherSession => other_session(quote.session?).to_owned(),
        Exclusion::SameAccount => format!("another quote from the account {} is newer", outcome.origin.account),
        Exclusion::Reference => "a reference; the other sources suffice".to_owned(),
        Exclusion::DegradedRate => degraded_rate(&entry.judged)?,
        Exclusion::NoConversion => no_rate(&entry.judged)?,
    })
}

fn from_the_median(entry: &Entry, decision: &Decision, rule: &Rule) -> Option<String> {
    let Decision::Agreed { agreed, .. } = decision else { return None };
    let median = agreed.median;
    let distance = percent_over(entry.judged.price?.saturating_sub(median), median, rule.outlier_beyond);
    let allowed = fraction(rule.outlier_beyond);
    Some(format!("{distance} from the median {}, {allowed} allowed", plain(median)))
}

fn invalid_price(quote: &Quote) -> String {
    match &quote.price {
        Stated::Number(number) => format!("{} is not a price", plain(*number)),
        Stated::NotANumber(text) => format!("{text:?} is not a price"),
        Stated::Absent => "it states no price, and no bid and ask to take one from".to_owned(),
    }
}

/// The currency that a quote is in, and the one that it should be in: for a derived quote, that of the pair asked for.
fn mismatch(judged: &Judged, currency: Option<&Currency>) -> Option<String> {
    let stated = judged.outcome.quote.as_ref()?.currency.as_ref()?;
    let expected = match &judged.derivation {
        Some(derivation) => derivation.asked.pair_currency()?,
        None => currency?.clone(),
    };
    Some(format!("in {stated}, not in {expected}"))
}

/// Why the currency of a quote is unknown.
fn no_currency(judged: &Judged) -> String {
    let stated = match &judged.derivation {
        Some(derivation) => derivation.stated.as_ref(),
        None => judged.outcome.quote.as_ref(),
    };
    match stated.and_then(|stated| stated.currency.as_ref()) {
        Some(word) => format!("it states the currency {:?}, which is not a currency code", word.as_str()),
        None => "it does not state a currency".to_owned(),
    }
}

fn degraded_rate(judged: &Judged) -> Option<String> {
    let (rate, _) = judged.derivation.as_ref()?.degraded()?;
    let reason = rate.status.reason()?;
    Some(format!("its rate {} is degraded / {reason}; the other sources suffice", rate.symbol))
}

/// Why a quote could not be converted into the symbol's currency.
fn no_rate(judged: &Judged) -> Option<String> {
    let derivation = judged.derivation.as_ref()?;
    let (asked, rate) = (&derivation.asked, derivation.without_rate()?);
    let why = rate.detail.as_deref().unwrap_or("it has no price");
    Some(format!("it quotes {asked}, and there is no price for {}: {why}", rate.symbol))
}

fn other_session(session: Session) -> &'static str {
    match session {
        Session::Pre => "from pre-market trading, but regular or later quotes decide",
        Session::Post => "from after-hours trading, but regular or later quotes decide",
        Session::Regular | Session::Closed => "from a different session than the price",
    }
}

/// What a source failed with. A limit of ours has room again at a time, which the failure states.
fn failed_with(failure: &Failure, now: Timestamp) -> String {
    match (&failure.error, failure.retry_at) {
        (error @ SourceError::Throttled { .. }, Some(at)) => format!("{error} until {}", clock_time(at, now)),
        (error, _) => error.to_string(),
    }
}

/// When the quote was stated, and how old it may be. Sentences name times and no ages, so that they stay true.
fn aged(quote: &Quote, origin: &Origin, rule: &Rule, now: Timestamp) -> String {
    let said = said(quote, now);
    if let Some(max_age) = rule.max_age.filter(|max_age| clock::age(now, age::time_of(quote)) > *max_age) {
        return format!("{said}, max_age is {}", duration(max_age));
    }
    if origin.lag_ms <= 0 {
        return format!("{said}, {} allowed", duration(age::usable_for(rule, origin)));
    }
    let lag = Duration::from_millis(origin.lag_ms.unsigned_abs());
    format!("{said}, {} allowed (+ {} lag)", duration(rule.usable_for), duration(lag))
}

/// When the quote was stated, or received if it states no time.
fn said(quote: &Quote, now: Timestamp) -> String {
    let time = age::time_of(quote);
    let verb = if quote.observed_at.is_none() && time == quote.received_at { "received" } else { "stated" };
    let ahead = if time > now { ", which is ahead of our clock" } else { "" };
    format!("{verb} at {}{ahead}", clock_time(time, now))
}

#[cfg(test)]
mod tests;
