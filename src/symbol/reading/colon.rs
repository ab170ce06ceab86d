//! The fifth test: a colon between a place and what it lists. Shares are understood; what a place for coins, currencies and
//! contracts lists is not, since no price here is that of one place alone.

use super::{Reading, Symbol, SymbolError, Typed, listing, otherwise, pair};
use crate::symbol::tables::places::{INDEX_PREFIXES, OTHER_EXCHANGES, VENUES, after_space, beside_colon, is_no_ticker};

/// Euronext as TradingView writes it, for all of its seven places.
const EURONEXT: &str = "EURONEXT";

/// What stands on one side of the colon.
struct Side<'t> {
    /// As it was typed, without white space around it.
    text: &'t str,
    /// The same in capitals.
    upper: String,
    /// The suffix of the place that it may be the name of.
    place: Option<&'static str>,
}

/// `NASDAQ:AAPL`, `AAPL:NASDAQ`, `AAPL:US`, `CURRENCY:EURUSD`, `BINANCE:BTCUSDT`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let (before, after) = typed.text.split_once(':')?;
    let [mut before, mut after] = [before, after].map(Side::new);
    if before.upper == "CURRENCY" {
        return Some(currency(typed, &after.upper));
    }
    before.place = place(&before.upper, &after.upper);
    // Bloomberg writes its code of a place after the ticker only
    after.place = place(&after.upper, &before.upper).or_else(|| after_space(&after.upper));
    if is_of_another_kind(&before.upper) && !is_no_ticker(&after.upper) && after_space(&after.upper).is_none() {
        after.place = None;
    }
    Some(match (before.place, after.place) {
        (Some(_), Some(_)) => of_two_places(typed, &before, &after),
        (Some(suffix), None) => listed(typed, after.text, suffix),
        (None, Some(suffix)) => listed(typed, before.text, suffix),
        (None, None) => Err(why_not(typed, &before.upper, &after.upper)),
    })
}

impl<'t> Side<'t> {
    fn new(text: &'t str) -> Self {
        Side { text: text.trim(), upper: text.trim().to_ascii_uppercase(), place: None }
    }

    /// The listing of a ticker at the place that this is the name of.
    fn lists(&self, ticker: &Side<'_>) -> Option<Symbol> {
        listed_at(ticker.text, self.place?)
    }
}

/// Reads two names of places, of which one is meant as a ticker: `NYSE:ICE`, `ICE:NYSE`, `ASX:ASX`, `LON:BME`. People write both
/// orders, so the order alone does not decide.
fn of_two_places(typed: &Typed<'_>, before: &Side<'_>, after: &Side<'_>) -> Reading {
    let readings: Vec<(&Side<'_>, &Side<'_>, Symbol)> = [(before, after), (after, before)]
        .into_iter()
        .filter_map(|(place, ticker)| Some((place, ticker, place.lists(ticker)?)))
        .collect();
    let is_certain = |place: &Side<'_>, ticker: &Side<'_>| is_no_ticker(&place.upper) && !is_no_ticker(&ticker.upper);
    if let Some((_, _, symbol)) = readings.iter().find(|(place, ticker, _)| is_certain(place, ticker)) {
        return Ok(symbol.clone());
    }
    match readings.as_slice() {
        [(_, _, first), (_, _, second)] if first == second => Ok(first.clone()),
        [] => typed.no_symbol("names two places and no listing"),
        several => {
            let reading = |(place, ticker, symbol): &(&Side<'_>, &Side<'_>, Symbol)| {
                format!("{symbol} ({} at {})", ticker.upper, place.upper)
            };
            let readings: Vec<String> = several.iter().map(reading).collect();
            typed.no_symbol(format!("names two places, so it could be {}; write that", readings.join(" or ")))
        }
    }
}

/// Whether a name before a colon stands for a place that lists something other than shares, or for several places.
fn is_of_another_kind(name: &str) -> bool {
    [VENUES, INDEX_PREFIXES, OTHER_EXCHANGES, &[EURONEXT]].iter().any(|names| names.contains(&name))
}

/// The suffix of a place, given what it lists: `TSE` is Tokyo with digits, and Toronto with letters.
fn place(name: &str, listed: &str) -> Option<&'static str> {
    match name {
        "TSE" if listed.starts_with(|c: char| c.is_ascii_digit()) => Some("T"),
        "TSE" => Some("TO"),
        _ => beside_colon(name),
    }
}

/// The listing of a name at a place, whose suffix may be written at its end once more: `LON:VOD.L`.
fn listed_at(name: &str, suffix: &str) -> Option<Symbol> {
    let again = name.rsplit_once('.').filter(|(_, again)| again.eq_ignore_ascii_case(suffix));
    listing::on(again.map_or(name, |(root, _)| root), suffix)
}

fn listed(typed: &Typed<'_>, root: &str, suffix: &str) -> Reading {
    match listed_at(root, suffix) {
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

/// The symbol that a contract at one place comes nearest to: the pair of `BTCUSDT.P`, and the nearest future of `GC1!`.
fn anywhere(contract: &str) -> String {
    if let Some(future) = contract.strip_suffix('!') {
        return format!("{}=F", future.trim_end_matches(|c: char| c.is_ascii_digit()));
    }
    let name = contract.strip_suffix(".P").unwrap_or(contract);
    otherwise::concatenation(name).map_or_else(|| name.to_owned(), |(base, quote)| format!("{base}-{quote}"))
}

fn why_not(typed: &Typed<'_>, before: &str, after: &str) -> SymbolError {
    if VENUES.contains(&before) {
        let why = format!("asks for what {before} alone lists, and prices here are folded from several sources");
        return typed.perhaps(&why, &anywhere(after));
    }
    if INDEX_PREFIXES.contains(&before) {
        return typed
            .because("is perhaps an index of another site; write an index with a ^, such as ^GSPC, and a share alone");
    }
    if OTHER_EXCHANGES.contains(&before) {
        return typed.because(format!("asks for a listing at {before}, whose suffix is not known here"));
    }
    if before == EURONEXT {
        return typed
            .because("does not say where on Euronext; write the place's suffix: .PA, .AS, .BR, .LS, .IR, .MI or .OL");
    }
    if before.contains(['/', '-']) {
        return typed.perhaps("is written like a contract, which is not priced here", before);
    }
    typed.because("has a colon beside which no known place stands; write AAPL, VOD.L, NASDAQ:AAPL or LON:VOD")
}
