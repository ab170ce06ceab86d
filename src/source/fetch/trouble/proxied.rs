//! Tells a proxy's failures from those of the vendor behind it, and says what is wrong with the proxy.
//!
//! The HTTP library's own errors about tunnels and SOCKS cannot be told apart by their types, which it does not export, so
//! their texts are compared. The tests of the network meet each of them.

use std::error::Error;
use std::net::IpAddr;

use reqwest::Url;

use super::super::connector::Connector;
use super::{causes, certificate, no_connection, root};
use crate::provider::proxy::Proxy;

/// What is wrong with a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::source::fetch) struct Fault {
    /// What went wrong, with the proxy's name.
    pub(in crate::source::fetch) why: String,
    /// Whether the next call may well succeed.
    pub(in crate::source::fetch) passing: bool,
}

impl Fault {
    /// Something that may be over at the next call.
    fn passing(why: String) -> Self {
        Fault { why, passing: true }
    }

    /// The proxy did not accept the user name and the password, or it was sent none.
    pub(in crate::source::fetch) fn refused_user(proxy: &Proxy) -> Self {
        let why = if proxy.has_credentials() {
            format!("the proxy {proxy} refused the user name and password in its URL")
        } else {
            format!("the proxy {proxy} requires a user name and a password; write them into its URL")
        };
        Fault { why, passing: false }
    }
}

/// What an HTTP error says is wrong with the proxy that a call to a URL went through; `None` if it is about the vendor.
pub(super) fn fault(
    error: &reqwest::Error,
    url: &Url,
    proxy: &Proxy,
    connector: &Connector,
    has_authority: bool,
) -> Option<Fault> {
    if !error.is_connect() {
        // without a tunnel, the connection that broke is the one to the proxy
        return (!proxy.tunnels(url)).then(|| broken(proxy, error));
    }
    if error.is_timeout() {
        let waited = connector.patience.as_millis();
        return Some(Fault::passing(if connector.resolver.is_looking_up(proxy.host()) {
            format!("no name server answered within {waited} ms about the proxy {proxy}")
        } else {
            format!("no connection through the proxy {proxy} within {waited} ms")
        }));
    }
    let unreachable = || {
        let refused = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
        let why = refused.map_or_else(
            || no_connection(error),
            |refused| certificate(refused, &format!("the proxy {proxy}"), has_authority),
        );
        Fault::passing(format!("the proxy {proxy} cannot be reached: {why}"))
    };
    let of_kind = |kind: &str| causes(error).find_map(|cause| cause.to_string().strip_prefix(kind).map(str::to_owned));
    if let Some(what) = of_kind("tunnel error: ") {
        return Some(match what.as_str() {
            "failed to create underlying connection" => unreachable(),
            what => tunnel(what, proxy, error),
        });
    }
    if let Some(what) = of_kind("SOCKS error: ") {
        return Some(socks(&what, proxy));
    }
    (!proxy.tunnels(url)).then(unreachable)
}

/// A connection to a proxy that broke.
fn broken(proxy: &Proxy, error: &reqwest::Error) -> Fault {
    // without a cause, the error's own text is all there is, and it may hold the URL
    let why = error.source().map(|_| format!(": {}", root(error))).unwrap_or_default();
    Fault::passing(format!("the connection to the proxy {proxy} broke{why}"))
}

/// Why a proxy that was reached over HTTP did not make a tunnel.
fn tunnel(what: &str, proxy: &Proxy, error: &reqwest::Error) -> Fault {
    match what {
        "proxy authorization required" => Fault::refused_user(proxy),
        "unsuccessful" => Fault::passing(format!("the proxy {proxy} did not connect to it")),
        "unexpected end of file" => Fault::passing(format!("the proxy {proxy} closed the connection")),
        "io error establishing tunnel" => broken(proxy, error),
        what => Fault::passing(format!("the proxy {proxy} did not connect to it: {what}")),
    }
}

/// Why a SOCKS proxy did not connect us. What lies below an error of SOCKS is not passed on.
fn socks(what: &str, proxy: &Proxy) -> Fault {
    match what {
        "failed to create underlying connection" => {
            let is_address = proxy.host().trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
            let or_no_name = if is_address { "" } else { ", or its name has no address" };
            Fault::passing(format!("the proxy {proxy} cannot be reached: nothing listens there{or_no_name}"))
        }
        "io error during SOCKS handshake" | "failed parsing server response" => {
            Fault::passing(format!("the proxy {proxy} broke off, or does not speak SOCKS5 there"))
        }
        // its user name or its password is longer than 255 bytes
        "failed serialize request" => Fault::refused_user(proxy),
        what if what.contains("authentication") || what.contains("credentials") => Fault::refused_user(proxy),
        what => Fault::passing(format!("the proxy {proxy} did not connect to it: {what}")),
    }
}
