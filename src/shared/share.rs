//! What one of several replicas may spend while it cannot ask the others.

use std::time::Duration;

use crate::units::Limit;

/// The longest period of a limit of which a replica that is alone has a share.
const LONGEST: Duration = Duration::from_secs(60);

/// The share of one of `replicas` in limits.
///
/// # Errors
/// A limit that leaves nothing to one of them, in words.
pub fn of_one(limits: &[Limit], replicas: u32) -> Result<Vec<Limit>, String> {
    let share = |limit: &Limit| match limit.calls / replicas.max(1) {
        _ if limit.period > LONGEST => Err(format!("{limit} is too long a limit to be divided")),
        0 => Err(format!("{limit} cannot be divided by {replicas}")),
        calls => Ok(Limit { calls, period: limit.period }),
    };
    limits.iter().map(share).collect()
}

/// How long after the last moment at which others may have been granted everything the share may be spent, if a call takes this
/// long: then no window holds more than the limit.
pub(super) fn begins_after(limits: &[Limit], longest_call: Duration) -> Duration {
    longest_call + limits.iter().map(|limit| limit.period).max().unwrap_or_default()
}

/// What is used up of a source's limits if the store has granted nothing, in the words of a limit.
pub(super) fn without_store(why: &str) -> String {
    format!("calls without the shared store ({why})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(calls: u32, seconds: u64) -> Limit {
        Limit { calls, period: Duration::from_secs(seconds) }
    }

    #[test]
    fn limits_up_to_a_minute_are_divided_and_rounded_down() {
        assert_eq!(of_one(&[limit(5, 1), limit(40, 60)], 3), Ok(vec![limit(1, 1), limit(13, 60)]));
        assert_eq!(of_one(&[], 3), Ok(vec![]));
    }

    #[test]
    fn a_limit_that_leaves_nothing_to_one_replica_is_named() {
        assert_eq!(of_one(&[limit(5, 1), limit(1, 1)], 3).unwrap_err(), "1/s cannot be divided by 3");
        assert_eq!(of_one(&[limit(25, 86_400)], 3).unwrap_err(), "25/day is too long a limit to be divided");
    }
}
