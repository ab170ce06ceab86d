//! The fourth test: a colon between a place and what it lists. Shares are understood; what a place for coins, currencies and
//! contracts lists is not, since no price here is that of one place alone.

use super::{Reading, Typed, listing, otherwise, pair};
use crate::symbol::tables::places::{INDEX_PREFIXES, VENUES, beside_colon};

/// `NASDAQ:AAPL`, `AAPL:NASDAQ`, `CURRENCY:EURUSD`, `BINANCE:BTCUSDT`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let (before, after) = typed.upper.split_once(':')?;
    let (before, after) = (before.trim(), after.trim());
    if before == "CURRENCY" {
        return Some(currency(typed, after));
    }
    if let Some(suffix) = place(before, after) {
        return Some(listed(typed, after, suffix));
    }
    if let Some(suffix) = place(after, before) {
        return Some(listed(typed, before, suffix));
    }
    Some(Err(why_not(typed, before, after)))
}

/// The suffix of a place, given what it lists: `TSE` is Tokyo with digits, and Toronto with letters.
fn place(name: &str, listed: &str) -> Option<&'static str> {
    match name {
        "TSE" if listed.starts_with(|c: char| c.is_ascii_digit()) => Some("T"),
        "TSE" => Some("TO"),
        _ => beside_colon(name),
    }
}

fn listed(typed: &Typed<'_>, root: &str, suffix: &str) -> Reading {
    match listing::on(root, suffix) {
        Some(symbol) => Ok(symbol),
        None => typed.no_symbol("names a place, but no listing there; write one such as NASDAQ:AAPL or LON:VOD"),
    }
}

fn currency(typed: &Typed<'_>, name: &str) -> Reading {
    let legs = name.split_once(['-', '/', '_']).or_else(|| otherwise::concatenation(name));
    match legs.and_then(|(base, quote)| pair::of(typed, base, quote)) {
        Some(reading) => reading,
        None => typed.no_symbol("is not a pair of currencies; write one such as CURRENCY:EURUSD"),
    }
}

fn why_not(typed: &Typed<'_>, before: &str, after: &str) -> crate::symbol::SymbolError {
    let name = after.strip_suffix(".P").unwrap_or(after);
    let pair = |name: &str| otherwise::concatenation(name).map(|(base, quote)| format!("{base}-{quote}"));
    if VENUES.contains(&before) {
        let why = format!("asks for what {before} alone lists, and prices here are folded from several sources");
        return typed.perhaps(&why, &pair(name).unwrap_or_else(|| name.to_owned()));
    }
    if INDEX_PREFIXES.contains(&before) {
        return typed.because("is an index or a rate of another site; write an index with a ^, such as ^GSPC");
    }
    if before == "EURONEXT" {
        return typed
            .because("does not say where on Euronext; write the place's suffix: .PA, .AS, .BR, .LS, .IR, .MI or .OL");
    }
    if before.contains(['/', '-']) {
        return typed.perhaps("is written like a contract, which is not priced here", before);
    }
    typed.because("has a colon beside which no known place stands; write AAPL, VOD.L, NASDAQ:AAPL or LON:VOD")
}
