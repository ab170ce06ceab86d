//! Tells the time by two clocks: the wall clock for ages, and one that never jumps for waiting.
//!
//! Code that needs the time is handed a [`Clock`] or a [`Moment`]; nothing on the path of a request reads the system's
//! clock directly. So a test can live through a day in a second, and a system clock that jumps cannot fire a timeout.

pub mod cpu;
pub mod skew;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use skew::{Host, Skew, Witnesses};

/// One instant as both clocks saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time on the wall clock, for ages and for output. It may jump.
    pub wall: Timestamp,
    /// The same instant on tokio's monotonic clock, for waiting and for how long ago we did something.
    pub monotonic: Instant,
}

impl Moment {
    /// The wall time of a monotonic instant near this moment, in the past or in the future.
    pub(crate) fn wall_at(&self, instant: Instant) -> Timestamp {
        let ahead = instant.saturating_duration_since(self.monotonic);
        let behind = self.monotonic.saturating_duration_since(instant);
        shift(shift(self.wall, ahead, 1), behind, -1)
    }
}

fn shift(time: Timestamp, by: Duration, sign: i32) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.saturating_add(by * sign).unwrap_or(time)
}

/// The time from `then` to `now`; zero if `then` lies ahead, as clocks differ.
pub fn age(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

/// A time as answers state it, cut to milliseconds. No time is known more precisely than it is shown, so that a price can be
/// recomputed from its answer.
pub(crate) fn in_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// The source of the time, and what other machines say about it. Clones are the same clock.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    witnesses: Arc<Mutex<Witnesses>>,
    /// Whether the last verdict was that this clock is off.
    seems_off: Arc<AtomicBool>,
}

impl Clock {
    /// The system's clock, which `serve` uses.
    pub fn system() -> Self {
        Clock::from_fn(Timestamp::now)
    }

    /// A wall clock that reads `start` now and then moves with tokio's clock, even while that is paused.
    pub fn starting_at(start: Timestamp) -> Self {
        let origin = Instant::now();
        Clock::from_fn(move || shift(start, origin.elapsed(), 1))
    }

    /// A wall clock that the caller provides; waiting still uses tokio's clock.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock { read: Arc::new(read), witnesses: Arc::default(), seems_off: Arc::default() }
    }

    /// The present.
    pub fn now(&self) -> Moment {
        Moment { wall: in_milliseconds((self.read)()), monotonic: Instant::now() }
    }

    /// Records the `Date` of a reply from one of an account's hosts, with the moments at which the request was sent and
    /// the head of the reply was received. This machine's clock is judged by such dates.
    pub(crate) fn hear_date(&self, account: &str, host: Host, date: Timestamp, sent: Moment, received: Moment) {
        let mut witnesses = self.witnesses();
        witnesses.hear_date(account, host, date, sent, received);
        self.judge(&mut witnesses, received);
    }

    /// Records the newest time that a reply states in its quotes.
    pub(crate) fn hear_time(&self, account: &str, time: Timestamp, received: Moment) {
        let mut witnesses = self.witnesses();
        witnesses.hear_time(account, time, received);
        self.judge(&mut witnesses, received);
    }

    /// How far this clock seems to be off, if enough others say so.
    pub(crate) fn skew(&self, now: Moment) -> Option<Skew> {
        self.judge(&mut self.witnesses(), now)
    }

    /// Whether the last verdict was that this clock is off. Takes no lock.
    pub(crate) fn seems_off(&self) -> bool {
        self.seems_off.load(Ordering::Relaxed)
    }

    /// The verdict of the witnesses. The log says when it begins and when it is over.
    fn judge(&self, witnesses: &mut Witnesses, now: Moment) -> Option<Skew> {
        let (skew, is_news) = witnesses.judge(now);
        self.seems_off.store(skew.is_some(), Ordering::Relaxed);
        match skew.filter(|_| is_news) {
            Some(skew) => {
                tracing::warn!("{skew}: {}; correct it, or prices will be missing or stale", skew.witnesses());
            }
            None if is_news => tracing::info!("this machine's clock is no longer judged to be off"),
            None => {}
        }
        skew
    }

    // if another thread panicked while it held the lock, at worst one reading is missing
    fn witnesses(&self) -> MutexGuard<'_, Witnesses> {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_time_that_lies_ahead_has_no_age() {
        let now: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let ahead: Timestamp = "2026-11-20T15:31:00Z".parse().unwrap();
        assert_eq!(age(now, ahead), Duration::ZERO);
        assert_eq!(age(ahead, now), Duration::from_secs(3600));
    }
}
