//! The seventh test: futures by month, perpetuals and swaps. They are not what a pair or a share is, so they are never taken for one.

use super::{Reading, Typed, is_digits, is_letters, otherwise, pair};

/// Words that end the names of contracts.
const WORDS: [&str; 6] = ["PERP", "PERPETUAL", "SWAP", "FUTURE", "FUTURES", "QUARTER"];

/// The exchanges of futures, by their suffixes at Yahoo Finance: NYMEX, COMEX, CME, CBOT and ICE Futures US.
const EXCHANGES: [&str; 5] = ["NYM", "CMX", "CME", "CBT", "NYB"];

/// `BTC-PERP`, `BTC-USDT-SWAP`, `BTC-240628`, `ES1!`, `CLZ26.NYM`, `BTCUSDT.P`
pub(super) fn read(typed: &Typed<'_>) -> Option<Reading> {
    let upper = typed.upper.as_str();
    if let Some(root) = upper.strip_suffix('!') {
        let root = root.trim_end_matches(|c: char| c.is_ascii_digit());
        return Some(Err(typed.perhaps("is a continuous future of TradingView", &format!("{root}=F"))));
    }
    if let Some((_, suffix)) = upper.rsplit_once('.')
        && EXCHANGES.contains(&suffix)
    {
        return Some(typed.no_symbol(
            "is a future of one month or an index of its exchange; write the nearest future, such as GC=F",
        ));
    }
    if let Some(stem) = [".P", "-P", "_P", "/P"].iter().find_map(|mark| upper.strip_suffix(mark))
        && let Some((base, quote)) = otherwise::concatenation(stem)
    {
        return Some(Err(typed.perhaps("is a perpetual contract", &format!("{base}-{quote}"))));
    }
    let (stem, last) = upper.rsplit_once(['-', '_', '/'])?;
    (WORDS.contains(&last) || is_date(last)).then(|| Err(contract(typed, stem)))
}

fn contract(typed: &Typed<'_>, stem: &str) -> crate::symbol::SymbolError {
    let why = "is written like a contract (a perpetual, a swap or a future), which is not priced here";
    let legs = stem.split_once(['-', '_', '/']).or_else(|| otherwise::concatenation(stem));
    match legs {
        Some((base, quote)) if pair::is_quoted_in(quote) => typed.perhaps(why, &format!("{base}-{quote}")),
        _ => typed.perhaps(why, &format!("{stem}-USD")),
    }
}

/// `240628`, `20240628`, `28JUN24`
fn is_date(text: &str) -> bool {
    let of_letters = || {
        let (day, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let (month, year) = rest.split_at_checked(3).unwrap_or_default();
        (1..=2).contains(&day.len()) && is_letters(month, 3) && year.len() == 2 && is_digits(year)
    };
    matches!(text.len(), 6 | 8) && is_digits(text) || of_letters()
}
