//! Answers that need calls.

use std::time::Duration;

use super::{Bench, Outcome, always, in_turns, note};
use crate::hand_made;
use crate::python::{self, Python};
use crate::quotefold::tickers;
use crate::table::Target;
use crate::venues::Venues;

const SOURCES: usize = 10;
const DELAY: Duration = Duration::from_millis(20);
const CLIENTS: usize = 50;
const FORCED: &str = "/prices?symbols=AAPL,MSFT&refresh_after=0s";

/// One client: what the service adds to the slowest venue, against what a hand-made fan-out adds.
pub(crate) fn one(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let venues = Venues::quoting(SOURCES, DELAY)?;
    let service = bench.service(&venues, "")?;
    let hand_made = hand_made::start(bench.machine, &venues, false)?;
    service.priced(FORCED)?;
    let venue = venues.addresses[0];
    bench.figures([("added", Target::AtMost(1.3, "×"))], |round| {
        let direct = bench.load(venue, 1, always("/iex/?tickers=AAPL,MSFT"))?.latency(0.5);
        let (ours, theirs) = in_turns(
            round,
            || bench.load(service.server.address, 1, always(FORCED)),
            || bench.load(hand_made.address, 1, always(FORCED)),
        )?;
        let (ours, theirs) = (ours.latency(0.5) - direct, theirs.latency(0.5) - direct);
        note(&[("direct", direct, "ms"), ("quotefold adds", ours, "ms"), ("hand-made adds", theirs, "ms")]);
        Ok([ours / theirs])
    })
}

/// Two hundred clients that want the same: how much later the last ones are than a client alone.
pub(crate) fn crowd(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let venues = Venues::quoting(SOURCES, DELAY)?;
    let service = bench.service(&venues, "")?;
    let hand_made = hand_made::start(bench.machine, &venues, true)?;
    service.priced(FORCED)?;
    let late = |address| {
        let alone = bench.load(address, 1, always(FORCED))?.latency(0.5);
        let crowd = bench.load(address, 200, always(FORCED))?;
        anyhow::Ok([alone, crowd.latency(0.5), crowd.latency(0.99)])
    };
    bench.figures([("p99 minus one client's median", Target::AtMost(1.3, "×"))], |round| {
        let (ours, theirs) = in_turns(round, || late(service.server.address), || late(hand_made.address))?;
        for (name, [alone, median, last]) in [("quotefold", ours), ("hand-made", theirs)] {
            note(&[(&format!("{name}: alone"), alone, "ms"), ("200 clients", median, "ms"), ("p99", last, "ms")]);
        }
        Ok([(ours[2] - ours[0]) / (theirs[2] - theirs[0])])
    })
}

/// Fifty clients, each request for symbols that were never asked for: what a fan-out costs.
pub(crate) fn different(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let venues = Venues::quoting(SOURCES, DELAY)?;
    let service = bench.service(&venues, "")?;
    let hand_made = hand_made::start(bench.machine, &venues, false)?;
    let (mut first, mut second) = (new_symbols(), new_symbols());
    bench.figures([("processor time", Target::AtMost(1.5, "×"))], |round| {
        let (ours, theirs) = in_turns(
            round,
            || bench.cost(&service.server, CLIENTS, &mut first),
            || bench.cost(&hand_made, CLIENTS, &mut second),
        )?;
        for (name, cost) in [("quotefold", &ours), ("hand-made", &theirs)] {
            note(&[(name, cost.loaded.rate(), "fan-outs/s"), ("each", cost.all, "µs")]);
        }
        Ok([ours.all / theirs.all])
    })
}

/// The same: how many fan-outs there are a second.
pub(crate) fn fan_outs(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    if !python::is_installed(bench.python) {
        return Ok(Outcome::Skipped { missing: python::MISSING.to_owned() });
    }
    let venues = Venues::quoting(SOURCES, DELAY)?;
    let service = bench.service(&venues, "")?;
    let python = Python::start(bench.machine, bench.python, &venues, b"{}")?;
    let (mut first, mut second) = (new_symbols(), new_symbols());
    bench.figures([("fan-outs a second", Target::AtLeast(3.5, "×"))], |round| {
        let (ours, theirs) = in_turns(
            round,
            || bench.load(service.server.address, CLIENTS, &mut first),
            || bench.load(python.server.address, CLIENTS, &mut second),
        )?;
        note(&[("quotefold", ours.rate(), "fan-outs/s"), ("FastAPI", theirs.rate(), "fan-outs/s")]);
        Ok([ours.rate() / theirs.rate()])
    })
}

/// Requests that each ask for two further symbols.
fn new_symbols() -> impl FnMut(&mut String) {
    let mut asked = 0;
    move |target| {
        *target += "/prices?symbols=";
        *target += &tickers(asked, 2);
        asked += 2;
    }
}
