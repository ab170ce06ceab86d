//! Runs pricing on a runtime of its own. The thread that accepts connections, reads, writes and answers health does nothing
//! else, so it never waits for pricing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use tokio::runtime::Handle;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::caching::{Caching, Wanted};
use super::prices::{Form, Written};
use super::problem::Problem;
use super::questions::Questions;
use super::readiness::Readiness;
use super::request_log;
use crate::question::Question;
use crate::service::Quotefold;
use crate::service::in_flight::{AnswersInFlight, Made, run};
use crate::service::joining::Joining;
use crate::trace::TraceContext;
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
    /// The answers that are being made.
    in_flight: AnswersInFlight<Form, Written>,
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
            in_flight: AnswersInFlight::default(),
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
        // log lines of the task carry the request's id
        run(&self.runtime, TraceContext::current().scope(task.instrument(request_log::span()))).await
    }

    /// The reply to a question, out of an answer in flight that fits it, or of one that `make` makes on that runtime. Gives up
    /// shortly after the question's deadline.
    pub(super) async fn answer<F>(
        &self,
        (question, form): (&Arc<Question>, Form),
        make: impl Fn(Option<Arc<Joining>>) -> F,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = (Result<Response, Problem>, Made<Written>)> + Send + 'static,
    {
        let make = |joining| TraceContext::current().scope(make(joining).instrument(request_log::span()));
        let answer = self.in_flight.answer(&self.service, (question, form), &self.runtime, make, Written::reply);
        timeout_at(question.deadline() + GRACE, answer).await.map_err(|_| Problem::NoAnswer)?
    }
}
