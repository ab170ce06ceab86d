//! Says what went wrong with a request, as a document that programs can read (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::request_id::RequestId;

/// The media type of every problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request got no prices at all: one variant per situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The question cannot be understood, or asks for more than is allowed.
    BadQuery {
        /// The parameter at fault, if it is a single one.
        field: Option<String>,
        /// The rule that was broken, in one sentence.
        detail: String,
    },
    /// The request does not say which host it is for, or not clearly.
    BadHost {
        /// What is wrong with its `Host` header.
        detail: String,
    },
    /// The request came to the operator's own address under a name that a stranger can have made point there.
    UnknownHost {
        /// The name.
        host: String,
    },
    /// A key is wanted, and there is none, or not one of the right ones.
    Unauthorized {
        /// Whether one was shown.
        wrong_key: bool,
    },
    /// The caller asks more often than the rate allows.
    TooManyRequests {
        /// Until a request would pass, in whole seconds, rounded up.
        seconds: u64,
    },
    /// Nothing lives at this path.
    NoSuchPath,
    /// The path exists, but not for this method; axum says in `Allow` for which.
    WrongMethod,
    /// The request's body is longer than such a request needs.
    BodyTooLarge {
        /// How long it may be, in bytes.
        longest: usize,
    },
    /// The body is not written in what this path reads.
    UnsupportedMediaType,
    /// The body did not come in time.
    SlowBody,
    /// As many requests are being answered as the server takes on.
    Overloaded,
    /// The answer is later than its caller waits, or the request outlived every deadline that it could have had.
    NoAnswer,
    /// A fault of ours, such as a panic. What it was stands in the log, not in the reply.
    Internal,
}

/// The document. Fields that do not apply are left out, as RFC 9457 has it.
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
    /// A question that breaks a rule; `field` is the parameter at fault.
    pub fn bad_query(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Problem::BadQuery { field: Some(field.into()), detail: detail.into() }
    }

    /// A caller who would pass after this time.
    pub fn too_many_requests(wait: Duration) -> Self {
        Problem::TooManyRequests { seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }
    }

    /// The status of the reply.
    pub fn status(&self) -> StatusCode {
        match self {
            Problem::BadQuery { .. } | Problem::BadHost { .. } => StatusCode::BAD_REQUEST,
            Problem::UnknownHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Problem::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Problem::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Problem::NoSuchPath => StatusCode::NOT_FOUND,
            Problem::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Problem::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Problem::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Problem::Overloaded | Problem::NoAnswer => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The name under which the documentation explains it: the last part of its `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Problem::BadQuery { .. } => "bad-query",
            Problem::BadHost { .. } => "bad-host",
            Problem::UnknownHost { .. } => "unknown-host",
            Problem::Unauthorized { .. } => "unauthorized",
            Problem::TooManyRequests { .. } => "too-many-requests",
            Problem::NoSuchPath => "no-such-path",
            Problem::WrongMethod => "wrong-method",
            Problem::BodyTooLarge { .. } => "body-too-large",
            Problem::UnsupportedMediaType => "unsupported-media-type",
            Problem::SlowBody => "slow-body",
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
            Problem::TooManyRequests { .. } => "Too many requests",
            Problem::NoSuchPath => "No such path",
            Problem::WrongMethod => "Wrong method",
            Problem::BodyTooLarge { .. } => "The request's body is too large",
            Problem::UnsupportedMediaType => "Unsupported media type",
            Problem::SlowBody => "The request's body did not come in time",
            Problem::Overloaded => "Overloaded",
            Problem::NoAnswer => "No answer in time",
            Problem::Internal => "Internal error",
        }
    }

    fn detail(&self) -> Cow<'_, str> {
        let detail = match self {
            Problem::BadQuery { detail, .. } | Problem::BadHost { detail } => detail,
            Problem::UnknownHost { host } => {
                return format!(
                    "the host {host:?} is not allowed at this address: a web page could have made that name point here. If the \
                     name is yours, add it to access.hosts"
                )
                .into();
            }
            Problem::Unauthorized { wrong_key: false } => {
                "this server requires a key; send it in the header Authorization: Bearer KEY"
            }
            Problem::Unauthorized { wrong_key: true } => "invalid key: it is not one of this server's keys",
            Problem::TooManyRequests { .. } => {
                "too many requests from one caller in that time; ask again after Retry-After"
            }
            Problem::NoSuchPath => "nothing is served at this path; prices are at /prices and /prices/{symbol}",
            Problem::WrongMethod => {
                "this path does not take this method; the Allow header names the methods that it takes"
            }
            Problem::BodyTooLarge { longest } => {
                return format!("the body is too long: at most {longest} bytes are read here").into();
            }
            Problem::UnsupportedMediaType => {
                "the parameters must be a form; send it as Content-Type: application/x-www-form-urlencoded, not compressed"
            }
            Problem::SlowBody => "the request's body did not arrive in time; send it at once",
            Problem::Overloaded => "the server is as busy as it may be; ask again after Retry-After",
            Problem::NoAnswer => "there was no answer within the time that this request may take; ask again",
            Problem::Internal => "this is a fault of the server, not of the request; its log says more under this id",
        };
        detail.into()
    }

    /// When asking again makes sense, for what heals by itself.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Problem::Overloaded | Problem::NoAnswer => Some(HeaderValue::from_static("1")),
            Problem::TooManyRequests { seconds } => Some(HeaderValue::from(*seconds)),
            _ => None,
        }
    }

    /// How to show a key, for those who did not (RFC 6750, section 3).
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
        // Strings and a number always serialize; should they ever not, status and type still tell the story.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut reply = (self.status(), body).into_response();
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        // Caches may keep a 404 or a 405 unless told otherwise, and what is wrong now need not be wrong tomorrow.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after() {
            headers.insert(RETRY_AFTER, after);
        }
        if matches!(self, Problem::SlowBody | Problem::BadHost { .. }) {
            // what still comes of the body is no request, and whom the next request is for is as unclear
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let id = RequestId::new("order-17");
        let document = id.scope(async { document(Problem::Internal).await }).await;
        assert_eq!(document["request_id"], "order-17");
        assert_eq!(document["status"], 500);
    }

    #[test]
    fn only_what_heals_by_itself_says_when_to_ask_again() {
        for problem in [Problem::Overloaded, Problem::NoAnswer] {
            assert_eq!(problem.into_response().headers()[RETRY_AFTER], "1");
        }
        let soon = Problem::too_many_requests(Duration::from_millis(2001));
        assert_eq!(soon.into_response().headers()[RETRY_AFTER], "3");
        assert_eq!(Problem::too_many_requests(Duration::from_secs(2)), Problem::TooManyRequests { seconds: 2 });
        for problem in
            [Problem::NoSuchPath, Problem::WrongMethod, Problem::BodyTooLarge { longest: 1024 }, Problem::Internal]
        {
            assert!(!problem.into_response().headers().contains_key(RETRY_AFTER));
        }
    }
}
