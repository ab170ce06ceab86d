//! The second test, before capitals: the consolidated tape marks a preferred share with a small p (`BACpL`).

use super::{Reading, Typed};
use crate::symbol::{Kind, Symbol};

/// `BACpL`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let (ticker, series) = typed.text.split_once('p')?;
    let is_capitals = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let fits = (1..=6).contains(&ticker.len()) && is_capitals(ticker) && series.len() == 1 && is_capitals(series);
    fits.then(|| Ok(Symbol::new(&format!("{ticker}-P{series}"), Kind::UnitedStates)))
}
