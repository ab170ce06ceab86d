//! Logs one line per request: the client, the request, the status, and how long it took.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::{Instrument, info, info_span, warn};

use super::client::Client;
use super::drain::{Drain, Stage};
use super::request_id::RequestId;
use crate::logging::REQUESTS;
use crate::provider::secrets::mask_url;
use crate::settings::RequestLog;

/// The most characters of a URL and a method that are logged: a hostile one must not fill the disk.
const MAX_URL: usize = 512;
const MAX_METHOD: usize = 32;

/// What the layer needs.
#[derive(Clone, Debug)]
pub(super) struct RequestLogging {
    /// Which requests get a line.
    pub(super) lines: RequestLog,
    /// Distinguishes a request that we cancelled from one whose client left.
    pub(super) drain: Drain,
}

/// The line of one request. It is written on drop, because a request is dropped if its client leaves.
struct Line {
    logging: RequestLogging,
    started: Instant,
    client: Option<String>,
    method: String,
    url: String,
    status: Option<StatusCode>,
}

/// The layer: writes the line, and marks everything that is logged meanwhile with the request's id.
pub(super) async fn log(State(logging): State<RequestLogging>, request: Request, next: Next) -> Response {
    let id = RequestId::current().map_or_else(String::new, |id| id.to_string());
    async {
        let mut line = Line::new(logging, &request);
        let reply = next.run(request).await;
        line.status = Some(reply.status());
        reply
    }
    .instrument(info_span!("request", id))
    .await
}

impl Line {
    fn new(logging: RequestLogging, request: &Request) -> Self {
        Line {
            logging,
            started: Instant::now(),
            client: request.extensions().get::<Client>().map(|Client(address)| address.to_string()),
            method: request.method().as_str().chars().take(MAX_METHOD).collect(),
            url: mask_url(&request.uri().to_string()).chars().take(MAX_URL).collect(),
            status: None,
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
        if !wanted {
            return;
        }
        let Line { client, method, url, .. } = self;
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.status.map(|status| status.as_u16()) {
            Some(status @ 500..) => warn!(target: REQUESTS, client, method, url, status, elapsed_ms, "answered"),
            Some(status) => info!(target: REQUESTS, client, method, url, status, elapsed_ms, "answered"),
            None if self.logging.drain.stage() == Stage::Cancelling => {
                warn!(target: REQUESTS, client, method, url, elapsed_ms, "cancelled: the server is ending");
            }
            None => info!(target: REQUESTS, client, method, url, elapsed_ms, "the client left before its reply"),
        }
    }
}
