//! The watch list from outside: readiness says what is missing, and a shutdown ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{After, Configuration, Program, Upstream, get, rows, until};

#[test]
fn readiness_warns_while_a_watched_symbol_lacks_a_quote() {
    let has_it = Arc::new(AtomicBool::new(false));
    let upstream = {
        let has_it = Arc::clone(&has_it);
        Upstream::new(move |call| {
            let has_it = has_it.load(Ordering::SeqCst);
            let asked = call.asked();
            let quotes =
                asked.iter().filter(|symbol| has_it || *symbol != "MSFT").map(|symbol| (symbol.as_str(), "100"));
            call.json(&rows(&quotes.collect::<Vec<_>>()))
        })
    };
    let watch = "[watch]\nsymbols = [\"AAPL\", \"MSFT\", \"EUR-USD\"]\nevery = \"1s\"\n";
    let configuration = Configuration::new(&format!("{watch}{}", upstream.source("a", "")));
    let (program, address) = Program::serve(&configuration, &[]);
    let ready = || get(address, "/health/ready");
    let check = || ready().json()["checks"]["watch"][0].clone();
    until("AAPL is there", || check()["output"] == "no usable quote of EUR-USD and MSFT");
    let reply = ready();
    assert_eq!((reply.status, &reply.json()["status"]), (200, &"warn".into()), "{reply:?}");
    has_it.store(true, Ordering::SeqCst);
    until("MSFT is there", || check()["output"] == "no usable quote of EUR-USD");
    let calls = upstream.calls();
    assert_eq!(get(address, "/prices?symbols=MSFT&refresh_after=1h").quote("MSFT", "a")["price"], "100");
    assert!(upstream.calls() <= calls + 1, "the request makes no call; a round may");
    program.signal("TERM");
    let ended = program.ended();
    let line = ended.stderr.lines().find(|line| line.contains("no source that is on covers them")).unwrap_or_default();
    assert!(line.contains("EUR-USD") && !line.contains("AAPL"), "{}", ended.stderr);
}

#[test]
fn a_service_without_a_watch_list_does_not_mention_it() {
    let configuration = Configuration::new(&Upstream::quoting("100").source("a", ""));
    let (_program, address) = Program::serve(&configuration, &[]);
    assert!(get(address, "/health/ready").json()["checks"]["watch"].is_null());
}

#[test]
fn the_watch_ends_when_draining_begins() {
    let upstream = Upstream::new(|call| {
        call.json(&rows(&[("AAPL", "100")]));
        After::Keep
    });
    let settings = "[server]\ndrain_delay = \"4s\"\n[watch]\nsymbols = [\"AAPL\"]\nevery = \"1s\"\n";
    let configuration = Configuration::new(&format!("{settings}{}", upstream.source("a", "")));
    let (program, address) = Program::serve(&configuration, &[]);
    upstream.until_called(3);
    program.signal("TERM");
    until("it drains", || get(address, "/health/ready").status == 503);
    let calls = upstream.calls();
    assert_eq!(program.ended().code, Some(0));
    // one may have been in flight
    assert!(
        upstream.calls() <= calls + 1,
        "rounds in the four seconds of draining: {} calls",
        upstream.calls() - calls
    );
}

#[test]
fn a_watched_price_is_among_the_metrics_as_it_is_and_a_scrape_makes_no_call() {
    let upstream = Upstream::quoting("123.456789012345678");
    let watch = "[fold]\nrequired = 1\n[watch]\nsymbols = [\"AAPL\"]\nevery = \"1h\"\n";
    let configuration = Configuration::new(&format!("{watch}{}", upstream.source("a", "")));
    let (_program, address) = Program::serve(&configuration, &[]);
    let metrics = || get(address, "/metrics").body;
    until("there is a price", || metrics().contains("quotefold_health_check{check=\"watch\",status=\"pass\"} 1\n"));
    let (calls, page) = (upstream.calls(), metrics());
    let price = "quotefold_price{symbol=\"AAPL\",currency=\"USD\"} 123.456789012345678\n";
    assert!(page.contains(price), "{page}");
    assert!(page.contains("quotefold_price_age_seconds{symbol=\"AAPL\"} "), "{page}");
    assert!(page.contains("quotefold_price_ok{symbol=\"AAPL\"} 1\n"), "{page}");
    assert!(!page.contains("MSFT"), "{page}");
    // what callers ask for is no label; the rounds of the watch list are no answers
    assert_eq!(get(address, "/prices?symbols=MSFT").quote("MSFT", "a")["price"], "123.456789012345678");
    let page = metrics();
    assert!(!page.contains("MSFT"), "{page}");
    let prices = page.lines().filter(|line| line.starts_with("quotefold_prices_total") && !line.ends_with(" 0"));
    let asked = "quotefold_prices_total{class=\"equity\",status=\"ok\",reason=\"none\"} 1";
    assert_eq!(prices.collect::<Vec<_>>(), [asked]);
    assert_eq!(upstream.calls(), calls + 1);
}

#[test]
fn a_watched_price_that_nothing_renews_is_not_ok_for_longer_than_it_may_be_used() {
    let fails = Arc::new(AtomicBool::new(false));
    let upstream = {
        let fails = Arc::clone(&fails);
        Upstream::new(move |call| match fails.load(Ordering::SeqCst) {
            true => call.reply(503, "", ""),
            false => call.json(&rows(&[("AAPL", "100")])),
        })
    };
    let settings = "[fold]\nrequired = 1\n[class.equity]\nusable_for = \"2s\"\nrefresh_after = \"1s\"\n[watch]\nsymbols = [\"AAPL\"]\nevery = \"1s\"\n";
    let configuration = Configuration::new(&format!("{settings}{}", upstream.source("a", "")));
    let (_program, address) = Program::serve(&configuration, &[]);
    let is = |value: &str| {
        get(address, "/metrics").body.contains(&format!("quotefold_price_ok{{symbol=\"AAPL\"}} {value}\n"))
    };
    until("it is ok", || is("1"));
    fails.store(true, Ordering::SeqCst);
    until("it is not ok", || is("0"));
}
