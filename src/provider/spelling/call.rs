//! A call as it is sent, with all placeholders filled in.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use secrecy::SecretString;

use crate::provider::description::Method;

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
    /// Every URL that it may be sent to, in the order in which they are tried.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        [&self.url].into_iter().chain(&self.mirrors).map(String::as_str)
    }

    /// The names and passwords in the URLs, in the forms in which they travel: HTTP sends them in a header.
    pub(super) fn credentials(&self) -> Vec<SecretString> {
        self.urls().filter_map(|url| Url::parse(url).ok()).flat_map(|url| credentials(&url)).collect()
    }
}

/// A URL's name and password as a header, and in plain text the password, or the name if there is no password.
fn credentials(url: &Url) -> Vec<SecretString> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = (plain(url.username()), url.password().map(plain).unwrap_or_default());
    if name.is_empty() && password.is_empty() {
        return Vec::new();
    }
    let header = BASE64_STANDARD.encode(format!("{name}:{password}"));
    [header, if password.is_empty() { name } else { password }].map(SecretString::from).into()
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpRequest").field("method", &self.method).field("headers", &headers).finish_non_exhaustive()
    }
}
