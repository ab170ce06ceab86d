//! Replies that are late, cut off, too long, or not replies at all.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Market;
use crate::support::{After, Upstream, rows, until};

/// A body that would give a wrong price if it were used.
const TEMPTING: &str = r#"[{"s":"BTC-USD","p":"1"}]"#;

/// Less than the client's 8 s: only the attempt's own 400 ms can have ended the call.
const LONG_BEFORE_THE_CLIENT_GIVES_UP: Duration = Duration::from_secs(4);

#[test]
fn a_silent_vendor_times_out_and_the_others_make_the_price() {
    let market = Market::of_hanging(Upstream::silent());
    let started = Instant::now();
    market.assert_failed("timeout", "no reply within 400 ms");
    println!("answered after {:?}", started.elapsed());
    assert!(started.elapsed() < LONG_BEFORE_THE_CLIENT_GIVES_UP, "{:?}", started.elapsed());
    market.faulty.until_left();
}

#[test]
fn a_dripping_body_times_out_and_its_connection_is_not_reused() {
    let market = Market::of_hanging(Upstream::new(|call| {
        let length = TEMPTING.len();
        call.raw(&format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"));
        for byte in TEMPTING.as_bytes() {
            sleep(Duration::from_millis(100));
            call.raw(&char::from(*byte).to_string());
        }
        After::Keep
    }));
    market.assert_failed("timeout", "no reply within 400 ms");
    // after about a second it is tried again
    until("the second call", || {
        market.assert_failed("timeout", "");
        market.faulty.calls() == 2
    });
    assert_eq!(market.faulty.connections(), 2);
}

#[test]
fn a_body_that_stalls_is_never_read() {
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let market = Market::of_hanging(Upstream::new(move |call| {
            // a whole JSON value, but not the whole body
            let chunk =
                if head.starts_with("Transfer") { format!("19\r\n{TEMPTING}\r\n") } else { TEMPTING.to_owned() };
            call.raw(&format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n{chunk}"));
            call.hang()
        }));
        market.assert_failed("timeout", "no reply within 400 ms");
        market.faulty.until_left();
    }
}

#[test]
fn truncated_json_is_malformed_and_not_retried() {
    for body in [r#"[{"s":"BTC-USD","p":"1"}"#, r#"[{"s":"BTC-USD","p":"1"},{"s":"#, "", "null null"] {
        let market = Market::of(Upstream::saying(200, body));
        market.assert_failed("malformed", "");
        assert_eq!(market.faulty.calls(), 1, "{body}");
    }
}

#[test]
fn a_reply_that_is_too_long_is_cut_at_the_limit_and_not_asked_for_again() {
    let announced = Upstream::new(|call| {
        call.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n");
        call.pour(&[b' '; 65_536], 100_000_000)
    });
    let open_ended = Upstream::new(|call| {
        call.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
        call.pour(&[b' '; 65_536], 100_000_000)
    });
    let chunked = Upstream::new(|call| {
        call.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        call.pour(format!("10000\r\n{}\r\n", " ".repeat(65_536)).as_bytes(), 100_000_000)
    });
    for vendor in [announced, open_ended, chunked] {
        let market = Market::of(vendor);
        market.assert_failed("too_large", "max_body = 262144 bytes");
        market.faulty.until_left();
        assert_eq!(market.faulty.calls(), 1);
        // bytes beyond the limit are in the kernel's buffers
        let taken = market.faulty.poured();
        assert!(taken < 30_000_000, "{taken} bytes were taken");
    }
}

#[test]
fn max_body_is_the_longest_reply_that_is_read() {
    let body = rows(&[("BTC-USD", "100")]);
    for (length, verdict) in [(100, "used"), (101, "failed / too_large")] {
        let market = Market::with(Upstream::saying(200, format!("{body:<length$}")), "max_body = \"100\"");
        let reply = market.service.prices("BTC-USD");
        assert_eq!(reply.verdict("BTC-USD", "a"), verdict, "{length}");
    }
}

#[test]
fn a_small_body_that_unpacks_to_megabytes_is_cut_at_the_limit() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 50_000_000]).unwrap();
    let bomb = encoder.finish().unwrap();
    for header in ["Content-Encoding: gzip\r\n", "Content-Encoding: deflate, gzip\r\n", ""] {
        let bomb = bomb.clone();
        let market = Market::of(Upstream::new(move |call| {
            let length = bomb.len();
            call.raw(&format!("HTTP/1.1 200 OK\r\n{header}Content-Length: {length}\r\n\r\n"));
            call.bytes(&bomb);
            After::Keep
        }));
        market.assert_failed("too_large", "max_body = 262144 bytes");
        assert_eq!(market.faulty.calls(), 1, "{header}");
    }
}

