//! Recomputes the prices of a saved answer from the quotes in it, and says where the answer differs.
//!
//! The fold, the derivation and the conversion are those of the service. What an answer only reports is taken as stated: what
//! sources said and when, which of them failed and how, and the rates, of which it has no quotes. Sentences are not compared.

mod read;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Completeness, entry, entry_of_text};
use crate::clock::age;
use crate::convert::{Conversion, Priced, convert};
use crate::decimal;
use crate::fold::{Price, Status, Unavailable, fold};
use crate::question::NotASymbol;
use crate::symbol::Currency;
use read::{Number, SavedEntry};

/// The fields of an entry that say something about the answer as a whole or to people, and are not computed from its quotes.
const NOT_COMPARED: [&str; 3] = ["detail", "age_ms", "refreshing"];

/// What became of one entry of a saved answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The symbol, as the entry states it.
    pub symbol: String,
    /// The price and its currency, as the entry states them; `None` if it has no price.
    pub price: Option<String>,
    /// How many quotes were folded again, those included that were left out.
    pub quotes: usize,
    /// The rates that were taken as stated, such as `USDT-USD 0.9998`.
    pub rates: Vec<String>,
    /// Where the entry differs from what its quotes give; empty if it matches.
    pub differences: Vec<Difference>,
}

/// One field that is not what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where it is, such as `price` or `quotes[kraken].deviation_bps`.
    pub field: String,
    /// What the answer states, as JSON.
    pub stated: String,
    /// What follows from its quotes, as JSON.
    pub recomputed: String,
}

/// Why a text cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverifiable {
    /// It is not JSON, or not all of it is.
    #[error("this is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but no answer of quotefold.
    #[error("this is not an answer with prices: it has neither `prices` nor `symbol`")]
    NotAnAnswer,
    /// It has no quotes to recompute a price from.
    #[error("{0} has no quotes: save an answer without `quotes=false`")]
    WithoutQuotes(String),
    /// An entry cannot be read. Other versions of quotefold may state less, or something else.
    #[error("{symbol} cannot be recomputed: {why}")]
    Unreadable {
        /// The entry's symbol.
        symbol: String,
        /// What is missing or wrong.
        why: String,
    },
}

/// Verifies everything in a text: answers of `/prices`, entries of `/prices/{symbol}`, or lines of `format=ndjson`, one or more.
///
/// # Errors
/// The text is not made of answers that can be recomputed.
pub fn verify(text: &str) -> Result<Vec<Verified>, Unverifiable> {
    let mut verified = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|error| Unverifiable::NotJson(error.to_string()))?;
        match value.get("prices").and_then(Value::as_array) {
            Some(entries) => {
                let each: Result<Vec<Verified>, Unverifiable> = entries.iter().map(verify_entry).collect();
                verified.extend(each?);
                verified.extend(of_the_whole(&value, entries));
            }
            None => verified.push(verify_entry(&value)?),
        }
    }
    if verified.is_empty() { Err(Unverifiable::NotAnAnswer) } else { Ok(verified) }
}

/// Whether the answer's own status follows from those of its entries, which are verified by themselves; `None` if it does.
fn of_the_whole(answer: &Value, entries: &[Value]) -> Option<Verified> {
    let status = |entry: &Value| match (entry["status"].as_str(), entry["reason"].as_str()) {
        (Some("unknown"), _) => Some(Status::Unknown),
        (name, reason) => Status::named(name?, reason),
    };
    let statuses: Option<Vec<Status>> = entries.iter().map(status).collect();
    let follows = statuses.map(|statuses| Value::from(Completeness::of(&statuses).as_str())).unwrap_or_default();
    let differences = differences("", &answer["status"], &follows, "status");
    (!differences.is_empty()).then(|| Verified {
        symbol: "the answer".to_owned(),
        price: None,
        quotes: 0,
        rates: Vec::new(),
        differences,
    })
}

fn verify_entry(stated: &Value) -> Result<Verified, Unverifiable> {
    let symbol = stated["symbol"].as_str().ok_or(Unverifiable::NotAnAnswer)?.to_owned();
    let price = stated["price"].as_str();
    let price = price.map(|price| match stated["currency"].as_str() {
        Some(currency) => format!("{price} {currency}"),
        None => price.to_owned(),
    });
    if stated["quotes"].is_null() {
        return Err(Unverifiable::WithoutQuotes(symbol));
    }
    if stated["reason"] == "not_a_symbol" {
        // no source was asked, so there is nothing to fold
        let differences = compare(stated, &entry_of_no_symbol(&symbol, stated).unwrap_or_default());
        return Ok(Verified { symbol, price, quotes: 0, rates: Vec::new(), differences });
    }
    let unreadable = |why: String| Unverifiable::Unreadable { symbol: symbol.clone(), why };
    let saved = SavedEntry::deserialize(stated).map_err(|error| unreadable(error.to_string()))?;
    let priced = refold(&saved, stated).map_err(unreadable)?;
    let recomputed = entry(&priced).map_err(|error| unreadable(error.to_string()))?;
    let mut differences = compare(stated, &recomputed);
    differences.extend(younger_than_its_quotes(stated, &priced.price, saved.as_of()));
    differences.extend(saved.not_inverse().map(|(field, stated, inverse)| {
        let shown = |number: Decimal| Value::from(decimal::plain(number)).to_string();
        Difference { field, stated: shown(stated), recomputed: shown(inverse) }
    }));
    Ok(Verified { symbol, price, quotes: saved.quotes.len(), rates: rates(&saved), differences })
}

