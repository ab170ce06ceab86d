//! Spans, as a collector gets them from the program. These tests exist only in a build with the feature `otlp`.

#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod collector;
mod protobuf;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use collector::{Collector, Span};
use support::{Configuration, Program, Reply, Upstream, read, run, start, until, write};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A secret that must be in no span.
const KEY: &str = "correct-horse-battery";

/// The program over these sources, which sends its spans to a collector.
fn serve(collector: &Collector, sources: &str, more: &[(&str, &str)]) -> (Program, SocketAddr) {
    let configuration = Configuration::new(&format!(
        "[server]\ntimeout = \"8s\"\ndrain_delay = \"0s\"\n[fold]\nrequired = 1\n{sources}"
    ));
    let endpoint = collector.endpoint();
    let usual = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    Program::serve(&configuration, &[&usual, more].concat())
}

fn ask(address: SocketAddr, id: &str, headers: &str) -> Reply {
    let target = "/prices?symbols=BTC-USD&refresh_after=0s";
    let headers = format!("X-Request-Id: {id}\r\n{headers}Connection: close\r\n");
    read(write(address, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")))
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn attribute<'s>(span: &'s Span, name: &str) -> &'s str {
    span.attributes.get(name).map_or("", String::as_str)
}

#[test]
fn a_request_is_one_trace_with_a_span_for_each_source_and_each_attempt() {
    let (collector, one, other) = (Collector::start(), Upstream::quoting("100"), Upstream::saying(503, "busy"));
    let one = one.source("one", &format!("headers = {{ authorization = \"Bearer {KEY}\" }}\n"));
    let other = other.source("other", "retries = 1\n");
    let (program, address) = serve(&collector, &format!("{one}{other}"), &[]);
    assert_eq!(ask(address, "first", "").status, 200);
    let mut spans = collector.trace_of("first", 6);
    spans.sort_by_key(|span| span.started);
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    let [request] = roots[..] else { panic!("one span has no parent: {spans:#?}") };
    assert_eq!((request.name.as_str(), request.kind, request.is_error), ("GET /prices", "server", false));
    assert_eq!(attribute(request, "http.route"), "/prices");
    assert_eq!(attribute(request, "http.request.method"), "GET");
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    for (source, outcome, attempts, status) in [("one", "ok", 1, "200"), ("other", "unavailable", 2, "503")] {
        let call = named(&spans, &format!("source {source}"));
        let [call] = call[..] else { panic!("one span of {source}: {spans:#?}") };
        assert_eq!((&call.parent, call.kind), (&request.id, "internal"));
        assert_eq!(attribute(call, "quotefold.symbols"), "1");
        assert_eq!((attribute(call, "quotefold.outcome"), call.is_error), (outcome, outcome != "ok"));
        let tries: Vec<&Span> = spans.iter().filter(|span| span.parent == call.id).collect();
        let numbers: Vec<&str> = tries.iter().map(|span| attribute(span, "quotefold.attempt")).collect();
        assert_eq!(numbers, ["1", "2"][..attempts]);
        for attempt in tries {
            assert_eq!((attempt.name.as_str(), attempt.kind), ("attempt", "client"));
            assert_eq!(attribute(attempt, "quotefold.source"), source);
            assert_eq!(attribute(attempt, "http.response.status_code"), status);
            assert_eq!(attribute(attempt, "quotefold.outcome"), outcome);
            let is_within = request.started <= attempt.started && attempt.started <= attempt.ended;
            assert!(is_within && attempt.ended <= call.ended, "{spans:#?}");
        }
    }
    assert_eq!(spans.len(), 6, "{spans:#?}");
    let said = format!("{spans:?}");
    assert!(!said.contains(KEY) && !said.contains("http://"), "no secret and no URL: {said}");
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn what_needs_no_call_is_a_trace_of_one_span_and_says_what_process_it_is_of() {
    let (collector, vendor) = (Collector::start(), Upstream::quoting("100"));
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    let (_program, address) = serve(&collector, &vendor.source("one", ""), &[attributes]);
    let head = "GET /no/such/path HTTP/1.1\r\nHost: x\r\nX-Request-Id: lost\r\nConnection: close\r\n\r\n";
    assert_eq!(read(write(address, head)).status, 404);
    let spans = collector.trace_of("lost", 1);
    assert_eq!((spans.len(), spans[0].name.as_str()), (1, "GET none"));
    assert_eq!(attribute(&spans[0], "http.response.status_code"), "404");
    let resource = collector.resource();
    for (name, value) in [
        ("service.name", "quotefold"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("deployment.environment", "test"),
    ] {
        assert_eq!(resource.get(name).map(String::as_str), Some(value), "{resource:?}");
    }
    assert!(collector.heads()[0].starts_with("POST /v1/traces "), "{:?}", collector.heads());
}

#[test]
fn a_trace_that_a_client_has_begun_goes_on_and_ends_at_a_source_of_ours() {
    let (collector, ours) = (Collector::start(), Upstream::quoting("100"));
    let name = ("OTEL_SERVICE_NAME", "prices");
    let (_program, address) = serve(&collector, &ours.source("ours", "propagate = true\n"), &[name]);
    ask(address, "first", &format!("traceparent: 00-{TRACE}-{SPAN}-01\r\n"));
    let spans = collector.trace_of("first", 3);
    let request = named(&spans, "GET /prices");
    assert_eq!((request[0].trace.as_str(), request[0].parent.as_str()), (TRACE, SPAN));
    let attempt = named(&spans, "attempt");
    let told = format!("traceparent: 00-{TRACE}-{}-01", attempt[0].id);
    let head = ours.heads()[0].clone();
    assert!(head.lines().any(|line| line.eq_ignore_ascii_case(&told)), "{told} is not in {head}");
    assert_eq!(collector.resource().get("service.name").map(String::as_str), Some("prices"));
}

#[test]
fn what_its_client_does_not_record_is_not_exported_and_the_sampler_decides_on_the_others() {
    let (collector, ours) = (Collector::start(), Upstream::quoting("100"));
    let source = ours.source("ours", "propagate = true\n");
    let (program, address) = serve(&collector, &source, &[]);
    ask(address, "unrecorded", &format!("traceparent: 00-{TRACE}-{SPAN}-00\r\n"));
    assert!(ours.heads()[0].contains(&format!("00-{TRACE}-")), "it is passed on: {}", ours.heads()[0]);
    ask(address, "recorded", "");
    assert_eq!(collector.trace_of("recorded", 3).len(), 3);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
    let unrecorded = collector.spans().into_iter().filter(|span| span.trace == TRACE).count();
    assert_eq!(unrecorded, 0);

    let collector = Collector::start();
    let (program, address) = serve(&collector, &source, &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]);
    ask(address, "root", "");
    ask(address, "recorded", &format!("traceparent: 00-{TRACE}-{SPAN}-01\r\n"));
    assert_eq!(collector.trace_of("recorded", 3).len(), 3);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
    assert!(collector.spans().iter().all(|span| span.trace == TRACE), "{:#?}", collector.spans());
}

#[test]
fn what_waits_to_be_sent_is_sent_at_the_end() {
    let (collector, vendor) = (Collector::start(), Upstream::quoting("100"));
    let delay = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let (program, address) = serve(&collector, &vendor.source("one", ""), &delay);
    ask(address, "last", "");
    assert_eq!(collector.spans(), []);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
    assert_eq!(collector.trace_of("last", 3).len(), 3);
}

#[test]
fn a_collector_that_is_down_is_said_once_and_delays_nothing() {
    let (collector, vendor) = (Collector::start(), Upstream::quoting("100"));
    let (program, address) = serve(&collector, &vendor.source("one", ""), &[]);
    // a status after which a batch is not sent again
    collector.reply(400);
    for number in 0..5 {
        let request_id = format!("lost-{number}");
        assert_eq!(ask(address, &request_id, "").status, 200);
        // it ends last of the spans of its trace
        until("its span was refused", || collector.has_refused(&request_id));
    }
    let lines = |words: &str| program.said_on_stderr().lines().filter(|line| line.contains(words)).count();
    until("it is said", || lines("spans cannot be exported") == 1);
    collector.reply(200);
    ask(address, "found", "");
    collector.trace_of("found", 3);
    until("its end is said", || lines("spans can be exported again") == 1);
    assert_eq!(lines("spans cannot be exported"), 1);
    assert_eq!(
        collector.spans().iter().filter(|span| attribute(span, "quotefold.request_id").contains("lost")).count(),
        0
    );
    program.signal("TERM");
    let ended = program.ended();
    assert!(ended.code == Some(0) && ended.stderr.contains("spans were lost"), "{}", ended.stderr);
}

#[test]
fn one_that_never_replies_does_not_keep_the_process_from_ending() {
    let (silent, vendor) = (Upstream::silent(), Upstream::quoting("100"));
    let endpoint = silent.base();
    let configuration = Configuration::new(&format!("[server]\ndrain_delay = \"0s\"\n{}", vendor.source("one", "")));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let (mut program, address) = Program::serve(&configuration, &variables);
    assert_eq!(ask(address, "lost", "").status, 200);
    until("it is asked", || silent.calls() > 0);
    let asked = Instant::now();
    program.signal("TERM");
    // far less than the ten seconds that a batch has
    let (code, _) = program.exited_within(Duration::from_secs(9)).expect("it ends");
    assert_eq!(code, 0, "after {:?}", asked.elapsed());
}

#[test]
fn variables_that_cannot_be_used_keep_it_from_starting() {
    for (name, value) in [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_SAMPLER", "sometimes")] {
        let configuration = Configuration::new(&Upstream::quoting("100").source("one", ""));
        let arguments = ["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"];
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), (name, value)];
        let ended = Program::new(&mut start(&arguments, &variables)).ended();
        assert!(ended.code == Some(78) && ended.stderr.contains(name), "{ended:?}");
    }
    assert_eq!(run(&["--version"]).code, Some(0));
}
