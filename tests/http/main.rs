//! The server over real sockets: what it serves, refuses and survives, and how it shuts down.

#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod access;
mod caching;
mod document;
mod drain;
mod formats;
mod guards;
mod listen;
mod misbehaving;
mod page;
mod request_log;
mod slots;
mod stack;
mod streams;
#[path = "../support/mod.rs"]
mod support;
