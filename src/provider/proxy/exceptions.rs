//! Decides which hosts are asked without a proxy: those that `NO_PROXY` lists, and those on this machine.
//!
//! There is no standard for `NO_PROXY`. This follows what curl documents: <https://everything.curl.dev/usingcurl/proxies/env.html>

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;

/// The entries of `NO_PROXY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exceptions(Vec<Exception>);

/// One entry: hosts, and perhaps the only port for which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

/// The hosts that an entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A domain and everything under it, in lower case and without dots at its ends.
    Domain(String),
    /// The addresses of a network, which may be a single one.
    Network(IpNet),
}

/// A URL's host, in the form in which it is compared.
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Exceptions {
    /// Reads entries that are separated by commas or white space: `example.com`, `.example.com` or `*.example.com` (a domain
    /// and everything under it), an address, a network such as `10.0.0.0/8`, or `*`; each perhaps with a port. Other entries
    /// match nothing.
    pub(super) fn read(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        Exceptions(entries.filter_map(Exception::read).collect())
    }

    /// Whether an entry covers a URL.
    pub(super) fn cover(&self, url: &Url) -> bool {
        let (Some(host), port) = (Host::of(url), url.port_or_known_default()) else { return false };
        let is_port = |exception: &&Exception| exception.port.is_none() || exception.port == port;
        self.0.iter().filter(is_port).any(|exception| exception.hosts.have(&host))
    }
}

/// Whether a URL's host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match Host::of(url) {
        Some(Host::Name(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Address(address)) => address.is_loopback(),
        None => false,
    }
}

impl Exception {
    fn read(entry: &str) -> Option<Self> {
        if let Some(network) = network(entry) {
            return Some(Exception { hosts: Hosts::Network(network), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let hosts = if host == "*" {
            Hosts::All
        } else if let Some(network) = network(host) {
            Hosts::Network(network)
        } else {
            let domain = host.strip_prefix("*.").unwrap_or(host).trim_matches('.');
            if domain.contains(['/', '?', '#', '@', '\\']) {
                return None;
            }
            // read like the host of a URL, so that both are compared in the same form
            match Host::of(&Url::parse(&format!("http://{domain}/")).ok()?)? {
                Host::Name(name) => Hosts::Domain(name),
                Host::Address(address) => Hosts::Network(address.into()),
            }
        };
        Some(Exception { hosts, port })
    }
}

/// A network, or an address, perhaps in brackets.
fn network(text: &str) -> Option<IpNet> {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| address.parse::<IpAddr>().ok().map(|address| address.to_canonical().into()))
}

impl Hosts {
    fn have(&self, host: &Host) -> bool {
        match (self, host) {
            (Hosts::All, _) => true,
            (Hosts::Domain(domain), Host::Name(name)) => {
                name.strip_suffix(domain.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'))
            }
            (Hosts::Network(network), Host::Address(address)) => network.contains(address),
            _ => false,
        }
    }
}

impl Host {
    fn of(url: &Url) -> Option<Self> {
        let text = url.host_str().filter(|text| !text.is_empty())?;
        Some(match text.trim_matches(['[', ']']).parse::<IpAddr>() {
            // an address of IPv4 in one of IPv6 is the same host
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) => Host::Name(text.trim_end_matches('.').to_ascii_lowercase()),
        })
    }
}
