//! Reads the form of `POST /prices`, and bounds the length of every body and the time that a form may take to arrive.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use http_body_util::{LengthLimitError, Limited};
use tokio::time::timeout;

use super::problem::Problem;

/// The path that accepts a form.
pub(super) const PATH: &str = "/prices";

/// How long a form may take to arrive, from the end of the request's head.
pub(super) const TIME: Duration = Duration::from_secs(5);

/// The most bytes of any other body. No other request needs a body, but a client that sends a small one does no harm.
pub(super) const LONGEST_ELSEWHERE: usize = 1024;

const MEDIA_TYPE: &[u8] = b"application/x-www-form-urlencoded";

/// Whether a request has its parameters in its body.
pub(super) fn is_in(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == PATH
}

/// Bounds the body of a request. It refuses an announced length that is too long; a body without a length fails once too much of
/// it has been read.
pub(super) fn bound(request: &mut Request, longest: usize) -> Result<(), Problem> {
    if request.body().is_end_stream() {
        return Ok(());
    }
    let longest = if is_in(request) { longest } else { LONGEST_ELSEWHERE };
    let announced = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
    if announced > longest {
        return Err(Problem::BodyTooLarge { longest });
    }
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(Limited::new(body, longest));
    Ok(())
}

/// Reads the form of a request, of `longest` bytes at most.
///
/// A query in the URL as well is refused: the answer could not show which of the two was used.
pub(super) async fn read(request: Request, longest: usize) -> Result<String, Problem> {
    if !says_form(request.headers()) {
        return Err(Problem::UnsupportedMediaType);
    }
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::bad_query(
            "query",
            "a POST takes its parameters from the form; leave out the query in the URL",
        ));
    }
    let bytes = timeout(TIME, to_bytes(request.into_body(), longest)).await.map_err(|_| Problem::SlowBody)?;
    let bytes = bytes.map_err(|error| {
        if is_too_long(&error) {
            Problem::BodyTooLarge { longest }
        } else {
            Problem::bad_query("form", "the form ended early")
        }
    })?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::bad_query("form", "the form is not in UTF-8"))
}

fn says_form(headers: &HeaderMap) -> bool {
    let is_plain = headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes() == b"identity");
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    // parameters after a semicolon mean nothing for this type
    let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    is_plain && kind.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE)
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
