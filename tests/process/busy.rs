//! What is answered while everything that works on prices is busy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use axum::Router;
use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::server::drain::Drain;
use quotefold::server::{Front, listen};
use quotefold::settings::load::{LoadOptions, load};
use tokio::runtime::{Builder, Runtime};

use crate::support::{NOBODY, Upstream, get, rows, send, source, until};

/// Threads that work on prices.
const THREADS: usize = 2;

/// A service whose front has a runtime of its own, as in the program.
struct Apart {
    address: SocketAddr,
    work: Runtime,
    _front: Runtime,
}

/// Keeps every thread that works on prices from its work until it is dropped.
struct Busy(Arc<AtomicBool>);

impl Apart {
    fn over(settings: &str) -> Self {
        let options =
            LoadOptions { text: Some(("test.toml".to_owned(), settings.to_owned())), ..LoadOptions::default() };
        let settings = load(&options).unwrap_or_else(|errors| panic!("{errors}"));
        let work = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let front = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let service = Arc::new(Quotefold::new(settings, &Clock::system()).unwrap());
        let drain = Drain::new();
        let app = Front::new(&service, &drain, work.handle()).router(Router::new());
        let listener = front.block_on(listen::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        front.spawn(listen::run(listener, app, listen::Limits::default(), drain));
        Apart { address, work, _front: front }
    }

    fn make_busy(&self) -> Busy {
        let (over, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..THREADS {
            let (over, busy) = (Arc::clone(&over), Arc::clone(&busy));
            self.work.spawn(async move {
                busy.fetch_add(1, Ordering::SeqCst);
                while !over.load(Ordering::SeqCst) {
                    sleep(Duration::from_millis(5));
                }
            });
        }
        until("every thread is busy", || busy.load(Ordering::SeqCst) == THREADS);
        Busy(over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn health_and_metrics_are_answered_while_no_thread_is_free_for_prices() {
    let vendor = Upstream::quoting("100");
    let apart = Apart::over(&vendor.source("alpha", ""));
    let busy = apart.make_busy();
    for path in ["/health/live", "/health/ready", "/health", "/metrics"] {
        assert_eq!(get(apart.address, path).status, 200, "{path}");
    }
    let late = get(apart.address, "/prices?symbols=BTC-USD&timeout=300ms");
    assert_eq!((late.status, &late.json()["type"]), (503, &"/problems/no-answer".into()));
    assert_eq!(late.header("retry-after"), Some("1"));
    drop(busy);
    until("prices are worked out again", || {
        get(apart.address, "/prices?symbols=BTC-USD").json()["prices"][0]["quotes"][0]["price"] == "100"
    });
    assert_eq!(vendor.calls(), 1, "a request that was given up costs no call when its turn comes");
}

#[test]
fn a_report_of_readiness_that_grows_old_says_so() {
    let apart = Apart::over(&source("alpha", NOBODY.parse().unwrap(), ""));
    let report = || get(apart.address, "/health/ready").json()["checks"]["report"][0].clone();
    assert_eq!(report(), serde_json::json!({ "status": "pass" }));
    let busy = apart.make_busy();
    until("it is old", || report()["status"] == "warn");
    let old = get(apart.address, "/health/ready");
    assert_eq!((old.status, &old.json()["status"]), (200, &"warn".into()), "a busy service must not be taken out");
    assert!(report()["output"].as_str().unwrap().contains("s old"), "{}", report());
    drop(busy);
    until("it is new again", || report()["status"] == "pass");
}

#[test]
fn whoever_was_told_of_a_sources_failure_finds_it_in_the_next_report() {
    let broken = Upstream::saying(503, "out of order");
    let apart = Apart::over(&broken.source("alpha", ""));
    for number in 0..10 {
        let symbol = format!("COIN{number}-USD");
        let answer = get(apart.address, &format!("/prices?symbols={symbol}"));
        assert_eq!(answer.quote(&symbol, "alpha")["status"], "failed", "{answer:?}");
        let report = get(apart.address, "/health/ready").json();
        assert_eq!(report["checks"]["source:alpha"][0]["status"], "warn", "{report:#}");
    }
}

#[test]
fn a_request_whose_turn_does_not_come_in_time_is_shed_and_what_is_fresh_is_answered_meanwhile() {
    let vendor = Upstream::new(|call| {
        let asked = call.asked();
        if asked.iter().any(|symbol| symbol == "SLOW-USD") {
            return call.hang();
        }
        call.json(&rows(&asked.iter().map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>()))
    });
    let settings = "[server]\nmax_weight = 1\ntimeout = \"60s\"\nmax_timeout = \"60s\"\n[freshness]\nrefresh_after = \"1h\"\n\
                    usable_for = \"2h\"\nfallback_for = \"3h\"\n";
    let apart = Apart::over(&format!("{settings}{}", vendor.source("alpha", "timeout = \"60s\"")));
    assert_eq!(get(apart.address, "/prices?symbols=BTC-USD").quote("BTC-USD", "alpha")["price"], "100");

    let heavy = send(apart.address, "/prices?symbols=SLOW-USD,OTHER-USD&timeout=60s");
    vendor.until_called(2);
    let late = get(apart.address, "/prices?symbols=ETH-USD&timeout=300ms");
    assert_eq!((late.status, &late.json()["type"]), (503, &"/problems/overloaded".into()));
    assert_eq!(late.header("retry-after"), Some("1"));
    assert_eq!(get(apart.address, "/prices?symbols=BTC-USD&timeout=5s").quote("BTC-USD", "alpha")["price"], "100");
    assert!(vendor.heads().iter().all(|head| !head.contains("ETH-USD")), "it costs no call");

    drop(heavy);
    until("there is room again", || get(apart.address, "/prices?symbols=ETH-USD&timeout=300ms").status != 503);
}
