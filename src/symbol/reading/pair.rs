//! The fifth test: a pair has exactly two parts, and the right one is something that prices are quoted in.

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
