//! Counts the callers of a call, and knows when the first of them would be too late. A call goes on as long as one waits.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Those who wait for one call. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    count: usize,
    /// When the call must have a place, or the first of them leaves without its outcome.
    hurry: Option<Instant>,
}

/// One caller's claim to a call. Dropped, it is given up.
#[derive(Debug)]
pub struct Claim(Callers);

impl Callers {
    /// Adds a caller, and when the call must have a place for it; `None` if that is no matter, or too late anyway.
    pub(super) fn claim(&self, hurry: Option<Instant>) -> Claim {
        self.0.send_modify(|state| {
            state.count += 1;
            state.hurry = state.hurry.into_iter().chain(hurry).min();
        });
        Claim(self.clone())
    }

    /// Whether no caller waits.
    pub(super) fn are_gone(&self) -> bool {
        self.0.borrow().count == 0
    }

    /// Ends as soon as no caller waits.
    pub(super) async fn leave(&self) {
        // the sender lives as long as we do
        let _ = self.0.subscribe().wait_for(|state| state.count == 0).await;
    }

    /// Ends as soon as a caller waits.
    pub(super) async fn come(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.count > 0).await;
    }

    /// Ends when the call must have a place, once for each such moment.
    pub(super) async fn hurry(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let hurry = changes.borrow_and_update().hurry;
            let in_hurry = async {
                match hurry {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Ok(()) = changes.changed() => {}
                () = in_hurry => break,
            }
        }
        self.0.send_modify(|state| state.hurry = None);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.count -= 1);
    }
}
