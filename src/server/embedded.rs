//! Files that are part of the program: what the page for people and the page about the interface are made of.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::stack::OWN_HEADERS;

pub(super) const PAGE: &str = "text/html; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const DRAWING: &str = "image/svg+xml";

/// What a page may load: files from here. It has no inline scripts or styles, so whatever ended up in it as markup would stay dead.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A file, and where it is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embedded {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

impl Embedded {
    /// The reply with the file.
    pub(super) fn reply(self) -> Response {
        marked(self.text.into_response(), self.kind)
    }
}

/// A reply whose body is of this kind. Browsers do not keep it: another version of the program has other files, and a page and its
/// files must be of one version.
pub(super) fn marked(mut reply: Response, kind: &'static str) -> Response {
    let headers = reply.headers_mut();
    // at most three, and those that every reply gets
    headers.reserve(3 + OWN_HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if kind == PAGE {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    reply
}
