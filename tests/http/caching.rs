//! What clients, and caches between them and the service, may keep.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::service::Service;
use crate::support::{Reply, Upstream, get_bytes, rows};

const LASTING: &str = "[freshness]\nrefresh_after = \"1h\"\nusable_for = \"2h\"\nfallback_for = \"3h\"\n";

/// A service over two vendors that quote everything but `NONE-USD`.
fn service(server: &str, access: &str) -> (Service, [Upstream; 2]) {
    let vendor = || {
        Upstream::new(|call| {
            let asked = call.asked();
            let had = asked.iter().filter(|symbol| *symbol != "NONE-USD");
            call.json(&rows(&had.map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>()))
        })
    };
    let vendors = [vendor(), vendor()];
    let sources = [vendors[0].source("alpha", "batch = 100"), vendors[1].source("beta", "batch = 100")];
    let server = format!("[server]\ntimeout = \"8s\"\n{server}\n{access}{LASTING}");
    (Service::with(&server, &sources), vendors)
}

fn cacheable() -> (Service, [Upstream; 2]) {
    service("cacheable = true", "")
}

/// The third reply to a request: the first one needs calls, and the second one is made from what they brought.
fn third(service: &Service, target: &str, headers: &str) -> (Reply, Vec<u8>) {
    (0..2).for_each(|_| drop(get_bytes(service.address, target, headers)));
    get_bytes(service.address, target, headers)
}

fn max_age(reply: &Reply) -> Option<u64> {
    reply.header("cache-control")?.rsplit_once("max-age=")?.1.parse().ok()
}

#[test]
fn an_answer_that_needs_no_call_may_be_kept_until_one_is_due() {
    let (service, _vendors) = cacheable();
    let target = "/prices?symbols=BTC-USD";
    let (first, _) = get_bytes(service.address, target, "");
    assert_eq!(first.header("cache-control"), Some("no-store"), "it needed calls");
    let (kept, _) = third(&service, target, "");
    // one is due in an hour, but no answer is the same for longer than a minute
    assert!(max_age(&kept).is_some_and(|seconds| (1..60).contains(&seconds)), "{kept:?}");
    let (sooner, _) = get_bytes(service.address, &format!("{target}&refresh_after=20s"), "");
    assert!(max_age(&sooner).is_none_or(|seconds| seconds < 20), "{sooner:?}");
    assert!(kept.header("etag").is_some_and(|tag| tag.starts_with("W/\"") && tag.ends_with('"')));
    assert_eq!(kept.header("vary"), Some("Accept, Accept-Encoding, Origin"));
}

#[test]
fn a_client_that_has_the_answer_gets_no_body() {
    let (service, vendors) = cacheable();
    for target in ["/prices?symbols=BTC-USD", "/prices/BTC-USD", "/prices?symbols=BTC-USD&quotes=false"] {
        let (kept, body) = third(&service, target, "");
        assert_eq!((kept.status, body.is_empty()), (200, false));
        let tag = kept.header("etag").unwrap();
        let (same, body) = get_bytes(service.address, target, &format!("If-None-Match: \"x\", {tag}\r\n"));
        assert_eq!((same.status, body.len()), (304, 0), "{target}: {same:?}");
        for name in ["etag", "vary", "prices-status"] {
            assert_eq!(same.header(name), kept.header(name), "{name}");
        }
        assert!(max_age(&same).is_some() && same.header("content-length").is_none_or(|length| length == "0"));
        let (other, _) = get_bytes(service.address, target, "If-None-Match: W/\"x\"\r\n");
        assert_eq!(other.status, 200);
    }
    assert_eq!(vendors[0].calls(), 1);
    let counted = service.get("/metrics").body;
    let used = counted.lines().find(|line| line.contains("quotes_total{source=\"alpha\",verdict=\"used\"")).unwrap();
    assert!(used.ends_with(" 15"), "a 304 counts like an answer: {used}");
    assert!(counted.contains("code=\"304\"} 2"), "{counted}");
}

#[test]
fn what_may_change_at_any_moment_is_not_kept() {
    let (service, _vendors) = cacheable();
    let targets = ["/prices?symbols=BTC-USD&refresh_after=0s", "/prices?symbols=BTC-USD&max_age=1h"];
    let others =
        ["/prices?symbols=NONE-USD", "/prices?symbols=BTC-USD,NONE-USD", "/sources", "/symbols?q=BTC", "/none"];
    for target in targets.into_iter().chain(others) {
        let (reply, _) = third(&service, target, "");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{target}");
        assert!(reply.status == 200 || reply.header("etag").is_none(), "{target}");
    }
}

#[test]
fn with_keys_only_the_client_itself_may_keep_an_answer() {
    let (service, _vendors) = service("cacheable = true", "[access]\nkeys = [\"correct-horse-battery\"]\n");
    let key = "Authorization: Bearer correct-horse-battery\r\n";
    let (kept, _) = third(&service, "/prices?symbols=BTC-USD", key);
    assert!(kept.header("cache-control").is_some_and(|value| value.starts_with("private, max-age=")), "{kept:?}");
    let (refused, _) = third(&service, "/prices?symbols=BTC-USD", "");
    assert_eq!((refused.status, refused.header("cache-control")), (401, Some("no-store")));
}

#[test]
fn a_large_answer_is_packed_for_a_client_that_accepts_it() {
    let (service, _vendors) = cacheable();
    let many: Vec<String> = (0..30).map(|number| format!("C{number}-USD")).collect();
    let large = format!("/prices?symbols={}", many.join(","));
    let (_, plain) = third(&service, &large, "");
    let (reply, packed) = get_bytes(service.address, &large, "Accept-Encoding: br, gzip\r\n");
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.header("content-length"), Some(packed.len().to_string().as_str()));
    assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
    let mut unpacked = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
    let prices =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["prices"].as_array().map(Vec::len);
    assert_eq!(prices(&unpacked), Some(30));
    for (target, headers) in
        [(&*large, "Accept-Encoding: gzip;q=0\r\n"), ("/prices/C1-USD", "Accept-Encoding: gzip\r\n")]
    {
        let (reply, body) = third(&service, target, headers);
        assert_eq!(reply.header("content-encoding"), None);
        assert!(String::from_utf8(body).unwrap().starts_with('{'));
    }
}

#[test]
fn unless_it_is_set_nothing_is_kept_recognised_or_packed() {
    let (service, _vendors) = service("", "");
    let (reply, _) = third(&service, "/prices?symbols=BTC-USD", "Accept-Encoding: gzip\r\nIf-None-Match: *\r\n");
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    for name in ["etag", "content-encoding"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!(reply.header("vary"), Some("Accept"), "the format depends on it");
}
