//! While every pricing thread is busy, what needs no pricing is still answered.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use axum::Router;
use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::question::Question;
use quotefold::server::drain::Drain;
use quotefold::server::{Front, listen};
use quotefold::settings::load::{LoadOptions, load};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Configuration, NOBODY, Program, Reply, Upstream, get, read, rows, send, source, until, write};

/// The number of pricing threads.
const THREADS: usize = 2;

/// A service that serves HTTP on a runtime of its own, as the program does.
struct Apart {
    address: SocketAddr,
    service: Arc<Quotefold>,
    work: Runtime,
    _front: Runtime,
}

/// Blocks every pricing thread until it is dropped.
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
        let app = Front::new(&service, Arc::default(), &drain, work.handle()).router(Router::new());
        let listener = front.block_on(listen::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        // slow readers take as long as the test does
        let limits = listen::Limits { write_timeout: Duration::from_secs(600), ..listen::Limits::default() };
        front.spawn(listen::run(listener, app, limits, drain));
        Apart { address, service, work, _front: front }
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
    until("prices are answered again", || {
        get(apart.address, "/prices?symbols=BTC-USD").json()["prices"][0]["quotes"][0]["price"] == "100"
    });
    assert_eq!(vendor.calls(), 1, "a request that was given up costs no call when its turn comes");
}

/// A reply without what differs from one reply to the next: its id, its date, the age of the prices.
fn lasting(reply: &Reply) -> (Vec<String>, String) {
    let differs = |line: &&str| !["x-request-id", "date"].iter().any(|name| line.to_lowercase().starts_with(name));
    let mut head: Vec<String> = reply.head.lines().filter(differs).map(str::to_lowercase).collect();
    head.retain(|line| !line.starts_with("content-length"));
    head.sort();
    let (before, after) = reply.body.split_once("\"age_ms\":").unwrap();
    (head, format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit())))
}

#[test]
fn what_is_ready_is_answered_while_no_thread_is_free_for_prices() {
    let vendors = [Upstream::quoting("100"), Upstream::quoting("100")];
    let lasts = "[freshness]\nrefresh_after = \"1h\"\nusable_for = \"2h\"\nfallback_for = \"3h\"\n";
    let sources = [vendors[0].source("alpha", ""), vendors[1].source("beta", "")];
    let apart = Apart::over(&format!("{lasts}{}", sources.concat()));
    let path = "/prices?symbols=BTC-USD";
    let made: Vec<Reply> = (0..2).map(|_| get(apart.address, path)).collect();
    assert_eq!(made[1].status, 200);
    let busy = apart.make_busy();
    let (ready, made) = (get(apart.address, path), lasting(&made[1]));
    assert_eq!(lasting(&ready), made);
    for other in ["&quotes=false", "&require=ok", "&timeout=1s", "&refresh_after=30m"] {
        assert_eq!(get(apart.address, &format!("{path}{other}")).status, 200, "{other}");
    }
    assert_eq!(get(apart.address, "/prices/BTC-USD").status, 200);
    assert_eq!(get(apart.address, &format!("{path}&timeout=300ms&refresh_after=0s")).status, 503);
    let counted = get(apart.address, "/metrics").body;
    let used = "quotefold_source_quotes_total{source=\"alpha\",verdict=\"used\",reason=\"none\"} 8";
    assert!(counted.contains(used), "{counted}");
    drop(busy);
    assert_eq!(vendors[0].calls(), 1);
}

#[test]
fn an_old_readiness_report_says_that_it_is_old() {
    let apart = Apart::over(&source("alpha", NOBODY.parse().unwrap(), ""));
    let report = || get(apart.address, "/health/ready").json()["checks"]["report"][0].clone();
    assert_eq!(report(), serde_json::json!({ "status": "pass" }));
    let busy = apart.make_busy();
    until("it is old", || report()["status"] == "warn");
    let old = get(apart.address, "/health/ready");
    assert_eq!((old.status, &old.json()["status"]), (200, &"warn".into()), "a busy service must stay in use");
    assert!(report()["output"].as_str().unwrap().contains("s old"), "{}", report());
    let page = get(apart.address, "/metrics").body;
    assert!(page.contains("quotefold_health_check{check=\"report\",status=\"warn\"} 1\n"), "{page}");
    drop(busy);
    until("it is new again", || report()["status"] == "pass");
}

