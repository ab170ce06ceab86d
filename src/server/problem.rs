//! Refusals: what was wrong with a request, as a document that programs can read (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::request_id::RequestId;

/// The media type of every problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request got no prices at all: one variant per thing that a client would do differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The query is invalid, or asks for more than is allowed.
    BadQuery {
        /// The invalid parameter, if it is a single one.
        field: Option<String>,
        /// The rule that was broken, in one sentence.
        detail: String,
    },
    /// The request does not name its host, or not clearly.
    BadHost {
        /// What is wrong with its `Host` header.
        detail: String,
    },
    /// The request came to the admin address under a name that an outsider could have made point there.
    UnknownHost {
        /// The name.
        host: String,
    },
    /// The server requires a key, and the request has none, or not a valid one.
    Unauthorized {
        /// Whether the request had a key.
        wrong_key: bool,
    },
    /// A page of another site asks for a change.
    ForeignPage,
    /// The caller is over its rate limit.
    TooManyRequests {
        /// How long until a request would be admitted, in whole seconds, rounded up.
        seconds: u64,
    },
    /// The caller has as many streams open as it may have.
    TooManyStreams,
    /// Nothing is served at this path.
    NoSuchPath {
        /// What was probably meant, in one sentence.
        detail: String,
    },
    /// The path exists, but not for this method; axum names the others in `Allow`.
    WrongMethod,
    /// The body is longer than this path reads.
    BodyTooLarge {
        /// The most bytes that the path reads.
        longest: usize,
    },
    /// The body does not have the media type that this path reads.
    UnsupportedMediaType,
    /// The body did not arrive in time.
    SlowBody,
    /// The configuration was to be read again, and is wrong. The one before still holds.
    BadConfiguration {
        /// What is wrong with it.
        detail: String,
    },
    /// The server is at one of its limits: requests in flight, work under way, or memory held by replies.
    Overloaded,
    /// There was no answer by the caller's deadline, or by the longest deadline that a request may have.
    NoAnswer,
    /// A fault of ours, such as a panic. The log says what it was; the reply does not.
    Internal,
}

/// The document. Fields that do not apply are left out, as RFC 9457 says.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
}

impl Problem {
    /// A query that breaks a rule; `field` is the invalid parameter.
    pub(crate) fn bad_query(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Problem::BadQuery { field: Some(field.into()), detail: detail.into() }
    }

