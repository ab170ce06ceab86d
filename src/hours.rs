//! Knows when markets are open: the sessions of exchanges, with their holidays, early closes and lunch breaks.
//!
//! The sessions come from `config/hours/sessions.txt`, which `config/hours/export.py` writes. This room is pure: the
//! caller passes the time.

mod calendar;
mod file;

use std::fmt;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::symbol::{Class, Currency, Symbol};
use calendar::Calendar;
use file::File;

/// The file of all markets, as it is built into the program.
const SESSIONS: &str = include_str!("../config/hours/sessions.txt");

/// The sessions of one market. Cheap to clone; two are equal if they belong to the same market.
#[derive(Clone, Copy)]
pub struct Hours(&'static Calendar);

/// The sessions of a market around one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// When the current session opened; `None` between two sessions.
    pub opened_at: Option<Timestamp>,
    /// When the latest session that has ended closed.
    pub closed_at: Timestamp,
}

/// All markets. The file is read once, on first use.
fn markets() -> &'static File {
    static READ: LazyLock<File> = LazyLock::new(|| {
        // a file that cannot be read would leave every market without hours; a test fails then
        File::read(SESSIONS).unwrap_or_default()
    });
    &READ
}

impl Hours {
    /// The hours of a symbol's market; `None` if they are not known. They are known for listings in the United States
    /// and on the exchanges of the table, for the indices that the file names, for foreign exchange and for metals.
    pub fn of(symbol: &Symbol, class: Class) -> Option<Self> {
        let key = match class {
            Class::Crypto | Class::Fund => return None,
            Class::Fx => {
                let (base, quote) = symbol.legs()?;
                let [base, quote] = [base, quote].map(Currency::new);
                if !base.is_fx() || !quote.is_fx() {
                    return None;
                }
                if base.is_metal() || quote.is_metal() { "metals".to_owned() } else { "fx".to_owned() }
            }
            Class::Equity | Class::Index => listed_on(symbol)?,
        };
        markets().calendar_for(&key).map(Hours)
    }

    /// The hours of a market by its name in the file: `XNYS`, `fx`.
    pub fn named(name: &str) -> Option<Self> {
        markets().calendar(name).map(Hours)
    }

    /// The market's name in the file: the exchange's MIC, `fx` or `metals`.
    pub fn name(&self) -> &'static str {
        &self.0.name
    }

    /// The time zone by which the market opens and closes.
    pub(crate) fn time_zone(&self) -> &'static TimeZone {
        &self.0.zone
    }

    /// Whether the market is open at a time: from an opening until just before the closing that follows it.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.around(at).is_some_and(|around| around.opened_at.is_some())
    }

    /// The sessions around a time; `None` before the end of the first session that is known.
    pub fn around(&self, at: Timestamp) -> Option<Around> {
        let sessions = self.0.sessions();
        let opened = sessions.partition_point(|session| session.opening <= at);
        let latest = sessions.get(opened.checked_sub(1)?)?;
        if latest.closing <= at {
            return Some(Around { opened_at: None, closed_at: latest.closing });
        }
        let before = sessions.get(opened.checked_sub(2)?)?;
        Some(Around { opened_at: Some(latest.opening), closed_at: before.closing })
    }
}

impl Hours {
    /// The first opening or closing after a time; `None` after the last session that is known.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let sessions = self.0.sessions();
        let closed = sessions.partition_point(|session| session.closing <= after);
        let session = sessions.get(closed)?;
        Some(if session.opening > after { session.opening } else { session.closing })
    }
}

/// The key under which the file has the market of a share or an index.
fn listed_on(symbol: &Symbol) -> Option<String> {
    let text = symbol.as_str();
    if let Some((_, exchange)) = symbol.listing() {
        return Some(format!(".{}", exchange.suffix));
    }
    if let Some(name) = text.strip_prefix('^') {
        // an index with an exchange's suffix, such as ^TA125.TA, has that exchange's hours
        let suffix = name.rsplit_once('.').map(|(_, suffix)| format!(".{suffix}"));
        return Some(suffix.unwrap_or_else(|| text.to_owned()));
    }
    symbol.is_us_listing().then(|| "US".to_owned())
}

/// The markets whose holidays are no longer known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastEnd {
    /// Whether these are all markets: the whole file is past its end.
    pub everywhere: bool,
    /// Names the markets, and says what that does to prices and what helps.
    pub sentence: String,
}

/// The markets whose holidays are no longer known at a time; `None` if there are no such markets.
pub(crate) fn past_end(at: Timestamp) -> Option<PastEnd> {
    markets().past_end(at)
}

impl PartialEq for Hours {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Hours {}

impl fmt::Debug for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

#[cfg(test)]
mod tests;
