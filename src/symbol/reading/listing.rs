//! The ninth test: a listing with the suffix of its exchange, in ours or in another dialect. Last of all come suffixes that are
//! not known.

use super::{Reading, Typed, is_digits, is_letters, is_word, pair, preferred, united_states};
use crate::symbol::tables::exchange;
use crate::symbol::tables::places::in_dialect;
use crate::symbol::{Kind, Symbol};

/// The suffixes of Canada, where a series of preferred shares is written `-PZ`.
const CANADA: [&str; 4] = ["CN", "NE", "TO", "V"];

/// `VOD.L`, `TSCO.LON`, `RCI.B.TO`, `AAPL.US`, `AAPL.XNAS`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let (root, suffix) = typed.text.rsplit_once('.')?;
    let suffix = suffix.to_ascii_uppercase();
    let suffix = if exchange(&suffix).is_some() { &suffix } else { in_dialect(&suffix)? };
    on(root, suffix).map(Ok)
}

/// What an exchange lists by this name, in any case. The exchange is given by its suffix here, or by `US`.
pub(super) fn on(name: &str, suffix: &str) -> Option<Symbol> {
    let root = name.to_ascii_uppercase();
    if suffix == "US" {
        return preferred::of_tape(name).or_else(|| preferred::of(&root)).or_else(|| united_states::of(&root));
    }
    let number = exchange(suffix)?;
    let mut parts = root.split(['-', '.', '/', '_', ' ']);
    let first = parts.next().filter(|first| is_root(first))?;
    let parts: Vec<&str> = parts.collect();
    if parts.len() > 2 || !parts.iter().all(|part| part.len() <= 4 && is_word(part)) {
        return None;
    }
    let mut name = if suffix == "HK" { four_digits(first) } else { first.to_owned() };
    for part in series_of_canada(&parts, suffix).iter().map(String::as_str) {
        name.push('-');
        name.push_str(part);
    }
    Some(Symbol::new(&format!("{name}.{suffix}"), Kind::Listing(number)))
}

fn is_root(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'&')
}

/// A number in Hong Kong: four digits, as most write it, or all it has.
fn four_digits(number: &str) -> String {
    if !is_digits(number) {
        return number.to_owned();
    }
    format!("{:0>4}", number.trim_start_matches('0'))
}

/// The parts after the root. In Canada, `PR-Z` and `PRZ` are `PZ`.
fn series_of_canada(parts: &[&str], suffix: &str) -> Vec<String> {
    let one_letter = |text: &str| is_letters(text, 1);
    match parts {
        ["PR", series] if CANADA.contains(&suffix) && one_letter(series) => vec![format!("P{series}")],
        [only] if CANADA.contains(&suffix) && only.strip_prefix("PR").is_some_and(one_letter) => {
            vec![only.replacen("PR", "P", 1)]
        }
        parts => parts.iter().map(|part| (*part).to_owned()).collect(),
    }
}

/// `QQQQ.RO`: a suffix of two or three letters that is in no table. Nothing is implied by it.
pub(super) fn read_elsewhere(typed: &Typed<'_>) -> Option<Reading> {
    let (root, suffix) = typed.upper.split_once('.')?;
    let fits = is_word(root) && suffix.len() >= 2 && is_letters(suffix, 3);
    // `EUR.USD` is a pair at Interactive Brokers, and `BAC.PL` perhaps a preferred share
    let is_other = pair::is_quoted_in(suffix) || suffix.len() == 2 && suffix.starts_with('P') && suffix != "PS";
    let is_known = exchange(suffix).is_some() || in_dialect(suffix).is_some();
    (fits && !is_other && !is_known).then(|| Ok(Symbol::new(&typed.upper, Kind::Elsewhere)))
}
