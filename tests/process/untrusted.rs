//! Untrusted traffic costs neither the process nor the operator's quotas.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::support::{Configuration, Program, Reply, Upstream, get, read, start, until, write};

const HALF_A_HEAD: &str = "GET /prices?symbols=BTC-USD HTTP/1.1\r\nHost: x\r\nX-Half";
const HALF_SENDERS: usize = 500;
const NOT_READERS: usize = 50;

/// Two sources of one vendor.
fn configuration(vendor: &Upstream, more: &str) -> Configuration {
    Configuration::new(&format!("{more}{}{}", vendor.source("a", ""), vendor.source("b", "")))
}

/// Clients that hold connections: some never finish their request, some never read their replies.
struct Crowd {
    half_senders: Vec<TcpStream>,
    not_readers: Vec<TcpStream>,
}

impl Crowd {
    fn gathers(address: SocketAddr) -> Self {
        let half_senders = (0..HALF_SENDERS).map(|_| write(address, HALF_A_HEAD)).collect();
        let not_readers = (0..NOT_READERS).map(|_| not_reading(address)).collect();
        let crowd = Crowd { half_senders, not_readers };
        for stream in crowd.half_senders.iter().chain(&crowd.not_readers) {
            stream.set_nonblocking(true).unwrap();
        }
        crowd
    }

