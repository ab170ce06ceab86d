//! Finds a client's address, also behind proxies: the one that rates are counted by and that the log names.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{FORWARDED, GetAll};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::caller::Peer;
use crate::settings::access::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request comes from: the peer's, or the one that a trusted proxy names. `None` if the peer has none and
/// names none.
pub(super) fn address(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    behind(peer, headers, trusted).address()
}

/// The client behind a peer. Any client can send these headers, so only those of trusted peers are read.
fn behind(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> Peer {
    let is_trusted = |peer| trusted.iter().any(|network| network.has(peer));
    if !is_trusted(peer) {
        return peer;
    }
    let named = |header: HeaderName, read: fn(&str) -> Option<IpAddr>| {
        headers.contains_key(&header).then(|| walk(peer, &headers.get_all(&header), read, is_trusted))
    };
    match (named(FORWARDED, forwarded_for), named(X_FORWARDED_FOR, node)) {
        // A proxy that writes one of the two headers passes on the client's own version of the other, which must not win.
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

/// Walks from the peer towards the client. Each proxy appends the address that its request came from; the first untrusted one
/// may have invented everything before it. So nothing there may change how the rest is read, and an entry that cannot be read
/// ends the walk.
fn walk(
    peer: Peer,
    values: &GetAll<'_, HeaderValue>,
    read: fn(&str) -> Option<IpAddr>,
    is_trusted: impl Fn(Peer) -> bool,
) -> Peer {
    let mut client = peer;
    for value in values.iter().rev() {
        for entry in cut_from_the_end(value.as_bytes(), b',') {
            let entry = str::from_utf8(entry).ok().filter(|_| is_trusted(client));
            let Some(address) = entry.and_then(|entry| read(entry.trim())) else { return client };
            client = address.into();
        }
    }
    client
}

/// Splits a text at a separator outside quotes, the last part first: a proxy may quote a host name that its client made up. It
/// splits from the end because a quote that the client opened must not swallow what proxies append.
fn cut_from_the_end(text: &[u8], sign: u8) -> impl Iterator<Item = &[u8]> {
    let is_escaped = |at: usize| text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let (mut quoted, mut end) = (false, text.len());
    let cuts = (0..text.len()).rev().filter(move |at| {
        quoted ^= text[*at] == b'"' && !is_escaped(*at);
        text[*at] == sign && !quoted
    });
    cuts.map(Some).chain([None]).map(move |cut| {
        let part = &text[cut.map_or(0, |at| at + 1)..end];
        end = cut.unwrap_or(0);
        part
    })
}

/// The address in one element of `Forwarded`: `for="[2001:db8::1]:4711";proto=https` (RFC 7239, section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = cut_from_the_end(element.as_bytes(), b';').filter_map(|pair| str::from_utf8(pair).ok());
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    node(value.trim().trim_matches('"'))
}

/// An address with or without a port, and if it is IPv6, with or without brackets. A name such as `unknown` is no address.
fn node(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(with_port).or_else(in_brackets);
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| Network::parse(network).unwrap());
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        let peer = if peer == "unix" { Peer::UnixSocket } else { peer.parse::<IpAddr>().unwrap().into() };
        behind(peer, &headers.collect(), &trusted).to_string()
    }

    #[test]
    fn a_peer_on_a_unix_socket_is_believed_only_if_such_peers_are_trusted() {
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_static("1.2.3.4, 10.0.0.1"))]);
        let trusted = |texts: &[&str]| texts.iter().map(|text| Network::parse(text).unwrap()).collect::<Vec<_>>();
        let named = |texts: &[&str]| address(Peer::UnixSocket, &headers, &trusted(texts)).map(|it| it.to_string());
        assert_eq!(named(&["10.0.0.0/8"]), None);
        assert_eq!(named(&["unix"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(named(&["unix", "10.0.0.0/8"]).as_deref(), Some("1.2.3.4"));
        assert_eq!(address(Peer::UnixSocket, &HeaderMap::new(), &trusted(&["unix"])), None);
        assert_eq!(client("unix", &[("x-forwarded-for", "1.2.3.4")]), "unix");
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        let says = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(client("9.9.9.9", &says), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &says), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_first_untrusted_address_from_the_right_is_the_client() {
        let cases = [
            ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
            ("6.6.6.6, 1.2.3.4, 10.9.9.9 ,::1", "1.2.3.4"),
            ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[2001:db8::7]:443, 10.0.0.2", "2001:db8::7"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("6.6.6.6,,10.0.0.2", "10.0.0.2"),
            ("1.2.3.4, unknown", "10.0.0.1"),
            ("1.2.3.4, unknown, 10.0.0.2", "10.0.0.2"),
            ("", "10.0.0.1"),
        ];
        for (header, expected) in cases {
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", header)]), expected, "{header}");
        }
        let two_lines = [("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("x-forwarded-for", "10.0.0.3")];
        assert_eq!(client("10.0.0.1", &two_lines), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, gr\u{f6}\u{df}e")]), "10.0.0.1");
        // what the client wrote does not hide what a proxy appends
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "gr\u{f6}\u{df}e, 1.2.3.4")]), "1.2.3.4");
    }

    #[test]
    fn the_standard_header_is_read_like_the_usual_one() {
        let cases = [
            ("for=1.2.3.4", "1.2.3.4"),
            ("for=6.6.6.6, For=\"[2001:db8::7]:4711\";proto=https;by=10.0.0.1", "2001:db8::7"),
            ("proto=https; for=1.2.3.4;host=x", "1.2.3.4"),
            ("for=6.6.6.6, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
            // a quote that the client opened
            ("for=\"6.6.6.6, for=1.2.3.4", "1.2.3.4"),
            // a host that the client made up and a proxy quoted
            ("for=1.2.3.4;host=\"x,for=6.6.6.6\"", "1.2.3.4"),
            ("host=\"x;for=6.6.6.6\";for=1.2.3.4", "1.2.3.4"),
            ("host=\"x,for=6.6.6.6\";for=\"[2001:db8::7]:4711\", for=10.0.0.2", "2001:db8::7"),
            ("for=1.2.3.4;host=\"x\\\",for=6.6.6.6,\\\"\"", "1.2.3.4"),
            ("for=6.6.6.6, for=1.2.3.4;host=\"x\\\\\"", "1.2.3.4"),
        ];
        for (header, expected) in cases {
            assert_eq!(client("10.0.0.1", &[("forwarded", header)]), expected, "{header}");
        }
    }

    #[test]
    fn two_headers_that_contradict_each_other_are_both_ignored() {
        let forged = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(client("10.0.0.1", &forged), "10.0.0.1");
    }
}
