//! Clocks and sources for tests of a whole service over scripted vendors: restarts, watch lists and bad days.

use quotefold::clock::Clock;

pub(crate) use crate::shared::scripted::{Replies, ScriptedService};

/// A Thursday morning on tokio's clock.
pub(crate) fn morning() -> Clock {
    Clock::starting_at("2026-11-19T09:00:00Z".parse().unwrap())
}

/// A source of crypto pairs, with further keys.
pub(crate) fn crypto(name: &str, more: &str) -> String {
    format!("[sources.{name}]\nclasses = [\"crypto\"]\nurl = \"http://x.test/{{symbols}}\"\njq = \".\"\n{more}\n")
}
