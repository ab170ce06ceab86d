//! The network between the service and a vendor: names, addresses, connections, certificates and proxies; real ones, over
//! loopback.
//!
//! Certificates are made as the tests run, and verified exactly as in production.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod certificates;
mod limits;
mod mirrors;
mod names;
mod proxies;
mod real_proxies;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod traces;
