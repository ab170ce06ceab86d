//! Serves the description of the interface, `/openapi.json`, and `/docs`, which shows it to people.
//!
//! The description is kept by hand in `openapi.json`. The tests compare every reply that they get with it.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::Response;

use super::pages::Pages;
use super::stack::OWN_HEADERS;

/// What the page may load: its own files, and the description. Nothing runs that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A file in the program.
#[derive(Clone, Copy)]
struct Embedded {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const FILES: [Embedded; 4] = [
    Embedded { path: "/openapi.json", kind: "application/json", text: include_str!("openapi.json") },
    Embedded { path: "/docs", kind: "text/html; charset=utf-8", text: include_str!("docs/page.html") },
    Embedded { path: "/docs/page.js", kind: "text/javascript; charset=utf-8", text: include_str!("docs/page.js") },
    Embedded { path: "/docs/page.css", kind: "text/css; charset=utf-8", text: include_str!("docs/page.css") },
];

/// Adds the description and its page, which need no key: they hold no prices.
pub(super) fn add_to(pages: Pages) -> Pages {
    FILES.into_iter().fold(pages, |pages, file| pages.page(file.path, move |_| file.reply()))
}

impl Embedded {
    fn reply(self) -> Response {
        let mut reply = Response::new(Body::from(self.text));
        let headers = reply.headers_mut();
        // these three, and those that every reply gets
        headers.reserve(3 + OWN_HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        // another version of the program has another description
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind.starts_with("text/html") {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        }
        reply
    }
}
