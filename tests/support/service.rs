//! The service behind its own server on loopback, in the test's process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::server::drain::Drain;
use quotefold::server::stack::Stack;
use quotefold::server::{Front, listen};
use tokio::runtime::{Handle, Runtime};

use super::client::{Reply, get};
use super::openapi::exchanges::Listening;
use super::settled::{assert_settled, unsettled};
use super::{settings, until};

/// A running service. When a test drops it, nothing may be left in flight.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Quotefold>,
    /// The stack behind the listener.
    pub(crate) app: Stack,
    pub(crate) runtime: Runtime,
    started: Instant,
    /// Its replies are compared with the description as long as it is there.
    _listening: Listening,
}

/// A generous timeout, so that only timeouts that a test sets can expire.
const SERVER: &str = "[server]\ntimeout = \"8s\"\n";

impl Service {
    /// The service over these sources.
    pub(crate) fn over(sources: &[String]) -> Self {
        Service::with(SERVER, sources)
    }

    /// The service over these sources, with other settings as well.
    pub(crate) fn with(sections: &str, sources: &[String]) -> Self {
        let settings = settings(&format!("{sections}{}", sources.concat()));
        let runtime = Runtime::new().expect("a runtime");
        let (service, app, address) = runtime.block_on(async {
            let service = Arc::new(Quotefold::new(settings, &Clock::system()).expect("sources that can be set up"));
            let listener = listen::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("its address");
            let drain = Drain::new();
            let app = Front::new(&service, Arc::default(), &drain, &Handle::current()).router(Router::new());
            tokio::spawn(listen::run(listener, app.clone(), listen::Limits::default(), drain));
            (service, app, address)
        });
        let _listening = Listening::at(address);
        Service { address, service, app, runtime, started: Instant::now(), _listening }
    }

    /// Requests a path.
    pub(crate) fn get(&self, target: &str) -> Reply {
        get(self.address, target)
    }

    /// Requests the prices of these symbols, fetched again.
    pub(crate) fn prices(&self, symbols: &str) -> Reply {
        self.get(&format!("/prices?symbols={symbols}&refresh_after=0s"))
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.service.sources().iter().map(|source| source.coalescer.in_flight()).sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            until("nothing is in flight", || unsettled(&self.service).is_none());
            assert_settled(&self.service, self.started.elapsed());
        }
    }
}
