//! The service behind its own server on loopback, without a process around it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::server::drain::Drain;
use quotefold::server::{Front, listen};
use quotefold::settings::load::{LoadOptions, load};
use tokio::runtime::{Handle, Runtime};

use super::client::{Reply, get};
use super::until;
use crate::settled::{assert_settled, unsettled};

/// A running service. When a test lets go of it, nothing may be left in the air.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Quotefold>,
    /// What answers behind the listener.
    pub(crate) app: Router,
    pub(crate) runtime: Runtime,
    started: Instant,
}

/// Time enough for everybody, so that only what a test sets can run out.
const SERVER: &str = "[server]\ntimeout = \"8s\"\n";

impl Service {
    /// The service over these sources.
    pub(crate) fn over(sources: &[String]) -> Self {
        Service::with(SERVER, sources)
    }

    /// The service with settings of its own.
    pub(crate) fn with(settings: &str, sources: &[String]) -> Self {
        let text = format!("{settings}{}", sources.concat());
        let options = LoadOptions { text: Some(("test.toml".to_owned(), text)), ..LoadOptions::default() };
        let settings = load(&options).unwrap_or_else(|errors| panic!("{errors}"));
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
        Service { address, service, app, runtime, started: Instant::now() }
    }

    /// Asks for a path.
    pub(crate) fn get(&self, target: &str) -> Reply {
        get(self.address, target)
    }

    /// Asks for the prices of these symbols, fetched anew.
    pub(crate) fn prices(&self, symbols: &str) -> Reply {
        self.get(&format!("/prices?symbols={symbols}&refresh_after=0s"))
    }

    /// Calls that are in the air.
    pub(crate) fn in_flight(&self) -> usize {
        self.service.sources().iter().map(|source| source.coalescer.in_flight()).sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            until("nothing is under way", || unsettled(&self.service).is_none());
            assert_settled(&self.service, self.started.elapsed());
        }
    }
}
