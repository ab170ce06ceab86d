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
