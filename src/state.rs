//! What must outlive a restart: what was spent of vendors' limits, who wants to be left alone, and the last quotes.
//!
//! [`State`] is what stands in the state file: plain values, wall times, no secret. Turning it into text and back is pure.
//! [`snapshot`] takes it from a running service and gives it to a new one, [`file`](mod@file) and [`lock`] are the only rooms
//! that touch the disk, and [`keep`] decides when. None of this is there unless `state.path` is set.

pub mod file;
pub mod keep;
pub mod lock;
pub mod mark;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::quote::{NoMarket, Session};
use mark::Mark;

/// The version of the file that this program writes, and the only one that it reads.
pub const VERSION: u64 = 1;

/// Everything that outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`VERSION`].
    pub version: u64,
    /// When it was taken.
    #[serde(with = "text")]
    pub saved_at: Timestamp,
    /// The accounts by their names, also those that are not configured at the moment.
    pub accounts: BTreeMap<String, AccountState>,
    /// A mark of what each source's quotes are about: they are of no use once it is described otherwise, nor where no mark can
    /// say that it is not.
    #[serde(default)]
    pub meanings: BTreeMap<String, Mark>,
    /// What was learned of symbols that fail whole calls, by the names of the sources where one does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suspects: BTreeMap<String, SuspectState>,
    /// The last quotes: first those that cost most to get again, and of these those of the most recently asked symbols.
    pub quotes: Vec<QuoteState>,
}

/// What one account must not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// A mark of the key that was used, too short to tell anything of it: a new key has not been refused yet. `None` for an
    /// account without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_mark: Option<Mark>,
    /// The units spent, as Unix seconds and how many; never decreasing, each rounded to the later side.
    pub spent: Vec<(i64, usize)>,
    /// The cooldown that holds, if any.
    pub cooldown: Option<CooldownState>,
    /// Refusals in a row, by kind: each doubles the next wait.
    pub refused: Refused,
}

/// A cooldown: what the vendor said, and until when it is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CooldownState {
    /// The failure's name, such as `quota_exhausted`.
    pub reason: String,
    /// The vendor's words, scrubbed.
    pub detail: String,
    /// Its end.
    #[serde(with = "text")]
    pub until: Timestamp,
}

/// How often in a row a vendor refused us, by kind of refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// A 429 that named no time.
    pub rate_limited: u32,
    /// A used-up quota whose reset was not named.
    pub quota_exhausted: u32,
    /// A refused key.
    pub unauthorized: u32,
    /// An address that is not served, whether a time was named or not.
    #[serde(default)]
    pub blocked: u32,
}

/// What one source has shown of the symbols that fail whole calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspectState {
    /// Whether one unknown symbol fails a whole call there: stated, or found out.
    pub unknown_kills: bool,
    /// Symbols of which at least one of each group is unknown, the oldest group first.
    pub groups: Vec<Vec<String>>,
}

/// A quote as it stood on the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteState {
    /// Whose.
    pub source: String,
    /// Of what.
    pub symbol: String,
    /// The price; `None` if only a book was given.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The best bid.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Decimal>,
    /// The best ask.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Decimal>,
    /// The three as they were stated, if the source states one over the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse_of: Option<SidesState>,
    /// The volume.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Decimal>,
    /// The currency it states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The session it states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Why the price is that of no market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_market: Option<NoMarket>,
    /// When the last trade was.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// When the market had the book.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub book_at: Option<Timestamp>,
    /// When it arrived here.
    #[serde(with = "text")]
    pub received_at: Timestamp,
    /// How long that call took.
    pub latency_ms: u64,
}

/// A last price and a book as they were stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidesState {
    /// The last price.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Decimal>,
    /// The best bid.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Decimal>,
    /// The best ask.
    #[serde(with = "text::optional", default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Decimal>,
}

/// Why what was found is no state. None of its content is told but a version: it may be any file, with anybody's secrets.
#[derive(Debug, thiserror::Error)]
pub enum NoState {
    /// A write that never ended, a change by hand, or another program's file.
    #[error("{fault} at line {line}, column {column}")]
    NotReadable {
        /// What is wrong there.
        fault: &'static str,
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 if there is nothing on the line.
        column: usize,
    },
    /// Written by another version of this program.
    #[error("its version is {0}; this program reads version {VERSION}")]
    OtherVersion(u64),
}

impl From<serde_json::Error> for NoState {
    fn from(error: serde_json::Error) -> Self {
        let fault = match error.classify() {
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Io => "it is not JSON",
            Category::Data => "it is JSON, but not a state",
        };
        NoState::NotReadable { fault, line: error.line(), column: error.column() }
    }
}

impl State {
    /// Reads the content of a state file.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoState> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        // the version first: what else another version's file holds is not known here
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(NoState::OtherVersion(version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The content of a state file.
    ///
    /// # Errors
    /// None that is known: these values can all be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}
