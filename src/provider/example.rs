//! Tests a source's description on its own examples: a body that the provider sends must give exactly the outcomes it
//! means.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::extract::{Extracted, Extractor, RawReply};
use crate::decimal;
use crate::failure::SourceError;
use crate::provider::description::{Example, Expected, SourceSettings};
use crate::provider::filter::CpuTimer;
use crate::quote::{NoMarket, Quote, Stated};
use crate::symbol::Symbol;

/// Reads an example's body as if it had come from the provider, and compares the outcomes to the last digit.
///
/// # Errors
/// The first difference, as half a sentence: "BTC-USD: price is 1, expected 2".
pub fn check(extractor: &Extractor, source: &SourceSettings, example: &Example, timer: CpuTimer) -> Result<(), String> {
    let asked = call(extractor, source, example)?;
    judge(example, extractor.read(&reply(example), &asked, timer))
}

/// The symbols that an example asks for, if the source can ask for them in one call.
///
/// # Errors
/// Why it cannot, as half a sentence.
pub(crate) fn call(extractor: &Extractor, source: &SourceSettings, example: &Example) -> Result<Vec<Symbol>, String> {
    let asked = asked(example)?;
    if asked.len() > source.batch {
        return Err(format!("it asks for {} symbols, but batch is {}", asked.len(), source.batch));
    }
    let is_covered = |symbol: &Symbol| source.classes.iter().any(|class| extractor.spelling().covers(symbol, *class));
    match asked.iter().find(|symbol| !is_covered(symbol)) {
        Some(stranger) => Err(format!("it asks for {stranger}, which the source does not cover")),
        None => Ok(asked),
    }
}

/// Compares what an example's body was read as with what it means.
///
/// # Errors
/// The first difference, as half a sentence.
pub(crate) fn judge(example: &Example, read: Result<Extracted, SourceError>) -> Result<(), String> {
    let outcomes = match (read, &example.error) {
        (Ok(extracted), None) => extracted.outcomes,
        (Err(error), Some(expected)) if error.reason() == expected => return Ok(()),
        (Err(error), Some(expected)) => return Err(format!("the call is {}, expected {expected}", described(&error))),
        (Err(error), None) => return Err(format!("the call is {}, expected quotes", described(&error))),
        (Ok(_), Some(expected)) => return Err(format!("the call succeeded, expected {expected}")),
    };
    for expected in &example.expect {
        let named = symbol(&expected.symbol)?;
        let Some((_, outcome)) = outcomes.iter().find(|(symbol, _)| *symbol == named) else {
            return Err(format!("{named} is expected, but not asked for"));
        };
        compare(outcome, expected).map_err(|difference| format!("{named}: {difference}"))?;
    }
    for (symbol, outcome) in &outcomes {
        let is_expected = example.expect.iter().any(|expected| self::symbol(&expected.symbol).as_ref() == Ok(symbol));
        if !is_expected && !matches!(outcome, Err(SourceError::Missing(_))) {
            return Err(format!("{symbol} is not in `expect`, so it must be missing; it is {outcome:?}"));
        }
    }
    Ok(())
}

/// The symbols that an example asks for.
///
/// # Errors
/// The first text that is not a symbol.
pub fn asked(example: &Example) -> Result<Vec<Symbol>, String> {
    example.asked.iter().map(|text| symbol(text)).collect()
}

/// An example's body as if it had just come from the provider.
pub fn reply(example: &Example) -> RawReply {
    RawReply::bare(example.status, example.body.clone(), Timestamp::UNIX_EPOCH)
}

fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::named(text).map_err(|error| error.to_string())
}

fn described(error: &SourceError) -> String {
    format!("{} ({error})", error.reason())
}

fn compare(outcome: &Result<Quote, SourceError>, expected: &Expected) -> Result<(), String> {
    let quote = match (outcome, &expected.error) {
        (Ok(quote), None) => quote,
        (Err(error), Some(reason)) if error.reason() == reason => return Ok(()),
        (Err(error), Some(reason)) => return Err(format!("it is {}, expected {reason}", described(error))),
        (Err(error), None) => return Err(format!("it is {}, expected a quote", described(error))),
        (Ok(_), Some(reason)) => return Err(format!("it is a quote, expected {reason}")),
    };
    let price = match &quote.price {
        Stated::Number(price) => Some(*price),
        Stated::Absent => None,
        Stated::NotANumber(text) => return Err(format!("price is {text:?}, which is not a number")),
    };
    same_number("price", price, expected.price.as_deref())?;
    same_number("bid", quote.bid, expected.bid.as_deref())?;
    same_number("ask", quote.ask, expected.ask.as_deref())?;
    same_number("volume", quote.volume, expected.volume.as_deref())?;
    let currency = quote.currency.as_ref().map(ToString::to_string);
    same("currency", currency.as_deref(), expected.currency.as_deref())?;
    let session = |session: crate::quote::Session| session.as_str();
    same("session", quote.session.map(session), expected.session.map(session))?;
    let times =
        [("observed_at", quote.observed_at, &expected.observed_at), ("book_at", quote.book_at, &expected.book_at)];
    for (name, found, expected) in times {
        let time = |text: &String| text.parse::<Timestamp>().map_err(|_| format!("{name}: {text:?} is not a time"));
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        same(name, shown(found).as_deref(), shown(expected.as_ref().map(time).transpose()?).as_deref())?;
    }
    same("no_market", quote.no_market.map(NoMarket::as_str), expected.no_market.map(NoMarket::as_str))
}

fn same_number(name: &str, found: Option<Decimal>, expected: Option<&str>) -> Result<(), String> {
    let expected = match expected {
        Some(text) => Some(decimal::read(text).ok_or_else(|| format!("{name}: {text:?} is not a number"))?),
        None => None,
    };
    let shown = |number: Option<Decimal>| number.map(decimal::plain);
    same(name, shown(found).as_deref(), shown(expected).as_deref())
}

fn same(name: &str, found: Option<&str>, expected: Option<&str>) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let shown = |value: Option<&str>| value.unwrap_or("absent").to_owned();
    Err(format!("{name} is {}, expected {}", shown(found), shown(expected)))
}
