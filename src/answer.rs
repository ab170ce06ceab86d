//! Turns prices into what the caller reads: a status code, headers, JSON.
//!
//! No other room knows the HTTP codes of results. Body, status and headers derive from one value, so they cannot
//! disagree.

mod json;
mod table;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::age;
use crate::convert::Priced;
use crate::fold::{Price, Status};
use crate::question::{Dialect, Format, NotASymbol, Question, Require};
use crate::symbol::Symbol;
use crate::text::words;
use json::Entry;
pub(crate) use text::{EntryText, TAG};

/// How long to wait before asking again where no source is ever called: by then the configuration may have been fixed.
const LONG: Duration = Duration::from_secs(60);

/// The parts of an answer's body, in their order.
pub type Parts<'a> = Box<dyn Iterator<Item = serde_json::Result<Vec<u8>>> + Send + 'a>;

/// About how many bytes an entry takes without its quotes, and each of these.
const BYTES_OF_ENTRY: usize = 1024;
const BYTES_OF_QUOTE: usize = 640;

/// How many symbols a log line names.
const NAMED: usize = 5;

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How complete the answer is: the header `Prices-Status`, and the body's `status`.
    pub completeness: Completeness,
    /// The HTTP status.
    pub code: u16,
    /// With a 503: after how many whole seconds it is worth asking again.
    pub retry_after: Option<u64>,
    prices: Vec<Priced>,
    /// The texts of the prices, where they are written already.
    texts: Vec<Option<Arc<EntryText>>>,
    not_symbols: Vec<NotASymbol>,
    /// The symbols whose quotes are being fetched behind the answer.
    refreshing: BTreeSet<Symbol>,
    as_of: Timestamp,
    renamed: BTreeMap<String, Symbol>,
    quotes: bool,
    simulated: bool,
}

/// What is said of one text of the question.
#[derive(Clone, Copy, Debug)]
enum Said<'a> {
    /// The price of a symbol.
    Price(&'a Priced, Option<&'a EntryText>),
    /// Why it is no symbol.
    NotASymbol(&'a NotASymbol),
}

/// How complete an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// Every symbol is `ok`.
    Complete,
    /// Every symbol has a price, but some are degraded.
    Degraded,
    /// Some symbols have a price, some do not.
    Partial,
    /// No symbol has a price.
    None,
}

/// A price, and when asking for it again can make a difference.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The price.
    pub priced: Priced,
    /// The first moment at which the same question makes a call that can change it; `None` if no source is ever asked, and for
    /// a price that is `ok`, which needs no further call.
    pub changes_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Single<'a> {
    #[serde(flatten)]
    entry: Entry<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
}

impl Said<'_> {
    /// About how many bytes its JSON has.
    fn expected_bytes(&self, quotes: bool) -> usize {
        BYTES_OF_ENTRY
            + match self {
                Said::Price(_, Some(text)) => text.len(),
                Said::Price(priced, None) if quotes => priced.price.quotes.len() * BYTES_OF_QUOTE,
                Said::Price(_, None) | Said::NotASymbol(_) => 0,
            }
    }
}

impl Completeness {
    /// Its name in the header and the body.
    pub fn as_str(self) -> &'static str {
        match self {
            Completeness::Complete => "complete",
            Completeness::Degraded => "degraded",
            Completeness::Partial => "partial",
            Completeness::None => "none",
        }
    }

    /// How complete an answer with these statuses is.
    pub fn of(statuses: &[Status]) -> Self {
        let priced = statuses.iter().filter(|status| matches!(status, Status::Ok | Status::Degraded(_))).count();
        match priced {
            0 => Completeness::None,
            _ if priced < statuses.len() => Completeness::Partial,
            _ if statuses.iter().all(|status| *status == Status::Ok) => Completeness::Complete,
            _ => Completeness::Degraded,
        }
    }
}

/// The HTTP code for symbols with these statuses, by what the caller requires.
///
/// | situation | `any` | `all` | `ok` |
/// |---|---|---|---|
/// | every symbol `ok` | 200 | 200 | 200 |
/// | every symbol priced, some degraded | 200 | 200 | 503 |
/// | some priced, a missing one may heal | 200 | 503 | 503 |
/// | some priced, no missing one may heal | 200 | 404 | 404 |
/// | none priced, one may heal | 503 | 503 | 503 |
/// | none priced, all unknown or not covered | 404 | 404 | 404 |
pub fn code(statuses: &[Status], require: Require) -> u16 {
    let may_heal = statuses.iter().any(|status| status.may_heal());
    match (Completeness::of(statuses), require) {
        (Completeness::Complete, _) => 200,
        (Completeness::Degraded, Require::Any | Require::All) => 200,
        (Completeness::Degraded, Require::Ok) => 503,
        (Completeness::Partial, Require::Any) => 200,
        (Completeness::Partial | Completeness::None, _) => {
            if may_heal {
                503
            } else {
                404
            }
        }
    }
}

