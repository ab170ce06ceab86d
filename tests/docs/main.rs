//! The documentation: what it shows and names is what the program gives and takes.
//!
//! What its examples do when they are run is in `tests/process`: the blocks of `sh` in `pasting`, the transcripts of
//! `quotefold check` in `checking`.

// the helpers are tests too, which clippy cannot see
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod answer;
mod commands;
mod links;
mod names;
#[path = "../support/pages.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod pages;
mod settings;
mod tables;
