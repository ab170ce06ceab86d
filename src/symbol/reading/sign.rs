//! The fourth test: the signs of Yahoo Finance and of Refinitiv. `^` begins an index; `=F` ends a future, `=X` a pair, and `=`
//! alone a rate.

use super::{Reading, Typed, is_digits, is_word, pair};
use crate::symbol::{Kind, Symbol};

/// `^GSPC`, `GC=F`, `JPY=X`, `EURUSD=X`, `EUR=`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let upper = typed.upper.as_str();
    if let Some(name) = upper.strip_prefix('^') {
        return Some(index(typed, name));
    }
    let (name, after) = upper.split_once('=')?;
    Some(match after {
        "F" => future(typed, name),
        "X" => rate(typed, name),
        _ => typed.no_symbol(meant_by_rate(name)),
    })
}

fn index(typed: &Typed<'_>, name: &str) -> Reading {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let fits = name.bytes().all(allowed) && name.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if fits {
        return Ok(Symbol::new(&typed.upper, Kind::Index));
    }
    typed.no_symbol("begins like an index; write its name after the ^, such as ^GSPC")
}

fn future(typed: &Typed<'_>, root: &str) -> Reading {
    if is_word(root) && !is_digits(root) && root.len() <= 10 {
        return Ok(Symbol::new(&typed.upper, Kind::Future));
    }
    typed.no_symbol("ends like a future; write the contract's root before =F, such as GC=F")
}

/// A pair as Yahoo Finance writes it. With one code, that is the price of a dollar.
fn rate(typed: &Typed<'_>, name: &str) -> Reading {
    let legs = match name.len() {
        3 => Some(("USD", name)),
        6 => name.split_at_checked(3),
        _ => None,
    };
    match legs.and_then(|(base, quote)| pair::of(typed, base, quote)) {
        Some(reading) => reading,
        None => typed.no_symbol("ends like a pair; write two codes of three letters before =X, such as EURUSD=X"),
    }
}

fn meant_by_rate(name: &str) -> String {
    let why = "is no symbol here: an equals sign ends GC=F and EURUSD=X";
    let rate = match name.len() {
        3 => Symbol::market_pair(name, "USD")
            .filter(|(pair, _)| pair.class() == crate::symbol::Class::Fx)
            .map(|(pair, _)| pair),
        6 => name.split_at_checked(3).and_then(|(base, quote)| pair::of_money(base, quote)),
        _ => None,
    };
    rate.map_or_else(|| why.to_owned(), |rate| format!("{why}; did you mean {rate}?"))
}
