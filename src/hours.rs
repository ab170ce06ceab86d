//! Knows when markets are open: the sessions of exchanges, with their holidays, early closes and lunch breaks.
//!
//! Pure: whoever asks brings the time.

use jiff::Timestamp;

/// The sessions of one market. Cheap to clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Openings and closings, in order; none overlap.
    sessions: &'static [(Timestamp, Timestamp)],
}

impl Hours {
    /// Whether the market is open at a time: from an opening until just before the closing that follows it.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let opened = self.sessions.partition_point(|(opening, _)| *opening <= at);
        let latest = opened.checked_sub(1).and_then(|index| self.sessions.get(index));
        latest.is_some_and(|(_, closing)| at < *closing)
    }
}
