//! Makes the HTTP clients that sources connect with: how long they wait for a connection, and which certificates they trust.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{ACCEPT_ENCODING, CONNECTION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::encoding;
use super::resolver::Resolver;
use crate::provider::description::SourceSettings;
use crate::provider::proxy::{Proxies, Proxy};

/// After a connection to a host has mixed up replies, each call to that host has a connection of its own for this long: far
/// longer than an idle connection is kept.
const DISTRUST: Duration = Duration::from_secs(3600);

/// Who asks.
pub const USER_AGENT: &str = concat!("quotefold/", env!("CARGO_PKG_VERSION"));

/// How one source connects. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    pub(super) client: Client,
    /// A client that keeps no connection. It is made when it is first needed.
    single: Arc<OnceCell<Client>>,
    pub(super) resolver: Resolver,
    /// How long it may take until one address is connected: name, TCP and TLS.
    pub(super) patience: Duration,
    settings: ClientSettings,
    /// Hosts whose connections mixed up replies, and until when they are not trusted to be kept. Shared by all sources:
    /// several may ask one host.
    distrusted: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Connector {
    /// Which proxy a call goes through.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.settings.proxies
    }

    /// Whether connections to a host are kept for later calls.
    pub(super) fn trusts(&self, host: &str) -> bool {
        let mut distrusted = self.distrusted.lock();
        if distrusted.is_empty() {
            return true;
        }
        let now = Instant::now();
        distrusted.retain(|_, until| *until > now);
        !distrusted.contains_key(host)
    }

    /// From now on each call to a host has a connection of its own, for [`DISTRUST`].
    pub(super) fn distrust(&self, host: &str) {
        self.distrusted.lock().insert(host.to_owned(), Instant::now() + DISTRUST);
    }

    /// The client that keeps no connection.
    ///
    /// # Errors
    /// The system's certificates can no longer be read.
    pub(super) async fn single(&self) -> Result<Client, String> {
        let make = || async {
            let (settings, resolver) = (self.settings.clone(), self.resolver.clone());
            let made = tokio::task::spawn_blocking(move || settings.client(&resolver, false)).await;
            made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        };
        self.single.get_or_try_init(make).await.cloned()
    }
}

/// The connectors of all sources.
///
/// A client has one connection timeout, one set of trusted certificates and one choice of proxies, so there is one client for
/// each combination of them. It costs some 20 ms and 100 KiB, since the system's certificates are read for each. Most sources
/// wait equally long, trust no certificates of their own and have no proxy of their own.
pub struct Connectors {
    resolver: Resolver,
    built: Vec<Connector>,
    distrusted: Arc<Mutex<HashMap<String, Instant>>>,
}

/// What tells clients apart.
#[derive(Clone, PartialEq, Eq)]
struct ClientSettings {
    patience: Duration,
    certificates: Vec<CertificateDer<'static>>,
    proxies: Arc<Proxies>,
}

impl Connectors {
    /// No connectors yet. All of them will look hosts up with this resolver.
    pub fn new(resolver: Resolver) -> Self {
        Connectors { resolver, built: Vec::new(), distrusted: Arc::default() }
    }

    /// Forgets the connectors that are not among these, with the certificates and passwords in them.
    pub(in crate::source) fn keep_only(&mut self, used: &[&Connector]) {
        self.built.retain(|built| used.iter().any(|used| used.settings == built.settings));
    }

    /// The connector of a source.
    ///
    /// # Errors
    /// The system's certificates, or the source's own, cannot be used.
    pub fn of(&mut self, source: &SourceSettings) -> reqwest::Result<Connector> {
        let patience = patience(source.timeout, source.mirrors.len() + 1);
        let certificates = source.authority.as_ref().map(|authority| authority.certificates.clone());
        let (certificates, proxies) = (certificates.unwrap_or_default(), Arc::clone(&source.proxies));
        let settings = ClientSettings { patience, certificates, proxies };
        if let Some(known) = self.built.iter().find(|known| known.settings == settings) {
            return Ok(known.clone());
        }
        let connector = Connector {
            client: settings.client(&self.resolver, true)?,
            single: Arc::default(),
            resolver: self.resolver.clone(),
            patience,
            settings,
            distrusted: Arc::clone(&self.distrusted),
        };
        self.built.push(connector.clone());
        Ok(connector)
    }
}

impl ClientSettings {
    /// A client that keeps connections for later calls, or a client that says in each call that it is the last on its connection.
    fn client(&self, resolver: &Resolver, keeps: bool) -> reqwest::Result<Client> {
        let roots = self.certificates.iter().map(|certificate| Certificate::from_der(certificate));
        // a source's own header replaces it
        let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(encoding::ACCEPTED))]);
        let mut client = builder();
        if !keeps {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            client = client.pool_max_idle_per_host(0);
        }
        if !self.proxies.is_empty() {
            let proxies = Arc::clone(&self.proxies);
            client = client.proxy(reqwest::Proxy::custom(move |url| proxies.of(url).map(Proxy::url).cloned()));
        }
        let client = client.default_headers(headers).connect_timeout(self.patience).dns_resolver(resolver.clone());
        client.tls_certs_merge(roots.collect::<reqwest::Result<Vec<_>>>()?).build()
    }
}

/// What the HTTP client for everything but sources is built of.
pub fn for_a_service() -> ClientBuilder {
    builder().connect_timeout(Duration::from_secs(2))
}

/// No redirects (they could lead into private networks), no retries, and no proxy that the HTTP library finds by itself.
fn builder() -> ClientBuilder {
    // an error means that a provider is installed already
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        // below the keep-alive of most servers, so that a connection is not used as it is being closed
        .pool_idle_timeout(Duration::from_secs(15))
        .tcp_nodelay(true)
}

/// How much of an attempt each of several addresses may take until it is connected: an equal share of three quarters. A
/// connection that needs longer would leave no time for the reply, and the last address gets as much as the first.
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
        let mut connectors = Connectors::new(Resolver::of_the_system());
        for source in &settings.sources {
            connectors.of(source).unwrap();
        }
        assert!(settings.sources.len() > 20 && connectors.built.len() < 4, "{} clients", connectors.built.len());
    }
}
