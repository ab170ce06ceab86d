//! Says why a request was not answered: which host, what went wrong with it, and what to do about it.
//!
//! If there is a proxy, an error before the vendor is reached is the proxy's ([`proxied`]).
//!
//! An HTTP error's own text may hold the URL, and the URL the key: of both only the host is shown.

mod proxied;

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::Url;
use rustls::{CertificateError, InvalidMessage};

use super::connector::Connector;
pub(super) use proxied::Fault;

/// Why there is no reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There was no connection, so nothing reached the vendor, and another address may work: the host, and why.
    Unreachable(String, String),
    /// The same, because of the proxy on the way there: the host, and why.
    Proxy(String, Fault),
    /// The certificate or the handshake was refused, by either side. The server there must not be trusted with a key, and that
    /// is no reason to trust another.
    Tls(String),
    /// There was a connection, and it broke.
    Broken(String),
}

/// What an HTTP error means. `url` is passed in because an error that comes with a body does not say which URL it was.
pub(super) fn trouble(
    error: &reqwest::Error,
    url: Option<&Url>,
    connector: &Connector,
    has_authority: bool,
) -> Trouble {
    let host = url.map(host).unwrap_or_default();
    let way = url.and_then(|url| Some((url, connector.proxies().of(url)?)));
    if let Some(fault) = way.and_then(|(url, proxy)| proxied::fault(error, url, proxy, connector, has_authority)) {
        return Trouble::Proxy(host, fault);
    }
    if let Some(refused) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Trouble::Tls(certificate(refused, &host, has_authority));
    }
    if !error.is_connect() {
        // without a cause, the error's own text is all there is, and it may hold the URL
        let why = error.source().map(|_| root(error));
        let broken = why.map(|why| format!("the connection to {host} broke: {why}"));
        return Trouble::Broken(broken.unwrap_or_else(|| "the request could not be sent".to_owned()));
    }
    let name = url.and_then(Url::host_str).unwrap_or_default();
    let why = if error.is_timeout() {
        let is_secure = url.is_some_and(|url| url.scheme() == "https");
        late(connector.patience, connector.resolver.is_looking_up(name), is_secure)
    } else {
        no_connection(error)
    };
    Trouble::Unreachable(host, why)
}

/// Why there is no connection, if not for want of time.
fn no_connection(error: &reqwest::Error) -> String {
    if error.is_dns() {
        return format!("its name has no address ({})", root(error));
    }
    match causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused, nothing listens there".to_owned(),
        Some(io::ErrorKind::UnexpectedEof) => "it closed the connection during the TLS handshake".to_owned(),
        _ => root(error),
    }
}

/// The host and, if it is not the default one, the port.
pub(in crate::source) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What did not come in time.
fn late(patience: Duration, is_looking_up: bool, is_secure: bool) -> String {
    let waited = patience.as_millis();
    match (is_looking_up, is_secure) {
        (true, _) => format!("no name server answered within {waited} ms"),
        (false, true) => format!("no connection and TLS handshake within {waited} ms"),
        (false, false) => format!("no connection within {waited} ms"),
    }
}

/// What is wrong with a host's certificate, or with its TLS at all.
fn certificate(refused: &rustls::Error, host: &str, has_authority: bool) -> String {
    use CertificateError as Wrong;
    let of = format!("the certificate of {host}");
    match refused {
        rustls::Error::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. }) => {
            format!("{of} has expired, unless the clock here is wrong")
        }
        rustls::Error::InvalidCertificate(Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) => {
            format!("{of} is not valid yet, unless the clock here is wrong")
        }
        rustls::Error::InvalidCertificate(Wrong::NotValidForNameContext { presented, .. }) => {
            format!("{of} is not valid for that name, only for {}", presented.join(", "))
        }
        rustls::Error::InvalidCertificate(Wrong::UnknownIssuer) if has_authority => {
            format!("{of} is from an unknown issuer: neither the system nor ca_file has it")
        }
        rustls::Error::InvalidCertificate(Wrong::UnknownIssuer) => {
            format!("{of} is from an unknown issuer; if that is your own authority, set ca_file")
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => format!("{host} does not speak TLS there"),
        rustls::Error::AlertReceived(alert) => format!("{host} refused the TLS handshake: {alert:?}"),
        other => format!("no TLS with {host}: {other}"),
    }
}

/// An error and the chain of its causes. A TLS error is inside an I/O error, which may itself be inside another one, and neither
/// names what is inside it as its source.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside as _),
        None => error.source(),
    })
}

/// The text of the root cause.
fn root(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_is_named_as_far_as_it_is_known() {
        let late = |is_looking_up, is_secure| late(Duration::from_millis(750), is_looking_up, is_secure);
        assert_eq!(late(true, true), "no name server answered within 750 ms");
        assert_eq!(late(false, true), "no connection and TLS handshake within 750 ms");
        assert_eq!(late(false, false), "no connection within 750 ms");
    }

    #[test]
    fn a_host_is_shown_with_its_port_only_if_that_is_unusual() {
        let shown = |url| host(&Url::parse(url).unwrap());
        assert_eq!(shown("https://me:pass@a.test:443/x?key=1"), "a.test");
        assert_eq!(shown("https://a.test:8443/"), "a.test:8443");
    }
}
