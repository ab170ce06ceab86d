//! Long lists of symbols: they come as a form if they do not fit into a URL, and all limits agree on the length.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::{Configuration, Program, Reply, Service, Upstream, get, left, read, rows, run, until, write};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn post(server: SocketAddr, target: &str, headers: &str, body: &str) -> Reply {
    read(write(server, &request("POST", target, headers, body)))
}

fn vendor() -> Upstream {
    Upstream::new(|call| {
        let asked = call.asked();
        call.json(&rows(&asked.iter().map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>()))
    })
}

/// A service that allows this many symbols in one request.
fn service(vendor: &Upstream, max_symbols: usize, more: &str) -> Service {
    let settings = format!("[server]\ntimeout = \"8s\"\nmax_symbols = {max_symbols}\n{more}");
    Service::with(&settings, &[vendor.source("a", "batch = 50"), vendor.source("b", "batch = 50")])
}

/// This many symbols of maximum length, with every character percent-encoded.
fn longest_symbols(count: usize) -> String {
    let symbol = |number: usize| format!("{:A>28}-USD", format!("N{}", letters(number)));
    let escaped = |text: String| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    (0..count).map(|number| escaped(symbol(number))).collect::<Vec<_>>().join("%2C")
}

fn letters(number: usize) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'A')).collect()
}

#[test]
fn a_form_is_answered_as_the_same_query_is() {
    let vendor = vendor();
    let service = service(&vendor, 100, "");
    for parameters in [
        "symbols=BTC-USD,ETH-USD",
        "symbols=btc-usd%2CETH%2FUSD&require=all&quotes=false",
        "symbols=BTC-USD&sources=a&timeout=5s&refresh_after=1h",
        "symbols=NOBODY",
        "",
        "symbols=",
        "symbols=A&symbols=B",
        "symbols=A&timout=1s",
        "symbols=A&timeout=1",
        "symbols=%FF",
        "%FF=1",
    ] {
        let asked = get(service.address, &format!("/prices?{parameters}"));
        let posted = post(service.address, "/prices", FORM, parameters);
        assert_eq!((posted.status, posted.header("prices-status")), (asked.status, asked.header("prices-status")));
        let (asked, posted) = (asked.json(), posted.json());
        for field in ["type", "status", "renamed"] {
            assert_eq!(posted[field], asked[field], "{parameters}: {posted:#}");
        }
        assert_eq!(posted["prices"].as_array().map(Vec::len), asked["prices"].as_array().map(Vec::len));
    }
}

#[test]
fn as_many_symbols_as_are_allowed_fit_in_a_form_however_they_are_written() {
    let vendor = vendor();
    let service = service(&vendor, 600, "");
    let form = format!("timeout=8s&quotes=false&symbols={}", longest_symbols(600));
    let reply = post(service.address, "/prices", FORM, &form);
    assert_eq!(reply.header("prices-status"), Some("complete"), "{}", &reply.body[..reply.body.len().min(500)]);
    assert_eq!(reply.json()["prices"].as_array().unwrap().len(), 600);
    // the same list in a URL, and a list with one more symbol, are refused with the cure
    let names: Vec<String> = (0..601).map(|number| format!("N{}-USD", letters(number))).collect();
    let reply = get(service.address, &format!("/prices?symbols={}", names[..600].join(",")));
    assert!(reply.status == 400 && reply.json()["detail"].as_str().unwrap().contains("POST /prices"), "{reply:?}");
    let reply = post(service.address, "/prices", FORM, &format!("symbols={}", names.join(",")));
    assert!(reply.status == 400 && reply.json()["detail"].as_str().unwrap().contains("more than 600"), "{reply:?}");
}

#[test]
fn a_form_over_its_limit_is_a_413_with_or_without_a_length() {
    let vendor = vendor();
    let service = service(&vendor, 10, "");
    let longest = 4096 + 10 * 100;
    let form = |length: usize| format!("symbols=BTC-USD{}", "&".repeat(length - "symbols=BTC-USD".len()));
    assert_eq!(post(service.address, "/prices", FORM, &form(longest)).status, 200);
    let announced = post(service.address, "/prices", FORM, &form(longest + 1));
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", longest + 1, form(longest + 1));
    let head =
        format!("POST /prices HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n");
    let chunked = read(write(service.address, &format!("{head}{chunk}")));
    for reply in [announced, chunked] {
        assert_eq!((reply.status, &reply.json()["type"]), (413, &"/problems/body-too-large".into()), "{reply:?}");
        assert!(reply.json()["detail"].as_str().unwrap().contains(&longest.to_string()), "{reply:?}");
    }
    for (method, target) in [("GET", "/prices?symbols=BTC-USD"), ("POST", "/prices/BTC-USD"), ("POST", "/sources")] {
        let reply = read(write(service.address, &request(method, target, FORM, &"x".repeat(1025))));
        assert_eq!(reply.status, 413, "{method} {target}: {reply:?}");
    }
}