/// What an answer states of a text that is not a symbol, whatever it says of the reason.
fn entry_of_no_symbol(text: &str, stated: &Value) -> Option<Value> {
    let as_of = stated["as_of"].as_str()?.parse().ok()?;
    let not = NotASymbol { place: 0, text: text.to_owned(), detail: String::new() };
    entry_of_text(&not, as_of).ok()
}

/// The price that follows from the quotes of an entry, in the currency that it states.
fn refold(saved: &SavedEntry, stated: &Value) -> Result<Priced, String> {
    let (rule, as_of) = (saved.rule()?, saved.as_of());
    let price = fold(&saved.symbol()?, saved.evidence()?, &rule, as_of);
    let Some(conversion) = &saved.conversion else { return Ok(unless_inconvertible(price, stated)) };
    let rate = conversion.price(&rule, as_of)?.map(Arc::new);
    let to = Currency::new(&conversion.to);
    let priced = convert(price, &to, |symbol| rate.clone().filter(|rate| rate.symbol == *symbol));
    Ok(with_missing_rate(priced, conversion.status()?))
}

/// A price of points, or in an unknown currency, cannot be converted. An answer that says so does not say into what.
fn unless_inconvertible(price: Price, stated: &Value) -> Priced {
    let no_conversion = Status::Unavailable(Unavailable::NoConversion);
    let is_converted = stated["status"] == no_conversion.as_str()
        && stated["reason"].as_str() == no_conversion.reason()
        && (price.rule.in_points || price.currency.is_none());
    // a currency that no price of points or without a currency is in
    if is_converted { convert(price, &Currency::new("XTS"), |_| None) } else { price.into() }
}

/// Where there is no rate, an answer states why, which its quotes do not give.
fn with_missing_rate(priced: Priced, status: Status) -> Priced {
    let Priced { price, conversion } = priced;
    let conversion = conversion.map(|conversion| match conversion.rate {
        Some(_) => conversion,
        None => {
            Conversion { rate: Some(Arc::new(read::without_price(&conversion.symbol, status, &price))), ..conversion }
        }
    });
    Priced { price, conversion }
}

/// The rates that an entry states and that cannot be recomputed.
fn rates(saved: &SavedEntry) -> Vec<String> {
    let shown = |symbol: &str, rate: Option<Number>| match rate {
        Some(Number(rate)) => format!("{symbol} {}", decimal::plain(rate)),
        None => format!("{symbol} (no price)"),
    };
    let derivations = saved.quotes.iter().filter_map(|quote| quote.derivation.as_ref());
    let of_quotes = derivations.flat_map(|derivation| &derivation.rates).map(|rate| shown(&rate.symbol, rate.price));
    let of_conversion = saved.conversion.iter().map(|conversion| shown(&conversion.symbol, conversion.rate));
    of_quotes.chain(of_conversion).collect::<BTreeSet<_>>().into_iter().collect()
}

/// An answer was written after it was folded, so a price in it cannot be younger than it was then.
fn younger_than_its_quotes(stated: &Value, price: &Price, as_of: Timestamp) -> Option<Difference> {
    let least = price.folded.as_ref().map(|folded| age(as_of, folded.aged_from).as_millis());
    let said = stated["age_ms"].as_u64().map(u128::from);
    let follows = match (said, least) {
        (Some(said), Some(least)) => said >= least,
        (said, least) => said.is_none() == least.is_none(),
    };
    let recomputed = least.map_or_else(|| "null".to_owned(), |least| format!("at least {least}"));
    (!follows).then(|| Difference { field: "age_ms".to_owned(), stated: stated["age_ms"].to_string(), recomputed })
}

/// Compares everything that follows from the quotes.
fn compare(stated: &Value, recomputed: &Value) -> Vec<Difference> {
    let Some(fields) = recomputed.as_object() else { return Vec::new() };
    let computed = fields.iter().filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
    computed.flat_map(|(name, value)| differences("", &stated[name], value, name)).collect()
}

/// The differences below one field, whose name is added to the place where it stands.
fn differences(place: &str, stated: &Value, recomputed: &Value, name: &str) -> Vec<Difference> {
    let field = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match (stated, recomputed) {
        (Value::Object(have), Value::Object(want)) => {
            let is_stated = |name: &str| NOT_COMPARED.contains(&name) || name == "used" && takes_as_stated(&field);
            let compared = want.iter().filter(|(name, _)| !is_stated(name));
            let none = Value::Null;
            compared.flat_map(|(name, want)| differences(&field, have.get(name).unwrap_or(&none), want, name)).collect()
        }
        (Value::Array(have), Value::Array(want)) if have.len() == want.len() => {
            let element = |(place, (have, want)): (usize, (&Value, &Value))| {
                let name = want["source"].as_str().or(want["symbol"].as_str());
                let name = name.map_or_else(|| place.to_string(), str::to_owned);
                differences("", have, want, &format!("{field}[{name}]"))
            };
            have.iter().zip(want).enumerate().flat_map(element).collect()
        }
        (stated, recomputed) if stated == recomputed => Vec::new(),
        (stated, recomputed) => {
            vec![Difference { field, stated: stated.to_string(), recomputed: recomputed.to_string() }]
        }
    }
}

/// Whether a field is about a rate: which sources made it is taken as stated.
fn takes_as_stated(field: &str) -> bool {
    field == "conversion" || field.contains(".rates[")
}

#[cfg(test)]
mod tests;
