//! Headers of and for browsers: which web pages may read replies (CORS), that a reply is data and nothing else, and which page
//! makes a request.

use std::time::Duration;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::host;
use super::prices::PRICES_STATUS;
use super::problem::Problem;
use super::request_id;
use crate::settings::access::Origin;

/// Whether pages of other sites may embed a reply (Fetch, section 3.7).
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// How the page that makes a request stands to the server that gets it (Fetch Metadata, section 2.4).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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

/// Refuses a request that a page of another site makes in somebody's browser. Only what changes something needs this: other
/// sites cannot read replies anyway, but could send such a request unseen.
///
/// Programs that are no browsers send neither header.
pub(crate) fn refuse_foreign_page(headers: &HeaderMap) -> Result<(), Problem> {
    let is_foreign = match headers.get(SEC_FETCH_SITE) {
        // The browser has compared the sites itself, and no page can change what it says. It is right behind a proxy that
        // rewrites the Host, too. Another port or subdomain is `same-site`, and not us.
        Some(site) => !matches!(site.as_bytes(), b"same-origin" | b"none"),
        // over plain HTTP from afar, browsers say only this
        None => headers.get(ORIGIN).is_some_and(|origin| !is_ours(origin, headers.get(HOST))),
    };
    if is_foreign { Err(Problem::ForeignPage) } else { Ok(()) }
}

/// Whether an origin is the host that a request names, and that is no name which an outsider made point here. A page without an
/// origin (`null`) is not.
fn is_ours(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.as_bytes();
    let page = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    page.zip(host).is_some_and(|(page, host)| page.eq_ignore_ascii_case(host.as_bytes()) && host::is_local(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(lines: &[(&'static str, &str)]) -> bool {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        refuse_foreign_page(&lines.iter().map(header).collect()) == Err(Problem::ForeignPage)
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let host = ("host", "127.0.0.1:8080");
        for site in ["cross-site", "same-site", "", "something-new"] {
            assert!(is_refused(&[host, ("sec-fetch-site", site), ("origin", "http://127.0.0.1:8080")]), "{site}");
        }
        for origin in [
            "https://evil.example",
            "http://127.0.0.1:8081",
            "http://127.0.0.1",
            "http://127.0.0.1:8080.evil.example",
            "null",
            "",
            "127.0.0.1:8080",
            "file://127.0.0.1:8080",
        ] {
            assert!(is_refused(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(is_refused(&[("origin", "http://x")]), "HTTP/1.0 without a Host");
        // a name that an outsider made point here; over plain HTTP, browsers do not say which site it is
        assert!(is_refused(&[("host", "evil.example:8080"), ("origin", "http://evil.example:8080")]));
    }

    #[test]
    fn the_own_page_and_programs_pass() {
        let host = ("host", "127.0.0.1:8080");
        for lines in [
            &[host][..],
            &[],
            &[host, ("origin", "http://127.0.0.1:8080")],
            &[("host", "Demo.Internal"), ("origin", "http://demo.internal")],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8080")],
            // behind a proxy that rewrites the Host
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://demo.example.com")],
            // typed by a person
            &[host, ("sec-fetch-site", "none")],
        ] {
            assert!(!is_refused(lines), "{lines:?}");
        }
    }
}