#[test]
fn a_body_that_is_not_a_form_is_a_415_and_a_form_with_a_query_a_400() {
    let vendor = vendor();
    let service = service(&vendor, 100, "");
    let body = "symbols=BTC-USD";
    for headers in [
        "",
        "Content-Type: application/json\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/x-www-form-urlencoded-not\r\n",
        &format!("{FORM}{FORM}"),
        &format!("{FORM}Content-Encoding: gzip\r\n"),
    ] {
        let reply = post(service.address, "/prices", headers, body);
        assert_eq!(
            (reply.status, &reply.json()["type"]),
            (415, &"/problems/unsupported-media-type".into()),
            "{headers}"
        );
        assert!(reply.json()["detail"].as_str().unwrap().contains("application/x-www-form-urlencoded"), "{reply:?}");
    }
    for kind in ["APPLICATION/X-WWW-Form-URLencoded", "application/x-www-form-urlencoded ; charset=UTF-8"] {
        let reply = post(service.address, "/prices", &format!("Content-Type: {kind}\r\n"), body);
        assert_eq!(reply.status, 200, "{kind}: {reply:?}");
    }
    for target in ["/prices?symbols=ETH-USD", "/prices?currency=EUR", "/prices?x"] {
        let reply = post(service.address, target, FORM, body);
        assert_eq!((reply.status, &reply.json()["field"]), (400, &"query".into()), "{target}: {reply:?}");
    }
    assert_eq!(post(service.address, "/prices?", FORM, body).status, 200, "an empty query is allowed");
    assert_eq!(vendor.calls(), 2, "no refused request cost a call");
}

#[test]
fn other_methods_are_told_the_three_that_the_path_takes() {
    let vendor = vendor();
    let service = service(&vendor, 100, "");
    for (target, allow) in [("/prices", "GET,HEAD,POST"), ("/prices/BTC-USD", "GET,HEAD")] {
        let reply = read(write(service.address, &request("DELETE", target, "", "")));
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{target}: {reply:?}");
    }
    let reply = post(service.address, "/prices/BTC-USD", FORM, "currency=EUR");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET,HEAD")), "{reply:?}");
}

const KEY: &str = "Authorization: Bearer correct-horse-battery\r\n";

#[test]
fn a_form_is_admitted_and_counted_like_a_query() {
    let vendor = vendor();
    let access = "[access]\nkeys = [\"correct-horse-battery\"]\nrate = \"2/h\"\n";
    let service = service(&vendor, 100, access);
    for headers in [FORM, &format!("{FORM}Authorization: Bearer wrong-key-of-a-stranger\r\n")] {
        assert_eq!(post(service.address, "/prices", headers, "symbols=BTC-USD").status, 401);
    }
    assert_eq!(vendor.calls(), 0);
    for status in [200, 200, 429] {
        let reply = post(service.address, "/prices", &format!("{FORM}{KEY}"), "symbols=BTC-USD");
        assert_eq!((reply.status, reply.header("retry-after").is_some()), (status, status == 429), "{reply:?}");
    }
}

#[test]
fn a_form_that_does_not_arrive_holds_a_slot_as_long_as_a_head_may() {
    let vendor = vendor();
    let service = service(&vendor, 100, "max_requests = 1\n");
    let begun = Instant::now();
    let head = format!("POST /prices HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n");
    let mut unsent = write(service.address, &head);
    // the server says `100 Continue` once it reads the form: then the slot is taken
    let mut expected = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    unsent.read_exact(&mut expected).unwrap();
    assert_eq!(post(service.address, "/prices", FORM, "symbols=BTC-USD").status, 503, "others are shed");
    unsent.write_all(b"symbols=").unwrap();
    let reply = read(unsent);
    assert_eq!((reply.status, reply.header("connection")), (408, Some("close")), "{reply:?}");
    assert_eq!(reply.json()["type"], "/problems/slow-body");
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(post(service.address, "/prices", FORM, "symbols=BTC-USD").status, 200);
}

#[test]
fn a_form_costs_the_same_as_a_query_and_changes_nothing() {
    let vendor = vendor();
    let sources = vendor.source("a", "limits = [\"25/day\"]");
    let (_program, address) = Program::serve(&Configuration::new(&sources), &[]);
    for _ in 0..3 {
        assert_eq!(post(address, "/prices", FORM, "symbols=BTC-USD&refresh_after=1h").status, 200);
        assert_eq!(get(address, "/prices?symbols=BTC-USD&refresh_after=1h").status, 200);
        assert_eq!(left(address), 24);
    }
}

#[test]
fn get_sends_a_long_list_as_a_form_and_a_short_one_as_a_query() {
    let vendor = vendor();
    let sources = format!("{}{}", vendor.source("a", "batch = 50"), vendor.source("b", "batch = 50"));
    let settings = "[server]\nmax_symbols = 700\ntimeout = \"8s\"\n[log]\nrequests = \"all\"\n";
    let (program, address) = Program::serve(&Configuration::new(&format!("{settings}{sources}")), &[]);
    let url = format!("http://{address}");
    let names: Vec<String> = (0..700).map(|number| format!("NX{}-USD", letters(number))).collect();
    let get = |symbols: &[String]| {
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        run(&[&["get", "--url", &url][..], &symbols].concat())
    };
    for (count, method) in [(3, "GET"), (700, "POST")] {
        let ended = get(&names[..count]);
        assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), count + 1), "{}", ended.stderr);
        let line = format!("\"method\":\"{method}\"");
        until("it is in the log", || program.said_on_stderr().contains(&line));
    }
    // asked directly, a list may be as long as the settings allow
    let nobody = crate::support::NOBODY;
    let own =
        Configuration::new(&format!("[server]\nlisten = \"{nobody}\"\nmax_symbols = 700\ntimeout = \"8s\"\n{sources}"));
    let symbols: Vec<&str> = names.iter().map(String::as_str).collect();
    let ended = run(&[&["get", "--config", own.path()][..], &symbols].concat());
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 701), "{}", ended.stderr);
}

#[test]
fn more_symbols_than_a_form_may_hold_are_a_wrong_configuration() {
    for (count, code) in [("5000", 0), ("5001", 78)] {
        let configuration = Configuration::new(&format!("[server]\nmax_symbols = {count}\n"));
        let ended = run(&["config", "--config", configuration.path()]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!(code != 0, ended.stderr.contains("server.max_symbols: 5001 is out of range; write 1 to 5000"));
    }
}
