//! quotefold folds many quotes into one price, and shows the proof.
//!
//! The rooms of this crate are listed below in their order: each room imports only from those above it.
//!
//! A request passes through them as follows. [`Quotefold::answer`] is this path in code:
//!
//! 1. [`question`] reads a query, and refuses a wrong parameter by name; [`symbol`] reads the symbols.
//! 2. [`plan`] decides which source is asked for which symbols. Where a source does not quote a pair, [`route`] finds one that
//!    it does quote.
//! 3. [`gather`] asks all sources at once, until the deadline, or until enough of them agree. A second round asks for reserves and missing rates.
//! 4. [`source`] is one source: limits, one call for many callers, the wire. [`provider`] writes its requests and reads its
//!    replies. Each reply becomes a [`quote`] or a [`failure`], and lands on the [`board`].
//! 5. [`valuation`] makes the prices: [`derive`](mod@derive) turns one pair's quote into another's, [`fold`] makes one
//!    price of many quotes or refuses to, [`convert`] turns it into the caller's currency.
//! 6. [`answer`] writes status, headers and JSON; [`again`] says when asking again can change the answer.
//!
//! An answer that needed no call is kept by `ready`, and sent again for as long as a new one would be the same.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may block its thread"))]

// Ground: words and numbers that everything is made of.
pub mod decimal;
pub mod text;
pub mod clock;
mod pace;
mod permits;
mod address_space;
pub mod units;
pub mod reply_memory;
pub mod fingerprint;
pub mod caller;
pub mod symbol;
pub mod hours;

// What is known: a failure, a quote, a price, and the board that keeps them.
pub mod failure;
pub mod quote;
pub mod fold;
pub mod board;
pub mod metrics;
pub mod trace;

// What is described: providers, settings, and what follows from both without a call.
pub mod provider;
pub mod settings;
pub mod logging;
pub mod profile;
pub mod route;
pub mod derive;
pub mod convert;

// The path of a request.
pub mod shared;
pub mod source;
pub mod question;
pub mod plan;
pub mod gather;
pub mod valuation;
pub mod answer;
pub mod verify;
pub mod again;
pub mod ready;
pub mod workload;
pub mod search;
pub mod service;

// Around it.
pub mod state;
pub mod watch;
pub mod reload;
pub mod events;
pub mod server;
pub mod demo;
pub mod cli;

pub use service::Quotefold;
