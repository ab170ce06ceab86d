//! Reads how long an answer waits for its sources: `all`, `quorum`, `150ms`.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Span;

/// How long an answer waits for the sources that it asks, within the caller's timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// Until all of them have answered. The default.
    #[default]
    All,
    /// Until enough of them agree on each symbol, and this long after that; `quorum` is zero.
    Quorum(Duration),
}

impl WaitFor {
    /// Reads `all`, `quorum`, or a length of time after the quorum such as `150ms`.
    ///
    /// # Errors
    /// The text is something else. The error says what was found and what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(WaitFor::All),
            "quorum" => Ok(WaitFor::Quorum(Duration::ZERO)),
            text => Span::parse(text).map(|span| WaitFor::Quorum(span.0)).map_err(|_| {
                format!(
                    "{text:?} is not allowed; write all, quorum, or how long to wait after the quorum, such as 150ms"
                )
            }),
        }
    }

    /// How long it waits once there is a quorum; `None` if it waits for all.
    pub(crate) fn after_quorum(self) -> Option<Duration> {
        match self {
            WaitFor::All => None,
            WaitFor::Quorum(after) => Some(after),
        }
    }
}

impl fmt::Display for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitFor::All => f.write_str("all"),
            WaitFor::Quorum(Duration::ZERO) => f.write_str("quorum"),
            WaitFor::Quorum(after) => Span(*after).fmt(f),
        }
    }
}

impl Serialize for WaitFor {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}
