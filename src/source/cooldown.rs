//! Says for how long a vendor is left alone after it refused us.

use std::time::Duration;

use tokio::time::Instant;

use super::error::SourceError;
use crate::state::Refused;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest a quota takes to be filled again, whatever a vendor writes.
pub(crate) const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// A time in which a vendor is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Its end.
    pub until: Instant,
    /// What the vendor said.
    pub error: SourceError,
}

/// How often in a row a vendor refused us, by kind of refusal: each time the wait doubles.
#[derive(Debug, Default)]
pub struct Cooldowns {
    refused: Refused,
    /// When it last did.
    last: Option<Instant>,
}

impl Cooldown {
    /// The refusal that callers get while it lasts: the vendor's words, and the time that is left.
    pub fn refusal(&self, now: Instant) -> SourceError {
        let left = Some(self.until.saturating_duration_since(now));
        match self.error.clone() {
            SourceError::RateLimited { detail, .. } => SourceError::RateLimited { detail, retry_after: left },
            SourceError::QuotaExhausted { detail, .. } => SourceError::QuotaExhausted { detail, retry_after: left },
            SourceError::CircuitOpen { detail, .. } => {
                SourceError::CircuitOpen { detail, retry_after: self.until.saturating_duration_since(now) }
            }
            other => other,
        }
    }
}

impl Cooldowns {
    /// Goes on after refusals that were counted before a restart.
    pub fn after(refused: Refused) -> Self {
        Cooldowns { refused, last: None }
    }

    /// The refusals in a row so far.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    /// Whether an error means that the vendor wants to be left alone.
    pub fn concerns(error: &SourceError) -> bool {
        use SourceError::{QuotaExhausted, RateLimited, Unauthorized};
        matches!(error, RateLimited { .. } | QuotaExhausted { .. } | Unauthorized(_))
    }

    /// Begins the cooldown that an error asks for.
    ///
    /// What the vendor names is kept to (at most a minute for a rate limit: a day's wait for one call too many is a vendor's
    /// mistake more often than its wish); else the wait doubles with each refusal in a row.
    pub fn begin(&mut self, error: &SourceError, now: Instant) -> Cooldown {
        let Refused { rate_limited, quota_exhausted, unauthorized } = &mut self.refused;
        self.last = Some(now);
        let wait = match error {
            SourceError::RateLimited { retry_after: Some(wait), .. } => (*wait).min(MINUTE),
            SourceError::RateLimited { .. } => doubled(rate_limited, Duration::from_secs(1), MINUTE),
            SourceError::QuotaExhausted { retry_after: Some(wait), .. } => (*wait).min(MONTH),
            SourceError::QuotaExhausted { .. } => doubled(quota_exhausted, 15 * MINUTE, 6 * HOUR),
            _ => doubled(unauthorized, 5 * MINUTE, HOUR),
        };
        Cooldown { until: now + wait, error: error.clone() }
    }

    /// A success of a call that was sent at an instant: the next wait is the shortest again. Whether that changes anything.
    ///
    /// One that was sent before the last refusal came says nothing of what the vendor thinks since.
    pub fn reset(&mut self, sent: Instant) -> bool {
        let changes = self.refused != Refused::default() && self.last.is_none_or(|last| last < sent);
        if changes {
            self.refused = Refused::default();
        }
        changes
    }
}

fn doubled(times: &mut u32, first: Duration, most: Duration) -> Duration {
    let wait = first.saturating_mul(1 << (*times).min(16)).min(most);
    *times = times.saturating_add(1);
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(error: &SourceError, times: usize) -> Vec<u64> {
        let (mut cooldowns, now) = (Cooldowns::default(), Instant::now());
        (0..times).map(|_| (cooldowns.begin(error, now).until - now).as_secs()).collect()
    }

    fn rate_limited(retry_after: Option<u64>) -> SourceError {
        SourceError::RateLimited { detail: "slow down".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn a_429_is_kept_to_up_to_a_minute_and_else_doubles() {
        assert_eq!(waits(&rate_limited(Some(7)), 2), [7, 7]);
        assert_eq!(waits(&rate_limited(Some(86_400)), 1), [60]);
        assert_eq!(waits(&rate_limited(None), 8), [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn an_exhausted_quota_waits_for_its_reset_or_longer_and_longer_up_to_six_hours() {
        let quota = |retry_after| SourceError::QuotaExhausted { detail: String::new(), retry_after };
        assert_eq!(waits(&quota(None), 7), [900, 1800, 3600, 7200, 14_400, 21_600, 21_600]);
        assert_eq!(waits(&quota(Some(Duration::from_secs(40_000))), 1), [40_000]);
        // no quota lasts longer than a month, whatever a header says
        assert_eq!(waits(&quota(Some(Duration::from_secs(u64::MAX))), 1), [31 * 86_400]);
    }

    #[test]
    fn a_refused_key_is_tried_again_after_five_minutes_up_to_an_hour() {
        assert_eq!(waits(&SourceError::Unauthorized(String::new()), 6), [300, 600, 1200, 2400, 3600, 3600]);
    }

    #[test]
    fn a_success_makes_the_next_wait_the_shortest_again() {
        let (mut cooldowns, now) = (Cooldowns::default(), Instant::now());
        cooldowns.begin(&rate_limited(None), now);
        cooldowns.begin(&rate_limited(None), now);
        let next = now + Duration::from_secs(1);
        cooldowns.reset(next);
        assert_eq!(cooldowns.begin(&rate_limited(None), next).until - next, Duration::from_secs(1));
    }

    #[test]
    fn a_success_of_a_call_that_was_sent_before_the_refusal_does_not() {
        let (mut cooldowns, sent) = (Cooldowns::default(), Instant::now());
        let refused = sent + Duration::from_millis(50);
        cooldowns.begin(&rate_limited(None), refused);
        cooldowns.reset(sent);
        assert_eq!(cooldowns.begin(&rate_limited(None), refused).until - refused, Duration::from_secs(2));
    }
}
