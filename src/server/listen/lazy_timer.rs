//! A timer for waits that mostly end long before it fires.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that stays set when a wait ends early, and is moved on only when it fires. It is therefore set once per span, not once
/// per wait: setting one that is the next to fire wakes the thread of the timers, which costs more than many an answer.
///
/// Each wait must end later than the one before.
#[derive(Debug, Default)]
pub(super) struct LazyTimer {
    set: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    /// Waits until a moment.
    pub(super) async fn until(&mut self, end: Instant) {
        let set = self.set.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            set.as_mut().await;
            if set.deadline() >= end {
                return;
            }
            set.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SPAN: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn every_wait_ends_on_time_however_many_ended_early_before() {
        let mut timer = LazyTimer::default();
        for early in [0, 1, 400, 999, 1700, 50_000] {
            let started = Instant::now();
            let ended = timeout(Duration::from_millis(early), timer.until(started + SPAN)).await;
            assert_eq!(ended.is_ok(), Duration::from_millis(early) > SPAN, "{early}");
            let started = Instant::now();
            timer.until(started + SPAN).await;
            assert_eq!(started.elapsed(), SPAN, "after {early} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_early_leaves_the_timer_as_it_is() {
        let mut timer = LazyTimer::default();
        let first = Instant::now() + SPAN;
        for _ in 0..10 {
            let end = Instant::now() + SPAN;
            assert!(timeout(SPAN / 20, timer.until(end)).await.is_err());
            assert_eq!(timer.set.as_ref().map(|set| set.deadline()), Some(first));
        }
    }
}
