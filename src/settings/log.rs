//! `[log]`: what is logged, and how.

use serde::{Deserialize, Serialize};

use super::error::Report;

/// The section `[log]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// The least severe level to log, or a filter in the notation of `RUST_LOG`.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
    /// Which requests get a line.
    pub requests: RequestLog,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Which requests get a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestLog {
    /// None.
    None,
    /// Those that ended in a server error (5xx).
    Errors,
    /// All.
    All,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { level: "info".to_owned(), format: LogFormat::Auto, requests: RequestLog::Errors }
    }
}

impl LogSettings {
    /// A single word must be a level. In `RUST_LOG`, which other programs share, a word may be the name of one of them.
    /// In our own settings it is a typo: the filter would take it for a program that does not exist, and log nothing.
    pub(super) fn check(&self, report: &mut Report<'_>) {
        const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
        let (level, path) = (&self.level, ["log", "level"]);
        let cure = "write error, warn, info, debug or trace, or a filter such as \"info,quotefold=debug\"";
        let is_word = level.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_level = LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level));
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(level) {
            report.at(&path, format!("{level:?} is not a level: {error}; {cure}"));
        } else if is_word && !is_level && !report.is_set_by("RUST_LOG", &path) {
            report.at(&path, format!("{level:?} is not a level; {cure}"));
        }
    }
}