#[test]
fn a_failure_that_was_answered_is_in_the_next_health_report() {
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
fn a_request_that_waits_too_long_is_shed_while_cached_ones_are_answered() {
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

/// A client that asks for this many symbols and reads nothing yet.
fn asks_for_many(address: SocketAddr, symbols: usize) -> TcpStream {
    asks_for(address, (0..symbols).map(|number| format!("COIN{number}-USD")))
}

/// A client that asks for these symbols and reads nothing yet.
fn asks_for(address: SocketAddr, symbols: impl Iterator<Item = String>) -> TcpStream {
    let names: Vec<String> = symbols.collect();
    let form = format!("symbols={}&timeout=60s", names.join(","));
    let kind = "application/x-www-form-urlencoded";
    let length = form.len();
    let head = format!(
        "POST /prices HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    write(address, &(head + &form))
}

#[test]
fn unread_replies_hold_bounded_memory_and_release_it() {
    let settings =
        "[server]\nmax_reply_memory = \"4MiB\"\nmax_symbols = 2000\ntimeout = \"60s\"\nmax_timeout = \"60s\"\n";
    // no source quotes anything, so the answer is long
    let apart = Apart::over(&format!("{settings}{}", source("alpha", NOBODY.parse().unwrap(), "")));
    let memory = apart.service.reply_memory();
    let slow = asks_for_many(apart.address, 2000);
    until("its reply waits for it", || memory.used() > 1 << 20);

    let shed = read(asks_for_many(apart.address, 2000));
    assert_eq!((shed.status, &shed.json()["type"]), (503, &"/problems/overloaded".into()), "{}", memory.used());
    let small = get(apart.address, "/prices?symbols=COIN1-USD");
    assert_eq!(small.json()["prices"][0]["symbol"], "COIN1-USD", "there is room for a small one");
    assert_eq!(get(apart.address, "/health/live").status, 200);

    drop(slow);
    until("all of it is given back", || memory.used() == 0);
    let reply = read(asks_for_many(apart.address, 2000));
    assert_eq!(reply.json()["prices"].as_array().unwrap().len(), 2000);
    until("the rest is given back, too", || memory.used() == 0);
}

#[test]
fn with_reply_memory_full_requests_are_shed_and_only_short_replies_read() {
    let long = Upstream::new(|call| call.json(&(rows(&[("BTC-USD", "100")]) + &" ".repeat(200 << 10))));
    let short = Upstream::quoting("100");
    let apart = Apart::over(&format!("{}{}", long.source("long", ""), short.source("short", "")));
    let memory = apart.service.reply_memory();
    let others = memory.hold(apart.service.settings().server.max_reply_memory, 0).unwrap();
    let shed = get(apart.address, "/prices?symbols=BTC-USD");
    assert_eq!((shed.status, &shed.json()["type"], long.calls()), (503, &"/problems/overloaded".into(), 0));
    let answer = |symbol: &str| {
        let (bounds, now) = (apart.service.bounds(), apart.service.clock().now());
        let question = Question::parse(&format!("symbols={symbol}"), bounds, now).unwrap();
        let answer = apart.work.block_on(apart.service.answer(&question));
        serde_json::from_slice::<serde_json::Value>(&answer.body(now.wall).unwrap()).unwrap()["prices"][0]["quotes"]
            .clone()
    };
    let quotes = answer("BTC-USD");
    assert_eq!((&quotes[0]["reason"], &quotes[1]["price"]), (&"throttled".into(), &"100".into()), "{quotes:#}");
    assert!(quotes[0]["detail"].as_str().unwrap().contains("server.max_reply_memory"), "{quotes:#}");
    drop(others);
    until("long replies are read again", || answer("BTC-USD")[0]["price"] == "100");
    assert_eq!(memory.used(), 0);
}

/// The memory that a process has in use, in KiB.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap()
}

#[test]
fn memory_goes_back_to_the_system_when_a_storm_is_over() {
    const CLIENTS: usize = 12;
    let settings = "[server]\nmax_symbols = 2000\ntimeout = \"60s\"\nmax_timeout = \"60s\"\n";
    let configuration = Configuration::new(&format!("{settings}{}", source("alpha", NOBODY.parse().unwrap(), "")));
    let (program, address) = Program::serve(&configuration, &[]);
    // the first round allocates what is kept for good: the board, the thread pool
    read(asks_for_many(address, 2000));
    let before = resident(program.id());
    let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| asks_for_many(address, 2000)).collect();
    until("it has grown", || resident(program.id()) > before * 5 / 4);
    drop(clients);
    until("it is back to its first size", || resident(program.id()) < before * 6 / 5);
}

#[test]
fn failures_of_unknown_symbols_take_little_memory() {
    // as many as the board remembers
    const REMEMBERED: usize = 16_384;
    const AT_ONCE: usize = 2048;
    let settings = "[server]\nmax_symbols = 5000\ntimeout = \"60s\"\nmax_timeout = \"60s\"\n";
    let configuration = Configuration::new(&format!("{settings}{}", source("alpha", NOBODY.parse().unwrap(), "")));
    let (program, address) = Program::serve(&configuration, &[]);
    // the first round allocates what replies hold
    read(asks_for_many(address, AT_ONCE));
    let before = resident(program.id());
    for round in 1..=REMEMBERED / AT_ONCE {
        read(asks_for(address, (0..AT_ONCE).map(|number| format!("JUNK{round}X{number}-USD"))));
    }
    // at most 2 KiB for each
    until("only that much is held", || resident(program.id()) < before + REMEMBERED as u64 * 2);
}
