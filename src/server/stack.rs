//! Guards every request with the same layers: named, logged, let in, bounded in size and time, refused in one form.

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
use super::{client, cors, form, headers, host, request_id};
use crate::settings::RequestLog;
use crate::settings::access::{AccessSettings, Network};

/// The path of the page with the counters.
pub(super) const METRICS: &str = "/metrics";

/// What is taken over of a refusal's words that somebody else wrote, in bytes.
const MAX_WORDS: usize = 1024;

/// How much later than the longest deadline a client may ask for the backstop falls.
const BACKSTOP_DELAY: Duration = Duration::from_millis(500);

/// What the operator decides about the stack.
#[derive(Clone, Copy, Debug)]
pub struct StackLimits {
    /// Requests answered at once; more are shed.
    pub max_requests: usize,
    /// The longest deadline a client may ask for. The backstop falls half a second later.
    pub max_timeout: Duration,
    /// The longest form of `POST /prices`, in bytes. Of any other body 1 KiB is read at most.
    pub longest_form: usize,
    /// Which requests get a line in the log.
    pub requests: RequestLog,
}

/// Wraps the routes of the service, and those of its health, in their layers. A request meets them from top to bottom.
///
/// Whatever is refused on the way, by whomever, leaves as a [`Problem`]. `health` must bring no fallback of its own.
pub fn wrap(app: Router, health: Router, limits: StackLimits, access: &AccessSettings, drain: Drain) -> Router {
    let places = Arc::new(Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS)));
    let admission = Arc::new(Admission::new(access));
    let logging = RequestLogging { lines: limits.requests, drain: drain.clone() };

    let around_everything = ServiceBuilder::new()
        // Before anything is done for it, a request waits for those that others have sent meanwhile.
        .layer(from_fn(take_turns))
        // The name comes first: every line of the log and every refusal below carries it.
        .layer(from_fn(request_id::identify))
        // Until the listener closes nobody is refused, but everybody is asked to connect anew next time.
        .layer(from_fn_with_state(drain, close_while_draining))
        // Whom the log names, and whom rates count.
        .layer(from_fn_with_state(Arc::<[Network]>::from(access.trusted_proxies.clone()), client::identify))
        // Outside of all that can fail: it sees the status the client sees, and clients that leave.
        .layer(from_fn_with_state(logging, request_log::log))
        // Every reply gets them, whoever wrote it. They stand outside of CORS, since they depend on what it allows.
        .layer(from_fn(headers::protect))
        // What follows believes what the request says of itself.
        .layer(from_fn(host::check))
        // A browser's question whether a page may ask brings no key and must be answered all the same, at no cost; and a
        // page that may read prices may also read why it got none: 401, 429 and 500 pass through here.
        .layer(option_layer(cors::layer(&access.cors)))
        // A panic costs one request, not the connection.
        .layer(CatchPanicLayer::custom(panicked))
        // axum and tower-http refuse in plain text or without a word: a 404, a 405, a path that is no UTF-8, a 413.
        .layer(from_fn(refuse_in_one_form));

    let around_the_service = ServiceBuilder::new()
        // Whoever is not let in is refused before anything of his is read, and takes nobody's place below.
        .layer(from_fn_with_state(admission, admission::admit))
        .layer(from_fn_with_state(limits.longest_form, form::bound))
        // Excess is refused at once: a queue would only make everybody late.
        .layer(from_fn_with_state(places, shed))
        // Handlers keep their own deadlines. This one is for the day a handler does not.
        .layer(from_fn_with_state(limits.max_timeout + BACKSTOP_DELAY, answer_in_time));

    // Health stands outside of the inner layers: a server that sheds is busy, not dead, and must be able to say so; and
    // probes have no key. In this order of the two, what nobody serves meets the inner layers, too.
    health.merge(app.layer(around_the_service)).layer(around_everything)
}

/// A client that sends a hundred requests at once would otherwise get many of them answered in a row, on a thread that looks
/// neither at the clock nor at other clients meanwhile.
async fn take_turns(request: Request, next: Next) -> Response {
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
    // `panic!` gives a string, or a text that is part of the program.
    let words =
        panic.downcast::<String>().or_else(|panic| panic.downcast::<&str>().map(|text| Box::new(text.to_string())));
    error!(panic = words.map_or_else(|_| "no message".to_string(), |words| *words), "a request panicked");
    Problem::Internal.into_response()
}

async fn refuse_in_one_form(request: Request, next: Next) -> Response {
    let reply = next.run(request).await;
    let status = reply.status();
    if !(status.is_client_error() || status.is_server_error()) || has_a_form(&reply) {
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
            error!(%status, %words, "a request failed without a problem of its own");
            Problem::Internal
        }
    };
    problem.into_response()
}

/// Whether somebody chose the body's form: neither no content type at all, nor the plain text of a library.
fn has_a_form(reply: &Response) -> bool {
    reply.headers().get(CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"))
}

async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    // how busy a server is has to be known when it is busy
    if request.uri().path() == METRICS {
        return next.run(request).await;
    }
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::Overloaded.into_response(),
    }
}

async fn answer_in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    // a client's time begins when its whole question is here
    let limit = if form::is_in(&request) { limit + form::TIME } else { limit };
    let answer = tokio::time::timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::NoAnswer.into_response())
}
