//! Counts the instructions of a request that is answered from the board: `cargo bench --bench instructions`. With `--path cold`,
//! it counts those of a request that every source is called for, and with `large` or `planned` those of a large answer.
//!
//! The program runs itself in valgrind, which counts what a processor would execute, outside the kernel. What it runs is the
//! whole server in one thread, from the accept loop to the last byte, with a client that costs next to nothing. Starting
//! and the first requests are not counted. Unlike a time, the figure is nearly the same on every run and every machine, so CI
//! compares it with what `stated.toml` says for the profile, and allows a tenth more.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on should stop, and may block"
)]

#[path = "../support/board.rs"]
mod board;
mod cold;
mod counted;
mod stated;
#[path = "../support/venues.rs"]
#[allow(dead_code, reason = "only `compare` needs all that venues can do")]
mod venues;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tikv_jemallocator::Jemalloc;

use counted::{Path, count, requests};
use stated::Stated;

/// The program's allocator, which is a part of what is counted.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Counts the instructions of a request, from the board and with calls. Needs valgrind.
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Arguments {
    /// Fail if a figure is more than a tenth above the stated one
    #[arg(long)]
    bound: bool,
    /// State the figures anew, in benches/instructions/stated.toml
    #[arg(long)]
    state: bool,
    /// Count this many times, to see how much the figures differ
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: usize,
    /// Count only this path: pair, live, or those that need an optimised build: cold, large, planned
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Keep what was executed in this file, for `callgrind_annotate`
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// What `cargo bench` passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
    /// Be this many venues, and say their addresses, until the standard input ends
    #[arg(long, hide = true, value_name = "N")]
    venues: Option<usize>,
    /// Make requests for this path instead of counting
    #[arg(long, hide = true, value_name = "PATH")]
    requests: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(count) = arguments.venues {
        cold::be_venues(count);
        return ExitCode::SUCCESS;
    }
    if let Some(path) = &arguments.requests {
        requests(Path::named(path).unwrap());
        return ExitCode::SUCCESS;
    }
    match counted(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Counts every path; whether all figures are within their bounds.
fn counted(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut stated = Stated::read()?;
    let mut is_within = true;
    let paths = match &arguments.path {
        Some(name) => {
            let names = || Path::ALL.map(Path::name).join(", ");
            vec![Path::named(name).with_context(|| format!("there is no path {name}: {}", names()))?]
        }
        None => Path::USUAL.to_vec(),
    };
    for path in paths {
        let counts = (0..arguments.times.max(1)).map(|_| count(path, arguments.keep.as_deref()));
        let counts: Vec<u64> = counts.collect::<anyhow::Result<_>>()?;
        // the least: what disturbs a count adds to it
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        let spread = if least == most { String::new() } else { format!(" (up to {most})") };
        println!("{}: {least} instructions per request{spread}, {}", path.name(), stated.compared(path, *least));
        is_within &= stated.allows(path, *least);
        stated.set(path, *least);
    }
    if arguments.state {
        stated.write()?;
        return Ok(true);
    }
    Ok(is_within || !arguments.bound)
}
