//! Works prices out in a runtime of its own. The one that takes connections, reads, writes and answers health never waits for
//! that: its thread is busy with nothing else.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::problem::Problem;
use super::readiness::Readiness;
use crate::gather::Waiting;
use crate::service::Quotefold;
use crate::watch::Watched;

/// How long after its caller's deadline an answer is still waited for. An answer that is late by so little is better than none;
/// a later one has no reader. Where hundreds of deadlines end at once, writing that there is no answer takes its time,
/// too.
const GRACE: Duration = Duration::from_millis(25);

/// The service, and where it works.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) service: Arc<Quotefold>,
    /// What is known of its readiness.
    pub(super) readiness: Readiness,
    runtime: Handle,
}

impl Work {
    /// A service that works in a runtime.
    pub(super) fn new(service: &Arc<Quotefold>, watched: Arc<Watched>, runtime: &Handle) -> Self {
        let readiness = Readiness::of(service, watched, runtime);
        Work { service: Arc::clone(service), readiness, runtime: runtime.clone() }
    }

    /// Runs a task in the other runtime, and waits for its end. Dropping the future ends the task.
    pub(super) async fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        // what is logged on the way carries the request's id, and the connection learns when a source is waited for
        let task = Waiting::current().scope(task.in_current_span());
        let running = AbortOnDropHandle::new(self.runtime.spawn(task));
        match running.await {
            Ok(done) => done,
            Err(ended) => match ended.try_into_panic() {
                // the layer that catches panics speaks for all of them
                Ok(panic) => std::panic::resume_unwind(panic),
                // the runtime is ending: this request is dropped in a moment, too
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The same, until shortly after a deadline.
    pub(super) async fn run_until<T: Send + 'static>(
        &self,
        deadline: Instant,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        timeout_at(deadline + GRACE, self.run(task)).await.map_err(|_| Problem::NoAnswer)
    }
}
