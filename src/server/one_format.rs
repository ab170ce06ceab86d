//! Rewrites what libraries refuse by themselves, so that every refusal is a [`Problem`].

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tracing::error;

use super::prices::PRICES_STATUS;
use super::problem::Problem;
use super::{form, request_log};

/// The most bytes of a library's own refusal that are passed on.
const MAX_WORDS: usize = 1024;

/// Rewrites a refusal in plain text or without a body; any other reply is returned as it is. `no_such_path` says what was probably
/// meant, if nothing is served at the path.
pub(super) async fn refuse_in_one_format(no_such_path: impl FnOnce() -> String, reply: Response) -> Response {
    let status = reply.status();
    if !(status.is_client_error() || status.is_server_error()) || has_a_format(&reply) {
        return reply;
    }
    let (head, body) = reply.into_parts();
    let words = to_bytes(body, MAX_WORDS).await.unwrap_or_default();
    let words = match String::from_utf8_lossy(&words) {
        none if none.is_empty() => status.to_string(),
        words => words.into_owned(),
    };
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::NoSuchPath { detail: no_such_path() },
        StatusCode::METHOD_NOT_ALLOWED => Problem::WrongMethod,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::BodyTooLarge { longest: form::LONGEST_ELSEWHERE },
        _ if status.is_client_error() => Problem::BadQuery { field: None, detail: words },
        _ => {
            request_log::span().in_scope(|| error!(%status, %words, "a request failed without a problem document"));
            Problem::Internal
        }
    };
    let mut refusal = problem.into_response();
    // which methods the path does allow
    if let Some(methods) = head.headers.get(ALLOW) {
        refusal.headers_mut().insert(ALLOW, methods.clone());
    }
    refusal
}

/// Whether a handler chose the body's format: libraries send no content type at all, or plain text, and no prices.
fn has_a_format(reply: &Response) -> bool {
    reply.headers().contains_key(PRICES_STATUS)
        || reply.headers().get(CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"))
}
