//! Where a running server is, and how this machine asks it.

mod own;

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use reqwest::Response;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::body::body;
use super::health::root_cause;
use crate::provider::secrets::mask_url;
use crate::settings::{Settings, fault_of_address, socket_path};
use crate::source::fetch::connector;
use own::Own;

/// A server that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    way: Way,
    /// Where it is, as it may be shown.
    shown: String,
}

#[derive(Clone, Debug)]
enum Way {
    /// As any client asks: the beginning of its URLs.
    Url(String),
    /// At the address that it listens at, on this machine.
    Own(Own),
}

/// A request.
pub(super) struct Asked<'a> {
    /// Path and query.
    pub(super) target: &'a str,
    /// A form to post.
    pub(super) form: Option<String>,
    pub(super) key: Option<&'a SecretString>,
    /// The longest wait for the whole reply.
    pub(super) patience: Duration,
    /// Whether another URL is asked if the server says so.
    pub(super) is_redirected: bool,
}

/// A reply.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, or why it could not be read.
    pub(super) body: Result<Vec<u8>, String>,
}

impl Reach {
    /// The server that a command line names: by its URL, or by `unix:` and the path of its socket.
    ///
    /// # Errors
    /// What is wrong with the text. A wrong command line is not the same as a server that is down.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        if socket_path(text).is_some() {
            return match fault_of_address(text, "") {
                None => Ok(Reach { way: Way::Own(Own::at(text)), shown: text.to_owned() }),
                Some(fault) => Err(fault),
            };
        }
        match reqwest::Url::parse(text) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
                Ok(Reach { way: Way::Url(text.trim_end_matches('/').to_owned()), shown: mask_url(text) })
            }
            _ => Err(format!(
                "{:?} is not a server's URL; write one such as \"http://127.0.0.1:8080\", or \"unix:\" and the path of its socket",
                mask_url(text)
            )),
        }
    }

    /// The address for clients of a server with these settings.
    pub(super) fn public(settings: &Settings) -> Self {
        let server = &settings.server;
        Reach::listening_at(&server.listen, server.certificate_file.is_some(), server.proxy_protocol)
    }

    /// The operator's address of a server with these settings, if it has one that can be known.
    pub(super) fn admin(settings: &Settings) -> Option<Self> {
        let access = &settings.access;
        let address = access.admin_listen.as_deref().filter(|address| !address.ends_with(":0"))?;
        Some(Reach::listening_at(address, access.admin_tls, access.admin_proxy_protocol))
    }

    fn listening_at(address: &str, speaks_tls: bool, sends_header: bool) -> Self {
        let own = Own::at(address).with(speaks_tls, sends_header);
        Reach { shown: own.shown(), way: Way::Own(own) }
    }

    /// Where it is, as it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Where a path is there, as it may be shown.
    pub(super) fn shown_at(&self, path: &str) -> String {
        match socket_path(&self.shown) {
            Some(_) => format!("{path} at {}", self.shown),
            None => format!("{}{path}", self.shown.trim_end_matches('/')),
        }
    }

    /// Asks it.
    ///
    /// # Errors
    /// Why there is no reply, in words for people.
    pub(super) async fn ask(&self, asked: Asked<'_>) -> Result<Reply, String> {
        let patience = asked.patience;
        let exchange = async {
            let reply = self.send(asked).await?;
            let (status, headers) = (reply.status(), reply.headers().clone());
            Ok(Reply { status, headers, body: body(reply).await })
        };
        within(patience, exchange).await
    }

    /// Requests a stream. The reply is returned as soon as its head is there; the patience is for that alone.
    ///
    /// # Errors
    /// Why there is no reply, in words for people.
    pub(super) async fn open(&self, asked: Asked<'_>) -> Result<Response, String> {
        within(asked.patience, self.send(asked)).await
    }

    async fn send(&self, asked: Asked<'_>) -> Result<Response, String> {
        let is_redirected = asked.is_redirected;
        match &self.way {
            Way::Own(own) => own.exchange(request(asked.target, asked)?).await,
            Way::Url(base) => {
                let url = format!("{base}{}", asked.target);
                by_url(request(&url, asked)?, is_redirected).await.map_err(|error| root_cause(&error.without_url()))
            }
        }
    }
}

/// What comes of an exchange, unless it takes longer than this.
async fn within<T>(patience: Duration, exchange: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(patience, exchange).await.unwrap_or_else(|_| Err("operation timed out".to_owned()))
}

async fn by_url(request: Request<String>, is_redirected: bool) -> reqwest::Result<Response> {
    let client = connector::for_a_service();
    let client = if is_redirected { client.redirect(Policy::default()) } else { client };
    client.build()?.execute(request.try_into()?).await
}

fn request(url: &str, asked: Asked<'_>) -> Result<Request<String>, String> {
    let request = Request::builder().uri(url).header(USER_AGENT, connector::USER_AGENT);
    let request = match asked.key {
        Some(key) => request.header(AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
        None => request,
    };
    let request = match asked.form {
        Some(_) => request.method(Method::POST).header(CONTENT_TYPE, "application/x-www-form-urlencoded"),
        None => request,
    };
    request.body(asked.form.unwrap_or_default()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_url_or_by_its_socket() {
        for text in ["http://x:80/", "https://prices.internal", "unix:/run/q.sock"] {
            assert!(Reach::named(text).is_ok(), "{text}");
        }
        for wrong in ["x:80", "unix:q.sock", "unix:", "ftp://x", "/run/q.sock"] {
            assert!(Reach::named(wrong).is_err(), "{wrong}");
        }
    }
}
