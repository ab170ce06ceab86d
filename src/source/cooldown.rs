//! Decides for how long a vendor is left alone after it has refused us. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::failure::{Scope, SourceError};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// The longest wait for a used-up quota, whatever a vendor writes.
pub(crate) const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// How often in a row a vendor has refused us, by kind of refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// A 429 that named no time.
    pub rate_limited: u32,
    /// A used-up quota whose reset was not named.
    pub quota_exhausted: u32,
    /// A refused key.
    pub unauthorized: u32,
    /// An address of ours that is not served, whether a time was named or not.
    #[serde(default)]
    pub blocked: u32,
}

/// A time in which a vendor is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Its end.
    pub until: Instant,
    /// The vendor's refusal.
    pub error: SourceError,
}

/// How often in a row a vendor has refused us, by kind of refusal: the wait doubles each time.
#[derive(Debug, Default)]
pub(crate) struct Cooldowns {
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
            SourceError::Blocked { detail, .. } => SourceError::Blocked { detail, retry_after: left },
            other => other,
        }
    }
}

impl Cooldowns {
    /// Goes on after refusals that were counted before a restart.
    pub(crate) fn after(refused: Refused) -> Self {
        Cooldowns { refused, last: None }
    }

    /// The refusals in a row so far.
    pub(crate) fn refused(&self) -> Refused {
        self.refused
    }

    /// Whether an error means that the vendor wants to be left alone.
    pub(crate) fn concerns(error: &SourceError) -> bool {
        matches!(error.scope(), Some(Scope::Account | Scope::Address))
    }

    /// Begins the cooldown that an error asks for, if it asks for one.
    ///
    /// The time that the vendor names is kept to; otherwise the wait doubles with each refusal in a row. A first block begins
    /// none, since a firewall may have disliked that one call.
    pub(crate) fn begin(&mut self, error: &SourceError, now: Instant) -> Option<Cooldown> {
        let Refused { rate_limited, quota_exhausted, unauthorized, blocked } = &mut self.refused;
        self.last = Some(now);
        let wait = match error {
            SourceError::Blocked { .. } if *blocked == 0 => {
                *blocked = 1;
                return None;
            }
            SourceError::Blocked { retry_after: Some(wait), .. } => (*wait).min(DAY),
            SourceError::Blocked { .. } => doubled(blocked, MINUTE / 2, HOUR),
            SourceError::RateLimited { retry_after: Some(wait), .. } => (*wait).min(DAY),
            SourceError::RateLimited { .. } => doubled(rate_limited, Duration::from_secs(1), MINUTE),
            SourceError::QuotaExhausted { retry_after: Some(wait), .. } => (*wait).min(MONTH),
            SourceError::QuotaExhausted { .. } => doubled(quota_exhausted, 15 * MINUTE, 6 * HOUR),
            _ => doubled(unauthorized, 5 * MINUTE, HOUR),
        };
        Some(Cooldown { until: now + wait, error: error.clone() })
    }

    /// How often in a row the vendor has refused calls for the same reason.
    pub(crate) fn times(&mut self, error: &SourceError) -> u32 {
        *self.counter(error)
    }

    /// Notes that the vendor has refused another replica this often in a row.
    pub(crate) fn hear(&mut self, error: &SourceError, times: u32, now: Instant) {
        let counter = self.counter(error);
        *counter = times.max(*counter);
        self.last = Some(now);
    }

    fn counter(&mut self, error: &SourceError) -> &mut u32 {
        let Refused { rate_limited, quota_exhausted, unauthorized, blocked } = &mut self.refused;
        match error {
            SourceError::Blocked { .. } => blocked,
            SourceError::RateLimited { .. } => rate_limited,
            SourceError::QuotaExhausted { .. } => quota_exhausted,
            _ => unauthorized,
        }
    }

    /// Whether what a vendor says holds for an account, whichever replica asks with whichever key.
    pub(crate) fn is_of_account(error: &SourceError) -> bool {
        matches!(error, SourceError::RateLimited { .. } | SourceError::QuotaExhausted { .. })
    }

    /// Whether what a vendor says holds for a key, whichever replica asks with it.
    pub(crate) fn is_of_key(error: &SourceError) -> bool {
        matches!(error, SourceError::Unauthorized(_) | SourceError::Forbidden(_))
    }

    /// Notes the success of a call that was sent at an instant: the next wait is the shortest again. Returns whether that
    /// changes anything.
    ///
    /// A call that was sent before the last refusal came says nothing of what the vendor does since.
    pub(crate) fn reset(&mut self, sent: Instant) -> bool {
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
        (0..times).map(|_| (cooldowns.begin(error, now).unwrap().until - now).as_secs()).collect()
    }

    fn rate_limited(retry_after: Option<u64>) -> SourceError {
        SourceError::RateLimited { detail: "slow down".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn a_429_is_kept_to_and_else_doubles() {
        assert_eq!(waits(&rate_limited(Some(7)), 2), [7, 7]);
        assert_eq!(waits(&rate_limited(Some(1800)), 1), [1800]);
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
    fn a_block_is_kept_to_from_the_second_in_a_row_on_and_else_doubles_up_to_an_hour() {
        let blocked = |seconds: Option<u64>| SourceError::Blocked {
            detail: String::new(),
            retry_after: seconds.map(Duration::from_secs),
        };
        let (mut cooldowns, now) = (Cooldowns::default(), Instant::now());
        let mut wait =
            |seconds| cooldowns.begin(&blocked(seconds), now).map(|cooldown| (cooldown.until - now).as_secs());
        assert_eq!(wait(None), None);
        let waits: Vec<_> = (0..8).map(|_| wait(None)).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600].map(Some));
        assert_eq!((wait(Some(300)), wait(Some(7 * 86_400))), (Some(300), Some(86_400)));
        let mut cooldowns = Cooldowns::default();
        assert_eq!(cooldowns.begin(&blocked(Some(300)), now), None);
        cooldowns.reset(now + Duration::from_secs(1));
        assert_eq!(cooldowns.begin(&blocked(Some(300)), now + Duration::from_secs(2)), None, "a success lay between");
    }

    #[test]
    fn a_success_makes_the_next_wait_the_shortest_again() {
        let (mut cooldowns, now) = (Cooldowns::default(), Instant::now());
        cooldowns.begin(&rate_limited(None), now);
        cooldowns.begin(&rate_limited(None), now);
        let next = now + Duration::from_secs(1);
        cooldowns.reset(next);
        assert_eq!(cooldowns.begin(&rate_limited(None), next).unwrap().until - next, Duration::from_secs(1));
    }

    #[test]
    fn a_success_of_a_call_that_was_sent_before_the_refusal_does_not() {
        let (mut cooldowns, sent) = (Cooldowns::default(), Instant::now());
        let refused = sent + Duration::from_millis(50);
        cooldowns.begin(&rate_limited(None), refused);
        cooldowns.reset(sent);
        assert_eq!(cooldowns.begin(&rate_limited(None), refused).unwrap().until - refused, Duration::from_secs(2));
    }
}
