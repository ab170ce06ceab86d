//! Vendors that answer twice, early or late: no response is taken for the answer to another call.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{After, Call, Service, Upstream, until};

/// A source whose replies name no symbol, with one call per symbol.
const UNNAMED: &str = "batch = 1\njq = '{price: .p, at_ms: .t}'";

/// A response with a price and perhaps a time. Every symbol has its own price: `S7-USD` costs 7.
fn response(call: &Call<'_>, time: Option<i64>) -> String {
    let asked = call.asked().remove(0);
    let price = asked.trim_start_matches('S').trim_end_matches("-USD").to_owned();
    let time = time.map(|time| format!(",\"t\":{time}")).unwrap_or_default();
    let body = format!("{{\"p\":\"{price}\"{time}}}");
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn now() -> Option<i64> {
    Some(jiff::Timestamp::now().as_millisecond())
}

/// The price of a symbol according to the service: fetched again, or cached.
fn price(service: &Service, symbol: &str, refresh_after: &str) -> Option<String> {
    let reply = service.get(&format!("/prices?symbols={symbol}&refresh_after={refresh_after}"));
    reply.quote(symbol, "a")["price"].as_str().map(str::to_owned)
}

fn service(upstream: &Upstream, more: &str) -> Service {
    let settings = "[server]\ntimeout = \"8s\"\n[fold]\nbelow_quorum = \"degrade\"\n";
    Service::with(settings, &[upstream.source("a", &format!("{UNNAMED}\n{more}"))])
}

#[test]
fn a_response_on_an_idle_connection_ends_the_connection() {
    for late in [0, 20] {
        let upstream = Upstream::new(move |call| {
            let text = response(call, now());
            call.raw(&text);
            let mut again = call.socket();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(late));
                let _ = again.write_all(text.as_bytes());
            });
            After::Keep
        });
        let service = service(&upstream, "");
        for (number, symbol) in ["S1-USD", "S2-USD", "S3-USD"].into_iter().enumerate() {
            assert_eq!(price(&service, symbol, "0s"), Some((number + 1).to_string()));
            upstream.until_left();
        }
        assert_eq!((upstream.calls(), upstream.connections()), (3, 3), "{late} ms late");
    }
}

#[test]
fn duplicate_responses_that_break_connections_end_their_reuse() {
    let upstream = Upstream::new(|call| {
        // not the same response, as behind a proxy that asks twice
        for _ in 0..2 {
            let text = response(call, now());
            call.raw(&text);
            thread::sleep(Duration::from_millis(2));
        }
        After::Keep
    });
    let service = service(&upstream, "");
    let closes = || upstream.heads().last().is_some_and(|head| head.to_lowercase().contains("connection: close"));
    let mut number = 0;
    until("each call has a connection of its own", || {
        number += 1;
        assert_eq!(price(&service, &format!("S{number}-USD"), "0s"), Some(number.to_string()));
        upstream.until_left();
        closes()
    });
    assert!(number > 5, "after {number} calls");
}

#[test]
fn a_connection_that_lasts_is_kept() {
    let upstream = Upstream::new(|call| {
        let text = response(call, now());
        call.raw(&text);
        After::Keep
    });
    let service = service(&upstream, "");
    for number in 1..40 {
        assert_eq!(price(&service, &format!("S{number}-USD"), "0s"), Some(number.to_string()));
    }
    assert!(upstream.heads().iter().all(|head| !head.to_lowercase().contains("connection: close")));
}

/// A vendor that waits, and repeats its response to the first call before the one to the second.
fn repeating_once(time: Option<i64>) -> Upstream {
    let first = Arc::new(std::sync::Mutex::new(None));
    let has_repeated = AtomicBool::new(false);
    Upstream::new(move |call| {
        let text = response(call, time);
        let first = first.lock().unwrap().get_or_insert_with(|| text.clone()).clone();
        if first != text && !has_repeated.swap(true, Ordering::SeqCst) {
            call.raw(&first);
            // the client has left, or mistakes this for the response to its next call
        }
        call.raw(&text);
        After::Keep
    })
}

