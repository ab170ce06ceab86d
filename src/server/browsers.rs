//! Headers for browsers: which web pages may read replies (CORS), and that a reply is data and nothing else.

use std::time::Duration;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::prices::PRICES_STATUS;
use super::request_id;
use crate::settings::access::Origin;

/// Whether pages of other sites may embed a reply (Fetch, section 3.7).
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// How long a browser may cache the reply to a preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3600);

/// The CORS layer for these origins; `None` if there are none.
///
/// It answers every `OPTIONS` request by itself. It does not allow credentials that browsers add on their own (cookies): a
/// script that knows the key sends it.
pub(super) fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(Origin::is_any) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok()))
    };
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers([AUTHORIZATION, request_id::HEADER])
            .expose_headers([PRICES_STATUS, RETRY_AFTER, request_id::HEADER])
            .max_age(PREFLIGHT_MAX_AGE),
    )
}

/// Adds security headers, except those that a reply already has: an HTML page would set its own policy.
pub(super) fn protect(reply: &mut Response) {
    let headers = reply.headers_mut();
    let readable_elsewhere = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    let embedding = if readable_elsewhere { "cross-origin" } else { "same-origin" };
    for (name, value) in [
        // A browser must not sniff the type: a symbol in an error could become markup.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // If a browser still shows the reply as a document, it loads and runs nothing in it, and no page can frame it.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        // The path tells which prices the user is interested in.
        (REFERRER_POLICY, "no-referrer"),
        // Other sites must not read prices through a script or image tag either, unless `cors` lets them read prices anyway.
        (CROSS_ORIGIN_RESOURCE_POLICY, embedding),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
