//! Tells the time twice: by the wall for ages, by a clock that never jumps for waiting.
//!
//! Whoever needs the time is handed a [`Clock`] or a [`Moment`]; nothing on the path of a request reads the system's
//! clock by itself. So a test can live through a day in a second, and a system clock that jumps cannot fire a timeout.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// One instant as both clocks saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What the wall clock said: for ages and for what is printed. May jump.
    pub wall: Timestamp,
    /// The same instant on tokio's monotonic clock: for waiting and for "how long ago did we".
    pub monotonic: Instant,
}

impl Moment {
    /// The wall time of a monotonic instant near this moment, in the past or in the future.
    pub fn wall_at(&self, instant: Instant) -> Timestamp {
        let ahead = instant.saturating_duration_since(self.monotonic);
        let behind = self.monotonic.saturating_duration_since(instant);
        shift(shift(self.wall, ahead, 1), behind, -1)
    }
}

fn shift(time: Timestamp, by: Duration, sign: i32) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.saturating_add(by * sign).unwrap_or(time)
}

/// How long before `now` something stated at `then` was; zero if it lies ahead (clocks differ).
pub fn age(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

/// Where the time comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock: what `serve` uses.
    pub fn system() -> Self {
        Clock(Arc::new(Timestamp::now))
    }

    /// A wall clock that reads `start` now and from then on moves with tokio's clock, also while that is paused.
    pub fn starting_at(start: Timestamp) -> Self {
        let origin = Instant::now();
        Clock(Arc::new(move || shift(start, origin.elapsed(), 1)))
    }

    /// A wall clock of the caller's making; waiting stays with tokio's clock.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock(Arc::new(read))
    }

    /// The present.
    pub fn now(&self) -> Moment {
        Moment { wall: (self.0)(), monotonic: Instant::now() }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_of_a_test_moves_with_paused_time() {
        let start: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let clock = Clock::starting_at(start);
        tokio::time::sleep(Duration::from_secs(90)).await;
        let now = clock.now();
        assert_eq!(now.wall.to_string(), "2026-11-20T14:32:30Z");
        assert_eq!(now.wall_at(now.monotonic - Duration::from_secs(60)).to_string(), "2026-11-20T14:31:30Z");
    }

    #[test]
    fn what_lies_ahead_is_not_old() {
        let now: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let ahead: Timestamp = "2026-11-20T15:31:00Z".parse().unwrap();
        assert_eq!(age(now, ahead), Duration::ZERO);
        assert_eq!(age(ahead, now), Duration::from_secs(3600));
    }
}