#[test]
fn a_web_page_is_never_data_whatever_it_contains_or_is_called() {
    let page = format!("\r\n<!-- cached -->\n<!DOCTYPE HTML><html><script>{TEMPTING}</script></html>");
    for kind in ["text/html", "application/json", "text/csv; charset=utf-8"] {
        let (headers, page) = (format!("Content-Type: {kind}\r\n"), page.clone());
        let market = Market::of(Upstream::new(move |call| call.reply(200, &headers, &page)));
        market.assert_failed("malformed", "web page");
        assert_eq!(market.faulty.calls(), 1, "{kind}");
    }
}

#[test]
fn a_429_is_not_asked_again_before_the_time_it_names() {
    let market = Market::of(Upstream::new(|call| call.reply(429, "Retry-After: 1\r\n", "slow down")));
    market.assert_failed("rate_limited", "slow down");
    let called = market.faulty.calls();
    assert_eq!(called, 1, "it was sent again");
    market.assert_failed("rate_limited", "slow down");
    assert_eq!(market.faulty.calls(), called, "a call was made in spite of the cooldown");
    until("it is asked again", || {
        market.assert_failed("rate_limited", "slow down");
        market.faulty.calls() > called
    });
}

#[test]
fn deeply_nested_bodies_are_malformed_and_the_service_survives() {
    let nested = [("[".repeat(100_000), "nested deeper"), ("{\"a\":".repeat(40_000), "nested deeper")];
    let others = [
        (format!("[{{\"s\":\"BTC-USD\",\"p\":{}}}]", "9".repeat(100_000)), "digits"),
        ("\u{0}".repeat(1000), ""),
        ("<".repeat(100_000), ""),
    ];
    for (body, words) in nested.into_iter().chain(others) {
        let market = Market::of(Upstream::saying(200, body));
        market.assert_failed("malformed", words);
        assert_eq!(market.service.get("/health/live").status, 200);
    }
}

#[test]
fn a_filter_that_repeats_its_error_for_ever_ends_as_one_failure() {
    for jq in
        ["\"abc\" | tonumber", ".[] | {price: (.s | tonumber)}", ".[].p | error", "[limit(1000000; .[])] | .[0].s.x"]
    {
        let market = Market::with(Upstream::quoting("1"), &format!("jq = '{jq}'"));
        market.assert_failed("malformed", "");
        assert_eq!(market.service.get("/health/live").status, 200);
    }
}

#[test]
fn a_filter_with_nested_loops_delays_no_other_request() {
    let body = format!("[{}0]", "0,".repeat(30_000));
    let market =
        Market::with(Upstream::saying(200, body), "timeout = \"400ms\"\njq = '.[] as $a | .[] as $b | sort | empty'");
    // it runs on for longer, but not on the timer's thread
    market.assert_failed("timeout", "no reply within 400 ms");
    assert_eq!(market.service.get("/health/live").status, 200);
}

#[test]
fn each_refusing_status_gets_its_own_reason() {
    let table = [
        (301, "http_status"),
        (400, "http_status"),
        (401, "unauthorized"),
        (402, "quota_exhausted"),
        (403, "blocked"),
        (404, "http_status"),
        (418, "rate_limited"),
        (451, "blocked"),
        (500, "unavailable"),
        (599, "unavailable"),
    ];
    for (status, reason) in table {
        // a price in the body of an error is not a price
        let market = Market::of(Upstream::saying(status, TEMPTING));
        market.assert_failed(reason, "");
    }
}

#[test]
fn one_sources_fault_is_its_own_in_the_overview() {
    let market = Market::of(Upstream::saying(500, "out of order"));
    market.ask();
    let overview = market.service.get("/sources").json();
    let of = |name: &str| overview["sources"].as_array().into_iter().flatten().find(|source| source["name"] == name);
    let (a, b) = (of("a").expect("it is on"), of("b").expect("it is on"));
    assert_eq!((&a["failed"]["unavailable"], &a["used"]), (&1.into(), &0.into()), "{a:#}");
    assert!(a["last_error"]["detail"].as_str().is_some_and(|detail| detail.contains("out of order")), "{a:#}");
    assert_eq!((&b["failed"], &b["used"]), (&serde_json::json!({}), &1.into()), "{b:#}");
}
