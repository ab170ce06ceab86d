//! Sources and a service for tests of the network: timeouts are generous, and one quote makes a price.

use crate::support::{NOBODY, Service, Setup, Upstream, source as section};

/// A service in which one quote makes a price.
pub(crate) fn service(sources: &[String]) -> Service {
    Service::with("[server]\ntimeout = \"9s\"\n[fold]\nrequired = 1\n", sources)
}

/// The section of a source with a generous timeout, unless `more` sets another.
pub(crate) fn source(name: &str, more: &str) -> String {
    let timeout = if more.contains("timeout = ") { "" } else { "timeout = \"8s\"\n" };
    section(name, NOBODY.parse().unwrap(), &format!("{timeout}{more}"))
}

/// The section that makes a vendor a source, by its `base_url`.
pub(crate) fn source_at(vendor: &Upstream, name: &str, more: &str) -> String {
    source(name, &format!("base_url = \"{}\"\n{more}", vendor.base()))
}

/// A vendor with a certificate that quotes every symbol at this price.
pub(crate) fn certified(certified: crate::support::Certified, price: &'static str) -> Upstream {
    Upstream::quoting_over(Setup { certified: Some(certified), ..Setup::default() }, price)
}

/// What became of a source's quote of BTC-USD, fetched again: status and reason, and the detail.
pub(crate) fn verdict(service: &Service, name: &str) -> (String, String) {
    let reply = service.prices("BTC-USD");
    let detail = reply.quote("BTC-USD", name)["detail"].as_str().unwrap_or_default().to_owned();
    (reply.verdict("BTC-USD", name), detail)
}
