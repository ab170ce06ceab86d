//! What the integration tests share: one HTTP client, one stand-in upstream, stand-in proxies, one running program, one service in this process,
//! one service over scripted vendors, what must be true of
//! each afterwards, and the description that every reply is compared with.
//!
//! Each test binary includes this module and uses a part of it. It is a `mod.rs` because cargo takes every file directly in
//! `tests` for a test.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod folder;
pub(crate) mod openapi;
pub(crate) mod pages;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod scripted;
pub(crate) mod service;
pub(crate) mod settled;
pub(crate) mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quotefold::demo::venue::Venues;
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::{Quotefold, demo};
use tokio::net::TcpListener;

pub(crate) use authority::{Authority, Certified};
pub(crate) use client::{Reply, get, get_bytes, left, post, read, read_reply, read_to_end, send, write};
pub(crate) use folder::Folder;
pub(crate) use program::{Configuration, Ended, HEARS_HANGUPS, Program, hearing_hangups, run, send_signal, start};
pub(crate) use service::Service;
pub(crate) use upstream::{After, Call, Setup, Upstream, rows, source};

/// Far longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(55);

/// An address where nothing listens: the system assigns no port below 1024.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "still waiting for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The settings of a configuration text, without variables or files.
pub(crate) fn settings(text: &str) -> Settings {
    let text = Some(("test.toml".to_owned(), text.to_owned()));
    load(&LoadOptions { text, ..LoadOptions::default() }).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The demo's service over its simulated market, in this process; `change` edits its configuration text.
pub(crate) async fn demo(change: impl FnOnce(String) -> String) -> (Quotefold, Arc<Venues>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let market = listener.local_addr().expect("its address");
    let settings = settings(&change(demo::settings_text(market)));
    let venues = demo::open_venues(listener, &settings);
    (demo::service(settings).expect("sources that can be set up"), venues)
}

/// Recomputes every price of an answer, which must be the one that it states.
pub(crate) fn verified(answer: &str) {
    let verified = quotefold::verify::verify(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    for entry in verified {
        assert!(entry.differences.is_empty(), "{}: {:#?}\n{answer}", entry.symbol, entry.differences);
    }
}
