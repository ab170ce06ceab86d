//! Logs one line per request: the client, the request, the status, and how long it took.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use tokio::time::Instant;
use tracing::{Span, field, info, info_span, warn};

use super::drain::{Drain, Stage};
use super::request_id::RequestId;
use crate::logging::REQUESTS;
use crate::provider::secrets::mask_url;
use crate::settings::RequestLog;
use crate::trace::{TraceContext, TraceParent};

/// The most characters of a URL and a method that are logged: a hostile one must not fill the disk.
const MAX_URL: usize = 512;
const MAX_METHOD: usize = 32;

/// Decides which requests get a line.
#[derive(Clone, Debug)]
pub(super) struct RequestLogging {
    /// Which requests get one.
    pub(super) lines: RequestLog,
    /// Distinguishes a request that we cancelled from one whose client left.
    pub(super) drain: Drain,
}

/// The line of one request. It is written on drop, because a request is dropped if its client leaves. Until then it holds what it
/// may have to say; the text is made only if it is written.
#[derive(Debug)]
pub(super) struct Line {
    logging: RequestLogging,
    started: Instant,
    id: RequestId,
    place: Option<TraceParent>,
    client: Option<IpAddr>,
    method: Method,
    uri: Uri,
    status: Option<StatusCode>,
    /// Why it is a 503, if it is one with prices.
    lacking: Option<Lacking>,
}

/// The symbols that make an answer a 503, for its line in the log.
#[derive(Clone, Debug)]
pub(super) struct Lacking(pub(super) Arc<str>);

/// Marks everything that is logged within it with a request's id, and that of its trace if it has one.
fn span_of(id: &RequestId, place: Option<TraceParent>) -> Span {
    let trace_id = place.map(TraceParent::trace_id).map(field::display);
    info_span!("request", id = id.as_str(), trace_id)
}

tokio::task_local! {
    /// The span of the request that this task answers, once anything has needed it.
    static SPAN: OnceCell<Span>;
}

/// The span of the request that this task answers. It is made when it is first needed.
pub(super) fn span() -> Span {
    let new = || RequestId::current().map_or_else(Span::none, |id| span_of(&id, TraceContext::current().parent()));
    SPAN.try_with(|span| span.get_or_init(new).clone()).unwrap_or_else(|_| new())
}

/// Does the work of a request, and marks everything that is logged from its first wait on.
///
/// A span costs as much as the whole row of guards, and most work is done before it has to wait. So what runs before the first
/// wait and has something to log enters [`span`] itself. A span of the `whole` request that is made anyway takes its place.
pub(super) async fn mark_once_it_waits<W: Future>(work: W, whole: Span) -> W::Output {
    let whole = Some(whole).filter(|whole| !whole.is_disabled());
    let cell = whole.clone().map(OnceCell::from).unwrap_or_default();
    let (mut work, mut waiting) = (pin!(work), whole);
    let marked = poll_fn(|context| {
        let polled = match &waiting {
            None => work.as_mut().poll(context),
            Some(span) => span.in_scope(|| work.as_mut().poll(context)),
        };
        if polled.is_pending() {
            waiting.get_or_insert_with(span);
        }
        polled
    });
    SPAN.scope(cell, marked).await
}

impl RequestLogging {
    /// The line of a request that came at an instant; `None` if no request gets one.
    pub(super) fn line(
        &self,
        request: &Request,
        id: &RequestId,
        place: Option<TraceParent>,
        client: Option<IpAddr>,
        started: Instant,
    ) -> Option<Line> {
        (self.lines != RequestLog::None).then(|| Line {
            logging: self.clone(),
            started,
            id: id.clone(),
            place,
            client,
            method: request.method().clone(),
            uri: request.uri().clone(),
            status: None,
            lacking: None,
        })
    }
}

impl Line {
    /// Notes the status of the reply and, if it is a 503 with prices, what lacks one.
    pub(super) fn answered(mut self, status: StatusCode, lacking: Option<Lacking>) {
        (self.status, self.lacking) = (Some(status), lacking);
    }

    fn write(&self) {
        let client = self.client.map(|address| address.to_string());
        let method: String = self.method.as_str().chars().take(MAX_METHOD).collect();
        let url: String = mask_url(&self.uri.to_string()).chars().take(MAX_URL).collect();
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.status.map(|status| status.as_u16()) {
            Some(status @ 500..) => {
                let lacking = self.lacking.as_ref().map(|lacking| &*lacking.0);
                warn!(target: REQUESTS, client, method, url, status, elapsed_ms, lacking, "answered");
            }
            Some(status) => info!(target: REQUESTS, client, method, url, status, elapsed_ms, "answered"),
            None if self.logging.drain.stage() == Stage::Cancelling => {
                warn!(target: REQUESTS, client, method, url, elapsed_ms, "cancelled: the server is ending");
            }
            None => info!(target: REQUESTS, client, method, url, elapsed_ms, "the client left before its reply"),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let wanted = match self.logging.lines {
            RequestLog::None => false,
            // A request without a status counts as an error: its client may have given up after waiting long enough.
            RequestLog::Errors => self.status.is_none_or(|status| status.is_server_error()),
            RequestLog::All => true,
        };
        if wanted {
            span_of(&self.id, self.place).in_scope(|| self.write());
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn work_is_marked_from_its_first_wait_on_and_earlier_where_it_asks_for_it() {
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry());
        let work = async {
            let before = (Span::current().id(), span().in_scope(|| Span::current().id()));
            yield_now().await;
            let (entered, asked) = (Span::current().id(), span().id());
            (before, entered, asked)
        };
        let ((unmarked, asked_early), entered, asked) =
            RequestId::of(&HeaderMap::new()).scope(mark_once_it_waits(work, Span::none())).await;
        assert!(unmarked.is_none() && asked_early.is_some());
        assert!(entered == asked && entered == asked_early, "there is one span, not one within another");
        assert!(span().is_none(), "outside of any request, there is nothing to mark with");
    }
}
