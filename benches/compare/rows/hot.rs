//! Answers from the board.

use std::time::Duration;

use super::{Bench, Outcome, always, in_turns, note};
use crate::nginx::{self, Nginx};
use crate::process::{Server, get};
use crate::python::{self, Python};
use crate::quotefold::{Service, tickers};
use crate::table::Target;
use crate::venues::Venues;

const PAIR: &str = "/prices?symbols=AAPL,MSFT";
const LIVE: &str = "/health/live";

/// As many sources as make the answer for a pair about 4 KB.
const SOURCES: usize = 3;

const CONNECTIONS: usize = 64;

fn over(bench: &Bench<'_>, sources: usize) -> anyhow::Result<(Venues, Service)> {
    let venues = Venues::quoting(sources, Duration::ZERO)?;
    let service = bench.service(&venues, "")?;
    Ok((venues, service))
}

/// The pair, against nginx.
pub(crate) fn pair(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    if !nginx::is_installed() {
        return Ok(Outcome::Skipped { missing: nginx::MISSING.to_owned() });
    }
    let (_venues, service) = over(bench, SOURCES)?;
    service.priced(PAIR)?;
    let body = service.priced(PAIR)?.body;
    let length = body.len();
    let nginx = Nginx::serving(bench.machine, &[("/prices".to_owned(), body)])?;
    eprintln!("  {length} bytes, {CONNECTIONS} connections");
    let targets = [("", Target::AtLeast(0.70, "×")), ("own time", Target::AtMost(9.0, "µs"))];
    against_nginx(bench, &service.server, &nginx, PAIR, targets)
}

/// Liveness, against nginx.
pub(crate) fn live(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    if !nginx::is_installed() {
        return Ok(Outcome::Skipped { missing: nginx::MISSING.to_owned() });
    }
    let (_venues, service) = over(bench, SOURCES)?;
    let body = get(service.server.address, LIVE)?.body;
    let nginx = Nginx::serving(bench.machine, &[(LIVE.to_owned(), body)])?;
    let targets = [("", Target::AtLeast(0.85, "×")), ("own time", Target::AtMost(6.0, "µs"))];
    against_nginx(bench, &service.server, &nginx, LIVE, targets)
}

/// The rate as a multiple of nginx's, and the own time.
fn against_nginx(
    bench: &Bench<'_>,
    server: &Server,
    nginx: &Nginx,
    path: &str,
    targets: [(&'static str, Target); 2],
) -> anyhow::Result<Outcome> {
    bench.figures(targets, |round| {
        let (ours, theirs) = in_turns(
            round,
            || bench.cost(server, CONNECTIONS, always(path)),
            || bench.cost(&nginx.server, CONNECTIONS, always(path)),
        )?;
        let rates = (ours.loaded.rate(), theirs.loaded.rate());
        note(&[
            ("quotefold", rates.0, "/s"),
            ("own", ours.own, "µs"),
            ("with the kernel", ours.all, "µs"),
            ("nginx", rates.1, "/s"),
            ("own", theirs.own, "µs"),
            ("with the kernel", theirs.all, "µs"),
        ]);
        Ok([rates.0 / rates.1, ours.own])
    })
}

/// Fifty symbols against two.
pub(crate) fn fifty(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let (_venues, service) = over(bench, SOURCES)?;
    let many = format!("/prices?symbols={}", tickers(0, 50));
    service.priced(&many)?;
    service.priced(PAIR)?;
    bench.figures([("", Target::AtMost(1.0, "×"))], |round| {
        let (many, two) = in_turns(
            round,
            || bench.load(service.server.address, CONNECTIONS, always(&many)),
            || bench.load(service.server.address, CONNECTIONS, always(PAIR)),
        )?;
        let (many, two) = (1e6 / many.rate() / 50.0, 1e6 / two.rate() / 2.0);
        note(&[("50 symbols", many, "µs each"), ("2 symbols", two, "µs each")]);
        Ok([many / two])
    })
}

/// The pair, against FastAPI.
pub(crate) fn fastapi(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    if !python::is_installed(bench.python) {
        return Ok(Outcome::Skipped { missing: python::MISSING.to_owned() });
    }
    let (venues, service) = over(bench, SOURCES)?;
    let body = service.priced(PAIR)?.body;
    let python = Python::start(bench.machine, bench.python, &venues, &body)?;
    bench.figures([("", Target::AtLeast(12.0, "×"))], |round| {
        let (ours, theirs) = in_turns(
            round,
            || bench.load(service.server.address, CONNECTIONS, always(PAIR)),
            || bench.load(python.server.address, CONNECTIONS, always("/hot")),
        )?;
        note(&[("quotefold", ours.rate(), "/s"), ("FastAPI", theirs.rate(), "/s")]);
        Ok([ours.rate() / theirs.rate()])
    })
}

/// A hundred symbols over twenty sources: planned, and from bytes that are ready.
pub(crate) fn large(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let (_venues, service) = over(bench, 20)?;
    let ready = format!("/prices?symbols={}", tickers(0, 100));
    // an answer with a condition of its own is always planned
    let planned = format!("{ready}&max_age=1h");
    let length = service.priced(&planned).and_then(|_| service.priced(&ready))?.body.len();
    eprintln!("  {length} bytes, 8 connections");
    let targets = [("planned", Target::AtMost(1.5, "ms")), ("from ready bytes", Target::AtMost(0.3, "ms"))];
    bench.figures(targets, |round| {
        let (planned, ready) = in_turns(
            round,
            || bench.cost(&service.server, 8, always(&planned)),
            || bench.cost(&service.server, 8, always(&ready)),
        )?;
        let own = [planned.own, ready.own].map(|own| own / 1e3);
        note(&[("planned", own[0], "ms"), ("from ready bytes", own[1], "ms")]);
        Ok(own)
    })
}
