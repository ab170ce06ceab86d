//! The service from outside: real processes, signals, exit codes and sockets, and vendors that misbehave.
//!
//! Tests of what vendors and clients do over the wire are in [`faults`]. They run the service within the test's process, which is
//! quicker.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod busy;
mod cases;
mod checking;
mod configuration;
mod ending;
mod exit_codes;
mod faults;
mod filters;
mod first_run;
mod following;
mod forms;
mod half_closed;
mod killed;
mod listing;
mod logs;
mod operator;
mod pasting;
mod proxy_protocol;
mod reloading;
mod restart;
mod screen;
mod secrets;
mod starting;
mod streams;
mod unawaited;
mod unix_sockets;
mod untrusted;
#[path = "../support/mod.rs"]
mod support;
mod surplus;
mod terminal;
mod tls;
mod verifying;
mod watching;
