//! Traces that clients begin: sources of ours go on with them, vendors never learn of them, and no header fails a request.

use std::sync::{Arc, OnceLock};
use std::thread;

use proptest::prelude::*;

use crate::support::{Reply, Service, Upstream, read, rows, until, write};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Asks for prices that are fetched anew, with further header lines.
fn ask(service: &Service, symbols: &str, headers: &str) -> Reply {
    read(ask_later(service, symbols, headers))
}

/// The same without reading the reply.
fn ask_later(service: &Service, symbols: &str, headers: &str) -> std::net::TcpStream {
    let target = format!("/prices?symbols={symbols}&refresh_after=0s");
    write(service.address, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n"))
}

/// The values of a header in a head, in its order.
fn values(head: &str, name: &str) -> Vec<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

/// A service over one source of ours and one of a vendor, which got no call yet.
fn ours_and_a_vendor() -> (Upstream, Upstream, Service) {
    let (ours, vendor) = (Upstream::quoting("100"), Upstream::quoting("100"));
    let service = Service::over(&[ours.source("ours", "propagate = true\n"), vendor.source("vendor", "")]);
    (ours, vendor, service)
}

#[test]
fn a_source_of_ours_goes_on_with_the_trace_and_a_vendor_is_told_nothing() {
    let (ours, vendor, service) = ours_and_a_vendor();
    let headers =
        format!("traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1\r\ntracestate: b=2\r\nX-Request-Id: my-id\r\n");
    let reply = ask(&service, "BTC-USD", &headers);
    assert_eq!((reply.status, reply.header("x-request-id")), (200, Some("my-id")));
    assert_eq!(reply.header("traceparent"), None, "it is no header of replies");
    let head = &ours.heads()[0];
    let parent = values(head, "traceparent").concat();
    assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-01"), "{parent}");
    assert_ne!(parent[36..52], *SPAN, "it is another span");
    assert_eq!(values(head, "tracestate"), ["a=1,b=2"]);
    assert_eq!(values(head, "x-request-id"), ["my-id"]);
    let told = &vendor.heads()[0];
    for name in ["traceparent", "tracestate", "x-request-id"] {
        assert_eq!(values(told, name), [""; 0], "{name}");
    }
    assert!(!told.contains(TRACE) && !told.contains("my-id"), "{told}");
}

#[test]
fn each_call_is_a_span_of_its_own() {
    let (ours, _vendor, service) = ours_and_a_vendor();
    let headers = format!("traceparent: 00-{TRACE}-{SPAN}-00\r\n");
    (0..3).for_each(|_| drop(ask(&service, "BTC-USD", &headers)));
    let mut parents: Vec<String> = ours.heads().iter().flat_map(|head| values(head, "traceparent")).collect();
    assert!(parents.iter().all(|parent| parent.contains(TRACE) && parent.ends_with("-00")), "{parents:?}");
    parents.sort();
    parents.dedup();
    assert_eq!(parents.len(), 3);
}

#[test]
fn what_is_no_valid_traceparent_is_not_passed_on() {
    let (ours, _vendor, service) = ours_and_a_vendor();
    let valid = format!("00-{TRACE}-{SPAN}-01");
    let invalid = [
        String::new(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        valid.to_uppercase(),
        format!("{valid}-more"),
        valid[1..].to_owned(),
        format!("{valid}\r\ntraceparent: {valid}"),
    ];
    for (number, invalid) in invalid.iter().enumerate() {
        let headers = format!("traceparent: {invalid}\r\ntracestate: a=1\r\nX-Request-Id: id-{number}\r\n");
        assert_eq!(ask(&service, "BTC-USD", &headers).status, 200, "{invalid}");
        let head = ours.heads().last().unwrap().clone();
        assert_eq!(values(&head, "x-request-id"), [format!("id-{number}")]);
        assert_eq!((values(&head, "traceparent").len(), values(&head, "tracestate").len()), (0, 0), "{invalid}");
    }
    ask(&service, "BTC-USD", &format!("traceparent: cc-{TRACE}-{SPAN}-01-what-the-future-brings\r\n"));
    let parent = values(ours.heads().last().unwrap(), "traceparent").concat();
    assert!(parent.starts_with(&format!("00-{TRACE}-")), "a later version is read as this one: {parent}");
}

#[test]
fn a_shared_call_is_part_of_the_trace_of_the_request_that_began_it() {
    let gate: Arc<OnceLock<()>> = Arc::default();
    let held = Arc::clone(&gate);
    let ours = Upstream::new(move |call| {
        held.wait();
        call.json(&rows(&[("BTC-USD", "100")]))
    });
    let service = Service::over(&[ours.source("ours", "propagate = true\n")]);
    let other = "1".repeat(32);
    let first = ask_later(&service, "BTC-USD", &format!("traceparent: 00-{TRACE}-{SPAN}-01\r\n"));
    until("the call is under way", || ours.calls() == 1);
    let second = ask_later(&service, "BTC-USD", &format!("traceparent: 00-{other}-{SPAN}-01\r\n"));
    let reading = thread::spawn(move || [first, second].map(|stream| read(stream).status));
    gate.set(()).unwrap();
    assert_eq!(reading.join().unwrap(), [200, 200]);
    let parents: Vec<String> = ours.heads().iter().flat_map(|head| values(head, "traceparent")).collect();
    assert!(parents[0].contains(TRACE), "{parents:?}");
}

#[test]
fn a_header_that_the_source_states_itself_is_left_as_it_is() {
    let ours = Upstream::quoting("100");
    let stated = "propagate = true\nheaders = { \"X-Request-ID\" = \"theirs\" }\n";
    let service = Service::over(&[ours.source("ours", stated)]);
    ask(&service, "BTC-USD", "X-Request-Id: mine\r\n");
    assert_eq!(values(&ours.heads()[0], "x-request-id"), ["theirs"]);
}

#[test]
fn no_value_of_these_headers_fails_a_request() {
    let (_ours, _vendor, service) = ours_and_a_vendor();
    let name = prop_oneof![Just("traceparent"), Just("tracestate"), Just("x-request-id")];
    let value = prop_oneof![
        "[ -~]{0,120}",
        "[0-9a-f]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-[ -~]{0,4})?",
        "[a-z=,]{500,600}",
        "\\PC{0,40}",
    ];
    let lines = proptest::collection::vec((name, value), 0..5);
    let mut config = ProptestConfig::with_cases(64);
    config.failure_persistence = None;
    proptest!(config, |(lines in lines)| {
        let headers: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let reply = ask(&service, "BTC-USD", &headers);
        prop_assert_eq!(reply.status, 200, "{}", headers);
    });
}
