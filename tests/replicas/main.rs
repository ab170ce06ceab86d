//! Replicas that share their vendors' limits, quotes and calls through a real server, and a vendor that counts. These tests exist only in a build with
//! the feature `shared`.

#![cfg(feature = "shared")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod exchange;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod way;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use store::Store;
use support::{After, Configuration, Program, Setup, Upstream, get, rows, send_signal, until};
use way::{Swallows, Way};

/// How long the vendor's handshakes take, one connection after another, in milliseconds.
const HANDSHAKES: [u64; 8] = [0, 900, 50, 400, 0, 650, 200, 800];

/// The limits of the vendor, and how long each of their periods is.
const LIMITS: [(usize, u64); 2] = [(5, 1), (20, 5)];

/// A vendor that quotes everything, after handshakes of any length.
fn vendor() -> Upstream {
    Upstream::with(Setup { certified: None, delays: &HANDSHAKES }, |call| {
        let asked = call.asked();
        let body = rows(&asked.iter().map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>());
        call.reply(200, "Content-Type: application/json\r\nConnection: close\r\n", &body);
        After::Close
    })
}

/// A replica whose only source is the vendor.
struct Replica {
    program: Program,
    address: SocketAddr,
    _configuration: Configuration,
}

impl Replica {
    fn start(sharing: &str, vendor: &Upstream) -> Self {
        Replica::within(&LIMITS, sharing, vendor)
    }

    fn within(limits: &[(usize, u64)], sharing: &str, vendor: &Upstream) -> Self {
        let limits: Vec<String> = limits.iter().map(|(calls, seconds)| format!("\"{calls}/{seconds}s\"")).collect();
        let more = format!("batch = 1\ntimeout = \"4s\"\nconcurrency = 20\nlimits = [{}]\n", limits.join(", "));
        Replica::of(&vendor.source("desk", &more), sharing, &[])
    }

    /// One with this source, in an environment with these variables.
    fn of(source: &str, sharing: &str, variables: &[(&str, &str)]) -> Self {
        let configuration = Configuration::new(&format!(
            "[server]\ntimeout = \"5s\"\ndrain_delay = \"0s\"\n[fold]\nrequired = 1\n{sharing}{source}retries = 0\n"
        ));
        let (program, address) = Program::serve(&configuration, variables);
        Replica { program, address, _configuration: configuration }
    }

    /// How it keeps its limits, as its health says.
    fn limits(&self) -> String {
        get(self.address, "/health/ready").json()["checks"]["limits"][0]["output"].as_str().unwrap_or("none").to_owned()
    }

    /// How often reservations have ended so.
    fn reservations(&self, outcome: &str) -> u64 {
        let page = get(self.address, "/metrics").body;
        let name = format!("quotefold_shared_reservations_total{{outcome=\"{outcome}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    fn signal(&self, name: &str) {
        send_signal(name, self.program.id());
    }

    fn until_shared(&self) {
        until("limits are shared", || self.limits() == "shared");
    }
}

/// Clients that ask every replica for other symbols, as fast as they are answered, until this is dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<()>>,
    priced: Arc<AtomicUsize>,
}

impl Load {
    fn on(replicas: &[Replica]) -> Self {
        let (is_over, priced): (Arc<AtomicBool>, Arc<AtomicUsize>) = (Arc::default(), Arc::default());
        let clients = replicas.iter().flat_map(|replica| (0..4).map(move |client| (replica.address, client)));
        let clients = clients.map(|(address, client)| {
            let (is_over, priced) = (Arc::clone(&is_over), Arc::clone(&priced));
            thread::spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let symbol = format!("S{client}N{}-USD", number % 50);
                    let reply = get(address, &format!("/prices?symbols={symbol}&refresh_after=0s"));
                    // one that was stopped may shed what it could not answer in time
                    if reply.status == 200 && reply.verdict(&symbol, "desk") == "used" {
                        priced.fetch_add(1, Ordering::SeqCst);
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            })
        });
        let clients = clients.collect();
        Load { is_over, clients, priced }
    }

    /// Ends the load, and returns how many prices were answered.
    fn end(mut self) -> usize {
        self.is_over.store(true, Ordering::SeqCst);
        self.clients.drain(..).for_each(|client| client.join().unwrap());
        self.priced.load(Ordering::SeqCst)
    }
}

/// Three replicas under load, each with a way of its own to the store, and a vendor that counts.
struct World {
    store: Store,
    vendor: Upstream,
    ways: Vec<Way>,
    replicas: Vec<Replica>,
    load: Load,
}

impl World {
    fn new(store: Store) -> Self {
        let vendor = vendor();
        let ways: Vec<Way> = (0..3).map(|_| Way::to(store.port)).collect();
        let replicas: Vec<Replica> = ways.iter().map(|way| Replica::start(&sharing(way.port), &vendor)).collect();
        replicas.iter().for_each(Replica::until_shared);
        let load = Load::on(&replicas);
        until("the first calls", || vendor.calls() >= 5);
        World { store, vendor, ways, replicas, load }
    }

    /// Lets calls go on for a while, and then looks at what the vendor has seen.
    fn end(self) {
        let before = self.vendor.calls();
        until("calls go on", || self.vendor.calls() > before + 10);
        let priced = self.load.end();
        for (calls, seconds) in LIMITS {
            let most = self.vendor.most_in(Duration::from_secs(seconds));
            assert!(most <= calls, "{most} calls in {seconds} s; the limit is {calls}");
        }
        assert!(priced > 0);
    }
}

