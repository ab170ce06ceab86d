//! Streams of prices over real connections: what their heads say, and clients that do not read or leave.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Service, Upstream, get, rows, until, write};

/// Prices that are fetched all the time, so that each of them is another one than before.
const BUSY: &str = "[server]\ntimeout = \"8s\"\nstream_floor = \"20ms\"\n[access]\nmax_streams_per_client = 0\n\
                    [freshness]\nrefresh_after = \"20ms\"\nusable_for = \"1h\"\nfallback_for = \"2h\"\n";

/// A vendor whose every quote is another one than before.
fn moving() -> Upstream {
    let calls = Arc::new(AtomicUsize::new(0));
    Upstream::new(move |call| {
        // two vendors that count for themselves stay near each other
        let price = format!("100.{:04}", calls.fetch_add(1, Ordering::SeqCst) % 10_000);
        let asked = call.asked();
        call.json(&rows(&asked.iter().map(|symbol| (symbol.as_str(), price.as_str())).collect::<Vec<_>>()))
    })
}

fn service(sections: &str) -> (Service, [Upstream; 2]) {
    let vendors = [moving(), moving()];
    let sources = [vendors[0].source("alpha", "batch = 100"), vendors[1].source("beta", "batch = 100")];
    (Service::with(sections, &sources), vendors)
}

/// A connection on which a stream was asked for.
fn ask(service: &Service, query: &str) -> TcpStream {
    write(service.address, &format!("GET /prices/stream?{query} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// The head of the reply, and the data of each price event that follows.
fn read(stream: TcpStream) -> (String, impl Iterator<Item = Value>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let data = lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
    (head.join("\n").to_ascii_lowercase(), data)
}

#[test]
fn the_head_says_that_nothing_may_keep_or_change_the_stream() {
    let (service, _vendors) = service(BUSY);
    let (head, mut events) = read(ask(&service, "symbols=BTC-USD"));
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for line in [
        "content-type: text/event-stream",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.lines().any(|of_head| of_head == line), "{line} is not in {head}");
    }
    let first = events.next().unwrap();
    assert_eq!((first["symbol"].as_str(), first["status"].as_str()), (Some("BTC-USD"), Some("ok")));
    assert_ne!(events.next().unwrap()["price"], first["price"]);
    let refused = get(service.address, "/prices/stream?symbols=BTC-USD&every=1ms");
    assert_eq!((refused.status, refused.problem()["field"].as_str()), (400, Some("every")));
}

#[test]
fn a_head_alone_costs_no_stream() {
    let (service, _vendors) = service(BUSY);
    let mut reply = String::new();
    let mut asked =
        write(service.address, "HEAD /prices/stream?symbols=BTC-USD HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("text/event-stream"), "{reply}");
    until("no stream is open", || streams(&service) == 0);
}

/// How many streams are open.
fn streams(service: &Service) -> u64 {
    let page = get(service.address, "/metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix("quotefold_streams "));
    line.and_then(|count| count.parse().ok()).expect("the metric")
}

#[test]
fn a_client_that_does_not_read_loses_its_stream_and_disturbs_no_other() {
    let (service, _vendors) = service(BUSY);
    let symbols = (0..60).map(|number| format!("C{number}-USD")).collect::<Vec<_>>().join(",");
    let deaf: Vec<TcpStream> =
        (0..5).map(|_| ask(&service, &format!("symbols={symbols}&every=20ms&quotes=true"))).collect();
    let (_, mut events) = read(ask(&service, "symbols=BTC-USD&every=20ms"));
    until("all streams are open", || streams(&service) == 6);
    // the other one goes on hearing of changes
    until("those that do not read are gone", || {
        assert!(events.next().is_some(), "the stream of the reader ended");
        streams(&service) == 1
    });
    until("what they have not read is free", || service.service.reply_memory().used() < 64 * 1024);
    drop(deaf);
}

#[test]
fn a_client_that_leaves_ends_its_stream_and_with_it_the_calls() {
    let (service, vendors) = service(BUSY);
    let stream = ask(&service, "symbols=BTC-USD");
    let closed = stream.try_clone().unwrap();
    let (_, mut events) = read(stream);
    events.next().unwrap();
    closed.shutdown(std::net::Shutdown::Both).unwrap();
    until("the stream has ended", || streams(&service) == 0);
    until("nothing is in flight", || service.in_flight() == 0);
    let calls = vendors[0].calls();
    // ten times as long as until the next call, if there were one
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(vendors[0].calls(), calls, "calls go on");
}

#[test]
fn a_stream_takes_no_place_of_the_requests_in_flight() {
    let (service, _vendors) = service(&BUSY.replace("[server]\n", "[server]\nmax_requests = 1\n"));
    let readers: Vec<_> = (0..3).map(|_| read(ask(&service, "symbols=BTC-USD"))).collect();
    for (head, mut events) in readers {
        assert!(head.starts_with("http/1.1 200"), "{head}");
        events.next().unwrap();
        assert_eq!(get(service.address, "/prices?symbols=BTC-USD").status, 200);
    }
}