#[test]
fn equal_replies_for_two_symbols_are_unused_and_end_the_connection() {
    let upstream = repeating_once(now());
    let service = service(&upstream, "retries = 0");
    assert_eq!(price(&service, "S1-USD", "0s").as_deref(), Some("1"));
    let second = service.prices("S2-USD");
    assert_eq!(second.verdict("S2-USD", "a"), "failed / connection");
    let detail = second.quote("S2-USD", "a")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("the same reply for S1-USD; neither is used"), "{detail}");
    // the source is paused for a second after a failure
    until("the first is fetched again, though its quote was young", || {
        price(&service, "S1-USD", "1m").as_deref() == Some("1") && upstream.calls() > 2
    });
    for number in 3..6 {
        let symbol = format!("S{number}-USD");
        assert_eq!(price(&service, &symbol, "0s"), Some(number.to_string()));
    }
    assert_eq!(upstream.connections(), upstream.calls() - 1, "each call but the second had a connection of its own");
    assert!(upstream.heads().last().unwrap().to_lowercase().contains("connection: close"));
}

#[test]
fn a_caller_whose_reply_is_refused_gets_the_right_one_by_a_second_try() {
    let upstream = repeating_once(now());
    let service = service(&upstream, "");
    assert_eq!(price(&service, "S1-USD", "0s").as_deref(), Some("1"));
    assert_eq!(price(&service, "S2-USD", "0s").as_deref(), Some("2"));
    assert_eq!((upstream.calls(), upstream.connections()), (3, 2));
}

#[test]
fn an_equal_price_without_a_time_keeps_the_connection() {
    let upstream = Upstream::new(|call| call.json("{\"p\":\"1.00\"}"));
    let service = service(&upstream, "");
    for symbol in ["S1-USD", "S2-USD", "S3-USD"] {
        assert_eq!(price(&service, symbol, "0s").as_deref(), Some("1"));
    }
    assert_eq!((upstream.calls(), upstream.connections()), (3, 1));
}

#[test]
fn without_reuse_each_call_has_a_connection_of_its_own_and_says_so() {
    let upstream = Upstream::new(|call| {
        let text = response(call, now());
        call.raw(&text);
        After::Keep
    });
    let service = service(&upstream, "reuse = false");
    for number in 1..6 {
        assert_eq!(price(&service, &format!("S{number}-USD"), "0s"), Some(number.to_string()));
    }
    assert_eq!((upstream.calls(), upstream.connections()), (5, 5));
    assert!(upstream.heads().iter().all(|head| head.to_lowercase().contains("connection: close")));
}

#[test]
fn whenever_second_responses_come_no_symbol_has_the_price_of_another() {
    let mut chance = fastrand::Rng::with_seed(17);
    for reuse in [true, false] {
        let upstream = Upstream::new(|call| {
            let text = response(call, now());
            call.raw(&text);
            let mut again = call.socket();
            let late = Duration::from_micros(fastrand::u64(0..6_000));
            thread::spawn(move || {
                thread::sleep(late);
                let _ = again.write_all(text.as_bytes());
            });
            After::Keep
        });
        let service = service(&upstream, if reuse { "" } else { "reuse = false" });
        let right = |number: usize, price: Option<String>| price.is_none_or(|price| price == number.to_string());
        for number in 1..150 {
            let price = price(&service, &format!("S{number}-USD"), "0s");
            assert!(right(number, price.clone()), "S{number}-USD costs {price:?}");
            thread::sleep(Duration::from_micros(chance.u64(0..3_000)));
        }
        // and cached prices are right as well
        for number in 1..150 {
            let price = price(&service, &format!("S{number}-USD"), "1h");
            assert!(right(number, price.clone()), "S{number}-USD cost {price:?}");
        }
    }
}
