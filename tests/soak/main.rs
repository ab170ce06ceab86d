//! A storm: the real program under load for minutes, while clients and venues misbehave. Run by hand; prints a report.
//!
//! ```sh
//! cargo test --release --test soak -- --ignored --nocapture                    # ten minutes, 300 clients, 50 readers
//! SOAK_SECONDS=180 SOAK_CLIENTS=50 SOAK_READERS=5 SOAK_SEED=2 cargo test --release --test soak -- --ignored --nocapture
//! ```
//!
//! Clients ask for one to 500 symbols, for junk, with little patience; they read slowly, stop reading, leave, close their side and
//! send half of a request. Others follow prices through streams. Venues are slow, break off, reply twice, lie. For a tenth of the time in the middle, stderr is not
//! read. Meanwhile health is probed. Before and after, the program is measured at rest. In the end it gets SIGTERM while
//! requests are in flight.
//!
//! The clients share the machine with the service. So they send and read on one thread, the venues reply on another, each page
//! of health is probed from a thread of its own, and one more examines the replies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod arrivals;
mod client;
mod crowd;
mod errand;
mod gate;
mod gates;
mod honest;
mod judge;
mod lag;
mod manner;
mod probes;
mod program;
mod readers;
mod report;
mod scarce;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use quotefold::demo;
use quotefold::settings::load::{LoadOptions, load};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crowd::Crowd;
use gates::Gates;
use honest::History;
use lag::Lags;
use manner::Manner;
use probes::Probes;
use program::{Program, Size};
use readers::Readers;
use report::{Memory, Report};
use scarce::Scarce;

/// How often memory is measured.
const LOOK: Duration = Duration::from_secs(5);

/// How long after the last client all of their resources must be released: idle connections to venues are kept for 15 s, idle
/// threads for 10 s.
const QUIET: Duration = Duration::from_secs(40);

/// The shortest rest before the program is measured.
const REST: Duration = Duration::from_secs(20);

/// File descriptors and threads that may have been added: the resolver's, another worker's.
const SLACK: usize = 4;

/// How much memory may be in use then, in percent of the amount before the storm.
const BACK: u64 = 120;

/// How long the program may take to exit, including 1 s for load balancers.
const ENDING: Duration = Duration::from_secs(5);

/// The part of the time, in the middle, during which stderr is not read: one in this many.
const UNREAD: u32 = 10;

