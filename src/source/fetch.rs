//! Sends one call and reads its reply: status, content type, a body no longer than allowed, rows.
//!
//! The leaf of a source's stack. It gives back what the reply means, never a half-read response, so that every guard around it
//! covers the body too.

pub mod connector;
pub mod mirrors;
pub mod names;
mod reply;
mod trouble;

use std::sync::Arc;
use std::task::{Context, Poll};

use reqwest::{RequestBuilder, Response, Url};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::Service;

use super::BoxFuture;
use super::batch::{Batch, Reply};
use super::error::SourceError;
use super::extract::RawReply;
use super::profile::Profile;
use super::spelling::HttpRequest;
use crate::clock::Clock;
use crate::settings::source::Method;
use crate::symbol::Symbol;
use connector::Connector;
pub(in crate::source) use trouble::host;
use trouble::{Trouble, trouble};

/// Bodies longer than this are filtered off the threads that serve requests.
const LARGE_BODY: usize = 64 << 10;

/// Sends calls of one source. Cheap to clone.
#[derive(Clone)]
pub struct Fetch(Arc<Inner>);

struct Inner {
    connector: Connector,
    profile: Arc<Profile>,
    clock: Clock,
    large_bodies: Arc<Semaphore>,
}

impl Fetch {
    /// The leaf for one source. `large_bodies` has a permit per core, and is shared by all.
    pub fn new(connector: Connector, profile: Arc<Profile>, clock: Clock, large_bodies: Arc<Semaphore>) -> Self {
        Fetch(Arc::new(Inner { connector, profile, clock, large_bodies }))
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
        let response = self.reach(&call).await?;
        let status = response.status().as_u16();
        let date = reply::date(response.headers());
        let retry_after = reply::retry_after(response.headers(), date.unwrap_or_else(|| self.clock.now().wall));
        let page = reply::is_page(response.headers());
        if page && (200..300).contains(&status) {
            return Err(SourceError::Malformed("the reply is a web page (text/html), not data".to_owned()));
        }
        let body = self.body(response).await?;
        Ok(RawReply { status, body, retry_after, date, received_at: self.clock.now().wall, latency: sent.elapsed() })
    }

    /// Sends a call to the first of the vendor's addresses that can be reached. Nothing has reached those before it, so to
    /// the vendor it is one call. Whatever comes after a connection is the call's end, and so is a refused certificate.
    async fn reach(&self, call: &HttpRequest) -> Result<Response, SourceError> {
        let (urls, mirrors) = (call.urls().collect::<Vec<_>>(), &self.profile.mirrors);
        let order: Vec<usize> = mirrors.order(urls.len()).collect();
        let mut unreachable: Vec<String> = Vec::new();
        for place in order.iter().copied() {
            if !unreachable.is_empty() {
                mirrors.turn_to(place);
            }
            let ended = match self.request(call, urls[place]).send().await {
                Ok(response) => Ok(response),
                Err(error) => match self.trouble(&error, error.url()) {
                    Trouble::Unreachable(host, why) => {
                        unreachable.push(self.shown(&format!("{host}: {why}")));
                        continue;
                    }
                    Trouble::Tls(why) => {
                        // an address with a false certificate is none to remember
                        if place != order[0] {
                            mirrors.turn_to(order[0]);
                        }
                        return Err(SourceError::Tls(self.shown(&why)));
                    }
                    Trouble::Broken(why) => Err(SourceError::Connection(self.shown(&why))),
                },
            };
            self.tell(place, &unreachable);
            return ended;
        }
        // who reaches nobody has learnt nothing
        order.first().inspect(|first| mirrors.turn_to(**first));
        let intro = if urls.len() > 1 { "no address can be reached: " } else { "cannot reach " };
        Err(SourceError::Connection(format!("{intro}{}", unreachable.join("; "))))
    }

    /// Says in the log that the vendor is asked elsewhere, once.
    fn tell(&self, place: usize, unreachable: &[String]) {
        if self.profile.mirrors.is_news(place) {
            let (source, hosts, unreachable) = (self.profile.name(), self.profile.hosts(), unreachable.join("; "));
            let host = hosts.first().map(String::as_str).unwrap_or_default();
            tracing::warn!(source, host, unreachable, "the source is asked at another of its addresses from now on");
        }
    }

    fn request(&self, call: &HttpRequest, url: &str) -> RequestBuilder {
        let client = &self.connector.client;
        let mut request = match call.method {
            Method::Get => client.get(url),
            Method::Post => client.post(url),
        };
        for (name, value) in &call.headers {
            request = request.header(name, value.expose_secret());
        }
        match &call.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }

    /// Reads a body, and stops at the first byte that is too much.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, SourceError> {
        let limit = self.profile.settings.max_body;
        let too_large = || SourceError::TooLarge { limit };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        let url = response.url().clone();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error, &url))? {
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

    /// Why a body broke off.
    fn broken(&self, error: &reqwest::Error, url: &Url) -> SourceError {
        match self.trouble(error, Some(url)) {
            Trouble::Tls(why) => SourceError::Tls(self.shown(&why)),
            Trouble::Unreachable(_, why) | Trouble::Broken(why) => SourceError::Connection(self.shown(&why)),
        }
    }

    /// What an HTTP error means.
    fn trouble(&self, error: &reqwest::Error, url: Option<&Url>) -> Trouble {
        trouble(error, url, &self.connector, self.profile.settings.authority.is_some())
    }

    /// Words that may be shown: a host may be made of a key, and a certificate may say anything.
    fn shown(&self, words: &str) -> String {
        self.profile.extractor.scrub().clean(words)
    }
}
