//! The service from outside: a real process with real signals and exit codes, real sockets, and vendors that misbehave.
//!
//! What starts the program is at the top; what vendors and clients do over the wire is in [`faults`], against the same service
//! without a process around it, which is quicker.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows test functions, but not what they call")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod busy;
mod cases;
mod checking;
mod configuration;
mod ending;
mod exit_codes;
mod faults;
mod filters;
mod forms;
mod half_closed;
mod killed;
mod logs;
mod operator;
#[path = "../support/pages.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod pages;
mod pasting;
mod restart;
mod secrets;
#[path = "../support/settled.rs"]
mod settled;
mod starting;
mod strangers;
mod support;
mod surplus;
mod terminal;
mod watching;