/// The JSON of one price as of the time when it was folded, with the proof.
///
/// # Errors
/// Never for our types; the error of the serializer is passed on rather than hidden.
pub(crate) fn entry(priced: &Priced) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Entry::new(priced, true, priced.price.as_of))
}

/// The JSON of a text that is not understood as a symbol.
///
/// # Errors
/// As [`entry`].
pub(crate) fn entry_of_text(not: &NotASymbol, as_of: Timestamp) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Entry::of_not_a_symbol(not, true, as_of))
}

/// The same as text, as of a time. `quotes` says whether the caller wants the proof, which is empty.
///
/// # Errors
/// As [`entry`].
pub(crate) fn text_of_no_symbol(not: &NotASymbol, quotes: bool, as_of: Timestamp) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Entry::of_not_a_symbol(not, quotes, as_of))
}

impl Answer {
    /// The answer to a question, with the prices in the order of its symbols. What was not understood has its place among them.
    pub fn new(question: &Question, answered: Vec<Answered>, now: Timestamp, simulated: bool) -> Self {
        let mut statuses: Vec<Status> = answered.iter().map(|answered| answered.priced.price.status).collect();
        // no source knows what no symbol is
        statuses.extend(question.not_symbols.iter().map(|_| Status::Unknown));
        let code = code(&statuses, question.require);
        let retry_after = (code == 503).then(|| retry_after(&answered, question.require, now));
        Answer {
            completeness: Completeness::of(&statuses),
            code,
            retry_after,
            prices: answered.into_iter().map(|answered| answered.priced).collect(),
            texts: Vec::new(),
            not_symbols: question.not_symbols.clone(),
            refreshing: BTreeSet::new(),
            as_of: now,
            renamed: question.renamed.clone(),
            quotes: question.quotes,
            simulated,
        }
    }

    /// The same with the texts of prices that are written already, in the order of the question's symbols.
    pub(crate) fn with_texts(self, texts: Vec<Option<Arc<EntryText>>>) -> Self {
        Answer { texts, ..self }
    }

    /// The same, of which these symbols are being fetched again behind the answer.
    pub(crate) fn refreshing(self, symbols: impl IntoIterator<Item = Symbol>) -> Self {
        Answer { refreshing: symbols.into_iter().collect(), ..self }
    }

    /// The prices of the symbols, in the order of the question.
    pub fn prices(&self) -> Vec<&Price> {
        self.prices.iter().map(|priced| &priced.price).collect()
    }

    /// The symbols that are not `ok`, each with its status and reason: the first few.
    pub(crate) fn lacking(&self) -> String {
        let statuses = self.prices.iter().map(|priced| (&priced.price.symbol, priced.price.status));
        let lacking = statuses.filter(|(_, status)| *status != Status::Ok);
        let clause = |(symbol, status): (&Symbol, Status)| match status.reason() {
            Some(reason) => format!("{symbol} {} / {reason}", status.as_str()),
            None => format!("{symbol} {}", status.as_str()),
        };
        words::clauses(lacking.map(clause).collect(), ", ", NAMED)
    }

