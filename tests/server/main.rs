//! The server against real sockets: what it serves, refuses and survives, and how it ends.

// clippy knows test functions, but not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod access;
mod drain;
mod listen;
mod places;
mod request_log;
mod stack;
mod world;
