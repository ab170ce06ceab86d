//! Two tests for preferred shares in the United States. The second of all tests reads the small p of the consolidated tape, so it
//! comes before capitals. The eighth reads the many other spellings. It comes before the suffixes, and leaves `T.PL` to them:
//! `AIR.PA` is Airbus in Paris.

use super::{Reading, Typed, is_letters};
use crate::symbol::{Kind, Symbol};

/// `BACpL`
pub(super) fn read_tape(typed: &Typed<'_>) -> Option<Reading> {
    of_tape(typed.text).map(Ok)
}

/// The preferred share that the consolidated tape spells so.
pub(super) fn of_tape(text: &str) -> Option<Symbol> {
    let (ticker, series) = text.split_once('p')?;
    (is_letters(ticker, 6) && is_letters(series, 1)).then(|| preferred(ticker, series))
}

/// `BAC-PL`, `BAC.PRL`, `BAC.PR.L`, `BAC PR L`, `BAC/PRL`, `BAC/PL`, `BAC^L`, `BAC-P-L`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    of(&typed.upper).map(Ok)
}

/// The preferred share that is spelled so, in capitals.
pub(super) fn of(upper: &str) -> Option<Symbol> {
    let at = upper.find(|c: char| !c.is_ascii_uppercase())?;
    let (ticker, rest) = upper.split_at(at);
    let series = series(rest).filter(|series| is_letters(series, 1))?;
    is_letters(ticker, 6).then(|| preferred(ticker, series))
}

fn preferred(ticker: &str, series: &str) -> Symbol {
    Symbol::new(&format!("{ticker}-P{series}"), Kind::UnitedStates)
}

/// What follows the mark of a preferred share.
fn series(rest: &str) -> Option<&str> {
    const MARKS: [&str; 17] = [
        ".PR.", ".PR-", ".PR/", ".PR", "-PR-", "-PR", "-P-", "-P", "/PR/", "/PR", "/P/", "/P", " PR ", " PR", "_PR_",
        "_PR", "^",
    ];
    MARKS.iter().filter_map(|mark| rest.strip_prefix(mark)).find(|series| series.len() == 1)
}
