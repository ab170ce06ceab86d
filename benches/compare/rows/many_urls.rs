//! A thousand URLs, in a service at work: outcomes land all the time, and one source is broken.

use std::thread;
use std::time::Duration;

use anyhow::bail;

use super::{Bench, Outcome, in_turns, note};
use crate::nginx::{self, Nginx};
use crate::process::get;
use crate::quotefold::{Service, ticker};
use crate::table::Target;
use crate::venues::{Manner, Venues};

const SYMBOLS: usize = 200;
const CONNECTIONS: usize = 64;

/// The rate as a multiple of nginx's, which serves as many files of the same sizes.
pub(crate) fn many_urls(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    if !nginx::is_installed() {
        return Ok(Outcome::Skipped { missing: nginx::MISSING.to_owned() });
    }
    let mut manners = [Manner::Quotes(Duration::ZERO); 6];
    manners[5] = Manner::Breaks;
    let venues = Venues::open(&manners)?;
    let watched: Vec<String> = (0..SYMBOLS).map(|number| format!("{:?}", ticker(number))).collect();
    let sections = format!("[watch]\nevery = \"1s\"\nsymbols = [{}]\n", watched.join(","));
    let service = bench.service(&venues, &sections)?;
    let urls: Vec<String> = (0..if bench.is_short { 20 } else { 1_000 }).map(url).collect();
    let bodies = urls.iter().enumerate().map(|(number, url)| Ok((file(number), service.priced_soon(url)?.body)));
    let bodies: Vec<(String, Vec<u8>)> = bodies.collect::<anyhow::Result<_>>()?;
    wait_for_an_open_breaker(&service)?;
    let length: usize = bodies.iter().map(|(_, body)| body.len()).sum();
    eprintln!("  {} bytes on average, {CONNECTIONS} connections", length / urls.len());
    let nginx = Nginx::serving(bench.machine, &bodies)?;
    bench.figures([("", Target::AtLeast(0.55, "×"))], |round| {
        let (mut asked, mut served) = (0, 0);
        let (ours, theirs) = in_turns(
            round,
            || {
                bench.cost(&service.server, CONNECTIONS, |target| {
                    target.push_str(&urls[asked % urls.len()]);
                    asked += 1;
                })
            },
            || {
                bench.cost(&nginx.server, CONNECTIONS, |target| {
                    target.push_str(&bodies[served % bodies.len()].0);
                    served += 1;
                })
            },
        )?;
        note(&[
            ("quotefold", ours.loaded.rate(), "/s"),
            ("own", ours.own, "µs"),
            ("nginx", theirs.loaded.rate(), "/s"),
            ("own", theirs.own, "µs"),
        ]);
        Ok([ours.loaded.rate() / theirs.loaded.rate()])
    })
}

/// A pair of symbols, in every other URL without its quotes.
fn url(number: usize) -> String {
    let pair = number / 2;
    let (first, second) = (pair % SYMBOLS, (pair + 1 + pair / SYMBOLS) % SYMBOLS);
    let quotes = if number.is_multiple_of(2) { "" } else { "&quotes=false" };
    format!("/prices?symbols={},{}{quotes}", ticker(first), ticker(second))
}

fn file(number: usize) -> String {
    format!("/bodies/{number}")
}

/// The watch list calls the broken venue once a second, until the service leaves it alone.
fn wait_for_an_open_breaker(service: &Service) -> anyhow::Result<()> {
    for _ in 0..300 {
        let metrics = get(service.server.address, "/metrics")?.body;
        let metrics = String::from_utf8_lossy(&metrics);
        let mut gauges = metrics.lines().filter(|line| line.starts_with("quotefold_source_circuit_open{"));
        if gauges.any(|gauge| gauge.ends_with(" 1")) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("no breaker has opened within 30 s, though one venue is broken")
}
