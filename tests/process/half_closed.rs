//! Clients that close their side of the connection right after their request, as `nc -N` and some TCP proxies do.

use std::net::{Shutdown, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use quotefold::gather::Waiting;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::support::{Configuration, PATIENCE, Program, Reply, Service, Upstream, get, read, rows, until, write};

/// Two sources of one vendor.
fn configuration(vendor: &Upstream, more: &str) -> Configuration {
    Configuration::new(&format!("{more}{}{}", vendor.source("a", ""), vendor.source("b", "")))
}

/// Sends everything, closes its side, and reads.
fn say_and_close(address: SocketAddr, words: &str) -> Reply {
    let stream = write(address, words);
    stream.shutdown(Shutdown::Write).unwrap();
    read(stream)
}

fn get_and_close(address: SocketAddr, target: &str) -> Reply {
    say_and_close(address, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// Asks until every symbol has its price: on a busy machine not all of them come in time for the first answer.
fn until_cached(ask: impl Fn() -> Reply) {
    until("every symbol has a price", || {
        let answer = ask().json();
        answer["prices"].as_array().unwrap().iter().all(|entry| entry["status"] == "ok")
    });
}

#[test]
fn an_answer_without_a_wait_reaches_a_half_closed_client() {
    let vendor = Upstream::quoting("100");
    let settings = "[access]\nadmin_listen = \"127.0.0.1:0\"\n";
    let (program, address) = Program::serve(&configuration(&vendor, settings), &[]);
    let said = program.said_on_stdout();
    let admin: SocketAddr = said.rsplit_once("http://").unwrap().1.trim().parse().unwrap();
    let symbols: Vec<String> = (0..100).map(|number| format!("X{number}-USD")).collect();
    let board = format!("/prices?symbols=BTC-USD,{}&refresh_after=1h", symbols[..99].join(","));
    until_cached(|| get(address, &board));
    // many times, so that chance does not decide
    for _ in 0..20 {
        for (target, status) in [
            ("/health/live", 200),
            ("/health", 200),
            ("/health/ready", 200),
            ("/nowhere", 404),
            ("/prices", 400),
            ("/prices?symbols=BTC-USD&timeout=soon", 400),
            ("/prices?symbols=BTC-USD&refresh_after=1h", 200),
            ("/prices/BTC-USD?refresh_after=1h", 200),
            (board.as_str(), 200),
        ] {
            assert_eq!(get_and_close(address, target).status, status, "{target}");
        }
        for target in ["/health", "/metrics", "/sources"] {
            assert_eq!(get_and_close(admin, target).status, 200, "{target}");
        }
        let form = "symbols=BTC-USD&refresh_after=1h";
        let length = form.len();
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let head = format!("POST /prices HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(say_and_close(address, &format!("{head}{form}")).status, 200);
        // the rest of this form never comes
        assert_eq!(say_and_close(address, &format!("{head}{}", &form[1..])).status, 400);
        let two = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
        let both = say_and_close(address, &two);
        assert_eq!(both.body.matches("HTTP/1.1 200").count(), 1, "the second follows the first: {both:?}");
    }
}

#[test]
fn a_large_cached_answer_reaches_a_half_closed_client() {
    let vendor = Upstream::quoting("100");
    let (_program, address) = Program::serve(&configuration(&vendor, "[server]\nmax_symbols = 1000\n"), &[]);
    // a POST, because the symbols do not fit into a URL
    let symbols: Vec<String> = (0..1000).map(|number| format!("X{number}-USD")).collect();
    let form = format!("symbols={}&refresh_after=1h&timeout=10s", symbols.join(","));
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close";
    let head = format!("POST /prices HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {}\r\n\r\n", form.len());
    until_cached(|| read(write(address, &format!("{head}{form}"))));
    let reply = say_and_close(address, &format!("{head}{form}"));
    assert_eq!(reply.json()["prices"].as_array().unwrap().len(), 1000);
}

#[test]
fn a_client_that_closes_its_side_while_a_source_is_waited_for_has_left() {
    let vendor = Upstream::silent();
    let settings = "[server]\ntimeout = \"10s\"\n[log]\nrequests = \"all\"\n";
    let sources = ["a", "b"].map(|name| vendor.source(name, "timeout = \"10s\"")).concat();
    let (program, address) = Program::serve(&Configuration::new(&format!("{settings}{sources}")), &[]);
    let stream = write(address, "GET /prices?symbols=BTC-USD HTTP/1.1\r\nHost: x\r\n\r\n");
    vendor.until_called(2);
    assert_eq!(vendor.open(), 2);
    stream.shutdown(Shutdown::Write).unwrap();
    vendor.until_left();
    until("it is in the log", || program.said_on_stderr().contains("the client left before its reply"));
}

#[test]
fn a_request_reports_a_wait_for_a_source_and_only_that() {
    let vendor = Upstream::silent();
    let service = Service::over(&[vendor.source("a", "timeout = \"8s\"")]);
    let asking = |target: &str| {
        let waiting = Waiting::default();
        let request = Request::get(target).header("host", "x").body(Body::empty()).unwrap();
        let (app, scope) = (service.app.clone(), waiting.clone());
        (waiting, service.runtime.spawn(async move { scope.scope(app.oneshot(request)).await }))
    };
    let (waiting, answering) = asking("/prices?symbols=BTC-USD");
    let told = async { timeout(PATIENCE, waiting.begun()).await };
    service.runtime.block_on(told).expect("it waits, but does not report it");
    answering.abort();
    for target in ["/prices", "/health", "/metrics", "/prices?symbols=BTC-USD&sources=b"] {
        let (waiting, answering) = asking(target);
        service.runtime.block_on(answering).unwrap().unwrap();
        let told = async { timeout(Duration::ZERO, waiting.begun()).await };
        assert!(service.runtime.block_on(told).is_err(), "{target} waits for no source");
    }
}

#[test]
fn a_client_that_leaves_is_noticed_behind_an_unread_request() {
    let vendor = Upstream::silent();
    // longer than this test waits: only a client that is noticed ends the calls in time
    let sources = ["a", "b"].map(|name| vendor.source(name, "timeout = \"60s\"")).concat();
    let settings = "[server]\ntimeout = \"60s\"\nmax_timeout = \"60s\"\n";
    assert!(PATIENCE < Duration::from_secs(60));
    let (_program, address) = Program::serve(&Configuration::new(&format!("{settings}{sources}")), &[]);
    let request = "GET /prices?symbols=BTC-USD HTTP/1.1\r\nHost: x\r\n\r\n";
    let stream = write(address, &request.repeat(2));
    vendor.until_called(2);
    drop(stream);
    vendor.until_left();
}

#[test]
fn a_client_that_stays_gets_an_answer_after_a_wait() {
    let vendor = Upstream::new(|call| {
        sleep(Duration::from_millis(1500));
        call.json(&rows(&[("BTC-USD", "100")]))
    });
    let (_program, address) = Program::serve(&configuration(&vendor, "[server]\ntimeout = \"10s\"\n"), &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status("BTC-USD"), "ok");
}
