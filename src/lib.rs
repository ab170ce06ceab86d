//! quotefold folds many quotes into one price, and shows the proof.
//!
//! The path of a request is the layout of this crate. Each room takes what the former gives:
//!
//! 1. [`symbol`] reads names: `AAPL`, `BRK.B`, `VOD.L`, `BTC-USD`.
//! 2. [`question`] reads a query, and refuses it by name where it is wrong.
//! 3. [`plan`] decides which source is asked for which symbols.
//! 4. [`gather`] asks them all at once, until the deadline; and once they are in, whoever else may help: a second round.
//! 5. [`source`] is one source: limits, one call for many callers, the wire, the filter.
//! 6. [`quote`] is what a source said: a quote, a failure, or both.
//! 7. [`board`] remembers the latest of that.
//! 8. [`fold`] makes one price of it, or refuses to.
//! 9. [`answer`] writes status, headers and JSON.
//!
//! [`again`] says when asking again can change the answer.
//!
//! Where a source does not quote what was asked, [`route`] finds the pair it does quote, [`derive`](mod@derive) makes its
//! quote of that, and [`convert`] turns a price into the caller's currency; [`valuation`] puts all this around the fold.
//! [`hours`] knows when markets are open, so that the fold does not take a dead feed for a closed market.
//!
//! [`Quotefold::answer`] below is that path, written out. Around it: [`settings`] says what can be set, [`server`] speaks HTTP,
//! [`cli`] is the command line, [`watch`] what is kept fresh, [`state`] what outlives a restart, [`demo`] a simulated market,
//! [`telemetry`] metrics, [`log`](mod@log) the log, [`workload`] how much of all this is done at once, [`reply_memory`] what
//! replies may hold.

pub mod again;
pub mod answer;
pub mod board;
pub mod caller;
pub mod cli;
pub mod clock;
pub mod convert;
pub mod decimal;
pub mod demo;
pub mod derive;
pub mod failure;
pub mod fingerprint;
pub mod fold;
pub mod gather;
pub mod hours;
pub mod logging;
pub mod metrics;
mod pace;
pub mod plan;
pub mod profile;
pub mod provider;
pub mod question;
pub mod quote;
pub mod reply_memory;
pub mod route;
pub mod server;
pub mod service;
pub mod settings;
pub mod source;
pub mod state;
pub mod symbol;
pub mod text;
pub mod units;
pub mod valuation;
pub mod watch;
pub mod workload;

pub use service::Quotefold;
