//! Runs pricing on a runtime of its own. The thread that accepts connections, reads, writes and answers health does nothing
//! else, so it never waits for pricing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::caching::{Caching, Wanted};
use super::problem::Problem;
use super::questions::Questions;
use super::readiness::Readiness;
use super::request_log;
use crate::gather::Waiting;
use crate::service::Quotefold;
use crate::watch::Watched;

/// How long after its caller's deadline an answer may still come. An answer that is this late is better than none; a later one
/// has no reader. When hundreds of deadlines end at once, writing the refusals takes time, too.
const GRACE: Duration = Duration::from_millis(25);

/// The service, and the runtime that it works on. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pricing {
    pub(super) service: Arc<Quotefold>,
    /// Its latest readiness.
    pub(super) readiness: Readiness,
    /// What queries were read as.
    pub(super) questions: Arc<Questions>,
    /// How answers may be kept, if they may.
    caching: Option<Caching>,
    runtime: Handle,
}

impl Pricing {
    /// A service that works on a runtime.
    pub(super) fn new(service: &Arc<Quotefold>, watched: Arc<Watched>, runtime: &Handle) -> Self {
        let readiness = Readiness::of(service, watched, runtime);
        let caching = Caching::of(service.settings());
        Pricing {
            service: Arc::clone(service),
            readiness,
            questions: Arc::default(),
            caching,
            runtime: runtime.clone(),
        }
    }

    /// What a request says of the answer that it wants, as far as answers depend on that.
    pub(super) fn wanted(&self, headers: &HeaderMap) -> Wanted {
        self.caching.map(|caching| Wanted::of(caching, headers)).unwrap_or_default()
    }

    /// Runs a task on that runtime, and waits for its end. Dropping the future aborts the task.
    pub(super) async fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        // log lines of the task carry the request's id, and the connection learns when the task waits for a source
        let task = Waiting::current().scope(task.instrument(request_log::span()));
        let running = AbortOnDropHandle::new(self.runtime.spawn(task));
        match running.await {
            Ok(done) => done,
            Err(ended) => match ended.try_into_panic() {
                // the layer that catches panics answers
                Ok(panic) => std::panic::resume_unwind(panic),
                // the runtime is shutting down: this request is about to be dropped, too
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// As [`Pricing::run`], but gives up shortly after a deadline.
    pub(super) async fn run_until<T: Send + 'static>(
        &self,
        deadline: Instant,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        timeout_at(deadline + GRACE, self.run(task)).await.map_err(|_| Problem::NoAnswer)
    }
}
