//! Gives every connection one answer per turn.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::yield_now;

/// A connection's turn, which begins each time that the runtime polls it.
///
/// Without turns, a client that sends a hundred requests at once gets many of them answered in a row, while the thread looks
/// neither at the clock nor at other clients. The first request of a turn is answered at once: others have just had theirs.
#[derive(Debug, Default)]
pub(super) struct Turn {
    is_used: AtomicBool,
}

impl Turn {
    /// Begins a turn: the connection is polled.
    pub(super) fn begin(&self) {
        self.is_used.store(false, Ordering::Relaxed);
    }

    /// Uses this turn, if no request has used it.
    pub(super) fn is_free(&self) -> bool {
        !self.is_used.swap(true, Ordering::Relaxed)
    }

    /// Waits for a turn that no request has used, and uses it.
    pub(super) async fn next(&self) {
        while !self.is_free() {
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn the_second_request_of_a_turn_waits_for_the_next_turn() {
        let turn = Turn::default();
        for _ in 0..3 {
            turn.begin();
            assert!(turn.is_free());
            assert!(!turn.is_free() && !turn.is_free());
        }
    }

    #[tokio::test]
    async fn a_request_that_has_waited_uses_the_turn_it_gets() {
        let turn = Turn::default();
        let mut context = Context::from_waker(Waker::noop());
        assert!(turn.is_free());
        let mut second = pin!(turn.next());
        assert!(second.as_mut().poll(&mut context).is_pending());
        turn.begin();
        assert!(second.as_mut().poll(&mut context).is_ready());
        assert!(!turn.is_free(), "a third request must wait for another turn");
    }
}
