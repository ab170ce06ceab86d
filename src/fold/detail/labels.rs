//! Says what the caller may have meant where most sources state another currency than the symbol's own.

use std::collections::{BTreeMap, BTreeSet};

use super::words::listed;
use crate::fold::{Exclusion, Judged, Price, Verdict};
use crate::symbol::{Currency, Symbol};

/// Half a sentence, if most accounts that gave a quote state another currency than the symbol is in.
pub(super) fn mostly_contrary(price: &Price) -> Option<String> {
    let settled = price.currency.as_ref()?;
    let answered = price.quotes.iter().filter(|judged| judged.verdict != Verdict::Failed);
    let answered: BTreeSet<&str> = answered.map(account).collect();
    let mut stating: BTreeMap<&Currency, BTreeSet<&str>> = BTreeMap::new();
    let mut contrary = BTreeSet::new();
    for judged in price.quotes.iter().filter(|judged| is_contrary(judged)) {
        if let Some(stated) = judged.outcome.quote.as_ref().and_then(|quote| quote.currency.as_ref()) {
            stating.entry(stated).or_default().insert(account(judged));
            contrary.insert(account(judged));
        }
    }
    if contrary.len() * 2 <= answered.len() {
        return None;
    }
    // of two that are stated as often, the first by name
    let (most, _) = stating.iter().max_by_key(|(code, accounts)| (accounts.len(), std::cmp::Reverse(**code)))?;
    let codes = listed(stating.keys().map(ToString::to_string).collect(), " or ");
    Some(format!("most sources state {codes}, and {}", meant(&price.symbol, settled, most)))
}

fn account(judged: &Judged) -> &str {
    &judged.outcome.origin.account
}

/// Whether a quote of the symbol itself was left out for its currency.
fn is_contrary(judged: &Judged) -> bool {
    judged.verdict == Verdict::Excluded(Exclusion::CurrencyMismatch) && judged.derivation.is_none()
}

/// Why the symbol is in its own currency, and how to ask for what the sources speak of.
fn meant(symbol: &Symbol, settled: &Currency, stated: &Currency) -> String {
    if let Some((base, _)) = symbol.legs() {
        return format!("{symbol} is in {settled}; did you mean {base}-{stated}?");
    }
    let entry = format!("{} currency = \"{stated}\"", symbol.section());
    match symbol.listed_in(stated) {
        Some(listing) => {
            format!("{symbol} is taken to be in {settled}; did you mean {listing}? {entry} says otherwise")
        }
        None => format!("{symbol} is taken to be in {settled}; {entry} says otherwise"),
    }
}
