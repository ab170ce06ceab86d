//! The layers around every request: they name and log it, admit it, bound its size and time, and refuse in one format.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use super::admission::{self, Admission};
use super::drain::Drain;
use super::problem::Problem;
use super::request_log::{self, RequestLogging};
use super::{browsers, client, form, host, request_id};
use crate::settings::RequestLog;
use crate::settings::access::{AccessSettings, Network};

/// The path of the page with the metrics.
pub(super) const METRICS: &str = "/metrics";

/// The most bytes of a library's own refusal that are passed on.
const MAX_WORDS: usize = 1024;

/// How long after the longest deadline that a client may ask for the backstop answers.
const BACKSTOP_DELAY: Duration = Duration::from_millis(500);

/// What the operator decides about the stack.
#[derive(Clone, Copy, Debug)]
pub struct StackLimits {
    /// The most requests in flight at once; more are shed.
    pub max_requests: usize,
    /// The longest deadline that a client may ask for. The backstop answers half a second later.
    pub max_timeout: Duration,
    /// The longest form of `POST /prices`, in bytes. Any other body may have 1 KiB.
    pub longest_form: usize,
    /// Which requests get a line in the log.
    pub requests: RequestLog,
}

/// Wraps the routes of the service and its health routes in their layers. A request passes through them from top to bottom.
///
/// Every refusal on the way leaves as a [`Problem`], whichever layer or library made it. `health` must not have a fallback of
/// its own.
pub fn wrap(app: Router, health: Router, limits: StackLimits, access: &AccessSettings, drain: Drain) -> Router {
    let in_flight = Arc::new(Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS)));
    let admission = Arc::new(Admission::new(access));
    let logging = RequestLogging { lines: limits.requests, drain: drain.clone() };

    let around_everything = ServiceBuilder::new()
        // Fairness: before any work, a request yields to those that other clients have sent meanwhile.
        .layer(from_fn(yield_first))
        // The id comes next: every log line and every refusal below carries it.
        .layer(from_fn(request_id::identify))
        // Until the listener closes, requests are served, but every client is told to reconnect for its next one.
        .layer(from_fn_with_state(drain, close_while_draining))
        // Finds the address that the log names and that rates count.
        .layer(from_fn_with_state(Arc::<[Network]>::from(access.trusted_proxies.clone()), client::identify))
        // Outside everything that can fail: it sees the status that the client sees, and clients that leave.
        .layer(from_fn_with_state(logging, request_log::log))
        // Every reply gets these headers. They are outside CORS because they depend on what it allows.
        .layer(from_fn(browsers::protect))
        // Everything below may trust the Host header.
        .layer(from_fn(host::check))
        // A CORS preflight carries no key but must still be answered, at no cost. A page that may read prices may also read why
        // it got none, so 401, 429 and 500 pass through here.
        .layer(option_layer(browsers::cors(&access.cors)))
        // A panic costs one request, not the connection.
        .layer(CatchPanicLayer::custom(panicked))
        // axum and tower-http refuse in plain text or with an empty body: a 404, a 405, a path that is not UTF-8, a 413.
        .layer(from_fn(refuse_in_one_format));

    let around_the_service = ServiceBuilder::new()
        // Authenticate and rate-limit before reading the body or counting the request as in flight.
        .layer(from_fn_with_state(admission, admission::admit))
        .layer(from_fn_with_state(limits.longest_form, form::bound))
        // Excess is refused at once: a queue would only make every request late.
        .layer(from_fn_with_state(in_flight, shed))
        // Handlers keep their own deadlines. This one is the backstop for a handler that does not.
        .layer(from_fn_with_state(limits.max_timeout + BACKSTOP_DELAY, answer_in_time));

    // Health is outside the inner layers: a server that sheds load is busy, not dead, and must be able to say so; and probes
    // have no key. In this order, requests for unknown paths still pass through the inner layers.
    health.merge(app.layer(around_the_service)).layer(around_everything)
}

/// Without this, a client that sends a hundred requests at once gets many of them answered in a row, while the thread looks
/// neither at the clock nor at other clients.
async fn yield_first(request: Request, next: Next) -> Response {
    tokio::task::yield_now().await;
    next.run(request).await
}

async fn close_while_draining(State(drain): State<Drain>, request: Request, next: Next) -> Response {
    let mut reply = next.run(request).await;
    if drain.has_begun() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    // The payload of `panic!` is a `String` or a `&'static str`.
    let words =
        panic.downcast::<String>().or_else(|panic| panic.downcast::<&str>().map(|text| Box::new(text.to_string())));
    error!(panic = words.map_or_else(|_| "no message".to_owned(), |words| *words), "a request panicked");
    Problem::Internal.into_response()
}

async fn refuse_in_one_format(request: Request, next: Next) -> Response {
    let reply = next.run(request).await;
    let status = reply.status();
    if !(status.is_client_error() || status.is_server_error()) || has_a_format(&reply) {
        return reply;
    }
    let words = to_bytes(reply.into_body(), MAX_WORDS).await.unwrap_or_default();
    let words = match String::from_utf8_lossy(&words) {
        none if none.is_empty() => status.to_string(),
        words => words.into_owned(),
    };
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::NoSuchPath,
        StatusCode::METHOD_NOT_ALLOWED => Problem::WrongMethod,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::BodyTooLarge { longest: form::LONGEST_ELSEWHERE },
        _ if status.is_client_error() => Problem::BadQuery { field: None, detail: words },
        _ => {
            error!(%status, %words, "a request failed without a problem document");
            Problem::Internal
        }
    };
    problem.into_response()
}

/// Whether a handler chose the body's format: libraries send no content type at all, or plain text.
fn has_a_format(reply: &Response) -> bool {
    reply.headers().get(CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"))
}

async fn shed(State(in_flight): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    // metrics are needed most when the server is busy
    if request.uri().path() == METRICS {
        return next.run(request).await;
    }
    match in_flight.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::Overloaded.into_response(),
    }
}

async fn answer_in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    // a client's time starts when its whole form has arrived
    let limit = if form::is_in(&request) { limit + form::TIME } else { limit };
    let answer = tokio::time::timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::NoAnswer.into_response())
}
