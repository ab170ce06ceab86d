//! Goes on with calls that no caller waits for, and bounds how many there are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Where the service waits for calls in place of callers who have left. Cheap to clone; all clones share one bound.
#[derive(Clone, Debug)]
pub(crate) struct LeftBehind {
    tasks: TaskTracker,
    /// Room for pairs of symbol and source.
    room: Arc<Semaphore>,
}

impl LeftBehind {
    /// With the tasks of the service, and at most this many pairs of symbol and source at once.
    pub(crate) fn new(tasks: &TaskTracker, most: u32) -> Self {
        LeftBehind { tasks: tasks.clone(), room: Arc::new(Semaphore::new(most as usize)) }
    }

    /// Runs a task of the service.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Room for this many pairs, to be held as long as they are waited for; `None` if there is not enough.
    pub(crate) fn room_for(&self, pairs: usize) -> Option<OwnedSemaphorePermit> {
        let pairs = u32::try_from(pairs).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(pairs).ok()
    }
}
