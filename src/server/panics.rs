//! Turns a panic into an answer, so that it costs one request, not the connection.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::response::{IntoResponse, Response};
use tracing::error;

use super::problem::Problem;
use super::request_log;

/// Does the work of an answer; if that panics, the answer says so.
pub(super) async fn caught(work: impl Future<Output = Response>) -> Response {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| Poll::Ready(panicked(panic)))
    })
    .await
}

/// As [`caught`], for work that does not wait.
pub(super) fn caught_now<T>(work: impl FnOnce() -> ControlFlow<Response, T>) -> ControlFlow<Response, T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| ControlFlow::Break(panicked(panic)))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    // The payload of `panic!` is a `String` or a `&'static str`.
    let words =
        panic.downcast::<String>().or_else(|panic| panic.downcast::<&str>().map(|text| Box::new(text.to_string())));
    let words = words.map_or_else(|_| "no message".to_owned(), |words| *words);
    request_log::span().in_scope(|| error!(panic = words, "a request panicked"));
    Problem::Internal.into_response()
}
