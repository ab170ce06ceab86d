//! The sixth test: a pair has exactly two parts, and the right one is something that prices are quoted in.

use super::{Reading, Typed, is_word};
use crate::symbol::Symbol;
use crate::symbol::currency::is_stable;
use crate::symbol::part;
use crate::symbol::tables::coins::usual_ticker;
use crate::symbol::tables::is_money;
use crate::symbol::tables::money::quotes_coins;

/// `BTC-USD`, `EUR/USD`, `ETH_BTC`, `XBT-EUR`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let (base, quote) = typed.upper.split_once(['-', '/', '_'])?;
    of(typed, base, quote)
}

/// `GBp-USD`, `GBpUSD=X`, `CURRENCY:BTCGBp`: a part of a currency, which its case alone tells from the whole. It comes before
/// capitals, in which it would be the price of another amount.
pub(super) fn read_with_part(typed: &Typed<'_>) -> Option<Reading> {
    let (code, legs) = part_in_pair(typed)?;
    let [base, quote] = legs.map(|leg| match part::whole_of(leg) {
        Some((whole, _)) => whole.to_owned(),
        None => leg.to_ascii_uppercase(),
    });
    let why = match part::whole_of(code) {
        Some((whole, _)) => format!("names {code}, which is a part of {whole}; a pair is of whole currencies"),
        None => format!("names {code}, which is not {}", code.to_ascii_uppercase()),
    };
    Some(Err(typed.perhaps(&why, &format!("{base}-{quote}"))))
}

/// The code of a pair that is written like a part of a currency, and both codes.
fn part_in_pair<'t>(typed: &Typed<'t>) -> Option<(&'t str, [&'t str; 2])> {
    let name = match typed.text.split_once(':') {
        Some((place, name)) if place.trim().eq_ignore_ascii_case("CURRENCY") => name.trim(),
        Some(_) => return None,
        None => typed.text,
    };
    let (name, is_joined) = match name.split_once('=') {
        Some((name, "X" | "x")) => (name, true),
        Some(_) => return None,
        None => (name, name.len() < typed.text.len()),
    };
    let legs = match name.split_once(['-', '/', '_']) {
        Some(legs) => legs,
        None if is_joined && name.len() == 3 => ("USD", name),
        None if is_joined => name.split_at_checked(name.len().checked_sub(3)?)?,
        None => return None,
    };
    let legs = [legs.0, legs.1];
    let is_part = |code: &&str| {
        part::is_written_like_one(code) && (part::whole_of(code).is_some() || is_money(&code.to_ascii_uppercase()))
    };
    legs.into_iter().find(|code| is_part(code)).map(|code| (code, legs))
}

/// The pair of two parts; `None` if prices are quoted in no such thing as the right one.
pub(super) fn of(typed: &Typed<'_>, base: &str, quote: &str) -> Option<Reading> {
    let (base, quote) = (usual_ticker(base), usual_ticker(quote));
    if !is_word(base) || !is_quoted_in(quote) {
        return None;
    }
    Some(Symbol::pair(base, quote).ok_or_else(|| {
        typed.because(format!(
            "is the price of {base} in {base}, which is 1; write two different codes, such as EUR-USD"
        ))
    }))
}

/// The pair of two parts that are both money.
pub(super) fn of_money(base: &str, quote: &str) -> Option<Symbol> {
    if is_money(base) && is_money(quote) { Symbol::pair(base, quote) } else { None }
}

/// Whether prices are quoted in it: money, also if it is gone, a part of money, a stable coin, or a coin that others are quoted in.
pub(super) fn is_quoted_in(code: &str) -> bool {
    is_money(code) || is_stable(code) || quotes_coins(code) || part::whole_of(code).is_some()
}

/// Whether people pay with it: money or a stable coin.
pub(super) fn is_paid_with(code: &str) -> bool {
    is_money(code) || is_stable(code)
}
