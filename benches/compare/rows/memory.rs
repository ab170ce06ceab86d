//! How much memory the service holds.

use std::thread;
use std::time::Duration;

use super::{Bench, Outcome, always};
use crate::quotefold::tickers;
use crate::table::{Figure, Target};
use crate::venues::Venues;

/// Outcomes on a full board.
const CAPACITY: usize = 65_536;

/// Symbols per request: the most that the default configuration allows.
const AT_ONCE: usize = 100;

/// Idle, with 200 clients that ask for what is on the board, and with a full board whose every symbol was asked for twice.
pub(crate) fn memory(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let figure = |what, most, megabytes: f64| {
        eprintln!("  {what}: {megabytes:.1} MB");
        Figure { what, target: Target::AtMost(most, "MB"), rounds: vec![megabytes] }
    };
    let venues = Venues::quoting(10, Duration::ZERO)?;
    let service = bench.service(&venues, "")?;
    thread::sleep(Duration::from_secs(1));
    let idle = service.server.resident()?;

    let pair = "/prices?symbols=AAPL,MSFT";
    service.priced(pair)?;
    let hot = || bench.load(service.server.address, 200, always(pair)).map(drop);
    let hot = service.server.most_resident_during(hot)?;

    let symbols = if bench.is_short { AT_ONCE } else { CAPACITY / venues.addresses.len() };
    let service = bench.service(&venues, "")?;
    let full = service.server.most_resident_during(|| {
        // the first time fetches, the second time answers from the board, with and without quotes
        for options in ["", "", "&quotes=false"] {
            for from in (0..symbols).step_by(AT_ONCE) {
                let count = AT_ONCE.min(symbols - from);
                service.priced(&format!("/prices?symbols={}{options}", tickers(from, count)))?;
            }
        }
        Ok(())
    })?;
    Ok(Outcome::Measured(vec![
        figure("idle", 18.0, idle),
        figure("200 clients, hot", 30.0, hot),
        figure("a full board", 80.0, full),
    ]))
}
