//! What must outlive a restart: what was spent of vendors' limits, cooldowns, and the last quotes.
//!
//! [`State`] is the content of the state file: plain values, wall times, no secret. Converting it to text and back is pure.
//! [`snapshot`] takes it from a running service and gives it to a new one. Only [`file`](mod@file) and [`lock`] touch the disk,
//! and [`keep`] decides when. None of this runs unless `state.path` is set.

#![allow(
    clippy::disallowed_methods,
    reason = "the state file is read before the server starts and written on a thread that may block"
)]

pub mod file;
pub mod keep;
pub mod lock;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::board::QuoteState;
use crate::fingerprint::Fingerprint;
use crate::source::account::AccountState;
use crate::source::coalescer::SuspectState;
use crate::source::lists::ListState;
use crate::text::as_string;

/// The version of the file that this program writes, and the only one that it reads.
pub const VERSION: u64 = 1;

/// Everything that outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`VERSION`].
    pub version: u64,
    /// When it was taken.
    #[serde(with = "as_string")]
    pub saved_at: Timestamp,
    /// The accounts by name, including those that are not configured at the moment.
    pub accounts: BTreeMap<String, AccountState>,
    /// A fingerprint of each source's description. Quotes are restored only if it still matches: under another description they
    /// may mean something else.
    #[serde(default)]
    pub meanings: BTreeMap<String, Fingerprint>,
    /// What was learned about symbols that fail whole calls, by source; only sources where one unknown symbol does that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suspects: BTreeMap<String, SuspectState>,
    /// What vendors trade, by source: the last lists, and when they were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, ListState>,
    /// The last quotes. Those that cost most to get again come first, and among them those of the most recently asked symbols.
    pub quotes: Vec<QuoteState>,
}

/// Why a file is not a state. It reveals nothing of the content except a version: the file may be any file, and hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum NoState {
    /// An interrupted write, a change by hand, or another program's file.
    #[error("{fault} at line {line}, column {column}")]
    NotReadable {
        /// What is wrong there.
        fault: &'static str,
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 if the line is empty.
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
    /// If it is not a state of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoState> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        // the version first: the rest of another version's file is unknown here
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(NoState::OtherVersion(version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The content of a state file.
    ///
    /// # Errors
    /// None that we know of: all of these values can be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}
