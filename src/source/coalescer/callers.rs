//! Counts the callers of a call, and knows when the first of them would be too late. A call goes on as long as one waits.

use std::future::pending;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The callers who wait for one call. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Tells the call of each change.
    changed: Notify,
}

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
        self.change(|state| {
            state.count += 1;
            state.slot_by = state.slot_by.into_iter().chain(slot_by).min();
        });
        Claim(self.clone())
    }

    /// Whether no caller waits.
    pub(super) fn are_gone(&self) -> bool {
        self.0.state.lock().count == 0
    }

    /// Ends as soon as no caller waits.
    pub(super) async fn all_gone(&self) {
        self.counted(|count| count == 0).await;
    }

    /// Ends as soon as a caller waits.
    pub(super) async fn any_came(&self) {
        self.counted(|count| count > 0).await;
    }

    /// Ends when the call must have a slot, once for each such moment.
    pub(super) async fn slot_is_due(&self) {
        loop {
            // from here on, so that no change is missed
            let changed = self.0.changed.notified();
            let slot_by = self.0.state.lock().slot_by;
            let due = async {
                match slot_by {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = due => break,
            }
        }
        self.change(|state| state.slot_by = None);
    }

    /// Ends as soon as the number of callers is right.
    async fn counted(&self, is_right: impl Fn(usize) -> bool) {
        loop {
            // from here on, so that no change is missed
            let changed = self.0.changed.notified();
            if is_right(self.0.state.lock().count) {
                return;
            }
            changed.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock());
        self.0.changed.notify_waiters();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.change(|state| state.count -= 1);
    }
}
