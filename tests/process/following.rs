//! `quotefold get --watch` follows prices through a server's stream, in whatever way it reaches the server, and asks again and again
//! where it gets no stream.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::support::{
    After, Authority, Call, Configuration, Folder, Program, Upstream, get, rows, start, until, write,
};

/// Quotes that are fetched all the time, and count for as long as a test lasts.
const BUSY: &str = "[freshness]\nrefresh_after = \"100ms\"\nusable_for = \"1h\"\nfallback_for = \"2h\"\n";

const KEY: &str = "correct-horse-battery";

/// A vendor whose price is 100 and as many cents as the test says.
struct Vendor {
    cents: Arc<AtomicUsize>,
    upstream: Upstream,
}

impl Vendor {
    fn new() -> Self {
        let cents: Arc<AtomicUsize> = Arc::default();
        let now = Arc::clone(&cents);
        let upstream = Upstream::new(move |call| {
            let (asked, price) = (call.asked(), price(now.load(Ordering::SeqCst)));
            call.json(&rows(&asked.iter().map(|symbol| (symbol.as_str(), price.as_str())).collect::<Vec<_>>()))
        });
        Vendor { cents, upstream }
    }

    fn sources(&self) -> String {
        self.upstream.source("a", "") + &self.upstream.source("b", "")
    }

