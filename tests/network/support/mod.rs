//! What the tests here have in common: vendors with certificates, which come and go; and the service without a process.

mod authority;
#[expect(dead_code, reason = "the tests of the process say more to the service")]
#[path = "../../process/support/client.rs"]
mod client;
#[expect(dead_code, reason = "the tests of the process have services of other kinds")]
#[path = "../../process/support/service.rs"]
mod service;
#[expect(dead_code, reason = "the tests of the process ask more of their vendors")]
#[path = "../../process/support/upstream.rs"]
mod upstream;
mod vendor;

use std::time::{Duration, Instant};

pub(crate) use authority::{Authority, Certified};
pub(crate) use client::{Reply, left};
pub(crate) use service::Service;
pub(crate) use upstream::{After, Upstream};
pub(crate) use vendor::Vendor;

/// Far longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An address at which nothing listens: ports below 1024 are not assigned by chance.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A service in which one quote makes a price.
pub(crate) fn service(sources: &[String]) -> Service {
    Service::with("[server]\ntimeout = \"9s\"\n[fold]\nrequired = 1\n", sources)
}

/// The section of a source with time enough, unless `more` sets another.
pub(crate) fn source(name: &str, more: &str) -> String {
    let timeout = if more.contains("timeout = ") { "" } else { "timeout = \"8s\"\n" };
    upstream::source(name, "127.0.0.1:1".parse().unwrap(), &format!("{timeout}{more}"))
}

/// What became of a source's quote of BTC-USD, asked for anew: status and reason, and the detail.
pub(crate) fn verdict(service: &Service, name: &str) -> (String, String) {
    let reply: Reply = service.prices("BTC-USD");
    let detail = reply.quote("BTC-USD", name)["detail"].as_str().unwrap_or_default().to_owned();
    (reply.verdict("BTC-USD", name), detail)
}
