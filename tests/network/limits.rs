//! A vendor's limits as the vendor counts them: by when calls arrive there, behind handshakes of any length.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};

use crate::support::{Authority, Certified, NOBODY, Service, left, source, until, verdict};

/// What the handshakes take, one connection after the other, in milliseconds.
const HANDSHAKES: [u64; 8] = [0, 900, 50, 400, 0, 650, 200, 800];

/// A vendor that notes when each call has arrived.
struct Vendor {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Instant>>>,
}

impl Vendor {
    /// Each connection stands after a time of its own; then it is kept, or closed after one reply.
    fn with(handshakes: &'static [u64], certified: Option<Certified>, keeps: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, arrived) = (listener.local_addr().unwrap(), Arc::default());
        let noted = Arc::clone(&arrived);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (noted, certified) = (Arc::clone(&noted), certified.clone());
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(handshakes[number % handshakes.len()]));
                    match certified {
                        Some(it) => serve(StreamOwned::new(ServerConnection::new(it).unwrap(), stream), &noted, keeps),
                        None => serve(stream, &noted, keeps),
                    }
                });
            }
        });
        Vendor { address, arrived }
    }

    fn calls(&self) -> usize {
        self.arrived.lock().unwrap().len()
    }

    /// The most calls that arrived in any window of this length.
    fn most_in(&self, window: Duration) -> usize {
        let arrived = self.arrived.lock().unwrap();
        let within = |start: &Instant| arrived.iter().filter(|at| *at >= start && **at < *start + window).count();
        arrived.iter().map(within).max().unwrap_or(0)
    }
}

/// Replies to calls one after the other, until the client leaves.
fn serve(mut stream: impl Read + Write, noted: &Mutex<Vec<Instant>>, keeps: bool) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        noted.lock().unwrap().push(Instant::now());
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let symbol = text.split("ids=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let body = format!(r#"[{{"s":"{symbol}","p":"100"}}]"#);
        let (length, connection) = (body.len(), if keeps { "keep-alive" } else { "close" });
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n"
        );
        let written = stream.write_all(format!("{head}{body}").as_bytes());
        if !keeps || written.is_err() {
            let _ = stream.flush();
            return;
        }
    }
}

/// A service with time enough for calls that wait for their turn.
fn service(section: String) -> Service {
    Service::with("[server]\ntimeout = \"20s\"\nmax_timeout = \"120s\"\n[fold]\nrequired = 1\n", &[section])
}

/// As many symbols, in a query.
fn symbols(count: usize) -> String {
    (0..count).map(|number| format!("S{number}-USD")).collect::<Vec<_>>().join(",")
}

#[test]
fn no_window_at_the_vendors_end_holds_more_than_the_limit_however_long_handshakes_take() {
    let authority = Authority::new();
    thread::scope(|scope| {
        for (is_secure, keeps) in [(false, false), (false, true), (true, false), (true, true)] {
            let (authority, certified) = (&authority, is_secure.then(|| authority.certify("127.0.0.1")));
            scope.spawn(move || {
                let vendor = Vendor::with(&HANDSHAKES, certified, keeps);
                let (scheme, trusted) =
                    if is_secure { ("https", authority.ca_file()) } else { ("http", String::new()) };
                let more = format!(
                    "base_url = \"{scheme}://{}\"\n{trusted}batch = 1\nlimits = [\"5/s\"]\nretries = 0\nconcurrency = 50\n",
                    vendor.address
                );
                let service = service(source("desk", &more));
                let reply = service.get(&format!("/prices?symbols={}&timeout=120s", symbols(25)));
                assert_eq!(reply.json()["status"], "complete", "{}", reply.body);
                assert_eq!(vendor.calls(), 25, "each symbol cost one call");
                let most = vendor.most_in(Duration::from_secs(1));
                assert!(most <= 5, "{most} calls in a second; TLS: {is_secure}, connections kept: {keeps}");
            });
        }
    });
}

#[test]
fn a_call_that_found_no_connection_costs_nothing_of_the_limits() {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = refused.local_addr().unwrap();
    // it closes every connection before the handshake
    thread::spawn(move || refused.incoming().map_while(Result::ok).for_each(drop::<TcpStream>));
    for base in [format!("http://{NOBODY}"), format!("https://{address}")] {
        let service = service(source("desk", &format!("base_url = \"{base}\"\nlimits = [\"25/day\"]\n")));
        assert!(verdict(&service, "desk").0.starts_with("failed / "));
        assert_eq!(left(service.address), 25, "{base}");
    }
}

#[test]
fn a_call_whose_last_caller_leaves_during_the_handshake_costs_nothing_either() {
    let authority = Authority::new();
    let vendor = Vendor::with(&[2_000], Some(authority.certify("127.0.0.1")), true);
    let more = format!("base_url = \"https://{}\"\n{}limits = [\"25/day\"]\n", vendor.address, authority.ca_file());
    let service = service(source("desk", &more));
    service.get("/prices?symbols=BTC-USD&timeout=300ms");
    until("the call is cancelled", || service.in_flight() == 0);
    assert_eq!((vendor.calls(), left(service.address)), (0, 25));
    // the same handshake serves the next caller, and stays until one comes
    let reply = service.get("/prices?symbols=BTC-USD&timeout=120s");
    assert_eq!((reply.verdict("BTC-USD", "desk").as_str(), vendor.calls(), left(service.address)), ("used", 1, 24));
}

#[test]
fn callers_who_wait_less_than_a_vendor_takes_leave_quotes_behind_for_every_unit_they_spend() {
    let vendor = Vendor::with(&[400], None, false);
    let more = format!("base_url = \"http://{}\"\nbatch = 1\nlimits = [\"25/day\"]\n", vendor.address);
    let service = service(source("desk", &more));
    for number in 0..5 {
        service.get(&format!("/prices?symbols=S{number}-USD&timeout=50ms"));
    }
    until("every call has ended", || service.in_flight() == 0);
    let reply = service.get(&format!("/prices?symbols={}&timeout=50ms", symbols(5)));
    assert_eq!(reply.json()["status"], "complete", "{}", reply.body);
    assert_eq!((vendor.calls(), left(service.address)), (5, 20));
}