/// The keys that let a replica share through the store behind a port, as one of up to five.
fn sharing(port: u16) -> String {
    format!("[shared]\nurl = \"redis://127.0.0.1:{port}\"\nreplicas = 5\n")
}

fn pass(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}

/// Longer than it takes until a replica that is cut off spends its own share: a second, the longest call, and a period.
const UNTIL_ALONE: u64 = 14;

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn three_replicas_together_keep_to_the_limits_of_one_account() {
    let world = World::new(Store::start());
    pass(10);
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_store_that_is_killed_and_comes_back_empty_lets_no_limit_be_exceeded() {
    let mut world = World::new(Store::start());
    for seconds in [0, 2, UNTIL_ALONE] {
        world.store.die();
        pass(seconds);
        world.store.rise();
        pass(3);
    }
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_store_that_is_stopped_for_a_while_lets_no_limit_be_exceeded() {
    let world = World::new(Store::start());
    for seconds in [1, UNTIL_ALONE] {
        world.store.signal("STOP");
        pass(seconds);
        world.store.signal("CONT");
        pass(3);
    }
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_store_whose_clock_is_moved_lets_no_limit_be_exceeded() {
    let world = World::new(Store::with_clock());
    for seconds in [70, -3_600, 0] {
        world.store.move_clock(seconds);
        pass(8);
        world.replicas.iter().for_each(Replica::until_shared);
    }
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_store_that_drops_keys_lets_no_limit_be_exceeded() {
    let world = World::new(Store::start());
    let (account, members) = ("quotefold:account:desk", "quotefold:members");
    for keys in [&[account][..], &[members], &[account, members]] {
        world.store.run(&[&["DEL"], keys].concat());
        pass(7);
    }
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_store_that_comes_back_without_its_last_second_lets_no_limit_be_exceeded() {
    let mut world = World::new(Store::start());
    for _ in 0..2 {
        world.store.run(&["SAVE"]);
        pass(1);
        world.store.die();
        world.store.rise();
        pass(7);
    }
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_replica_that_is_cut_off_spends_its_own_share_and_the_others_leave_that_to_it() {
    for what in [Swallows::Everything, Swallows::Replies] {
        let world = World::new(Store::start());
        world.ways[0].swallow(what);
        pass(1);
        until("the replica is alone", || world.replicas[0].limits().starts_with("own share"));
        let alone = || world.replicas[0].reservations("own_share");
        until("it calls out of its share", || alone() >= 4);
        world.ways[0].swallow(Swallows::Nothing);
        world.replicas[0].until_shared();
        pass(3);
        world.end();
    }
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_slow_way_to_the_store_lets_no_limit_be_exceeded() {
    let world = World::new(Store::start());
    for (way, milliseconds) in [(0, 20), (1, 100), (2, 400), (0, 0), (1, 0), (2, 22)] {
        world.ways[way].delay(milliseconds);
        pass(4);
    }
    world.ways[2].delay(0);
    world.replicas.iter().for_each(Replica::until_shared);
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn replicas_that_come_go_and_stand_still_let_no_limit_be_exceeded() {
    let world = World::new(Store::start());
    let more: Vec<Replica> = (0..2).map(|_| Replica::start(&sharing(world.store.port), &world.vendor)).collect();
    let load = Load::on(&more);
    more.iter().for_each(Replica::until_shared);
    for _ in 0..4 {
        world.replicas[0].signal("STOP");
        pass(2);
        world.replicas[0].signal("CONT");
        pass(1);
    }
    load.end();
    let mut more = more.into_iter();
    let members = || world.store.run(&["ZCOUNT", "quotefold:members", "0", "+inf"]);
    assert_eq!(members().trim(), "5");
    // one signs off
    let leaving = more.next().unwrap();
    leaving.signal("TERM");
    until("it is gone", || members().trim() == "4");
    // and the other is killed, so that its share is left to it
    drop(more.next());
    pass(6);
    assert_eq!(members().trim(), "4");
    world.end();
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_limit_of_a_day_outlives_a_store_that_comes_back_empty_and_a_replica_that_is_started_again() {
    let (mut store, vendor) = (Store::start(), vendor());
    let limits = [(10, 86_400)];
    let replica = |store: &Store| Replica::within(&limits, &sharing(store.port), &vendor);
    let (first, mut second) = (replica(&store), replica(&store));
    let replicas = [&first, &second];
    replicas.iter().for_each(|replica| replica.until_shared());
    let ask =
        |replica: &Replica, symbol: &str| get(replica.address, &format!("/prices?symbols={symbol}-USD&timeout=1s"));
    // a fifth of a day's limit may be spent in a fifth of the day
    until("the first unit", || ask(&first, "A").status == 200);
    until("the second unit", || ask(&second, "B").status == 200);
    let is_refused = |replica: &Replica| {
        let reply = ask(replica, "C");
        assert!(reply.body.contains("throttled"), "{}", reply.body);
    };
    is_refused(&first);
    // the store forgets, and is told by both
    store.die();
    store.rise();
    [&first, &second].iter().for_each(|replica| replica.until_shared());
    pass(3);
    is_refused(&first);
    is_refused(&second);
    // a replica forgets, and the store has not
    drop(second);
    second = replica(&store);
    second.until_shared();
    is_refused(&second);
    assert_eq!(vendor.calls(), 2);
}
