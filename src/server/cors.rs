//! Lets the scripts of chosen web pages read replies, which browsers otherwise keep from them.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::prices::PRICES_STATUS;
use super::request_id;
use crate::settings::access::Origin;

/// How long a browser may remember what it was allowed.
const REMEMBER: Duration = Duration::from_secs(3600);

/// The layer for these pages; `None` if there are none.
///
/// It answers every `OPTIONS` by itself. Credentials that browsers add on their own are not allowed: a key is sent by a
/// script that knows it.
pub(super) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
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
            .max_age(REMEMBER),
    )
}