    /// A caller over its rate limit, who would be admitted after `wait`.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        Problem::TooManyRequests { seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }
    }

    /// The status of the reply.
    pub fn status(&self) -> StatusCode {
        match self {
            Problem::BadQuery { .. } | Problem::BadHost { .. } => StatusCode::BAD_REQUEST,
            Problem::UnknownHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Problem::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Problem::ForeignPage => StatusCode::FORBIDDEN,
            Problem::TooManyRequests { .. } | Problem::TooManyStreams => StatusCode::TOO_MANY_REQUESTS,
            Problem::NoSuchPath { .. } => StatusCode::NOT_FOUND,
            Problem::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Problem::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Problem::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Problem::BadConfiguration { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Problem::Overloaded | Problem::NoAnswer => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The last part of its `type`, which is also its heading in the documentation.
    pub fn name(&self) -> &'static str {
        match self {
            Problem::BadQuery { .. } => "bad-query",
            Problem::BadHost { .. } => "bad-host",
            Problem::UnknownHost { .. } => "unknown-host",
            Problem::Unauthorized { .. } => "unauthorized",
            Problem::ForeignPage => "foreign-page",
            Problem::TooManyRequests { .. } => "too-many-requests",
            Problem::TooManyStreams => "too-many-streams",
            Problem::NoSuchPath { .. } => "no-such-path",
            Problem::WrongMethod => "wrong-method",
            Problem::BodyTooLarge { .. } => "body-too-large",
            Problem::UnsupportedMediaType => "unsupported-media-type",
            Problem::SlowBody => "slow-body",
            Problem::BadConfiguration { .. } => "bad-configuration",
            Problem::Overloaded => "overloaded",
            Problem::NoAnswer => "no-answer",
            Problem::Internal => "internal",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Problem::BadQuery { .. } => "The query is not valid",
            Problem::BadHost { .. } => "The Host header is not valid",
            Problem::UnknownHost { .. } => "Unknown host",
            Problem::Unauthorized { .. } => "Unauthorized",
            Problem::ForeignPage => "A page of another site",
            Problem::TooManyRequests { .. } => "Too many requests",
            Problem::TooManyStreams => "Too many streams",
            Problem::NoSuchPath { .. } => "No such path",
            Problem::WrongMethod => "Wrong method",
            Problem::BodyTooLarge { .. } => "The request's body is too large",
            Problem::UnsupportedMediaType => "Unsupported media type",
            Problem::SlowBody => "The request's body did not arrive in time",
            Problem::BadConfiguration { .. } => "The configuration is not valid",
            Problem::Overloaded => "Overloaded",
            Problem::NoAnswer => "No answer in time",
            Problem::Internal => "Internal error",
        }
    }

    /// What was wrong with the request, in one sentence.
    pub(super) fn detail(&self) -> Cow<'_, str> {
        let detail = match self {
            Problem::BadQuery { detail, .. }
            | Problem::BadHost { detail }
            | Problem::NoSuchPath { detail }
            | Problem::BadConfiguration { detail } => detail,
            Problem::UnknownHost { host } => {
                return format!(
                    "the host {host:?} is not allowed at this address: a web page could have made that name point here. If the \
                     name is yours, add it to access.hosts"
                )
                .into();
            }
            Problem::Unauthorized { wrong_key: false } => {
                "this server requires one of its keys; send it in the header Authorization: Bearer KEY"
            }
            Problem::Unauthorized { wrong_key: true } => "invalid key: it is not one of this server's keys",
            Problem::ForeignPage => {
                "the browser says that a page of another site made this request; only the page that this server serves may, and \
                 programs that are no browsers"
            }
            Problem::TooManyRequests { .. } => "rate limit exceeded; retry after the number of seconds in Retry-After",
            Problem::TooManyStreams => {
                "this client has as many streams open as one client may have; close one of them, or look at more symbols in one stream"
            }
            Problem::WrongMethod => "this path does not allow this method; the Allow header lists those that it allows",
            Problem::BodyTooLarge { longest } => {
                return format!("the body is too long: this path reads at most {longest} bytes").into();
            }
            Problem::UnsupportedMediaType => {
                "the parameters must be a form; send it as Content-Type: application/x-www-form-urlencoded, not compressed"
            }
            Problem::SlowBody => "the request's body did not arrive in time; send it at once",
            Problem::Overloaded => "the server is at its limit; retry after the number of seconds in Retry-After",
            Problem::NoAnswer => "there was no answer within the timeout; retry",
            Problem::Internal => {
                "this is a fault of the server, not of the request; its log says more under this request id"
            }
        };
        detail.into()
    }

    /// When to ask again, for problems that pass by themselves.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Problem::Overloaded | Problem::NoAnswer | Problem::TooManyStreams => Some(HeaderValue::from_static("1")),
            Problem::TooManyRequests { seconds } => Some(HeaderValue::from(*seconds)),
            _ => None,
        }
    }

    /// How to send a key, if the request sent none or a wrong one (RFC 6750, section 3).
    fn challenge(&self) -> Option<HeaderValue> {
        match self {
            Problem::Unauthorized { wrong_key: false } => Some(HeaderValue::from_static("Bearer")),
            Problem::Unauthorized { wrong_key: true } => {
                Some(HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
            _ => None,
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Problem::BadQuery { field, .. } => field.as_deref(),
            _ => None,
        }
    }
}

/// Marks the reply to a request that was refused because the server is at one of its limits, so that it can be counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shed;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: format!("/problems/{}", self.name()),
            title: self.title(),
            status: self.status().as_u16(),
            detail: self.detail(),
            field: self.field(),
            request_id: RequestId::current(),
        };
        // Strings and a number always serialize; if they ever did not, the status would still tell.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut reply = (self.status(), body).into_response();
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        // Caches may keep a 404 or a 405 unless told otherwise, and it may be right tomorrow.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after() {
            headers.insert(RETRY_AFTER, after);
        }
        if matches!(self, Problem::SlowBody | Problem::BadHost { .. }) {
            // the rest of a slow body is not a request, and after an unclear host the next request is as unclear
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if self == Problem::Overloaded {
            reply.extensions_mut().insert(Shed);
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::server::request_id;

    async fn document(problem: Problem) -> serde_json::Value {
        let body = axum::body::to_bytes(problem.into_response().into_body(), 4096).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn a_bad_query_names_the_field_and_the_rule() {
        let problem = Problem::bad_query("timeout", "\"soon\" is not a duration");
        assert_eq!(
            document(problem).await,
            serde_json::json!({
                "type": "/problems/bad-query",
                "title": "The query is not valid",
                "status": 400,
                "detail": "\"soon\" is not a duration",
                "field": "timeout",
            })
        );
    }

    #[tokio::test]
    async fn a_problem_names_the_request_it_answers() {
        let id = RequestId::of(&HeaderMap::from_iter([(request_id::HEADER, HeaderValue::from_static("order-17"))]));
        let document = id.scope(async { document(Problem::Internal).await }).await;
        assert_eq!(document["request_id"], "order-17");
        assert_eq!(document["status"], 500);
    }

    #[test]
    fn only_problems_that_pass_by_themselves_say_when_to_ask_again() {
        for problem in [Problem::Overloaded, Problem::NoAnswer] {
            assert_eq!(problem.into_response().headers()[RETRY_AFTER], "1");
        }
        let soon = Problem::too_many_requests(Duration::from_millis(2001));
        assert_eq!(soon.into_response().headers()[RETRY_AFTER], "3");
        assert_eq!(Problem::too_many_requests(Duration::from_secs(2)), Problem::TooManyRequests { seconds: 2 });
        for problem in [
            Problem::NoSuchPath { detail: String::new() },
            Problem::WrongMethod,
            Problem::BodyTooLarge { longest: 1024 },
            Problem::Internal,
        ] {
            assert!(!problem.into_response().headers().contains_key(RETRY_AFTER));
        }
    }
}
