//! What stands between us and a vendor: names, addresses, connections, certificates; real ones, over loopback.
//!
//! Certificates are made as the tests run, and checked as in service: what is trusted here is trusted there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows test functions, but not what they call")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod certificates;
mod limits;
mod mirrors;
mod names;
#[path = "../support/settled.rs"]
mod settled;
mod support;
