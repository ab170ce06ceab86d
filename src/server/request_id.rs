//! Gives every request an id, by which a client's report can be matched with log lines.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;

/// The header that carries the id, in requests and in replies.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids of clients are replaced: they would only bloat the log.
const MAX_LENGTH: usize = 128;

/// The id of one request: the client's own, or one made here. Handlers find it among the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestId(Arc<str>);

tokio::task_local! {
    /// Lets a problem state the id of its request, wherever in the stack it arises.
    static CURRENT: RequestId;
}

impl RequestId {
    /// An id from text.
    pub fn new(id: &str) -> Self {
        RequestId(id.into())
    }

    /// The id of the request that this task answers, if it answers one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `answering` as work for this request.
    pub fn scope<F: Future>(&self, answering: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self.clone(), answering)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that the client sent if it is printable, else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(&HEADER).and_then(|value| value.to_str().ok());
        match sent.filter(|id| is_printable(id)) {
            Some(id) => RequestId::new(id),
            None => RequestId::new(&format!("{:016x}", fastrand::u64(..))),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_printable(id: &str) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The layer: gives the request its id, passes it to all inner layers, and returns it in the reply.
pub(super) async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let mut reply = id.scope(next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        reply.headers_mut().insert(HEADER, value);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &str) -> RequestId {
        RequestId::of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(sent.as_bytes()).unwrap())]))
    }

    #[test]
    fn a_printable_id_of_the_client_is_kept() {
        for id in ["1", "0b5a-77", &"x".repeat(128)] {
            assert_eq!(id_for(id).as_str(), id);
        }
    }

    #[test]
    fn any_other_id_is_replaced() {
        for id in ["", "two words", "tab\there", "größe", &"x".repeat(129)] {
            let made = id_for(id);
            assert_ne!(made.as_str(), id);
            assert_eq!(made.as_str().len(), 16);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
