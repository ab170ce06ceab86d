//! Writes a line per request to the log: who asked what, what came of it, and how long it took.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::{Instrument, info, info_span, warn};

use super::drain::{Drain, Stage};
use super::request_id::RequestId;
use crate::settings::RequestLog;

/// A hostile URL must not fill the disk.
const MAX_URL: usize = 512;

/// What the layer needs to know.
#[derive(Clone, Debug)]
pub struct Access {
    /// Which requests get a line.
    pub lines: RequestLog,
    /// Tells a request that we cancelled from one whose client left.
    pub drain: Drain,
}

/// The line of one request. It is written on drop, because a request whose client leaves ends by being dropped.
struct Line {
    access: Access,
    started: Instant,
    method: String,
    url: String,
    status: Option<StatusCode>,
}

/// The layer: writes the line, and marks whatever is logged meanwhile with the request's id.
pub async fn log(State(access): State<Access>, request: Request, next: Next) -> Response {
    let id = RequestId::current().map_or_else(String::new, |id| id.to_string());
    async {
        let mut line = Line::new(access, &request);
        let reply = next.run(request).await;
        line.status = Some(reply.status());
        reply
    }
    .instrument(info_span!("request", id))
    .await
}

impl Line {
    fn new(access: Access, request: &Request) -> Self {
        Line {
            access,
            started: Instant::now(),
            method: request.method().to_string(),
            url: request.uri().to_string().chars().take(MAX_URL).collect(),
            status: None,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let wanted = match self.access.lines {
            RequestLog::None => false,
            // A client that did not wait may have waited long enough: without a status there was an error, too.
            RequestLog::Errors => self.status.is_none_or(|status| status.is_server_error()),
            RequestLog::All => true,
        };
        if !wanted {
            return;
        }
        let Line { method, url, .. } = self;
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.status.map(|status| status.as_u16()) {
            Some(status @ 500..) => warn!(method, url, status, elapsed_ms, "answered"),
            Some(status) => info!(method, url, status, elapsed_ms, "answered"),
            None if self.access.drain.stage() == Stage::Cancelling => {
                warn!(method, url, elapsed_ms, "cancelled: the server is ending");
            }
            None => info!(method, url, elapsed_ms, "the client left before its reply"),
        }
    }
}
