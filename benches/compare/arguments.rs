//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};

use crate::quotefold::PROGRAM;
use crate::rows::{ROWS, Row};

/// Compares quotefold with nginx, FastAPI and hand-made programs, and prints how it stands to its targets.
///
/// Run it with `cargo bench --bench compare --profile dist -- OPTIONS`, on a Linux machine that has nothing else to do. The
/// table goes to stdout, in Markdown, and everything else to stderr. A row whose peer is not installed is skipped.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub(crate) struct Arguments {
    /// Only see that everything runs: one short round per row, and no verdict
    #[arg(long)]
    pub(crate) short: bool,
    /// Measure only these rows
    #[arg(long = "rows", value_name = "NAME", value_delimiter = ',')]
    named: Vec<String>,
    /// List the rows
    #[arg(long)]
    pub(crate) list: bool,
    /// How many rounds a row has
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How long each side is loaded in a round, in seconds
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    seconds: u8,
    /// Measure this quotefold instead of the one that cargo has built
    #[arg(long, value_name = "FILE", default_value = PROGRAM)]
    pub(crate) program: PathBuf,
    /// The Python that has FastAPI and its friends
    #[arg(long, value_name = "FILE", default_value = "python3")]
    pub(crate) python: PathBuf,
    /// What `cargo bench` passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) peer: Option<Peer>,
}

/// What this program is when it starts itself as a peer.
#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// The hand-made program
    #[command(hide = true)]
    HandMade(HandMade),
}

/// The options of the hand-made program.
#[derive(Debug, Args)]
pub(crate) struct HandMade {
    /// Where it listens
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// The venues that it asks
    #[arg(long, value_delimiter = ',')]
    pub(crate) venues: Vec<SocketAddr>,
    /// Let equal requests share one fan-out
    #[arg(long)]
    pub(crate) coalesced: bool,
}

impl Arguments {
    /// The rows to measure, in the order of the table.
    pub(crate) fn rows(&self) -> anyhow::Result<Vec<&'static Row>> {
        if let Some(unknown) = self.named.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
            let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            bail!("--rows: there is no row {unknown:?}; the rows are {}", names.join(", "));
        }
        let is_asked = |row: &&Row| self.named.is_empty() || self.named.iter().any(|name| name == row.name);
        Ok(ROWS.iter().filter(is_asked).collect())
    }

    /// How many rounds a row has.
    pub(crate) fn rounds(&self) -> usize {
        if self.short { 1 } else { usize::from(self.rounds) }
    }

    /// How long each side is loaded in a round.
    pub(crate) fn span(&self) -> Duration {
        if self.short { Duration::from_millis(300) } else { Duration::from_secs(self.seconds.into()) }
    }
}
