//! The rows of the table, in its order, and what they have in common.

mod calls;
mod cold;
mod hot;
mod many_urls;
mod memory;
mod start;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::load::{Load, Loaded};
use crate::machine::Machine;
use crate::process::Server;
use crate::quotefold::Service;
use crate::table::{Figure, Target, shown};
use crate::venues::Venues;

/// A row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Bench) -> anyhow::Result<Outcome>,
}

/// What came of a row.
pub(crate) enum Outcome {
    /// Its figures.
    Measured(Vec<Figure>),
    /// Its peer is not installed.
    Skipped {
        /// What is missing, and how to get it.
        missing: String,
    },
}

/// What every row needs.
pub(crate) struct Bench<'m> {
    pub(crate) machine: &'m Machine,
    pub(crate) python: &'m Path,
    pub(crate) is_short: bool,
    rounds: usize,
    span: Duration,
}

/// A load, and what it cost the server.
pub(crate) struct Cost {
    pub(crate) loaded: Loaded,
    /// The server's own processor time per request, in microseconds.
    pub(crate) own: f64,
    /// The same, with what the kernel did for it.
    pub(crate) all: f64,
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "hot",
        about: "AAPL and MSFT from the board, against nginx serving the same bytes",
        measure: hot::pair,
    },
    Row { name: "live", about: "/health/live, against nginx serving the same bytes", measure: hot::live },
    Row { name: "fifty", about: "50 symbols from the board: time per symbol against that for 2", measure: hot::fifty },
    Row { name: "fastapi", about: "AAPL and MSFT, against FastAPI with the answer in memory", measure: hot::fastapi },
    Row {
        name: "cold",
        about: "one cold request, 10 sources at 20 ms, against a hand-made fan-out",
        measure: cold::one,
    },
    Row {
        name: "crowd",
        about: "200 clients, the same symbols, forced, against a hand-made program",
        measure: cold::crowd,
    },
    Row { name: "memory", about: "memory", measure: memory::memory },
    Row { name: "start", about: "process start to the first 200 on /health/ready", measure: start::start },
    Row { name: "calls", about: "upstream calls per request, at 1,000 a second for 20 symbols", measure: calls::calls },
    Row {
        name: "urls",
        about: "1,000 URLs while outcomes land and a breaker is open, against nginx",
        measure: many_urls::many_urls,
    },
    Row { name: "large", about: "100 symbols over 20 sources, own time", measure: hot::large },
    Row {
        name: "different",
        about: "different cold symbols, 50 clients, 10 batching sources, against a hand-made fan-out",
        measure: cold::different,
    },
    Row {
        name: "fan-outs",
        about: "different cold symbols, 50 clients, 10 batching sources, against FastAPI with aiohttp",
        measure: cold::fan_outs,
    },
];

impl<'m> Bench<'m> {
    pub(crate) fn new(arguments: &'m Arguments, machine: &'m Machine) -> Self {
        let Arguments { python, short, .. } = arguments;
        Bench { machine, python, is_short: *short, rounds: arguments.rounds(), span: arguments.span() }
    }

    /// Runs a warm-up and then the rounds. Every round gives one value per figure.
    pub(crate) fn figures<const N: usize>(
        &self,
        figures: [(&'static str, Target); N],
        mut round: impl FnMut(usize) -> anyhow::Result<[f64; N]>,
    ) -> anyhow::Result<Outcome> {
        if !self.is_short {
            round(0)?;
            eprintln!("  (the first line is the warm-up)");
        }
        let mut figures = figures.map(|(what, target)| Figure { what, target, rounds: Vec::new() });
        for number in 1..=self.rounds {
            for (figure, value) in figures.iter_mut().zip(round(number)?) {
                figure.rounds.push(value);
            }
        }
        Ok(Outcome::Measured(figures.into()))
    }

    /// Starts the service over these venues. A short round has all the time that it needs, since it may run on a busy
    /// machine, without optimisation.
    pub(crate) fn service(&self, venues: &Venues, sections: &str) -> anyhow::Result<Service> {
        let patient = if self.is_short { "[server]\ntimeout = \"10s\"\n" } else { "" };
        Service::start(self.machine, venues, &format!("{patient}{sections}"))
    }

    /// Loads a server for a round with this many connections, or a few in a short round.
    pub(crate) fn load(
        &self,
        address: SocketAddr,
        connections: usize,
        next: impl FnMut(&mut String),
    ) -> anyhow::Result<Loaded> {
        let connections = if self.is_short { connections.min(4) } else { connections };
        Load { address, connections, span: self.span, per_second: None }.run(next)
    }

    /// The same at a fixed rate, or slowly in a short round.
    pub(crate) fn paced(
        &self,
        address: SocketAddr,
        per_second: u32,
        next: impl FnMut(&mut String),
    ) -> anyhow::Result<Loaded> {
        // long enough that one refresh more or less, which chance decides, hardly shows
        let (per_second, span) = if self.is_short { (20, self.span) } else { (per_second, self.span * 5) };
        Load { address, connections: 50, span, per_second: Some(per_second) }.run(next)
    }

    /// Loads a server, and says what that cost it.
    pub(crate) fn cost(
        &self,
        server: &Server,
        connections: usize,
        next: impl FnMut(&mut String),
    ) -> anyhow::Result<Cost> {
        let before = server.used()?;
        let loaded = self.load(server.address, connections, next)?;
        let used = server.used()?.since(before);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / loaded.requests().max(1) as f64;
        let (own, all) = (each(used.own), each(used.all()));
        Ok(Cost { loaded, own, all })
    }
}

/// Requests always the same path.
pub(crate) fn always(path: &str) -> impl FnMut(&mut String) {
    move |target| target.push_str(path)
}

/// Does two things, the second one first in every other round: whatever warms or tires the machine meets both alike.
pub(crate) fn in_turns<A, B>(
    round: usize,
    first: impl FnOnce() -> anyhow::Result<A>,
    second: impl FnOnce() -> anyhow::Result<B>,
) -> anyhow::Result<(A, B)> {
    if round.is_multiple_of(2) {
        let first = first()?;
        Ok((first, second()?))
    } else {
        let second = second()?;
        Ok((first()?, second))
    }
}

/// Says on stderr what a ratio was made of.
pub(crate) fn note(what: &[(&str, f64, &str)]) {
    let parts: Vec<String> =
        what.iter().map(|(name, value, unit)| format!("{name} {} {unit}", shown(*value))).collect();
    eprintln!("  {}", parts.join(", "));
}
