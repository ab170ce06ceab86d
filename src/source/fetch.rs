//! Sends one call and reads its reply: status, content type, a body no longer than allowed, rows.
//!
//! The leaf of a source's stack. It gives back what the reply means, never a half-read response, so that every guard around it
//! covers the body too.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::Service;

use super::BoxFuture;
use super::batch::{Batch, Reply};
use super::error::SourceError;
use super::extract::RawReply;
use super::profile::Profile;
use crate::clock::{Clock, age};
use crate::settings::source::Method;
use crate::symbol::Symbol;

/// Bodies longer than this are filtered off the threads that serve requests.
const LARGE_BODY: usize = 64 << 10;

/// Sends calls of one source. Cheap to clone.
#[derive(Clone)]
pub struct Fetch(Arc<Inner>);

struct Inner {
    client: Client,
    profile: Arc<Profile>,
    clock: Clock,
    large_bodies: Arc<Semaphore>,
}

/// The HTTP client that all sources share: no redirects (they lead into private networks), no retries, no proxies by chance.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn client() -> reqwest::Result<Client> {
    // an error means that a provider is installed already
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("quotefold/", env!("CARGO_PKG_VERSION")))
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        // below the keep-alive of most servers, so that a connection is not used as it is being closed
        .pool_idle_timeout(Duration::from_secs(15))
        .tcp_nodelay(true)
        .build()
}

impl Fetch {
    /// The leaf for one source. `large_bodies` has a permit per core, and is shared by all.
    pub fn new(client: Client, profile: Arc<Profile>, clock: Clock, large_bodies: Arc<Semaphore>) -> Self {
        Fetch(Arc::new(Inner { client, profile, clock, large_bodies }))
    }

    /// One exchange over the wire, without reading what it means: for looking at a source by hand.
    ///
    /// # Errors
    /// What kept the reply from being whole.
    pub async fn exchange(&self, asked: &[Symbol]) -> Result<RawReply, SourceError> {
        self.0.send(asked).await
    }
}

impl Service<Batch> for Fetch {
    type Response = Reply;
    type Error = SourceError;
    type Future = BoxFuture<Result<Reply, SourceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: Batch) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let asked = batch.send();
            let reply = inner.send(&asked).await?;
            inner.read(reply, asked).await
        })
    }
}

impl Inner {
    /// One exchange over the wire.
    async fn send(&self, asked: &[Symbol]) -> Result<RawReply, SourceError> {
        let sent = Instant::now();
        let call = self.profile.extractor.spelling().request(asked);
        let mut request = match call.method {
            Method::Get => self.client.get(&call.url),
            Method::Post => self.client.post(&call.url),
        };
        for (name, value) in &call.headers {
            request = request.header(name, value.expose_secret());
        }
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| self.describe(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), self.clock.now().wall);
        let page = is_page(response.headers());
        if page && (200..300).contains(&status) {
            return Err(SourceError::Malformed("the reply is a web page (text/html), not data".to_owned()));
        }
        // an error page says nothing beyond its status
        let body = if page { Vec::new() } else { self.body(response).await? };
        Ok(RawReply { status, body, retry_after, received_at: self.clock.now().wall, latency: sent.elapsed() })
    }

    /// Reads a body, and stops at the first byte that is too much.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, SourceError> {
        let limit = self.profile.settings.max_body;
        let too_large = || SourceError::TooLarge { limit };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.describe(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Makes rows of a reply; a large one, or one that takes its time, off the threads that serve requests, as many at once
    /// as there are cores.
    async fn read(self: Arc<Self>, reply: RawReply, asked: Vec<Symbol>) -> Result<Reply, SourceError> {
        if reply.body.len() <= LARGE_BODY
            && let Some(rows) = self.profile.extractor.read_at_once(&reply, &asked)
        {
            return Ok(Reply { rows: rows?.outcomes });
        }
        let permit = Arc::clone(&self.large_bodies).acquire_owned().await;
        let profile = Arc::clone(&self.profile);
        let filtering = tokio::task::spawn_blocking(move || {
            // filtering goes on when its call is cancelled, and so does its claim to a core
            let _permit = permit;
            profile.extractor.read(&reply, &asked)
        });
        let rows = filtering.await.map_err(|_| SourceError::Internal("filtering the reply failed".to_owned()))??;
        Ok(Reply { rows: rows.outcomes })
    }

    /// What an HTTP error means. Its own text may hold the URL, and the URL the key: of both only the host is shown.
    fn describe(&self, error: &reqwest::Error) -> SourceError {
        let mut cause: &dyn Error = error;
        let mut tls = false;
        while let Some(deeper) = cause.source() {
            cause = deeper;
            let inside = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()?.downcast_ref());
            tls |= cause.is::<rustls::Error>() || inside.is_some_and(|_: &rustls::Error| true);
        }
        // without a cause, the error's own text is all there is, and it may hold the URL
        let text =
            if error.source().is_some() { cause.to_string() } else { "the request could not be sent".to_owned() };
        let host = error.url().and_then(reqwest::Url::host_str).filter(|_| error.is_connect());
        let text = host.map_or(text.clone(), |host| format!("cannot reach {host}: {text}"));
        let text = self.profile.extractor.scrub().clean(&text);
        match (tls, error.is_timeout()) {
            (true, _) => SourceError::Tls(text),
            (_, true) => SourceError::Connection("no connection in time".to_owned()),
            _ => SourceError::Connection(text),
        }
    }
}

/// Whether a reply is for a browser: a captive portal, a firewall's refusal.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    kind.starts_with("text/html") || kind.starts_with("application/xhtml")
}

/// How long a vendor wants to be left alone: `Retry-After` in seconds or as a date. Zero, past and unreadable count as none.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => age(jiff::fmt::rfc2822::parse(text).ok()?.timestamp(), now),
    };
    Some(wait).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nonsense_is_none() {
        let now: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("7"), Some(7));
        assert_eq!(read("86400"), Some(86_400));
        assert_eq!(read("Fri, 20 Nov 2026 14:31:30 GMT"), Some(30));
        for none in ["0", "-5", "soon", "Fri, 20 Nov 2026 14:30:00 GMT"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