    /// Changes the price, and returns it.
    fn moves(&self) -> String {
        price(self.cents.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

fn price(cents: usize) -> String {
    format!("100.{cents:03}9")
}

/// How many streams a server has open, by its own account.
fn streams(metrics: SocketAddr) -> u64 {
    counted(metrics, &["quotefold_streams "])
}

/// How many requests of a route it has answered with this status.
fn answered(metrics: SocketAddr, route: &str, status: u16) -> u64 {
    let labels = [format!("route=\"{route}\""), format!("code=\"{status}\"")];
    counted(metrics, &["quotefold_requests_total{", &labels[0], &labels[1]])
}

/// The sum of the lines of the metrics that contain all of these words.
fn counted(metrics: SocketAddr, words: &[&str]) -> u64 {
    let page = get(metrics, "/metrics").body;
    let lines = page.lines().filter(|line| !line.starts_with('#') && words.iter().all(|word| line.contains(word)));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

/// Starts a watch that looks every second.
fn watch(arguments: &[&str]) -> Program {
    Program::new(&mut start(&[&["get", "BTC-USD", "--watch=1s"], arguments].concat(), &[]))
}

/// How often a watch has shown something.
fn blocks(watch: &Program) -> usize {
    watch.said_on_stdout().matches("SYMBOL").count()
}

/// Ends a watch as people do.
fn interrupt(watch: Program) {
    watch.signal("INT");
    let ended = watch.ended();
    assert_eq!(ended.code, Some(130), "{ended:?}");
}

/// A watch shows each change, and asks far more rarely than it looks.
fn assert_follows(vendor: &Vendor, metrics: SocketAddr, arguments: &[&str]) {
    let (told, looks) =
        (|| counted(metrics, &["quotefold_stream_events_total "]), || answered(metrics, "/prices", 200));
    let told_before = told();
    let watch = watch(arguments);
    until("the stream tells", || streams(metrics) == 1 && told() > told_before);
    let (began, before) = (Instant::now(), (looks(), blocks(&watch)));
    for _ in 0..3 {
        let price = vendor.moves();
        until("the change is shown", || watch.said_on_stdout().contains(&price));
    }
    until("ten more looks", || blocks(&watch) >= before.1 + 10);
    let (asked, looked) = (looks() - before.0, blocks(&watch) - before.1);
    // one look may have begun before the stream told of the symbol, and another one asks every 30 s
    let most = 2 + began.elapsed().as_secs() / 30;
    assert!(asked <= most, "asked {asked} times for {looked} looks");
    interrupt(watch);
    until("the stream is closed", || streams(metrics) == 0);
}

#[test]
fn a_watch_of_a_server_at_a_url_follows_its_stream() {
    let vendor = Vendor::new();
    let configuration = Configuration::new(&format!("{BUSY}{}", vendor.sources()));
    let (_program, address) = Program::serve(&configuration, &[]);
    assert_follows(&vendor, address, &["--url", &format!("http://{address}")]);
}

#[test]
fn a_watch_of_a_server_on_a_socket_follows_its_stream() {
    let (vendor, folder) = (Vendor::new(), Folder::new());
    let path = folder.0.join("quotefold.sock").display().to_string();
    let sections = "[access]\nadmin_listen = \"127.0.0.1:0\"\n";
    let text = format!("[server]\nlisten = \"unix:{path}\"\n{sections}{BUSY}{}", vendor.sources());
    let configuration = Configuration::new(&text);
    let program = Program::new(&mut start(&["serve", "--config", configuration.path()], &[]));
    let metrics = program.ready();
    assert_follows(&vendor, metrics, &["--url", &format!("unix:{path}")]);
    assert_follows(&vendor, metrics, &["--config", configuration.path()]);
}

#[test]
fn a_watch_of_the_configured_server_follows_its_stream_through_tls_and_behind_a_header_and_with_its_key() {
    let (vendor, folder) = (Vendor::new(), Folder::new());
    let (certificate, key) = Authority::new().issue("127.0.0.1");
    let [certificate, key] = [("tls.crt", certificate), ("tls.key", key)].map(|(name, text)| {
        let path = folder.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    });
    let listening = |address: &str| {
        let files = format!("certificate_file = \"{certificate}\"\nkey_file = \"{key}\"\nproxy_protocol = true\n");
        let access = format!(
            "[access]\nadmin_listen = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\nkeys = [\"{KEY}\"]\n"
        );
        Configuration::new(&format!("[server]\nlisten = \"{address}\"\n{files}{access}{BUSY}{}", vendor.sources()))
    };
    let own = listening("127.0.0.1:0");
    let program = Program::new(&mut start(&["serve", "--config", own.path()], &[]));
    let metrics = program.ready();
    let said = program.said_on_stdout();
    let address = said.split("https://").nth(1).unwrap().split([' ', ',', '\n']).next().unwrap();
    assert_follows(&vendor, metrics, &["--config", listening(address).path()]);
}

#[test]
fn a_watch_follows_the_stream_again_when_the_server_is_back() {
    let vendor = Vendor::new();
    let configuration = Configuration::new(&format!("[server]\ndrain_delay = \"0s\"\n{BUSY}{}", vendor.sources()));
    let (program, address) = Program::serve(&configuration, &[]);
    let watch = watch(&["--url", &format!("http://{address}")]);
    until("the stream is open", || streams(address) == 1);
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
    until("it says so", || watch.said_on_stderr().contains("; the last prices are from "));
    let listen = address.to_string();
    let again = Program::new(&mut start(&["serve", "--config", configuration.path(), "--listen", &listen], &[]));
    again.ready();
    let price = vendor.moves();
    until("it is back", || watch.said_on_stdout().contains(&price));
    until("the stream is open again", || streams(address) == 1);
    let price = vendor.moves();
    until("the change is shown", || watch.said_on_stdout().contains(&price));
    interrupt(watch);
}

#[test]
fn a_watch_that_may_have_no_stream_asks_again_and_again_until_it_may() {
    let vendor = Vendor::new();
    let limits = "[access]\nmax_streams_per_client = 1\n";
    let configuration = Configuration::new(&format!("{limits}{BUSY}{}", vendor.sources()));
    let (_program, address) = Program::serve(&configuration, &[]);
    let first = BufReader::new(write(address, "GET /prices/stream?symbols=ETH-USD HTTP/1.1\r\nHost: x\r\n\r\n"));
    let (mut lines, mut is_told) = (first.lines(), false);
    while !is_told {
        is_told = lines.next().unwrap().unwrap().starts_with("event: price");
    }
    let watch = watch(&["--url", &format!("http://{address}")]);
    until("its stream is refused", || answered(address, "/prices/stream", 429) > 0);
    let price = vendor.moves();
    until("the change is shown", || watch.said_on_stdout().contains(&price));
    assert!(!watch.said_on_stderr().contains("too many"), "{}", watch.said_on_stderr());
    drop(lines);
    until("it has a stream", || answered(address, "/prices/stream", 200) == 2);
    interrupt(watch);
}

/// A server that answers for prices as quotefold does, and to everything else with this status.
fn without_streams(status: u16) -> Upstream {
    whose_streams(move |call| call.reply(status, "", "no such path"))
}

/// A server that answers for prices as quotefold does, and to everything else as `others` does.
fn whose_streams(others: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Upstream {
    Upstream::new(move |call| {
        if !call.target().starts_with("/prices?") {
            return others(call);
        }
        let entry = |symbol: &str| {
            json!({
                "symbol": symbol, "status": "ok", "reason": null, "detail": null, "price": "97123.4", "currency": "USD",
                "plus_minus": null, "as_of": "2026-11-20T14:31:40Z", "age_ms": 10, "sources": { "asked": 1, "used": 1 },
            })
        };
        let prices: Vec<_> =
            ["BTC-USD", "ETH-USD"].into_iter().filter(|symbol| call.head.contains(&symbol[..3])).map(entry).collect();
        let answer = json!({ "status": "complete", "prices": prices });
        call.reply(200, "Prices-Status: complete\r\nContent-Type: application/json\r\n", &answer.to_string())
    })
}

#[test]
fn a_watch_of_a_server_without_streams_asks_at_each_look_and_tries_no_second_one() {
    for status in [404, 405, 501] {
        let server = without_streams(status);
        let asked = |path: &str| server.heads().iter().filter(|head| head.starts_with(&format!("GET {path}"))).count();
        let watch = watch(&["--url", &server.base()]);
        until("several looks", || asked("/prices?") >= 5 && blocks(&watch) >= 4);
        assert_eq!(asked("/prices/stream?"), 1, "{status}");
        assert!(watch.said_on_stderr().lines().count() == 1, "{}", watch.said_on_stderr());
        interrupt(watch);
    }
}

#[test]
fn a_stream_is_asked_for_with_the_key_in_a_header_and_with_the_proof_of_a_single_symbol() {
    for (symbols, quotes) in [(&["BTC-USD"][..], "true"), (&["BTC-USD", "ETH-USD"], "false")] {
        let server = without_streams(404);
        let url = server.base();
        let arguments = [&["get", "--watch=2s", "--url", &url], symbols].concat();
        let watch = Program::new(&mut start(&arguments, &[("QUOTEFOLD_KEY", KEY)]));
        let stream = || server.heads().into_iter().find(|head| head.starts_with("GET /prices/stream?"));
        until("it asks for a stream", || stream().is_some());
        let head = stream().unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap();
        assert!(line.contains(&format!("&quotes={quotes} ")) && !line.contains(KEY), "{head}");
        assert!(headers.to_ascii_lowercase().contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
        interrupt(watch);
    }
}

#[test]
fn a_stream_from_which_nothing_comes_does_not_keep_a_watch_from_asking() {
    let server = whose_streams(|call| {
        call.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        call.hang()
    });
    let watch = watch(&["--url", &server.base()]);
    until("several looks", || blocks(&watch) >= 5);
    let heads = server.heads();
    let looks = heads.iter().filter(|head| head.starts_with("GET /prices?")).count();
    assert!(looks >= 5 && heads.len() > looks, "{heads:?}");
    interrupt(watch);
}