    /// How many connections of each kind the server has not closed yet.
    fn left(&mut self) -> (usize, usize) {
        let reads_on = |stream: &mut TcpStream| stream.read(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
        // a client that never reads finds out by writing
        let writes_on = |stream: &mut TcpStream| match stream.write(b"GET ") {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        self.half_senders.retain_mut(reads_on);
        self.not_readers.retain_mut(writes_on);
        (self.half_senders.len(), self.not_readers.len())
    }
}

/// A request with a long answer that costs little: everything is cached.
fn long_answer() -> String {
    let symbols: Vec<String> = (0..100).map(|number| format!("X{number}-USD")).collect();
    format!("/prices?symbols={}&refresh_after=1h", symbols.join(","))
}

/// A client that asks for more than all buffers on the way hold, and reads nothing.
fn not_reading(address: SocketAddr) -> TcpStream {
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", long_answer());
    write(address, &request.repeat(50))
}

/// The median latency of requests at an even pace; each is answered, however busy the machine is.
fn median(address: SocketAddr) -> Duration {
    let mut times: Vec<Duration> = (0..61)
        .map(|_| {
            sleep(Duration::from_millis(40));
            let started = Instant::now();
            assert_eq!(get(address, "/prices?symbols=BTC-USD&refresh_after=1h&timeout=10s").status, 200);
            started.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn clients_that_hold_connections_disturb_no_other_and_are_soon_gone() {
    let vendor = Upstream::quoting("100");
    let (_program, address) = Program::serve(&configuration(&vendor, ""), &[]);
    assert_eq!(get(address, &long_answer()).status, 200);
    let before = median(address);
    let gathered = Instant::now();
    let mut crowd = Crowd::gathers(address);
    let during = median(address);
    let left = crowd.left();
    until("all of them gone", || crowd.left() == (0, 0));
    let gone = gathered.elapsed();
    // shown for people, not asserted: it depends on how busy the machine is
    eprintln!(
        "median before {before:?}, during {during:?}: ratio {:.2} (then still there: {left:?}); all gone after {gone:?}",
        during.div_duration_f64(before)
    );
}

#[test]
fn clients_that_hold_on_by_the_hundred_do_not_hold_up_the_end() {
    let vendor = Upstream::quoting("100");
    let settings = "[server]\ndrain_delay = \"0s\"\ndrain_timeout = \"1s\"\n";
    let (program, address) = Program::serve(&configuration(&vendor, settings), &[]);
    assert_eq!(get(address, &long_answer()).status, 200);
    let mut crowd = Crowd::gathers(address);
    assert_eq!(crowd.left(), (HALF_SENDERS, NOT_READERS));
    let started = Instant::now();
    program.signal("TERM");
    let ended = program.ended();
    eprintln!("ended after {:?}", started.elapsed());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // they would stay for 5 s, so if some were dropped, the shutdown did not wait for them
    let was_dropped = ended.stderr.contains("\"cancelled\":") && !ended.stderr.contains("\"cancelled\":0");
    assert!(was_dropped, "{}", ended.stderr);
}

#[test]
fn running_out_of_file_descriptors_is_survived_and_logged_once() {
    let vendor = Upstream::quoting("100");
    let configuration = configuration(&vendor, "");
    let serve = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    few.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::new(&mut few);
    let address = program.ready();
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200);

    let mut clients: Vec<TcpStream> = (0..200).map(|_| write(address, HALF_A_HEAD)).collect();
    until("it says so", || program.said_on_stderr().contains("cannot accept"));
    let before = processor_ticks(program.id());
    for _ in 0..20 {
        sleep(Duration::from_millis(100));
        // some leave and others come, so that the shortage comes and goes
        clients.remove(0);
        clients.push(write(address, HALF_A_HEAD));
    }
    let ticks = processor_ticks(program.id()) - before;
    eprintln!("{ticks} hundredths of a second of processor time in 2 s");
    assert!(ticks < 100, "a spin takes 200: {ticks}");
    assert!(program.runs());
    drop(clients);

    until("it answers again", || {
        let reply = write(address, "GET /prices?symbols=ETH-USD HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        read(reply).status("ETH-USD") == "ok"
    });
    until("it says that it is over", || program.said_on_stderr().contains("accepting connections again"));
    program.signal("INT");
    let said = program.ended().stderr;
    for words in ["cannot accept", "accepting connections again"] {
        assert_eq!(said.matches(words).count(), 1, "{words:?} in {said}");
    }
    assert!(said.contains("\"lasted_ms\":"), "{said}");
}

/// The processor time a process has used so far, in hundredths of a second.
fn processor_ticks(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("Linux");
    text.rsplit_once(')').unwrap().1.split(' ').skip(12).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

const KEY: &str = "correct-horse-battery";

fn ask(address: SocketAddr, target: &str, key: &str) -> Reply {
    let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n");
    read(write(address, &head))
}

#[test]
fn neither_a_wrong_key_nor_a_client_over_its_rate_touches_a_source() {
    let vendor = Upstream::quoting("100");
    let settings = "[access]\nkeys = [\"${QUOTEFOLD_KEY}\"]\nrate = \"3/min\"\n";
    let (_program, address) = Program::serve(&configuration(&vendor, settings), &[("QUOTEFOLD_KEY", KEY)]);
    let target = |number: usize| format!("/prices?symbols=X{number}-USD&refresh_after=0s");
    for (number, status) in [(1, 401), (2, 401), (3, 401), (4, 429), (5, 429)] {
        let reply = ask(address, &target(number), "wrong-key-of-a-stranger");
        assert_eq!(reply.status, status, "{reply:?}");
        match status {
            401 => assert_eq!(reply.header("www-authenticate"), Some("Bearer error=\"invalid_token\"")),
            _ => assert!((1..=60).contains(&reply.header("retry-after").unwrap().parse().unwrap()), "{reply:?}"),
        }
    }
    assert_eq!(vendor.calls(), 0);
    for number in 1..=3 {
        assert_eq!(ask(address, &target(number), KEY).status, 200);
        assert_eq!(vendor.calls(), 2 * number, "one call of each source");
    }
    let refused = ask(address, &target(4), KEY);
    assert_eq!((refused.status, refused.json()["type"].as_str()), (429, Some("/problems/too-many-requests")));
    assert_eq!(vendor.calls(), 6);
    let metrics = ask(address, "/metrics", KEY);
    assert_eq!(metrics.status, 429, "metrics count against the rate unless they have their own address");
    assert_eq!(get(address, "/health").status, 200);
}

/// Asks for fifty unknown symbols, over and over from several connections; returns how often.
fn invent(address: SocketAddr, time: Duration) -> usize {
    let (count, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let clients = (0..4).map(|_| {
        let count = Arc::clone(&count);
        thread::spawn(move || {
            while started.elapsed() < time {
                let first = count.fetch_add(1, Ordering::SeqCst) * 50;
                let symbols: Vec<String> = (first..first + 50).map(|number| format!("Q{number}-USD")).collect();
                let target = format!("/prices?symbols={}&timeout=100ms", symbols.join(","));
                assert!([200, 404, 503].contains(&get(address, &target).status));
            }
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    count.load(Ordering::SeqCst)
}

/// Invented symbols for this long: never more calls than the limit allows, and none if `server.symbols` forbids them.
fn invented_symbols_cost_what_the_limit_allows(time: Duration) {
    const A_SECOND: usize = 5;
    let vendor = Upstream::quoting("100");
    let limited = format!("limits = [\"{A_SECOND}/s\"]");
    let sources = format!("{}{}", vendor.source("a", &limited), vendor.source("b", &limited));
    let started = Instant::now();
    let (program, address) = Program::serve(&Configuration::new(&sources), &[]);
    let mut requests = invent(address, time);
    // on a busy machine, every request may have been given up before it was served
    until("some are asked for", || {
        let are_enough = requests > 10 && vendor.calls() > 0;
        requests += if are_enough { 0 } else { invent(address, time) };
        are_enough
    });
    let (calls, seconds) = (vendor.calls(), started.elapsed().as_secs() as usize + 1);
    eprintln!("{requests} requests for {} invented symbols in {time:?}: {calls} calls of two sources", requests * 50);
    assert!(calls <= 2 * A_SECOND * (seconds + 1), "{calls} calls in {seconds} s");
    drop(program);

    let named = format!("[server]\nsymbols = [\"AAPL\", \"BTC-*\"]\n{sources}");
    let (_program, address) = Program::serve(&Configuration::new(&named), &[]);
    let requests = invent(address, time);
    eprintln!("{requests} requests where only AAPL and BTC-* may be asked for: {} calls", vendor.calls() - calls);
    assert_eq!(vendor.calls(), calls, "{requests} requests");
    let asked: BTreeSet<u16> =
        ["AAPL", "BTC-EUR"].map(|symbol| get(address, &format!("/prices/{symbol}")).status).into();
    assert_eq!(asked, BTreeSet::from([200]), "allowed symbols are answered");
}

#[test]
fn invented_symbols_cost_calls_only_within_limits_and_allowed_symbols() {
    invented_symbols_cost_what_the_limit_allows(Duration::from_secs(3));
}

#[test]
#[ignore = "two minutes"]
fn a_minute_of_invented_symbols_costs_no_more_either() {
    invented_symbols_cost_what_the_limit_allows(Duration::from_secs(60));
}
