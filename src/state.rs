//! What must outlive a restart: what was spent of vendors' limits, who wants to be left alone, and the last quotes.
//!
//! [`State`] is what stands in the state file: plain values, wall times, no secret. Turning it into text and back is pure.
//! [`snapshot`] takes it from a running service and gives it to a new one, [`file`](mod@file) and [`lock`] are the only rooms
//! that touch the disk, and [`keep`] decides when. None of this is there unless `state.path` is set.

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
use crate::source::share::SuspectState;
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
    /// The accounts by their names, also those that are not configured at the moment.
    pub accounts: BTreeMap<String, AccountState>,
    /// A mark of what each source's quotes are about: they are of no use once it is described otherwise, nor where no mark can
    /// say that it is not.
    #[serde(default)]
    pub meanings: BTreeMap<String, Fingerprint>,
    /// What was learned of symbols that fail whole calls, by the names of the sources where one does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suspects: BTreeMap<String, SuspectState>,
    /// The last quotes: first those that cost most to get again, and of these those of the most recently asked symbols.
    pub quotes: Vec<QuoteState>,
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
