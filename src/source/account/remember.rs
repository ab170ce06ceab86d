//! Carries an account over a restart: what was spent, as wall times, and for how long its vendor is left alone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Account;
use crate::clock::{Moment, age};
use crate::failure::SourceError;
use crate::fingerprint::Fingerprint;
use crate::source::cooldown::{Cooldown, Cooldowns, MONTH, Refused};
use crate::text::as_string;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The two clocks are read one after the other, so a restored unit comes back some microseconds later than it was written. A
/// time that is this little past a full second does not count as the next one; otherwise every restart would move it on. In
/// nanoseconds.
const SLACK: i128 = 500_000;

/// What one account must not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// A fingerprint of the key that was used, too short to reveal anything of it: a new key has not been refused yet. `None`
    /// for an account without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_mark: Option<Fingerprint>,
    /// The units spent, as Unix seconds and how many; never decreasing, each rounded up.
    pub spent: Vec<(i64, usize)>,
    /// The cooldown that holds, if any.
    pub cooldown: Option<CooldownState>,
    /// Refusals in a row, by kind: each doubles the next wait.
    pub refused: Refused,
}

/// A cooldown: what the vendor said, and until when it is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CooldownState {
    /// The failure's name, such as `quota_exhausted`.
    pub reason: String,
    /// The vendor's words, scrubbed.
    pub detail: String,
    /// Its end.
    #[serde(with = "as_string")]
    pub until: Timestamp,
}

impl Account {
    /// How often something has happened that must outlive a restart.
    pub(crate) fn revision(&self) -> u64 {
        self.allowance.revision() + self.refusals.lock().revision
    }

    /// What must outlive a restart. The time of every unit is rounded up, by more the older it is. The unit of a call in flight
    /// is written with the latest moment at which the call can end, since a killed process cannot tell when it did.
    pub fn remember(&self, now: Moment) -> AccountState {
        let mut spent: Vec<(i64, usize)> = Vec::new();
        for at in self.allowance.ends(now.monotonic) {
            let second = coarse(now.wall_at(at), now.monotonic.saturating_duration_since(at));
            match spent.last_mut() {
                Some((known, units)) if *known == second => *units += 1,
                _ => spent.push((second, 1)),
            }
        }
        let cooldown = self.cooldown(now.monotonic).map(|Cooldown { until, error }| CooldownState {
            reason: error.reason().to_owned(),
            detail: error.to_string(),
            until: now.wall_at(until),
        });
        let refusals = self.refusals.lock();
        AccountState { key_mark: refusals.key.mark.clone(), spent, cooldown, refused: refusals.cooldowns.refused() }
    }

    /// Takes over what an earlier process remembered at `saved_at`.
    ///
    /// A time that lies ahead counts as now: clocks are set back, but no call was made in the future.
    pub fn restore(&self, past: &AccountState, saved_at: Timestamp, now: Moment) {
        let limits = self.allowance.limits();
        // units beyond the most that a limit allows never decide anything
        let most = limits.most();
        let mut spent: Vec<Instant> = Vec::new();
        for (second, units) in past.spent.iter().rev() {
            let at = instant(*second, now);
            if at + limits.longest() > now.monotonic {
                spent.extend(std::iter::repeat_n(at, (*units).min(most - spent.len())));
            }
        }
        self.allowance.restore(spent);
        if self.has_another_key_than(past) {
            // the vendor has refused that key, not this one
            return;
        }
        self.refusals.lock().cooldowns = Cooldowns::after(past.refused);
        if let Some(cooldown) = past.cooldown.as_ref().and_then(|past| cooldown(past, saved_at, now)) {
            self.cooling.send_replace(Some(cooldown));
        }
    }

    /// Whether the key is known to be another one. If the fingerprint has a form that says nothing, the cooldown holds: waiting
    /// once more than needed harms less than asking a vendor that has banned us.
    fn has_another_key_than(&self, past: &AccountState) -> bool {
        let is_comparable = past.key_mark.as_ref().is_none_or(Fingerprint::is_comparable);
        is_comparable && past.key_mark != self.key_mark()
    }
}

/// The first full second, minute or hour (by age) at or after a time, as a Unix time.
fn coarse(at: Timestamp, age: Duration) -> i64 {
    let grain = match age {
        age if age > DAY => 3600,
        age if age > HOUR => 60,
        _ => 1,
    };
    let nanoseconds = grain * 1_000_000_000;
    let full = (at.as_nanosecond() - SLACK).div_euclid(nanoseconds) + 1;
    i64::try_from(full * grain).unwrap_or(i64::MAX)
}

/// The instant of a Unix time in the past; now, for a time that lies ahead or before the earliest possible instant.
fn instant(second: i64, now: Moment) -> Instant {
    let past = Timestamp::from_second(second).map_or(Duration::ZERO, |at| age(now.wall, at));
    now.monotonic.checked_sub(past).unwrap_or(now.monotonic)
}

/// What is left of a cooldown; `None` if it is over. A clock that was set back does not make it longer.
fn cooldown(past: &CooldownState, saved_at: Timestamp, now: Moment) -> Option<Cooldown> {
    let error = SourceError::from_reason(&past.reason, past.detail.clone(), None).filter(Cooldowns::concerns)?;
    let left: SignedDuration = past.until.duration_since(now.wall.max(saved_at));
    let left = Duration::try_from(left).ok().filter(|left| !left.is_zero())?;
    Some(Cooldown { until: now.monotonic + left.min(MONTH), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(at: &str, age: Duration) -> String {
        let second = coarse(at.parse().unwrap(), age);
        Timestamp::from_second(second).unwrap().to_string()
    }

    #[test]
    fn what_was_spent_is_rounded_to_the_later_side_and_by_more_the_older_it_is() {
        let at = "2026-11-20T14:31:10.001Z";
        assert_eq!(rounded(at, Duration::from_secs(5)), "2026-11-20T14:31:11Z");
        assert_eq!(rounded(at, HOUR), "2026-11-20T14:31:11Z");
        assert_eq!(rounded(at, HOUR * 2), "2026-11-20T14:32:00Z");
        assert_eq!(rounded(at, DAY * 2), "2026-11-20T15:00:00Z");
    }

    #[test]
    fn a_full_second_stays_what_it_is_however_often_it_is_written() {
        for jitter in ["2026-11-20T14:31:10Z", "2026-11-20T14:31:10.0004Z"] {
            assert_eq!(rounded(jitter, Duration::ZERO), "2026-11-20T14:31:10Z");
        }
        assert_eq!(rounded("2026-11-20T15:00:00.0001Z", DAY * 2), "2026-11-20T15:00:00Z");
    }

    #[test]
    fn no_time_there_can_be_breaks_it() {
        let now = Moment { wall: Timestamp::UNIX_EPOCH, monotonic: Instant::now() };
        for second in [i64::MIN, i64::MAX, 0, 1, -1] {
            assert!(instant(second, now) <= now.monotonic);
        }
        coarse(Timestamp::MAX, Duration::ZERO);
        coarse(Timestamp::MIN, DAY * 2);
    }
}
