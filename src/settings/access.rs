//! `[access]`: who may ask, how often, and from where. Each key is off unless set.

use std::fmt;
use std::net::IpAddr;
use std::ops::Not;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::effects::idle;
use super::error::Report;
use super::listen;
use super::server::ServerSettings;
use crate::caller::Peer;
use crate::provider::secrets::{self, MASK};
use crate::units::{Limit, as_text};

/// The section `[access]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// Bearer keys, each of which opens every path; if the list is empty, no key is required.
    #[serde(serialize_with = "secrets::masked_each", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<SecretString>,
    /// How often one key, or one client address, may ask; every limit in the list holds.
    #[serde(deserialize_with = "as_text::limits", skip_serializing_if = "Vec::is_empty")]
    pub rate: Vec<Limit>,
    /// The most streams of prices that one key, or one client address, may have open at once; 0 for any number.
    pub max_streams_per_client: usize,
    /// The proxies that are trusted to state the client they ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Network>,
    /// The web pages whose scripts may read replies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<Origin>,
    /// The address that serves the operator's pages; `server.listen` then no longer does. Port 0 takes any free one.
    #[serde(deserialize_with = "unless_empty")]
    pub admin_listen: Option<String>,
    /// Whether every connection there comes from one of the trusted proxies and begins with a header of the PROXY protocol, version 2.
    #[serde(skip_serializing_if = "Not::not")]
    pub admin_proxy_protocol: bool,
    /// Whether TLS is spoken there, with the certificate of `[server]`.
    #[serde(skip_serializing_if = "Not::not")]
    pub admin_tls: bool,
    /// Host names accepted there, in addition to IP addresses, names without a dot and local names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
}

/// Where peers connect from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Network {
    /// A network of addresses: a single address, or all with the same prefix, such as `10.0.0.0/8`.
    Addresses(IpNet),
    /// This machine, through a socket in the file system: `unix`.
    UnixSocket,
}

/// How [`Network::UnixSocket`] is written.
const UNIX: &str = "unix";

/// The origin of a web page, as browsers write it: `https://app.example.com`, or `*` for every origin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

/// A host name in lower case, or `*.` and the suffix that several host names share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

impl Default for AccessSettings {
    fn default() -> Self {
        AccessSettings {
            keys: Vec::new(),
            rate: Vec::new(),
            max_streams_per_client: 8,
            trusted_proxies: Vec::new(),
            cors: Vec::new(),
            admin_listen: None,
            admin_proxy_protocol: false,
            admin_tls: false,
            hosts: Vec::new(),
        }
    }
}

/// The upper bound for `max_streams_per_client`.
const MOST_STREAMS: usize = 1_000_000;

/// The least characters of a key: a shorter one could be guessed by trying.
const SHORTEST_KEY: usize = 16;

/// The most requests in one limit: each of them is remembered for a whole period.
const MOST_CALLS: u32 = 100_000;

/// How to make a key.
const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";

