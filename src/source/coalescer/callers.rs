//! Counts the callers of a call, and knows when the first of them would be too late. A call goes on as long as one waits.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The callers who wait for one call. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    count: usize,
    /// When the call must have a slot, or the first of them leaves without its outcome.
    slot_by: Option<Instant>,
}

/// One caller's claim to a call. The caller gives it up by dropping it.
#[derive(Debug)]
pub struct Claim(Callers);

impl Callers {
    /// Adds a caller, and when the call must have a slot for that caller; `None` if that does not matter, or is too late anyway.
    pub(super) fn claim(&self, slot_by: Option<Instant>) -> Claim {
        self.0.send_modify(|state| {
            state.count += 1;
            state.slot_by = state.slot_by.into_iter().chain(slot_by).min();
        });
        Claim(self.clone())
    }

    /// Whether no caller waits.
    pub(super) fn are_gone(&self) -> bool {
        self.0.borrow().count == 0
    }

    /// Ends as soon as no caller waits.
    pub(super) async fn all_gone(&self) {
        // the sender lives as long as we do
        let _ = self.0.subscribe().wait_for(|state| state.count == 0).await;
    }

    /// Ends as soon as a caller waits.
    pub(super) async fn any_came(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.count > 0).await;
    }

    /// Ends when the call must have a slot, once for each such moment.
    pub(super) async fn slot_is_due(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let slot_by = changes.borrow_and_update().slot_by;
            let due = async {
                match slot_by {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Ok(()) = changes.changed() => {}
                () = due => break,
            }
        }
        self.0.send_modify(|state| state.slot_by = None);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.count -= 1);
    }
}
