//! Pricing: the currency, unit and session of a price, what it is derived from, and which vendors it depends on.
//!
//! Vendors are scripted: their quotes come from a table. Their descriptions are those of the catalogue, or are part of
//! the test. The clock is paused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod background;
mod coins;
mod conversion;
mod crowd;
mod derived;
mod hours;
mod keyless;
mod laws;
mod names;
mod quorum;
mod ready;
mod ready_apart;
mod reserve;
mod rounds;
mod sunday;
#[path = "../support/mod.rs"]
mod support;
mod units;
mod world;
