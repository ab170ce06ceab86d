//! What a price means: which currency, which unit, which session, derived from what, independent of whom.
//!
//! Vendors are scripted: what each says of what it is asked for stands in a table. What they are asked for follows from
//! their real descriptions in the catalogue, or from ones that stand in the test. The clock is paused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod coins;
mod conversion;
mod derived;
mod hours;
mod laws;
mod names;
mod reserve;
mod rounds;
mod sunday;
mod units;
mod world;
