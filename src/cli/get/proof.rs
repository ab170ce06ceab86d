//! What each source said of one symbol, and what was made of it.

use jiff::Timestamp;
use serde_json::Value;

use super::page::age;
use crate::cli::lines::{Lines, Tone};
use crate::cli::table::{Cell, Column, Step, Table};
use crate::cli::terminal::Terminal;

const SOURCE: &str = "SOURCE";
const STATUS: &str = "STATUS";
const PRICE: &str = "PRICE";
const DEVIATION: &str = "OFF BY BPS";
const AGE: &str = "AGE";
const REASON: &str = "REASON";

const STEPS: [Step; 7] = [
    Step::Head(DEVIATION, "BPS"),
    Step::Below(REASON),
    Step::Cut(SOURCE, 12),
    Step::Drop(AGE),
    Step::Drop(DEVIATION),
    Step::Ragged(PRICE),
    Step::Cut(SOURCE, 6),
];

/// A row per source; `None` if the answer came without its quotes, or no source was asked.
pub(super) fn proof(price: &Value, terminal: &Terminal) -> Option<Lines> {
    let quotes = price["quotes"].as_array().filter(|quotes| !quotes.is_empty())?;
    let columns = [
        Column::left(SOURCE),
        Column::left(STATUS),
        Column::decimal(PRICE),
        Column::decimal(DEVIATION),
        Column::right(AGE),
        Column::prose(REASON),
    ];
    let mut table = Table::new(columns, STEPS);
    let now = written_at(price);
    for quote in quotes {
        let text = |field: &str| Cell::or_dash(quote[field].as_str());
        table.push([
            text("source"),
            text("status").tone(tone(quote)),
            text("price"),
            text("deviation_bps"),
            Cell::or_dash(now.and_then(|now| age_of(quote, now))),
            Cell::new(reason(quote)),
        ]);
    }
    let mut lines = Lines::new();
    if let Some(how) = converted(&price["conversion"]) {
        lines.sentence(&how, Some(terminal.width));
        lines.gap();
    }
    lines.append(table.on(Some(terminal)));
    Some(lines)
}

/// How the price of the quotes became one in another currency; `None` if it did not.
fn converted(conversion: &Value) -> Option<String> {
    let text = |field: &str| conversion[field].as_str();
    let (price, from, symbol, rate) = (text("price")?, text("from")?, text("symbol")?, text("rate")?);
    Some(format!("The quotes are in {from}. Their price of {price} {from} is converted with {symbol} at {rate}."))
}

fn tone(quote: &Value) -> Tone {
    match quote["status"].as_str() {
        Some("used") => Tone::Good,
        Some("excluded") => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

/// Why a quote was not used, or what else there is to say of it.
fn reason(quote: &Value) -> String {
    let parts = [&quote["reason"], &quote["detail"]].map(Value::as_str);
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// When the answer was written, by its writer's clock. Without the age of a price it is when that was folded.
fn written_at(price: &Value) -> Option<Timestamp> {
    let aged = time(&price["observed_at"]).zip(price["age_ms"].as_i64());
    let written = aged.and_then(|(observed, age)| observed.checked_add(jiff::SignedDuration::from_millis(age)).ok());
    written.or_else(|| time(&price["as_of"]))
}

/// How old a quote is: since the time that its source states, or else since it was received.
fn age_of(quote: &Value, now: Timestamp) -> Option<String> {
    let since = time(&quote["observed_at"]).or_else(|| time(&quote["received_at"]))?;
    // a source's clock may be ahead of ours
    Some(age(u64::try_from(now.duration_since(since).as_millis()).unwrap_or(0)))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
