//! Splits a query or a form into its parameters, and reads their values.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use percent_encoding::percent_decode_str;

use super::{BadQuestion, bad, format};

/// The parameters of a question about several symbols.
pub(super) const PARAMETERS: [&str; 14] = [
    SYMBOLS,
    "currency",
    "timeout",
    "wait",
    "refresh_after",
    "refresh",
    "max_age",
    "require",
    "sources",
    "quotes",
    "format",
    "decimal",
    "separator",
    format::IGNORED,
];

const SYMBOLS: &str = "symbols";

/// The parameters that are lists, each with two items as examples. Many HTTP libraries write a list by repeating its name.
const LISTS: [(&str, &str, &str); 2] = [(SYMBOLS, "AAPL", "MSFT"), ("sources", "kraken", "coinbase")];

/// Splits a query or a form (`whole` says which) into its parameters. Unknown and repeated ones are refused, so that a typo
/// never silently means the default; only a list may be repeated, and is one list then.
pub(crate) fn split(whole: &str, query: &str, allowed: &[&str]) -> Result<BTreeMap<String, String>, BadQuestion> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = if name == SYMBOLS { warrants_marked(value) } else { value.to_owned() };
        let (name, value) = (decode(whole, name)?, decode(name, &value)?);
        if !allowed.contains(&name.as_str()) {
            return Err(unknown(pair, &name, allowed));
        }
        match parameters.entry(name) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
            }
            Entry::Occupied(mut list) if LISTS.iter().any(|(name, ..)| list.key() == name) => {
                list.get_mut().push(',');
                list.get_mut().push_str(&value);
            }
            Entry::Occupied(twice) => {
                let name = twice.key();
                return Err(bad(name, format!("{name} is given twice; give it once")));
            }
        }
    }
    Ok(parameters)
}

/// The refusal of a parameter that is not allowed, with what was probably meant.
fn unknown(pair: &str, name: &str, allowed: &[&str]) -> BadQuestion {
    let list = LISTS.iter().find(|(list, ..)| {
        allowed.contains(list) && name.strip_prefix(list).is_some_and(|index| index.starts_with('['))
    });
    let meant = match list {
        Some((list, one, other)) => format!("; write {list}={one},{other}, or {list}={one}&{list}={other}"),
        None if !pair.contains('=') => {
            "; if it is a part of a symbol such as M&M.NS, write %26 for the ampersand".to_owned()
        }
        None => String::new(),
    };
    let allowed: Vec<&str> = allowed.iter().copied().filter(|name| *name != format::IGNORED).collect();
    let allowed = allowed.join(", ");
    bad(name, format!("unknown parameter {name:?}; expected one of {allowed}{meant}"))
}

fn decode(field: &str, text: &str) -> Result<String, BadQuestion> {
    // a plus is a space in a query
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| bad(field, format!("{text:?} is not UTF-8 once it is percent-decoded")))
}

/// The same list of symbols, in which each plus at the end of a symbol is escaped: it is the sign of a warrant there (`CCIV+`).
/// Everywhere else a plus is a space. So is each plus of a list in which a comma is escaped: only programs escape one, such as
/// the forms of browsers, and these escape a plus that is not a space.
fn warrants_marked(symbols: &str) -> String {
    if symbols.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2c")) {
        return symbols.to_owned();
    }
    let mark = |symbol: &str| match symbol.trim_end_matches('+') {
        "" => symbol.to_owned(),
        stem if stem.len() == symbol.len() || ends_in_plus(stem) => symbol.to_owned(),
        stem => format!("{stem}%2B"),
    };
    symbols.split(',').map(mark).collect::<Vec<_>>().join(",")
}

/// Whether a text ends in a plus that is escaped.
fn ends_in_plus(text: &str) -> bool {
    text.as_bytes().last_chunk::<3>().is_some_and(|end| end.eq_ignore_ascii_case(b"%2b"))
}
