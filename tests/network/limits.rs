//! Rate limits as a vendor counts them: by the arrival of calls, after handshakes of any length.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::sources::{source, verdict};
use crate::support::{After, Authority, Certified, NOBODY, Service, Setup, Upstream, left, rows, until};

/// How long the handshakes take, one connection after another, in milliseconds.
const HANDSHAKES: [u64; 8] = [0, 900, 50, 400, 0, 650, 200, 800];

/// A vendor whose connections stand only after a delay of their own. It keeps each connection, or closes it after one reply.
fn vendor(delays: &'static [u64], certified: Option<Certified>, keeps: bool) -> Upstream {
    Upstream::with(Setup { certified, delays }, move |call| {
        let asked = call.asked();
        let body = rows(&asked.iter().map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>());
        let connection = if keeps { "keep-alive" } else { "close" };
        call.reply(200, &format!("Content-Type: application/json\r\nConnection: {connection}\r\n"), &body);
        if keeps { After::Keep } else { After::Close }
    })
}

/// A service with enough time for calls that wait for a rate limit.
fn service(section: String) -> Service {
    Service::with("[server]\ntimeout = \"20s\"\nmax_timeout = \"120s\"\n[fold]\nrequired = 1\n", &[section])
}

/// This many symbols, for a query.
fn symbols(count: usize) -> String {
    (0..count).map(|number| format!("S{number}-USD")).collect::<Vec<_>>().join(",")
}

#[test]
fn no_window_at_the_vendor_exceeds_the_limit_whatever_handshakes_take() {
    let authority = Authority::new();
    thread::scope(|scope| {
        for (is_secure, keeps) in [(false, false), (false, true), (true, false), (true, true)] {
            let (authority, certified) = (&authority, is_secure.then(|| authority.certify("127.0.0.1")));
            scope.spawn(move || {
                let vendor = vendor(&HANDSHAKES, certified, keeps);
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
fn a_call_without_a_connection_costs_no_unit_of_a_limit() {
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
fn a_call_whose_last_caller_leaves_during_the_handshake_costs_no_unit() {
    let authority = Authority::new();
    let vendor = vendor(&[2_000], Some(authority.certify("127.0.0.1")), true);
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
fn calls_that_outlive_their_callers_leave_a_quote_for_every_unit_spent() {
    let vendor = vendor(&[400], None, false);
    let more = format!("base_url = \"http://{}\"\nbatch = 1\nlimits = [\"25/day\"]\n", vendor.address);
    let service = service(source("desk", &more));
    for number in 0..5 {
        // on a busy machine a caller may leave before its call is written, which then costs no unit
        until("its call is written", || {
            service.get(&format!("/prices?symbols=S{number}-USD&timeout=50ms"));
            vendor.calls() > number
        });
    }
    until("every call has ended", || service.in_flight() == 0);
    let reply = service.get(&format!("/prices?symbols={}", symbols(5)));
    assert_eq!(reply.json()["status"], "complete", "{}", reply.body);
    assert_eq!((vendor.calls(), left(service.address)), (5, 20));
}
