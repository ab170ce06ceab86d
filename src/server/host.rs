//! Checks the `Host` of requests: every request names one host, and the admin address refuses names that others may own.
//!
//! A web page can make its own host name point to an address inside a network (DNS rebinding). A browser in that network then
//! treats what is served there as part of the page, and lets the page's scripts read it. The name in the request gives this
//! away.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version};

use super::problem::Problem;
use crate::settings::access::HostName;

/// Suffixes of names that only clusters and local networks assign. No outsider can make one of them point here.
const LOCAL: [&str; 4] = [".svc", ".internal", ".local", ".home.arpa"];

/// Refuses a request whose host two programs could understand differently (RFC 9112, section 3.2).
pub(super) fn check(request: &Request) -> Result<(), Problem> {
    fault(request.version(), request.headers()).map_or(Ok(()), |detail| Err(Problem::BadHost { detail }))
}

/// What is wrong with the `Host` of a request, if anything.
fn fault(version: Version, headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        // HTTP/1.0 does not require it
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => Some("the Host header is missing; HTTP/1.1 requires it in every request".to_owned()),
        (Some(_), Some(_)) => Some("there is more than one Host header; send one".to_owned()),
        (Some(host), None) if is_plain(host) || host.is_empty() || authority(host).is_some() => None,
        (Some(host), None) => {
            let host = String::from_utf8_lossy(host.as_bytes());
            Some(format!(
                "the Host header {host:?} is not a host; write a name or an address, and a port if there is one"
            ))
        }
    }
}

/// Whether a host is obviously one, as nearly all are: letters, digits, dots and hyphens, and perhaps a port.
fn is_plain(host: &HeaderValue) -> bool {
    let host = host.as_bytes();
    let is_of_names = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let end = host.iter().position(|byte| !is_of_names(byte)).unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    !name.is_empty() && matches!(port, [] | [b':', b'0'..=b'9', ..]) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// A host with or without a port, and without anything else, such as a user.
fn authority(host: &HeaderValue) -> Option<Authority> {
    let authority = Authority::try_from(host.as_bytes()).ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    (port.is_empty() || is_port(port)).then_some(authority)
}

/// Refuses every host name that an outsider could have made point here. Addresses, names without a dot, local names, and `names`
/// pass.
pub(super) fn refuse_foreign(request: &Request, names: &[HostName]) -> Result<(), Problem> {
    // a host in the target takes precedence over the header (RFC 9112, section 3.2.2)
    let authority = request.uri().authority().cloned().or_else(|| authority(request.headers().get(HOST)?));
    match authority {
        Some(authority) if !accepts(names, authority.host()) => {
            Err(Problem::UnknownHost { host: authority.host().to_owned() })
        }
        // a browser always sends a host
        _ => Ok(()),
    }
}

/// Whether the `Host` of a request is an address or a name that no outsider could have made point here.
pub(super) fn is_local(host: &HeaderValue) -> bool {
    authority(host).is_some_and(|authority| accepts(&[], authority.host()))
}

fn accepts(names: &[HostName], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_address = || match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(six) => six.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    };
    let is_local = || LOCAL.iter().any(|end| host.ends_with(end));
    !host.contains(['.', ':']) || is_address() || is_local() || names.iter().any(|name| name.matches(&host))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(hosts: &[&str]) -> HeaderMap {
        hosts.iter().map(|host| (HOST, HeaderValue::from_str(host).unwrap())).collect()
    }

    #[test]
    fn every_request_names_one_host_unless_it_is_http_1_0() {
        for right in ["x", "x:80", "127.0.0.1:8080", "[::1]:8080", "my_service:8080", "EXAMPLE.com.", ""] {
            for version in [Version::HTTP_10, Version::HTTP_11] {
                assert_eq!(fault(version, &headers(&[right])), None, "{right:?}");
                let doubled = fault(version, &headers(&[right, right])).unwrap();
                assert!(doubled.contains("more than one"), "{doubled}");
            }
        }
        for wrong in ["a b", "x, y", "http://x/", "x/y", "x?y", "me@x", "[::1", "[::1].x", "x:80:80", "x:y"] {
            let fault = fault(Version::HTTP_11, &headers(&[wrong])).unwrap();
            assert!(fault.contains(&format!("{wrong:?}")), "{fault}");
        }
        assert_eq!(fault(Version::HTTP_10, &headers(&[])), None);
        assert!(fault(Version::HTTP_11, &headers(&[])).unwrap().contains("missing"));
    }

    fn names(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| HostName::parse(name).unwrap()).collect()
    }

    #[test]
    fn addresses_and_names_that_no_outsider_can_own_are_accepted() {
        let names = names(&["metrics.example.com", "*.prod.example.com"]);
        for ours in [
            "127.0.0.1",
            "10.1.2.3",
            "[::1]",
            "[2001:db8::7]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "quotefold",
            "quotefold.monitoring.svc",
            "quotefold.monitoring.svc.cluster.local.",
            "prices.internal",
            "box.local",
            "nas.home.arpa",
            "metrics.example.com",
            "METRICS.example.com.",
            "a.prod.example.com",
            "a.b.prod.example.com",
        ] {
            assert!(accepts(&names, ours), "{ours}");
        }
        for theirs in [
            "evil.com",
            "127.0.0.1.evil.com",
            "localhost.evil.com",
            "127.1.evil",
            "svc.cluster.local.evil.com",
            "evil.com.",
            "notlocal.evillocal.com",
            "evil.xsvc",
            "example.com",
            "x.metrics.example.com",
            "prod.example.com",
            "evilprod.example.com",
            "[::1].evil.com",
        ] {
            assert!(!accepts(&names, theirs), "{theirs}");
        }
    }

    proptest! {
        #[test]
        fn a_host_that_looks_plain_is_a_host(host in "[a-zA-Z0-9.-]{1,12}(:[0-9]{1,8})?|[ -~]{1,12}") {
            let host = HeaderValue::from_str(&host).unwrap();
            prop_assert!(!is_plain(&host) || authority(&host).is_some(), "{:?}", host);
        }

        #[test]
        fn no_name_under_a_domain_that_can_be_registered_is_accepted(
            labels in proptest::collection::vec("[a-z0-9-]{1,12}|local|internal|svc|localhost|127", 1..6),
            registered in "[a-z0-9]{1,20}\\.(com|org|dev|xyz|co\\.uk)\\.?",
        ) {
            let host = format!("{}.{registered}", labels.join("."));
            prop_assert!(!accepts(&[], &host), "{}", host);
            prop_assert!(!accepts(&[], &registered), "{}", registered);
        }
    }
}