    /// The prices in their order, with what was not understood in its places.
    fn entries(&self) -> Vec<Said<'_>> {
        let texts = self.texts.iter().map(Option::as_deref).chain(std::iter::repeat(None));
        let (mut prices, mut not_symbols) = (self.prices.iter().zip(texts), self.not_symbols.iter().peekable());
        let said = |place| match not_symbols.next_if(|not: &&NotASymbol| not.place == place) {
            Some(not) => Some(Said::NotASymbol(not)),
            None => prices.next().map(|(priced, text)| Said::Price(priced, text)),
        };
        (0..self.prices.len() + self.not_symbols.len()).filter_map(said).collect()
    }

    /// The body of `GET /prices`, written at `now`: only `age_ms` depends on it.
    ///
    /// # Errors
    /// Never for our types; the error of the serializer is passed on rather than hidden.
    pub fn body(&self, now: Timestamp) -> serde_json::Result<Vec<u8>> {
        let parts: serde_json::Result<Vec<Vec<u8>>> = self.parts(now).collect();
        Ok(parts?.concat())
    }

    /// The same in parts, one per symbol, so that other tasks can run between them.
    pub fn parts(&self, now: Timestamp) -> impl Iterator<Item = serde_json::Result<Vec<u8>>> + Send {
        let head = move || {
            let mut head = Vec::new();
            Answer::write_head(&mut head, self.completeness, self.simulated);
            Ok(head)
        };
        let entry = move |(place, said): (usize, Said<'_>)| {
            let mut part = Vec::with_capacity(said.expected_bytes(self.quotes));
            if place > 0 {
                part.push(b',');
            }
            match said {
                // a text says that nothing is being fetched
                Said::Price(priced, Some(text)) if !self.refreshing.contains(&priced.price.symbol) => {
                    text.write(now, &mut part);
                }
                said => serde_json::to_writer(&mut part, &self.entry(said, now))?,
            }
            Ok(part)
        };
        let tail = move || {
            let mut tail = Vec::new();
            Answer::write_tail(&mut tail, &self.renamed)?;
            Ok(tail)
        };
        let entries = self.entries().into_iter().enumerate().map(entry);
        std::iter::once_with(head).chain(entries).chain(std::iter::once_with(tail))
    }

    /// Appends what stands before the entries.
    pub(crate) fn write_head(into: &mut Vec<u8>, completeness: Completeness, simulated: bool) {
        into.extend_from_slice(br#"{"status":""#);
        into.extend_from_slice(completeness.as_str().as_bytes());
        into.extend_from_slice(if simulated { br#"","simulated":true"# } else { b"\"" });
        into.extend_from_slice(br#","prices":["#);
    }

    /// Appends what stands after the entries.
    pub(crate) fn write_tail(into: &mut Vec<u8>, renamed: &BTreeMap<String, Symbol>) -> serde_json::Result<()> {
        into.push(b']');
        if !renamed.is_empty() {
            let renamed: BTreeMap<&str, &str> =
                renamed.iter().map(|(asked, symbol)| (asked.as_str(), symbol.as_str())).collect();
            into.extend_from_slice(br#","renamed":"#);
            serde_json::to_writer(&mut *into, &renamed)?;
        }
        into.push(b'}');
        Ok(())
    }

    /// The body of `GET /prices/{symbol}`: the one entry without the envelope.
    ///
    /// # Errors
    /// As [`Answer::body`].
    pub fn single_body(&self, now: Timestamp) -> serde_json::Result<Vec<u8>> {
        let entry = self.entries().first().map(|said| self.entry(*said, now));
        serde_json::to_vec(&entry.map(|entry| Single { entry, simulated: self.simulated }))
    }

    /// The body in a format, in parts, so that other tasks can run between them.
    pub fn parts_in(&self, format: Format, now: Timestamp) -> Parts<'_> {
        match format {
            Format::Json => Box::new(self.parts(now)),
            Format::Csv(dialect) => Box::new(self.csv_parts(dialect, now).map(Ok)),
            Format::Ndjson => Box::new(self.ndjson_parts(now)),
            Format::Text => Box::new(std::iter::once(Ok(self.text(now)))),
        }
    }

    /// The body as CSV (RFC 4180), in parts: the row of names, then one row per symbol.
    fn csv_parts(&self, dialect: Dialect, now: Timestamp) -> impl Iterator<Item = Vec<u8>> + Send {
        let rows = self.entries().into_iter().map(move |said| table::row(&self.entry(said, now), dialect));
        std::iter::once_with(move || table::head(dialect)).chain(rows)
    }

    /// The body as one line of JSON per symbol, in parts. Each line is the body of `GET /prices/{symbol}`.
    fn ndjson_parts(&self, now: Timestamp) -> impl Iterator<Item = serde_json::Result<Vec<u8>>> + Send {
        self.entries().into_iter().map(move |said| {
            let entry = self.entry(said, now);
            let mut line = serde_json::to_vec(&Single { entry, simulated: self.simulated })?;
            line.push(b'\n');
            Ok(line)
        })
    }

    /// The first symbol's price, alone on a line. If it has none, or not one that the caller accepts, the line says why.
    fn text(&self, now: Timestamp) -> Vec<u8> {
        let entry = self.entries().first().map(|said| self.entry(*said, now));
        let line = entry.map(|entry| entry.in_one_line(self.code == 200));
        format!("{}\n", line.unwrap_or_default()).into_bytes()
    }

    fn entry<'a>(&self, said: Said<'a>, now: Timestamp) -> Entry<'a> {
        match said {
            Said::Price(priced, _) => {
                let is_refreshing = self.refreshing.contains(&priced.price.symbol);
                Entry::new(priced, self.quotes, now).refreshing(is_refreshing)
            }
            Said::NotASymbol(not) => Entry::of_not_a_symbol(not, self.quotes, self.as_of),
        }
    }
}

/// How long until asking again can first change what is wrong with the answer, in whole seconds, rounded up; at least
/// 1.
fn retry_after(answered: &[Answered], require: Require, now: Timestamp) -> u64 {
    let is_wrong = |answered: &&Answered| match answered.priced.price.status {
        Status::Ok => false,
        Status::Degraded(_) => require == Require::Ok,
        Status::Unavailable(_) | Status::Unknown => true,
    };
    let first = answered.iter().filter(is_wrong).filter_map(|answered| answered.changes_at).min();
    let wait = first.map_or(LONG, |at| age(at, now));
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests;
