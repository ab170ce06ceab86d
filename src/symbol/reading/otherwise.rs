//! No test fits: a sentence says what was probably meant.

use super::identifier::why_no_isin;
use super::{Typed, is_digits, is_word, pair, suggested};
use crate::symbol::SymbolError;
use crate::symbol::tables::coins::coin_of_id;
use crate::symbol::tables::places::after_space;

/// What may be the right-hand side of a pair without its separator, the longer ones first. BUSD and TUSD are last: SHIBUSD is SHIB
/// in dollars.
const RUN_TOGETHER: [&str; 22] = [
    "FDUSD", "USDT", "USDC", "EURC", "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "KRW", "TRY", "BRL",
    "MXN", "ZAR", "BTC", "ETH", "BNB", "BUSD", "TUSD",
];

/// What pastes bring along: marks around a symbol, and dashes that are no hyphens.
const LOOK_ALIKE: [(char, &str); 20] = [
    ('\u{200b}', ""),
    ('\u{200e}', ""),
    ('\u{2060}', ""),
    ('\u{feff}', ""),
    ('«', ""),
    ('»', ""),
    ('$', ""),
    ('#', ""),
    ('@', ""),
    ('"', ""),
    ('\'', ""),
    ('“', ""),
    ('”', ""),
    ('(', ""),
    (')', ""),
    ('‐', "-"),
    ('‑', "-"),
    ('–', "-"),
    ('—', "-"),
    ('−', "-"),
];

