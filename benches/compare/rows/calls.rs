//! How many calls a busy service makes.

use std::time::Duration;

use super::{Bench, Outcome, always, note};
use crate::quotefold::tickers;
use crate::table::Target;
use crate::venues::Venues;

const PER_SECOND: u32 = 1_000;

/// Calls to sources per request, at a fixed rate of requests for the same symbols.
pub(crate) fn calls(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let venues = Venues::quoting(5, Duration::from_millis(20))?;
    let sections = "[class.equity]\nrefresh_after = \"1s\"\n";
    let service = bench.service(&venues, sections)?;
    let path = format!("/prices?symbols={}", tickers(0, 20));
    service.priced(&path)?;
    bench.figures([("", Target::AtMost(0.006, ""))], |_| {
        let before = venues.calls();
        let loaded = bench.paced(service.server.address, PER_SECOND, always(&path))?;
        let calls = (venues.calls() - before) as f64;
        note(&[
            ("requests", loaded.requests() as f64, ""),
            ("calls", calls, ""),
            ("p50", loaded.latency(0.5), "ms"),
            ("p99", loaded.latency(0.99), "ms"),
        ]);
        Ok([calls / loaded.requests() as f64])
    })
}