impl AccessSettings {
    /// Checks the section, and what of `[server]` depends on it.
    pub(super) fn check(&self, server: &ServerSettings, report: &mut Report<'_>) {
        for key in &self.keys {
            if let Some(fault) = fault_of_key(key.expose_secret()) {
                report.at(&["access", "keys"], fault);
            }
        }
        let is_twice = |(at, key): (usize, &SecretString)| {
            self.keys[..at].iter().any(|other| other.expose_secret() == key.expose_secret())
        };
        let twice = self.keys.iter().enumerate().position(is_twice);
        if let Some(at) = twice {
            report
                .at(&["access", "keys"], format!("key {} is the same as one before it; remove one of the two", at + 1));
        }
        if let Some(message) = idle(&self.rate) {
            report.at(&["access", "rate"], message);
        }
        for limit in &self.rate {
            report.unless(
                limit.calls <= MOST_CALLS,
                &["access", "rate"],
                format!("{limit} is too many to count exactly; write at most {MOST_CALLS}, in a shorter period"),
            );
        }
        report.unless(
            self.max_streams_per_client <= MOST_STREAMS,
            &["access", "max_streams_per_client"],
            format!("{} is out of range; write up to {MOST_STREAMS}, or 0 for any number", self.max_streams_per_client),
        );
        report.unless(
            self.cors.len() < 2 || !self.cors.iter().any(Origin::is_any),
            &["access", "cors"],
            "\"*\" already allows every page; write it alone, or remove it",
        );
        let listens = [Some(server.listen.as_str()), self.admin_listen.as_deref()];
        let has_socket = listens.into_iter().flatten().any(|address| listen::socket_path(address).is_some());
        if self.trusted_proxies.contains(&Network::UnixSocket) && !has_socket {
            report.remark(
                &["access", "trusted_proxies"],
                "\"unix\" has no effect: neither server.listen nor admin_listen is a unix: socket",
            );
        }
        let can_reach = |address: Option<&str>| {
            let is_socket = address.is_some_and(|address| listen::socket_path(address).is_some());
            self.trusted_proxies.iter().any(|network| (*network == Network::UnixSocket) == is_socket)
        };
        for (is_on, address, path) in [
            (server.proxy_protocol, Some(server.listen.as_str()), ["server", "proxy_protocol"]),
            (self.admin_proxy_protocol, self.admin_listen.as_deref(), ["access", "admin_proxy_protocol"]),
        ] {
            report.unless(
                !is_on || can_reach(address) || !report.was_read(&["access", "trusted_proxies"]),
                &path,
                "no client could connect, since access.trusted_proxies has no load balancer that can reach this address; list networks for \
                 a port and \"unix\" for a unix: socket, or write false",
            );
        }
        for (is_on, key) in [(self.admin_proxy_protocol, "admin_proxy_protocol"), (self.admin_tls, "admin_tls")] {
            if is_on && self.admin_listen.is_none() {
                report.remark(&["access", key], "it has no effect: there is no admin_listen");
            }
        }
        report.unless(
            !self.admin_tls || server.certificate_file.is_some() || !report.was_read(&["server", "certificate_file"]),
            &["access", "admin_tls"],
            "there is no certificate; set server.certificate_file and server.key_file, or write false",
        );
        let Some(address) = &self.admin_listen else { return };
        let path = ["access", "admin_listen"];
        if let Some(fault) = listen::fault(address, "127.0.0.1:9090") {
            report.at(&path, fault);
        }
        report.unless(
            *address != server.listen || address.ends_with(":0") || !report.was_read(&["server", "listen"]),
            &path,
            format!(
                "{address} is also server.listen; choose another port, or remove this line to serve everything there"
            ),
        );
    }
}

/// What is wrong with a key; the sentence does not repeat the key.
fn fault_of_key(key: &str) -> Option<String> {
    if key.is_empty() {
        return Some(format!("an empty key admits every caller; {MAKE_ONE}, or remove keys"));
    }
    if key == MASK {
        return Some(format!("{MASK} is the mask of a hidden key; write the key itself, or ${{NAME}} for a variable"));
    }
    if key.len() < SHORTEST_KEY {
        return Some(format!(
            "a key of {} characters can be guessed, at least {SHORTEST_KEY} are needed; {MAKE_ONE}",
            key.len()
        ));
    }
    let can_be_sent = key.bytes().all(|byte| byte.is_ascii_graphic());
    (!can_be_sent).then(|| format!("a key with a space or a non-ASCII character cannot be sent; {MAKE_ONE}"))
}

impl Network {
    /// Reads an address, an address and the length of its prefix, or `unix`.
    ///
    /// # Errors
    /// Says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == UNIX {
            return Ok(Network::UnixSocket);
        }
        let network = text.parse::<IpNet>().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error));
        let wrong = |_| {
            format!(
                "{text:?} is not an address; write one such as \"10.1.2.3\" or \"::1\", or \"10.0.0.0/8\", or \"unix\""
            )
        };
        let network = shortest(network.map_err(wrong)?);
        if network.prefix_len() == 0 {
            let rule = "every client could then pretend to be any other; write the networks of your own proxies";
            return Err(format!("{text:?} trusts every client: {rule}"));
        }
        Ok(Network::Addresses(network))
    }

    /// Whether a peer connects from there.
    pub fn has(&self, peer: Peer) -> bool {
        match (self, peer) {
            (Network::Addresses(network), Peer::Address(address)) => network.contains(&address),
            (Network::UnixSocket, Peer::UnixSocket) => true,
            _ => false,
        }
    }
}

