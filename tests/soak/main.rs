//! The real program under load for minutes, while every venue misbehaves: by hand, with a report at the end.
//!
//! ```sh
//! cargo test --test soak -- --ignored --nocapture                              # ten minutes
//! SOAK_SECONDS=180 SOAK_CLIENTS=50 cargo test --release --test soak -- --ignored --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod crowd;
mod errand;
mod gate;
mod gates;
mod honest;
mod program;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quotefold::demo;
use quotefold::settings::load::{LoadOptions, load};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crowd::Crowd;
use gates::Gates;
use honest::History;
use program::{Program, Size};
use report::{Memory, Report};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How long after the last client everything of theirs must be gone: idle connections to venues are kept for 15 s, idle
/// threads for 10 s.
const QUIET: Duration = Duration::from_secs(40);

/// Descriptors and threads that may have come since the first request: the resolver's, another worker's.
const SLACK: usize = 4;

/// How long the program may take to end, of which it waits 1 s for load balancers.
const ENDING: Duration = Duration::from_secs(5);

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "takes ten minutes"]
fn the_service_stands_while_every_venue_misbehaves() {
    let length = Duration::from_secs(from_environment("SOAK_SECONDS", 600));
    let clients = usize::try_from(from_environment("SOAK_CLIENTS", 200)).unwrap();
    let seed = from_environment("SOAK_SEED", 1);
    println!("{clients} clients for {length:?}, seed {seed}");
    tokio::runtime::Runtime::new().unwrap().block_on(soak(length, clients, seed));
}

async fn soak(length: Duration, clients: usize, seed: u64) {
    // the demo's market and formats, behind gates that do what venues do
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let market = listener.local_addr().unwrap();
    let text = demo::settings_text(market);
    let settings = load(&LoadOptions { text: Some(("demo".into(), text.clone())), ..LoadOptions::default() }).unwrap();
    let venues = demo::open_venues(listener, &settings);
    let history = History::of(Arc::clone(&venues));
    let gates = Gates::open(&venues, seed).await;
    let mut program = Program::start(&program::configuration(&gates.in_front_of(&text, market)));

    let crowd = Crowd::new(program.address, Arc::clone(&history), seed);
    crowd.look_around().await;
    let before = program.size();
    let begun = Instant::now();
    gates.misbehave();
    let leaving = crowd.open(clients, begun + length);
    let mut memory = Memory::default();
    let mut lag = Duration::ZERO;
    while begun.elapsed() < length {
        let looked = Instant::now();
        sleep(LOOK).await;
        lag = lag.max(looked.elapsed().saturating_sub(LOOK));
        memory.note(begun.elapsed(), program.size().resident_kib);
        assert!(program.runs(), "it ended: {}", program.words());
    }
    leaving.await;
    gates.behave();

    let (after, in_flight) = until_quiet(&crowd, &program, before).await;
    let words = program.words();
    let ended = program.end(ENDING);
    let (crowd, gates) = (crowd.tally(), gates.tally());
    let report = Report { crowd, gates, memory, lag, before, after, in_flight, words, ended };
    println!("{report}");
    let faults = report.faults();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Waits until the program is as small as before and nothing is in the air, or until it should have been.
async fn until_quiet(crowd: &Crowd, program: &Program, before: Size) -> (Size, u64) {
    let begun = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        let (after, in_flight) = (program.size(), crowd.in_flight().await);
        let small = after.descriptors <= before.descriptors + SLACK && after.threads <= before.threads + SLACK;
        if small && in_flight == 0 || begun.elapsed() > QUIET {
            return (after, in_flight);
        }
    }
}
