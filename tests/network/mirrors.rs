//! Mirrors of one vendor: the next one is tried if there is no connection to the one before, and only then.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use crate::sources::{certified, service, source, verdict};
use crate::support::{After, Authority, NOBODY, Service, Upstream, until};

/// A source at these addresses.
fn mirrored(bases: &[&str], more: &str) -> String {
    source("desk", &format!("base_url = {bases:?}\n{more}"))
}

fn at(address: impl std::fmt::Display) -> String {
    format!("http://{address}")
}

/// The hosts of the source, in the order in which they are tried.
fn hosts(service: &Service) -> Vec<String> {
    let hosts = service.get("/sources").json()["sources"][0]["hosts"].clone();
    serde_json::from_value(hosts).unwrap()
}

#[test]
fn if_the_first_mirror_is_down_the_second_answers_and_is_tried_first() {
    let (mut first, second) = (Upstream::quoting("100"), Upstream::quoting("200"));
    first.die();
    let (one, other) = (first.address.to_string(), second.address.to_string());
    let service = service(&[mirrored(&[&at(&one), &at(&other)], "limits = [\"100/day\"]")]);
    assert_eq!(hosts(&service), [one.clone(), other.clone()]);
    let reply = service.prices("BTC-USD");
    assert_eq!((reply.verdict("BTC-USD", "desk").as_str(), &reply.entry("BTC-USD")["price"]), ("used", &"200".into()));
    // no connection to the first, so it was one call
    let limits = service.get("/sources").json()["sources"][0]["limits"].clone();
    assert!(limits.to_string().contains(r#"{"limit":"100/day","left":99}"#), "{limits}");
    assert_eq!(hosts(&service), [other, one]);

    first.rise();
    for calls in 2..=3 {
        assert_eq!(verdict(&service, "desk").0, "used");
        assert_eq!((second.calls(), second.connections()), (calls, 1));
    }
    assert_eq!(first.connections(), 0, "the first was tried again");
}

#[test]
fn the_first_mirror_is_tried_again_when_the_second_is_down() {
    let (mut first, mut second) = (Upstream::quoting("100"), Upstream::quoting("200"));
    let service = service(&[mirrored(&[&first.base(), &second.base()], "")]);
    let price = || service.prices("BTC-USD").entry("BTC-USD")["price"].clone();
    assert_eq!((price(), second.connections()), ("100".into(), 0));
    first.die();
    assert_eq!(price(), "200");
    first.rise();
    second.die();
    assert_eq!(price(), "100");
    assert_eq!(hosts(&service), [first.address.to_string(), second.address.to_string()]);
}

#[test]
fn if_all_are_down_each_is_named_with_its_reason_but_not_its_password() {
    let secret = "planted-in-the-front";
    let service = service(&[mirrored(&[&at(NOBODY), &format!("http://me:{secret}@127.0.0.1:2")], "")]);
    let (verdict, detail) = verdict(&service, "desk");
    assert_eq!(verdict, "failed / connection");
    let why = "connection refused, nothing listens there";
    assert_eq!(detail, format!("no address can be reached: 127.0.0.1:1: {why}; 127.0.0.1:2: {why}"));
    assert_eq!(hosts(&service), ["127.0.0.1:1", "127.0.0.1:2"], "without a connection the order stays");
    assert!(!service.get("/sources").body.contains(secret));
}

#[test]
fn a_refused_certificate_is_no_reason_to_try_the_next_mirror() {
    let (authority, second) = (Authority::new(), Upstream::quoting("200"));
    for certificate in [authority.certify("127.0.0.1"), authority.certify_expired("127.0.0.1")] {
        let first = certified(certificate, "100");
        let service = service(&[mirrored(&[&first.base(), &second.base()], "")]);
        assert_eq!(verdict(&service, "desk").0, "failed / tls");
        // exactly one connection: a refused certificate must not be retried
        assert_eq!((first.connections(), second.connections()), (1, 0));
    }
}

#[test]
fn a_mirror_with_a_refused_certificate_is_not_preferred_later() {
    let mut first = Upstream::quoting("100");
    let second = certified(Authority::new().certify("127.0.0.1"), "200");
    let service = service(&[mirrored(&[&first.base(), &second.base()], "")]);
    first.die();
    assert_eq!(verdict(&service, "desk").0, "failed / tls");
    first.rise();
    // a source that failed is paused for about a second
    until("the first mirror answers", || verdict(&service, "desk").0 == "used");
}

#[test]
fn after_a_connection_nothing_is_a_reason_to_try_the_next_mirror() {
    let second = Upstream::quoting("200");
    let breaking = Upstream::new(|call| {
        call.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n[");
        After::Close
    });
    let cases = [
        (Upstream::saying(503, "{}"), "failed / unavailable"),
        (Upstream::saying(429, "{}"), "failed / rate_limited"),
        (Upstream::new(|_| After::Close), "failed / connection"),
        (breaking, "failed / connection"),
        (Upstream::silent(), "failed / timeout"),
    ];
    for (first, expected) in cases {
        let service = service(&[mirrored(&[&at(first.address), &second.base()], "timeout = \"1s\"")]);
        let (verdict, detail) = verdict(&service, "desk");
        assert_eq!(verdict, expected, "{detail}");
        assert!(first.calls() >= 1);
    }
    assert_eq!(second.connections(), 0);
}

/// A listener with a full queue: connecting to it gets no reply, as behind a firewall that drops packets.
struct Busy {
    address: SocketAddr,
    _runtime: Runtime,
    _kept: (tokio::net::TcpListener, Vec<TcpStream>),
}

impl Busy {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (address, kept) = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            let address = listener.local_addr().unwrap();
            let mut kept = Vec::new();
            let brief = Duration::from_millis(300);
            while let Ok(stream) = tokio::time::timeout(brief, TcpStream::connect(address)).await {
                kept.push(stream.unwrap());
                assert!(kept.len() < 50, "its queue has no end");
            }
            (address, (listener, kept))
        });
        Busy { address, _runtime: runtime, _kept: kept }
    }
}

#[test]
fn a_mirror_that_drops_packets_leaves_time_for_the_next() {
    let (busy, second) = (Busy::new(), Upstream::quoting("200"));
    // a single attempt, whose latency shows what trying the first mirror costs
    let service = service(&[mirrored(&[&at(busy.address), &second.base()], "timeout = \"8s\"")]);
    let reply = service.prices("BTC-USD");
    let quote = reply.quote("BTC-USD", "desk");
    assert_eq!((reply.verdict("BTC-USD", "desk").as_str(), second.calls()), ("used", 1), "{quote}");
    assert!(quote["latency_ms"].as_u64().is_some_and(|latency| (2_900..8_000).contains(&latency)), "{quote}");
    // the next call tries the second first, so the first costs it nothing
    assert_eq!(hosts(&service), [second.address.to_string(), busy.address.to_string()]);
    assert_eq!(verdict(&service, "desk").0, "used");
    assert_eq!((second.calls(), second.connections()), (2, 1));

    let service = crate::sources::service(&[mirrored(&[&at(busy.address)], "timeout = \"400ms\"")]);
    let (verdict, detail) = verdict(&service, "desk");
    let expected = format!("cannot reach {}: no connection within 300 ms", busy.address);
    assert_eq!((verdict.as_str(), detail), ("failed / connection", expected));
}
