//! The tenth test: a listing in the United States, bare or with a class, a unit, a warrant or a right.

use super::{Reading, Typed, is_letters};
use crate::symbol::tables::us_tails::{EXCHANGES_OF_ONE_LETTER, us_tail};
use crate::symbol::{Kind, Symbol};

/// `AAPL`, `BRK.B`, `BRK-B`, `MKC-V`, `CCIV-UN`, `CCIV-WT`, `CCIV+`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    of(&typed.upper).map(Ok)
}

/// The listing that is spelled so, in capitals.
pub(super) fn of(upper: &str) -> Option<Symbol> {
    let listing = |text: &str| Some(Symbol::new(text, Kind::UnitedStates));
    if is_letters(upper, 6) {
        return listing(upper);
    }
    if let Some(ticker) = upper.strip_suffix('+') {
        return is_letters(ticker, 6).then(|| listing(&format!("{ticker}-WT")))?;
    }
    let at = upper.find(['.', '-', '/', '_'])?;
    let (ticker, rest) = upper.split_at(at);
    let (separator, tail) = rest.split_at(1);
    if !is_letters(ticker, 6) || !is_letters(tail, 2) {
        return None;
    }
    if let Some(canonical) = us_tail(tail, separator == ".") {
        return listing(&format!("{ticker}{canonical}"));
    }
    match tail {
        // of these letters, only V is in use as a class
        "V" if separator != "." => listing(&format!("{ticker}-V")),
        class if class.len() == 1 && !EXCHANGES_OF_ONE_LETTER.contains(&class) => listing(&format!("{ticker}.{class}")),
        _ => None,
    }
}
