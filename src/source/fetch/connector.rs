//! Makes the HTTP clients that sources connect with: how long they wait for a connection, and whom they trust.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder};
use rustls::pki_types::CertificateDer;

use super::encoding;
use super::names::Names;
use crate::settings::source::SourceSettings;

/// How one source connects. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    pub(super) client: Client,
    pub(super) names: Names,
    /// How long one address may take until it is connected: name, TCP and TLS.
    pub(super) patience: Duration,
}

/// The connectors of all sources.
///
/// A client's patience and trust are its own, so there is one for each pair of them. It costs some 20 ms and 100 KiB (the
/// system's certificates are read for each), and most sources wait equally long and trust nobody special.
pub struct Connectors {
    names: Names,
    built: Vec<(Trust, Connector)>,
}

/// What tells clients apart.
#[derive(PartialEq, Eq)]
struct Trust {
    patience: Duration,
    certificates: Vec<CertificateDer<'static>>,
}

impl Connectors {
    /// None yet. Names are looked up in this way.
    pub fn new(names: Names) -> Self {
        Connectors { names, built: Vec::new() }
    }

    /// The connector of a source.
    ///
    /// # Errors
    /// When the system's certificates, or the source's own, cannot be used.
    pub fn of(&mut self, source: &SourceSettings) -> reqwest::Result<Connector> {
        let patience = patience(source.timeout, source.mirrors.len() + 1);
        let certificates = source.authority.as_ref().map(|authority| authority.certificates.clone());
        let trust = Trust { patience, certificates: certificates.unwrap_or_default() };
        if let Some((_, known)) = self.built.iter().find(|(known, _)| *known == trust) {
            return Ok(known.clone());
        }
        let roots = trust.certificates.iter().map(|certificate| Certificate::from_der(certificate));
        let client = builder()
            // a source's own header stands in its place
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(encoding::ACCEPTED))]))
            .connect_timeout(patience)
            .dns_resolver(self.names.clone())
            .tls_certs_merge(roots.collect::<reqwest::Result<Vec<_>>>()?)
            .build()?;
        let connector = Connector { client, names: self.names.clone(), patience };
        self.built.push((trust, connector.clone()));
        Ok(connector)
    }
}

/// The HTTP client for whatever is no source.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn client() -> reqwest::Result<Client> {
    builder().connect_timeout(Duration::from_secs(2)).build()
}

/// No redirects (they lead into private networks), no retries, no proxies by chance.
fn builder() -> ClientBuilder {
    // an error means that a provider is installed already
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("quotefold/", env!("CARGO_PKG_VERSION")))
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        // below the keep-alive of most servers, so that a connection is not used as it is being closed
        .pool_idle_timeout(Duration::from_secs(15))
        .tcp_nodelay(true)
}

/// What each of several addresses may take of an attempt until it is connected: an equal share of three quarters. A
/// connection that needs more would leave no time for the reply; and the last address gets as long as the first.
fn patience(attempt: Duration, addresses: usize) -> Duration {
    attempt * 3 / 4 / u32::try_from(addresses).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{LoadOptions, load};

    #[test]
    fn a_connection_gets_three_quarters_of_an_attempt_and_mirrors_share_them() {
        let second = Duration::from_secs(1);
        assert_eq!([1, 2, 3].map(|addresses| patience(second, addresses).as_millis()), [750, 375, 250]);
    }

    #[test]
    fn sources_that_wait_equally_long_share_a_client() {
        let settings = load(&LoadOptions { unofficial: true, ..LoadOptions::default() }).unwrap();
        let mut connectors = Connectors::new(Names::of_the_system());
        for source in &settings.sources {
            connectors.of(source).unwrap();
        }
        assert!(settings.sources.len() > 20 && connectors.built.len() < 4, "{} clients", connectors.built.len());
    }
}
