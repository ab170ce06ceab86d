//! A call as it is sent, with all placeholders filled in.

use std::fmt;

use reqwest::Url;
use secrecy::SecretString;

use crate::provider::description::Method;
use crate::provider::secrets::credentials;

/// A call that is ready to be sent. Its URL and headers may hold a key, so its `Debug` does not print them.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// The URLs at the vendor's other addresses, in the order in which they are tried.
    pub mirrors: Vec<String>,
    /// The headers, by name.
    pub headers: Vec<(String, SecretString)>,
    /// The body of a `POST`.
    pub body: Option<String>,
}

impl HttpRequest {
    /// The method, as the HTTP client names it.
    pub(crate) fn verb(&self) -> reqwest::Method {
        match self.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        }
    }

    /// Every URL that it may be sent to, in the order in which they are tried.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        [&self.url].into_iter().chain(&self.mirrors).map(String::as_str)
    }

    /// The names and passwords in the URLs, in the forms in which they travel: HTTP sends them in a header.
    pub(super) fn credentials(&self) -> Vec<SecretString> {
        self.urls().filter_map(|url| Url::parse(url).ok()).flat_map(|url| credentials(&url)).collect()
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpRequest").field("method", &self.method).field("headers", &headers).finish_non_exhaustive()
    }
}
