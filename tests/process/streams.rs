//! Streams of prices at the end of the service, and while its configuration changes.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use crate::support::{Configuration, PATIENCE, Program, Upstream, get, hearing_hangups, start, until, write};

const LASTING: &str = "[freshness]\nrefresh_after = \"10m\"\nusable_for = \"14m\"\n";
const MANY: &str = "max_streams_per_client = 0\n";
const KEYS: [&str; 2] = ["the-first-of-the-keys", "the-second-of-them-all"];

fn ask(address: SocketAddr, headers: &str) -> BufReader<TcpStream> {
    let head = format!("GET /prices/stream?symbols=BTC-USD HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    BufReader::new(write(address, &head))
}

/// Reads until a line of the stream begins with this; returns whether one did before the end.
fn reads(stream: &mut BufReader<TcpStream>, beginning: &str) -> bool {
    stream.lines().map_while(Result::ok).any(|line| line.starts_with(beginning))
}

fn served(text: &str) -> (Program, SocketAddr, Configuration) {
    let configuration = Configuration::new(text);
    let serve = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let program = Program::new(&mut hearing_hangups(&serve));
    let address = program.ready();
    (program, address, configuration)
}

#[test]
fn at_the_end_every_stream_says_bye_and_none_counts_as_dropped() {
    let vendor = Upstream::quoting("100");
    let text = format!("[server]\ndrain_delay = \"0s\"\n[access]\n{MANY}{LASTING}{}", vendor.source("a", ""));
    let (program, address, _configuration) = served(&text);
    let mut streams: Vec<_> = (0..200).map(|_| ask(address, "")).collect();
    assert!(streams.iter_mut().all(|stream| reads(stream, "data: {\"symbol\"")), "a stream has no first event");
    program.signal("TERM");
    let readers = streams.into_iter().map(|mut stream| thread::spawn(move || reads(&mut stream, "event: bye")));
    let heard: Vec<bool> = readers.collect::<Vec<_>>().into_iter().map(|reader| reader.join().unwrap()).collect();
    assert!(heard.iter().all(|heard| *heard), "{} of 200 heard a bye", heard.iter().filter(|heard| **heard).count());
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("dropped"), "{ended:?}");
}

#[test]
fn a_key_that_is_taken_away_ends_its_streams_and_no_others() {
    let vendor = Upstream::quoting("100");
    let with_keys = |keys: &[&str]| format!("[access]\nkeys = {keys:?}\n{MANY}{LASTING}{}", vendor.source("a", ""));
    let (program, address, configuration) = served(&with_keys(&KEYS));
    let of = |key: &str| ask(address, &format!("Authorization: Bearer {key}\r\n"));
    let [mut goes, mut stays] = KEYS.map(of);
    assert!([&mut goes, &mut stays].into_iter().all(|stream| reads(stream, "data: {\"symbol\"")));
    assert_eq!(get(address, "/prices/stream?symbols=BTC-USD").status, 401);
    std::fs::write(configuration.path(), with_keys(&KEYS[1..])).unwrap();
    program.signal("HUP");
    assert!(reads(&mut goes, "data: {\"reason\":\"key_removed\"}"), "the stream goes on");
    // a comment comes within 15 s
    stays.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(reads(&mut stays, ":"), "the other stream has ended");
    until("the key is refused", || {
        let refused = ask(address, &format!("Authorization: Bearer {}\r\n", KEYS[0]));
        refused.lines().map_while(Result::ok).next().is_some_and(|line| line.starts_with("HTTP/1.1 401"))
    });
}
