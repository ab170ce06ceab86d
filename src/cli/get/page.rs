//! What `quotefold get` shows of an answer: a table of prices, what is to be said of them, and the proof of a single one.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;

use super::proof::proof;
use crate::cli::lines::{Lines, Tone};
use crate::cli::table::{Cell, Column, Step, Table};
use crate::cli::terminal::Terminal;
use crate::decimal;
use crate::text::words::duration;

const SYMBOL: &str = "SYMBOL";
const PRICE: &str = "PRICE";
const CHANGE: &str = "CHANGE";
const PLUS_MINUS: &str = "±";
const CURRENCY: &str = "CURRENCY";
const AGE: &str = "AGE";
const SOURCES: &str = "SOURCES";
const STATUS: &str = "STATUS";
const DETAIL: &str = "DETAIL";

/// How the table gives way. A price always has its symbol, its currency and its status.
const STEPS: [Step; 11] = [
    Step::Head(CURRENCY, "CUR"),
    Step::Head(SOURCES, "USED"),
    // the sentence below the table says why
    Step::Short(STATUS),
    // an arrow says in which direction, but not how far
    Step::Short(CHANGE),
    Step::Head(CHANGE, ""),
    // as long as an ISIN
    Step::Cut(SYMBOL, 12),
    Step::Drop(SOURCES),
    Step::Drop(PLUS_MINUS),
    Step::Drop(AGE),
    Step::Ragged(PRICE),
    Step::Cut(SYMBOL, 6),
];

/// The page about an answer. With the answer before it, it says what has changed since then.
///
/// On a terminal, the sentences stand below the table, and a single symbol has its proof. For programs, each symbol is one line, of
/// one word per cell up to the status; its sentence is at the end of the line.
pub(super) fn page(answer: &Value, before: Option<&Before>, terminal: Option<&Terminal>) -> Lines {
    let prices = || answer["prices"].as_array().into_iter().flatten();
    let mut lines = table(prices(), before, terminal.is_none()).on(terminal);
    let Some(terminal) = terminal else { return lines };
    for (at, (price, detail)) in prices().filter_map(|price| Some((price, price["detail"].as_str()?))).enumerate() {
        if at == 0 {
            lines.gap();
        }
        let symbol = price["symbol"].as_str().unwrap_or("-");
        lines.sentence(&format!("{symbol}: {detail}"), Some(terminal.width));
    }
    let mut prices = prices();
    if let (Some(only), None) = (prices.next(), prices.next())
        && let Some(proof) = proof(only, terminal)
    {
        lines.gap();
        lines.append(proof);
    }
    lines
}

fn table<'a>(prices: impl Iterator<Item = &'a Value>, before: Option<&Before>, for_programs: bool) -> Table {
    let mut columns = vec![Column::left(SYMBOL), Column::decimal(PRICE)];
    columns.extend(before.map(|_| Column::left(CHANGE)));
    columns.extend([
        Column::decimal(PLUS_MINUS),
        Column::left(CURRENCY),
        Column::right(AGE),
        Column::right(SOURCES),
        Column::left(STATUS),
    ]);
    columns.extend(for_programs.then(|| Column::prose(DETAIL)));
    let mut table = Table::new(columns, STEPS);
    for price in prices {
        let was = before.map(|before| before.of(price));
        let text = |field: &str| Cell::or_dash(price[field].as_str());
        let sources = &price["sources"];
        let mut cells = vec![text("symbol"), text("price")];
        cells.extend(was.as_ref().map(|was| change(price, *was)));
        cells.extend([
            text("plus_minus"),
            text("currency"),
            Cell::or_dash(price["age_ms"].as_u64().map(age)),
            Cell::new(format!("{}/{}", sources["used"], sources["asked"])),
            status(price, was.flatten()),
        ]);
        cells.extend(for_programs.then(|| Cell::new(price["detail"].as_str().unwrap_or_default())));
        table.push(cells);
    }
    table
}

/// A length of time as one word, as settings write it: `775ms`, `3.4s`, `17m`, `2d`.
pub(super) fn age(milliseconds: u64) -> String {
    duration(Duration::from_millis(milliseconds)).replace(" min", "m").replace(" days", "d").replace(' ', "")
}

/// The status with its reason, and what it was if it has changed.
fn status(price: &Value, was: Option<&Value>) -> Cell {
    let status = price["status"].as_str().unwrap_or("-");
    let tone = match status {
        "ok" => Tone::Good,
        "degraded" => Tone::Doubtful,
        _ => Tone::Bad,
    };
    let reason = price["reason"].as_str().map(|reason| format!(" / {reason}")).unwrap_or_default();
    let was = was.and_then(|was| was["status"].as_str()).filter(|was| *was != status);
    let was = was.map(|was| format!(", was {was}")).unwrap_or_default();
    Cell::new(format!("{status}{reason}{was}")).short(format!("{status}{was}")).tone(tone)
}

/// How the price has moved: up or down and by how much, `=`, `new` or `gone`.
fn change(price: &Value, was: Option<&Value>) -> Cell {
    let read = |price: &Value| price["price"].as_str().and_then(decimal::read);
    let in_another_currency = was.is_some_and(|was| was["currency"] != price["currency"]);
    match (was.and_then(read), read(price)) {
        _ if was.is_none() => Cell::new("-"),
        (None, None) => Cell::new("-"),
        (Some(_), None) => Cell::new("gone").tone(Tone::Bad),
        (None, Some(_)) => Cell::new("new").tone(Tone::Doubtful),
        (Some(_), Some(_)) if in_another_currency => Cell::new("new").tone(Tone::Doubtful),
        (Some(was), Some(now)) => moved(now.saturating_sub(was)),
    }
}

fn moved(by: Decimal) -> Cell {
    let far = decimal::plain(by.abs());
    if by.is_zero() {
        Cell::new("=").tone(Tone::Faint)
    } else if by.is_sign_positive() {
        Cell::new(format!("↑{far}")).short("↑").tone(Tone::Good)
    } else {
        Cell::new(format!("↓{far}")).short("↓").tone(Tone::Bad)
    }
}

/// The answer before, to which a newer one is compared.
#[derive(Debug, Default)]
pub(super) struct Before(Option<Value>);

impl Before {
    /// None yet.
    pub(super) fn nothing() -> Self {
        Before::default()
    }

    /// Another answer takes its place.
    pub(super) fn becomes(&mut self, answer: Value) {
        self.0 = Some(answer);
    }

    /// What it said of the same symbol.
    fn of(&self, price: &Value) -> Option<&Value> {
        let prices = self.0.as_ref()?["prices"].as_array()?;
        prices.iter().find(|before| before["symbol"] == price["symbol"])
    }
}

#[cfg(test)]
mod tests;
