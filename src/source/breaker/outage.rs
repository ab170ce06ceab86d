//! Follows how long the calls to one source have been failing, so that the log has a line when that begins and one when it ends,
//! and none for each failure between them. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::circuit::IN_A_ROW;

/// The failures since a source last answered.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Failures>);

/// Failures with no success between them.
#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    calls: u32,
    is_told: bool,
}

/// An outage that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// From the end of its first failed call on.
    pub(super) lasted: Duration,
    /// How many calls failed.
    pub(super) failed: u32,
}

impl Outage {
    /// Notes that a call has failed.
    pub(super) fn note(&mut self, now: Instant) {
        let failures = self.0.get_or_insert(Failures { since: now, calls: 0, is_told: false });
        failures.calls = failures.calls.saturating_add(1);
    }

    /// Whether to say now that calls keep failing: once per outage, after five failures, or sooner if calls are `stopped`.
    pub(super) fn is_news(&mut self, stopped: bool) -> bool {
        let Some(failures) = self.0.as_mut().filter(|failures| !failures.is_told) else { return false };
        failures.is_told = stopped || failures.calls >= IN_A_ROW;
        failures.is_told
    }

    /// Notes that the source has answered. Returns the outage that is over by that, if it was told.
    pub(super) fn end(&mut self, now: Instant) -> Option<Over> {
        let Failures { since, calls, is_told } = self.0.take()?;
        is_told.then(|| Over { lasted: now.saturating_duration_since(since), failed: calls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_its_end_says_how_long_it_was_and_how_many_calls_failed() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let told: Vec<bool> = (0..9)
            .map(|second| {
                outage.note(start + Duration::from_secs(second));
                outage.is_news(false)
            })
            .collect();
        assert_eq!(told, [false, false, false, false, true, false, false, false, false]);
        let over = Over { lasted: Duration::from_secs(20), failed: 9 };
        assert_eq!(outage.end(start + Duration::from_secs(20)), Some(over));
        assert_eq!(outage.end(start + Duration::from_secs(21)), None);
    }

    #[test]
    fn one_that_stops_the_calls_is_told_at_once() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        assert!(!outage.is_news(true), "nothing has failed");
        outage.note(now);
        assert!(outage.is_news(true) && !outage.is_news(true));
        assert_eq!(outage.end(now), Some(Over { lasted: Duration::ZERO, failed: 1 }));
    }

    #[test]
    fn a_few_failures_are_no_outage() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        for _ in 0..9 {
            for _ in 1..IN_A_ROW {
                outage.note(now);
                assert!(!outage.is_news(false));
            }
            assert_eq!(outage.end(now), None);
        }
    }
}
