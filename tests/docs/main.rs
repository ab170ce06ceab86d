//! The documentation: what it shows and names matches the program.
//!
//! What its examples do when they are run is in `tests/process`: the blocks of `sh` in `pasting`, the transcripts of
//! `quotefold check` in `checking`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod answer;
mod commands;
mod image;
mod links;
mod measure;
mod names;
mod openapi;
mod performance;
mod promises;
mod settings;
mod spellings;
#[path = "../support/mod.rs"]
mod support;
mod tables;
