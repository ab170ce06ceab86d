//! Tells browsers to make nothing of a reply but what it is: data.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// Whether pages from elsewhere may embed a reply (Fetch, section 3.7).
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The layer: adds to a reply what it does not say itself, since a page would have a policy of its own.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut reply = next.run(request).await;
    let headers = reply.headers_mut();
    let readable_elsewhere = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    let embedding = if readable_elsewhere { "cross-origin" } else { "same-origin" };
    for (name, value) in [
        // A symbol in an error must not become markup because somebody guesses that it is.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Should it be shown as a document all the same, nothing in it is loaded or run, and nobody frames it.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        // The path says what somebody is interested in.
        (REFERRER_POLICY, "no-referrer"),
        // Prices are not read by way of a script or an image tag either, unless `cors` lets that page read them anyway.
        (CROSS_ORIGIN_RESOURCE_POLICY, embedding),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    reply
}
