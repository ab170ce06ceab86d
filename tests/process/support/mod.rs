//! What the tests here have in common: a vendor made by hand, a client, the program, and the service without a program.

mod client;
mod folder;
mod program;
mod service;
mod upstream;

use std::time::{Duration, Instant};

pub(crate) use client::{Reply, get, left, post, read, send, write};
pub(crate) use folder::Folder;
pub(crate) use program::{Configuration, Ended, Program, run, send_signal, start};
pub(crate) use service::Service;
pub(crate) use upstream::{After, Call, Upstream, rows, source};

/// Far longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An address at which nothing listens: ports below 1024 are not assigned by chance.
pub(crate) const NOBODY: &str = "127.0.0.1:1";
