//! Compares quotefold with nginx, FastAPI and hand-made programs, and prints how it stands to its targets:
//! `cargo bench --bench compare --profile dist`. Linux only.
//!
//! Every row starts what it needs: scripted venues in a thread of this process, quotefold with sources that point at them, and
//! a peer. They are loaded in turns, so that whatever else the machine does meets them alike, and each round gives one ratio.
//! `docs/performance.md` says how to read the table.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "a bench may stop and block, and its times and ratios are no prices"
)]

mod arguments;
mod hand_made;
mod load;
mod machine;
mod nginx;
mod process;
mod python;
mod quotefold;
mod rows;
mod table;
#[path = "../support/venues.rs"]
mod venues;

use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser;
use machine::Machine;
use rows::{Bench, Outcome, ROWS, Row};
use table::Table;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(peer) = &arguments.peer {
        let arguments::Peer::HandMade(options) = peer;
        return ended(hand_made::serve(options));
    }
    if arguments.list {
        ROWS.iter().for_each(|row| println!("{:<16} {}", row.name, row.about));
        return ExitCode::SUCCESS;
    }
    ended(compare(&arguments))
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the rows that were asked for. A row that fails to run does not keep the others from running.
fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let rows: Vec<&Row> = arguments.rows()?;
    let machine = Machine::prepare(&arguments.program)?;
    eprintln!("{}", machine.described());
    let bench = Bench::new(arguments, &machine);
    let mut table = Table::new(arguments.short);
    let mut failed = Vec::new();
    for row in rows {
        eprintln!("\n{}: {}", row.name, row.about);
        match (row.measure)(&bench) {
            Ok(Outcome::Measured(figures)) => table.add(row.about, figures),
            Ok(Outcome::Skipped { missing }) => {
                eprintln!("  skipped: {missing}");
                table.skip(row.about, &missing);
            }
            Err(error) => {
                eprintln!("  failed: {error:#}");
                failed.push(row.name);
            }
        }
    }
    println!("{}\n\n{table}", machine.described());
    anyhow::ensure!(failed.is_empty(), "these rows failed to run: {}", failed.join(", "));
    Ok(())
}