/// Why a text is no symbol, and what was probably meant.
pub(super) fn explain(typed: &Typed<'_>) -> SymbolError {
    let tests: [fn(&Typed<'_>) -> Option<SymbolError>; 11] =
        [isin, number, coin, index, run_together, preferred, spaced, several, cleaned, place_first, two_parts];
    if let Some(sentence) = tests.iter().find_map(|test| test(typed)) {
        return sentence;
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || ".-_/=^:&+! ".contains(*c);
    match typed.text.chars().find(|c| !allowed(c)) {
        Some(wrong) => SymbolError::Character(typed.text.to_owned(), wrong),
        None if typed.text.chars().count() > crate::symbol::LONGEST => SymbolError::TooLong(typed.text.chars().count()),
        None => SymbolError::Form(typed.text.to_owned()),
    }
}

fn isin(typed: &Typed<'_>) -> Option<SymbolError> {
    why_no_isin(&typed.upper).map(|why| typed.because(why))
}

/// The number of a listing in Asia lacks its exchange's suffix.
fn number(typed: &Typed<'_>) -> Option<SymbolError> {
    let digits = typed.upper.as_str();
    if !is_digits(digits) {
        return None;
    }
    let suffix = match (digits.len(), digits.get(..1)) {
        (4, _) => "T",
        (6, Some("6" | "9")) => "SS",
        (6, Some("0" | "3")) => "SZ",
        (..=5, _) => "HK",
        _ => {
            return Some(typed.because("is a number; write the suffix of its exchange too, such as 7203.T or 0700.HK"));
        }
    };
    Some(typed.perhaps("is a number, and several exchanges number their listings", &format!("{digits}.{suffix}")))
}

/// A coin's id stands for no price.
fn coin(typed: &Typed<'_>) -> Option<SymbolError> {
    let ticker = coin_of_id(&typed.upper.replace([' ', '_'], "-"))?;
    Some(typed.perhaps("is the name of a coin, and a price is that of a pair", &format!("{ticker}-USD")))
}

/// `.DJI`, an index at Refinitiv
fn index(typed: &Typed<'_>) -> Option<SymbolError> {
    let name = typed.upper.strip_prefix('.').filter(|name| name.len() >= 3 && is_word(name) && !is_digits(name))?;
    Some(typed.perhaps("begins like an index of another site", &format!("^{name}")))
}

fn run_together(typed: &Typed<'_>) -> Option<SymbolError> {
    let name = typed.upper.split_once('.').map_or(typed.upper.as_str(), |(name, _)| name);
    let (base, quote) = concatenation(name)?;
    Some(typed.perhaps("is perhaps a pair without its hyphen", &format!("{base}-{quote}")))
}

/// The two parts of a pair that is written as one word: `BTCUSDT`, Kraken's `XXBTZUSD`, `tBTCUSD`.
pub(super) fn concatenation(name: &str) -> Option<(&str, &str)> {
    if !is_word(name) {
        return None;
    }
    // Kraken puts an X before coins and a Z before money
    let kraken = || {
        let (base, quote) =
            name.split_at_checked(4).filter(|(base, quote)| base.starts_with(['X', 'Z']) && quote.len() == 4)?;
        let (base, quote) = (base.get(1..)?, quote.strip_prefix('Z')?);
        (pair::is_quoted_in(quote) && suggested(&format!("{base}-{quote}")).is_some()).then_some((base, quote))
    };
    let halves = || name.split_at_checked(3).filter(|(base, quote)| pair::of_money(base, quote).is_some());
    let split = |quote: &'static str| Some((name.strip_suffix(quote)?, quote));
    // USDTUSD is USDT in dollars, and BTCTUSD is BTC in TUSD
    let both_known = || {
        let splits = RUN_TOGETHER.into_iter().filter_map(split).filter(|(base, _)| pair::is_quoted_in(base));
        splits.max_by_key(|(base, _)| base.len())
    };
    let known = |shortest: usize| RUN_TOGETHER.into_iter().filter_map(split).find(|(base, _)| base.len() >= shortest);
    kraken().or_else(halves).or_else(both_known).or_else(|| known(3)).or_else(|| known(2))
}

/// `BAC.PL`, which could be a place as well
fn preferred(typed: &Typed<'_>) -> Option<SymbolError> {
    let (ticker, series) = typed.upper.split_once(".P").filter(|(_, series)| series.len() == 1)?;
    let meant = suggested(&format!("{ticker}-P{series}"))?;
    Some(typed.because(format!("is perhaps a preferred share; did you mean {meant}?")))
}

/// `AAPL;MSFT`, `AAPL MSFT`: several symbols, each of which is understood.
fn several(typed: &Typed<'_>) -> Option<SymbolError> {
    let words: Vec<&str> = typed.text.split([';', '|', ' ']).filter(|word| !word.is_empty()).collect();
    let is_list = typed.text.contains([';', '|']) || words.iter().all(|word| word.len() > 1 && is_plain_ticker(word));
    let symbols: Vec<String> = words.iter().filter_map(|word| Some(suggested(word)?.to_string())).collect();
    let all = is_list && words.len() > 1 && words.len() == symbols.len();
    all.then(|| typed.because(format!("is several symbols; separate them by commas: {}", symbols.join(","))))
}

/// Whether a word is in capitals, or has a digit or a mark, and so is no word of a sentence.
fn is_plain_ticker(word: &str) -> bool {
    !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// `BRK B`, `VOD LN`, `VOD LN Equity`, `BTC / USD`: a class or an exchange of Bloomberg after a space, or spaces around a mark.
fn spaced(typed: &Typed<'_>) -> Option<SymbolError> {
    let name = typed.upper.strip_suffix(" EQUITY").unwrap_or(&typed.upper);
    let (root, last) = name.rsplit_once(' ')?;
    let of_bloomberg = after_space(last).map(|suffix| format!("{root}.{suffix}"));
    let joined = ["-", ""].map(|separator| name.split_whitespace().collect::<Vec<_>>().join(separator));
    let [hyphened, closed] = joined;
    let closed = Some(closed).filter(|_| name.contains(['-', '/', ':', '.']));
    let meant = of_bloomberg.into_iter().chain([hyphened]).chain(closed).find_map(|text| suggested(&text))?;
    Some(typed.because(format!("has a space in it; did you mean {meant}?")))
}

/// The same text without what pastes bring along.
fn cleaned(typed: &Typed<'_>) -> Option<SymbolError> {
    let mut text = typed.text.trim_matches([',', ';', '!', '?', '*', ' ']).to_owned();
    for (mark, replacement) in LOOK_ALIKE.into_iter().filter(|(mark, _)| typed.text.contains(*mark)) {
        text = text.replace(mark, replacement);
    }
    if text == typed.text {
        return None;
    }
    let meant = suggested(&text)?;
    Some(typed.because(format!("is not spelled like a symbol; did you mean {meant}?")))
}

/// `HK.00700`, `US.AAPL`: Futu writes the place first.
fn place_first(typed: &Typed<'_>) -> Option<SymbolError> {
    let (place, ticker) = typed.upper.split_once('.').filter(|(place, _)| place.len() == 2)?;
    let meant = suggested(&format!("{ticker}.{place}")).filter(|symbol| !symbol.is_elsewhere())?;
    Some(typed.because(format!("has its place in front; did you mean {meant}?")))
}

/// `BTC-XYZ`: the right part is nothing that prices are quoted in.
fn two_parts(typed: &Typed<'_>) -> Option<SymbolError> {
    let (left, right) = typed.upper.split_once(['-', '/', '_', '.'])?;
    if !is_word(left) || !is_word(right) || right.len() < 3 {
        return None;
    }
    if pair::is_quoted_in(right) {
        return Some(typed.perhaps("is not spelled like a symbol", &format!("{left}-{right}")));
    }
    if pair::is_paid_with(left) {
        return Some(typed.perhaps("has what is quoted on the wrong side", &format!("{right}-{left}")));
    }
    Some(
        typed.because(format!(
            "is written like a pair, but no price is quoted in {right}; write one such as {left}-USD"
        )),
    )
}
