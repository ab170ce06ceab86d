//! Says what the figures of a row are read as, where that is not what they say.

use jaq_json::Val;

use super::factors::Factors;
use super::number::{self, Literal};
use super::row::{self, Context, Row};
use crate::decimal::{self, DecimalMark, Written};

/// A sentence for each figure that is not read as it stands, with what the source or the row states about it.
pub(super) fn of(row: &Row<'_>, context: &Context<'_>, multiple: u64) -> Vec<String> {
    let Some(factors) = Factors::of(row, context, multiple).ok().filter(|_| !row.is_error()) else { return Vec::new() };
    let sentence = |name: &str| {
        let value = row.field(name)?;
        let words = match name {
            "volume" => volume(value, context, factors),
            _ => price(value, context, factors),
        };
        words.map(|words| format!("`{name}` {value} {words}"))
    };
    ["price", "bid", "ask", "volume"].into_iter().filter_map(sentence).collect()
}

/// The end of the sentence about a price; `None` if it is read as it stands, or cannot be read.
fn price(value: &Val, context: &Context<'_>, factors: Factors) -> Option<String> {
    let figure = match number::read(value, context, factors.scale).ok()? {
        Literal::Number(figure) => figure,
        Literal::NotANumber(text) => return in_another_notation(&text, context.decimal),
        Literal::Absent => return None,
    };
    let Factors { scale, per, multiple, inverse } = factors;
    let reasons = [
        notation(value, context),
        (scale != 0).then(|| format!("scale {scale}")),
        (per != 1).then(|| format!("per {per}")),
        (multiple != 1).then(|| format!("multiplied {multiple}")),
        inverse.then(|| "inverse".to_owned()),
    ];
    reading(&decimal::plain(factors.price(figure).ok()?), reasons)
}

/// The same about a volume.
fn volume(value: &Val, context: &Context<'_>, factors: Factors) -> Option<String> {
    if row::text(value).is_some_and(|text| decimal::written(&text, context.decimal) == Written::Ambiguous) {
        let why = "its comma can be read in two ways, unless the source states `decimal`";
        return Some(format!("is left out: {why}"));
    }
    let figure = number::read(value, context, 0).ok()?.decimal()?;
    let multiple = factors.multiple;
    let reasons = [notation(value, context), (multiple != 1).then(|| format!("multiplied {multiple}"))];
    reading(&decimal::plain(factors.volume(figure)?), reasons)
}

fn reading<const MOST: usize>(result: &str, reasons: [Option<String>; MOST]) -> Option<String> {
    let reasons: Vec<String> = reasons.into_iter().flatten().collect();
    (!reasons.is_empty()).then(|| format!("is read as {result}: {}", reasons.join(", ")))
}

/// The notation of a text, if that makes it another number than its digits and points alone would.
fn notation(value: &Val, context: &Context<'_>) -> Option<String> {
    let text = row::text(value)?;
    let Written::Number(number) = decimal::written(&text, context.decimal) else { return None };
    let is_plain = decimal::read(decimal::without_signs(&text)) == decimal::read(&number);
    (!is_plain).then(|| match context.decimal {
        Some(mark) => stated(mark),
        None => "commas group its digits".to_owned(),
    })
}

/// What a text that is not a number would be in the other notation.
fn in_another_notation(text: &str, mark: Option<DecimalMark>) -> Option<String> {
    let other = if mark == Some(DecimalMark::Comma) { DecimalMark::Point } else { DecimalMark::Comma };
    let Written::Number(number) = decimal::written(text, Some(other)) else { return None };
    let number = decimal::plain(decimal::read(&number)?);
    Some(format!("is not a number here; with {} it would be {number}", stated(other)))
}

fn stated(mark: DecimalMark) -> String {
    format!("decimal = {:?}", mark.as_char().to_string())
}