/// Requests in flight when it gets SIGTERM.
const UNDER_WAY: usize = 8;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "takes ten minutes"]
fn the_service_stands_while_clients_and_venues_misbehave() {
    let length = Duration::from_secs(from_environment("SOAK_SECONDS", 600));
    let clients = usize::try_from(from_environment("SOAK_CLIENTS", 300)).unwrap();
    let readers = usize::try_from(from_environment("SOAK_READERS", 50)).unwrap();
    let seed = from_environment("SOAK_SEED", 1);
    println!("{clients} clients and {readers} readers for {length:?}, seed {seed}");
    let report = storm(length, clients, readers, seed);
    println!("{report}");
    let faults = report.faults();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Everything that the service calls.
struct Vendors {
    gates: Gates,
    scarce: Arc<Scarce>,
    history: Arc<History>,
    /// The configuration of the service.
    settings: String,
}

impl Vendors {
    /// The demo's market and formats, behind gates that misbehave, and a vendor with few calls.
    async fn open(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let market = listener.local_addr().unwrap();
        let text = demo::settings_text(market);
        let settings =
            load(&LoadOptions { text: Some(("demo".into(), text.clone())), ..LoadOptions::default() }).unwrap();
        let venues = demo::open_venues(listener, &settings);
        let (gates, scarce) = (Gates::open(&venues, seed).await, Scarce::open().await);
        let settings = program::configuration(&gates.in_front_of(&text, market)) + &scarce.settings();
        Vendors { gates, scarce, history: History::of(venues), settings }
    }
}

fn storm(length: Duration, clients: usize, readers: usize, seed: u64) -> Report {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let Vendors { gates, scarce, history, settings } = runtime.block_on(Vendors::open(seed));
    let mut program = Program::start(&settings);
    let crowd = Crowd::new(program.address, &history, seed);

    // An ordinary load first, so that one-time allocations are made, and some junk, so that the table of failures is as full as
    // it soon is in any service that is asked for unknown symbols.
    let _ = asked(&runtime, &program, &Scarce::question());
    let fresh = program.size();
    let first = |number| if number % 5 < 4 { Manner::AsksForMany } else { Manner::Asks };
    crowd.visit(clients.div_ceil(10), first, Instant::now() + length.min(REST));
    sleep(REST);
    let before = program.size();

    let begun = Instant::now();
    let in_runtime = runtime.enter();
    gates.misbehave();
    drop(in_runtime);
    let probes = Probes::begin(program.address, program.admin);
    let visit = crowd.begin(clients, Manner::of, begun + length);
    let readers = Readers::begin(readers, &crowd.runtime, program.address, &history, begun + length);
    let lags = [&crowd.runtime, &runtime].map(|runtime| Lags::of(runtime, begun + length));
    let unread = length / UNREAD;
    let memory = watch(&mut program, begun, length, unread);
    visit.wait();
    let followed = readers.end(&crowd.runtime);
    let probed = probes.end();
    gates.behave();

    let (after, in_flight) = until_quiet(&runtime, &program, before);
    let lost = Scarce::missing_in(&asked(&runtime, &program, &Scarce::question()));
    gates.be_slow();
    let (ended, answered_at_the_end) = crowd.while_asking(UNDER_WAY, || program.end(ENDING));
    let mut measures = gates.measures();
    measures.extend(scarce.measures());
    let (log, gates, scarce) = (program.log(), gates.tally(), scarce.calls());
    let (crowd, lags) = (crowd.end(), lags.map(|lags| lags.all()));
    Report {
        crowd,
        followed,
        lags,
        probed,
        gates,
        measures,
        scarce,
        lost,
        memory,
        fresh,
        before,
        after,
        in_flight,
        log,
        unread,
        ended,
        answered_at_the_end,
    }
}

/// Measures the program's memory during the storm, and leaves its stderr unread in the middle.
fn watch(program: &mut Program, begun: Instant, length: Duration, unread: Duration) -> Memory {
    let (mut memory, mut unread) = (Memory::default(), Some(unread));
    while begun.elapsed() < length {
        sleep(LOOK.min(length / 10));
        memory.note(begun.elapsed(), program.size().resident_kib);
        assert!(program.runs(), "it ended: {:?}", program.log());
        let is_the_middle = begun.elapsed() > length / 2 - length / UNREAD / 2;
        if let Some(unread) = unread.take_if(|_| is_the_middle) {
            program.leave_stderr_for(unread);
        }
    }
    memory
}

/// Waits until the program is as small as before and nothing is in flight, or until it should have been.
fn until_quiet(runtime: &Runtime, program: &Program, before: Size) -> (Size, u64) {
    let begun = Instant::now();
    loop {
        sleep(Duration::from_secs(1));
        let (after, in_flight) = (program.size(), in_flight(runtime, program));
        let small = after.descriptors <= before.descriptors + SLACK
            && after.threads <= before.threads + SLACK
            && after.resident_kib * 100 <= before.resident_kib * BACK;
        if small && in_flight == 0 && begun.elapsed() > REST || begun.elapsed() > QUIET {
            return (after, in_flight);
        }
    }
}

/// Calls that the service reports as in flight.
fn in_flight(runtime: &Runtime, program: &Program) -> u64 {
    let overview = runtime.block_on(client::page(program.admin, "/sources"));
    let sources = overview["sources"].as_array().into_iter().flatten();
    sources.map(|source| source["in_flight"].as_u64().unwrap_or(u64::MAX)).sum()
}

/// The service's answer to a query.
fn asked(runtime: &Runtime, program: &Program, question: &str) -> serde_json::Value {
    runtime.block_on(client::page(program.address, question))
}

/// The percentile of these durations.
fn percentile(all: &[Duration], percent: usize) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or_default()
}
