//! The seventh test: preferred shares in the United States, in their many spellings. It comes before the suffixes, and leaves
//! `T.PL` to them: `AIR.PA` is Airbus in Paris.

use super::{Reading, Typed, is_letters};
use crate::symbol::{Kind, Symbol};

/// `BAC-PL`, `BAC.PRL`, `BAC.PR.L`, `BAC PR L`, `BAC/PRL`, `BAC/PL`, `BAC^L`, `BAC-P-L`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    of(&typed.upper).map(Ok)
}

/// The preferred share that is spelled so, in capitals.
pub(super) fn of(upper: &str) -> Option<Symbol> {
    let at = upper.find(|c: char| !c.is_ascii_uppercase())?;
    let (ticker, rest) = upper.split_at(at);
    let series = series(rest).filter(|series| is_letters(series, 1))?;
    is_letters(ticker, 6).then(|| Symbol::new(&format!("{ticker}-P{series}"), Kind::UnitedStates))
}

/// What follows the mark of a preferred share.
fn series(rest: &str) -> Option<&str> {
    const MARKS: [&str; 17] = [
        ".PR.", ".PR-", ".PR/", ".PR", "-PR-", "-PR", "-P-", "-P", "/PR/", "/PR", "/P/", "/P", " PR ", " PR", "_PR_",
        "_PR", "^",
    ];
    MARKS.iter().filter_map(|mark| rest.strip_prefix(mark)).find(|series| series.len() == 1)
}