/// An IPv4 network that is written as IPv6 in IPv4 form, since clients' addresses are compared in that form.
fn shortest(network: IpNet) -> IpNet {
    let mapped = |network: Ipv6Net| {
        let bits = network.prefix_len().checked_sub(96)?;
        Ipv4Net::new(network.addr().to_ipv4_mapped()?, bits).ok()
    };
    match network {
        IpNet::V6(six) => mapped(six).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

impl Origin {
    /// Reads an origin. It must be written as browsers write it, since it is compared with what they send.
    ///
    /// # Errors
    /// Says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "{text:?} is not an origin{why}; write scheme, host and port, as \"https://app.example.com\", or \"*\""
            )
        };
        if text == "*" {
            return Ok(Origin(text.to_owned()));
        }
        let (scheme, authority) = text.split_once("://").ok_or_else(|| wrong(""))?;
        if let Some(at) = authority.find(['/', '?', '#']) {
            return Err(wrong(&format!(": an origin has no {:?}", &authority[at..])));
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong(": browsers write it in lower case"));
        }
        let usual_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => ":",
        };
        if authority.ends_with(usual_port) {
            return Err(wrong(&format!(": browsers leave {usual_port} out")));
        }
        // as browsers write it, without a leading sign or zero
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) => host,
            _ => authority,
        };
        let is_name = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let is_address = host.starts_with('[') && host.ends_with(']') && is_name(&host[1..host.len() - 1], b":.");
        let is_right = is_name(scheme, b"+-.") && (is_name(host, b"-._") || is_address);
        if is_right { Ok(Origin(text.to_owned())) } else { Err(wrong("")) }
    }

    /// Whether it is `*`, which means every page.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// The origin as browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostName {
    /// Reads a name in upper or lower case, with or without a leading `*.`.
    ///
    /// # Errors
    /// Says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if name.split('.').all(is_label) {
            return Ok(HostName(text.to_ascii_lowercase()));
        }
        let cure = "without scheme and port, such as \"metrics.example.com\" or \"*.example.com\"";
        Err(format!("{text:?} is not a host name; write one {cure}"))
    }

    /// Whether a host matches; it must be in lower case, without a trailing dot.
    pub fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == self.0,
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        HostName::parse(&text)
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Network::parse(&text)
    }
}

impl TryFrom<String> for Origin {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Origin::parse(&text)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::UnixSocket => f.write_str(UNIX),
            // a single address is written without a prefix length
            Network::Addresses(one) if one.prefix_len() == one.max_prefix_len() => one.addr().fmt(f),
            Network::Addresses(network) => network.fmt(f),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

/// Reads a text; an empty one means that there is none, since a variable cannot say it otherwise.
pub(super) fn unless_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(from)?).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_all_with_one_prefix() {
        let holds = |network: &str, address: &str| {
            Network::parse(network).unwrap().has(Peer::Address(address.parse().unwrap()))
        };
        assert!(holds("10.0.0.0/8", "10.200.0.1") && holds("10.1.2.3/8", "10.9.9.9") && holds("::1", "::1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1") && !holds("10.0.0.1", "10.0.0.2") && !holds("::1", "127.0.0.1"));
        // addresses are compared in their shortest form, so IPv4 written as IPv6 must be shortened too
        assert!(holds("::ffff:10.0.0.0/104", "10.9.9.9") && holds("::ffff:10.1.2.3", "10.1.2.3"));
        assert!(
            Network::UnixSocket.has(Peer::UnixSocket) && !Network::parse("10.0.0.0/8").unwrap().has(Peer::UnixSocket)
        );
        for text in ["10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8", "unix"] {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "10.0.0", "10.0.0.0/33", "localhost", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "10.0.0.0/8,::1"]
        {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_written_the_way_browsers_write_it() {
        for right in ["*", "https://app.example.com", "http://localhost:3000", "http://[::1]:8080", "tauri://localhost"]
        {
            assert_eq!(Origin::parse(right).unwrap().as_str(), right);
        }
        let wrong = [
            ("app.example.com", "write scheme"),
            ("https://app.example.com/", "an origin has no \"/\""),
            ("https://App.example.com", "lower case"),
            ("https://app.example.com:443", "leave :443 out"),
            ("https://", "is not an origin"),
            ("https://a b", "is not an origin"),
            ("https://x:99999", "is not an origin"),
            ("https://x:0443", "is not an origin"),
            ("https://*.example.com", "is not an origin"),
            ("null", "is not an origin"),
        ];
        for (text, words) in wrong {
            let error = Origin::parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
