//! One source and its callers, on a clock that moves only while all tasks wait: limits, coalescing, and a whole day of
//! both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod attempt;
mod backoff;
mod bad_days;
mod batches;
mod breaker;
mod coalescer;
mod crowd;
mod day;
mod denials;
mod failing;
mod fairness;
mod first_answers;
mod flood;
mod hunting;
mod keeping;
mod law;
mod left_alone;
mod lists;
mod orphans;
mod overload;
mod patience;
mod rate_limit;
mod restart;
mod retry;
mod scripted;
mod service;
#[path = "../support/mod.rs"]
mod shared;
mod spent;
mod storm;
mod streams;
mod support;
mod vendors;
mod watch;
