//! The formats in which `quotefold get` prints an answer of the sources. A server writes its own answers in them.

use jiff::Timestamp;

use crate::answer::Answer;
use crate::cli::Format;
use crate::question;

impl Format {
    /// Its name in a query.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Text => "text",
            Format::Ndjson => "ndjson",
        }
    }
}

/// An answer in a format, as of `now`. A table is made from JSON.
///
/// # Errors
/// Never for our types; the error of the serializer is passed on rather than hidden.
pub(super) fn rendered(answer: &Answer, format: question::Format, now: Timestamp) -> serde_json::Result<Vec<u8>> {
    match format {
        question::Format::Json => answer.body(now),
        question::Format::Csv(dialect) => Ok(answer.csv_parts(dialect, now).flatten().collect()),
        question::Format::Ndjson => {
            let lines: serde_json::Result<Vec<Vec<u8>>> = answer.ndjson_parts(now).collect();
            Ok(lines?.concat())
        }
        question::Format::Text => Ok(answer.text(now)),
    }
}
