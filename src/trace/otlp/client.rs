//! Sends batches of spans with the HTTP library that sources are called with.

#![allow(clippy::disallowed_methods, reason = "batches are sent by a thread that does nothing else")]

use std::pin::Pin;
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

/// The longest reply of a collector that is read. What it says of a batch is short.
const LONGEST_REPLY: usize = 64 << 10;

/// A client with a runtime of its own, which runs while a batch is sent.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    runtime: Runtime,
}

impl Client {
    /// A client that gives a batch this much time.
    pub(super) fn new(timeout: Duration) -> Result<Self, String> {
        // an error means that a provider is installed already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("quotefold/", env!("CARGO_PKG_VERSION")))
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            // nothing looks after a connection between two batches
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime can be made: {error}"))?;
        Ok(Client { client, runtime })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(told)?;
        let mut reply = self.client.execute(request).await.map_err(told)?;
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > LONGEST_REPLY {
                return Err("its reply is too long".into());
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = reply.status();
        *answer.headers_mut() = std::mem::take(reply.headers_mut());
        Ok(answer)
    }
}

impl HttpClient for Client {
    fn send_bytes<'own, 'sent>(
        &'own self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'own: 'sent,
        Self: 'sent,
    {
        Box::pin(async move { self.runtime.block_on(self.send(request)) })
    }
}

/// What went wrong, down to its cause, and without the URL, which may hold a password.
fn told(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ").into()
}
