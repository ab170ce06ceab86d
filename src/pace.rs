//! Yields to other tasks in the middle of long work: while a thread works on a query about thousands of symbols, it
//! must still get to the replies that come in and the deadlines that pass.

use tokio::task::yield_now;

/// How many pairs of symbol and source are worked on without a pause. That takes about a millisecond.
const IN_A_ROW: usize = 128;

/// The pace of one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    pairs: usize,
}

impl Pace {
    /// Counts pairs of symbol and source that have been worked on, and yields to other tasks after every [`IN_A_ROW`]
    /// of them.
    pub(crate) async fn step(&mut self, pairs: usize) {
        // a symbol without sources is work too
        self.pairs += pairs.max(1);
        if self.pairs >= IN_A_ROW {
            self.pairs = 0;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn another_task_has_its_turn_during_long_work_and_not_during_short_work() {
        for (steps, at_least, at_most) in [(IN_A_ROW - 1, 0, 0), (IN_A_ROW * 10, 9, 11)] {
            let turns = Arc::new(AtomicUsize::new(0));
            let other = tokio::spawn({
                let turns = Arc::clone(&turns);
                async move {
                    loop {
                        yield_now().await;
                        turns.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let mut pace = Pace::default();
            for _ in 0..steps {
                pace.step(0).await;
            }
            let turns = turns.load(Ordering::Relaxed);
            assert!((at_least..=at_most).contains(&turns), "{turns} turns in {steps} steps");
            other.abort();
        }
    }
}
