//! A stand-in vendor: a TCP server that does what no HTTP library would, with or without TLS, and that can go away.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::{ServerConnection, StreamOwned};

use super::authority::Certified;
use super::until;

/// How every TLS connection begins: the record type "handshake".
const HANDSHAKE: u8 = 22;

/// A vendor on loopback whose every reply comes from one script.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    setup: Setup,
    script: Arc<Script>,
    seen: Arc<Seen>,
    /// The thread that accepts connections, and how to stop it; `None` while the vendor is away.
    accepting: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

type Script = dyn Fn(&mut Call<'_>) -> After + Send + Sync;

/// What a vendor does before its script runs.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Its certificate; without one it speaks plain HTTP.
    pub(crate) certified: Option<Certified>,
    /// How long it waits before it handles a connection, in milliseconds, in turn; empty: not at all.
    pub(crate) delays: &'static [u64],
}

/// What the vendor has seen.
#[derive(Default)]
struct Seen {
    /// Each request with the time at which its head was complete.
    heads: Mutex<Vec<(String, Instant)>>,
    connections: AtomicUsize,
    /// Connections that did not begin as TLS does.
    plain: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    written: AtomicUsize,
}

/// One request, and the connection that it came on.
pub(crate) struct Call<'a> {
    /// Request line and headers.
    pub(crate) head: String,
    /// Which request this is, counted from 1 over all connections.
    pub(crate) number: usize,
    stream: &'a mut dyn Stream,
    socket: &'a TcpStream,
    seen: &'a Seen,
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// What happens to the connection after a reply.
pub(crate) enum After {
    /// It is kept for the next request.
    Keep,
    /// It is closed.
    Close,
}

impl Upstream {
    /// A vendor that handles every request as the script says.
    pub(crate) fn new(script: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Self {
        Upstream::with(Setup::default(), script)
    }

    /// The same, with a certificate or slow connections.
    pub(crate) fn with(setup: Setup, script: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let script: Arc<Script> = Arc::new(script);
        let mut upstream = Upstream { address, setup, script, seen: Arc::default(), accepting: None };
        upstream.listen(listener);
        upstream
    }

    fn listen(&mut self, listener: TcpListener) {
        let (seen, setup, script) = (Arc::clone(&self.seen), self.setup.clone(), Arc::clone(&self.script));
        let is_over: Arc<AtomicBool> = Arc::default();
        let over = Arc::clone(&is_over);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let number = seen.connections.fetch_add(1, Ordering::SeqCst);
                seen.open.lock().insert(number, stream.try_clone().expect("a file descriptor"));
                let (seen, setup, script) = (Arc::clone(&seen), setup.clone(), Arc::clone(&script));
                thread::spawn(move || {
                    seen.serve(stream, number, &setup, &*script);
                    seen.open.lock().remove(&number);
                });
            }
        });
        self.accepting = Some((is_over, accepting));
    }

    /// Goes away: its port is closed, and so is every connection.
    pub(crate) fn die(&mut self) {
        let Some((is_over, accepting)) = self.accepting.take() else { return };
        is_over.store(true, Ordering::SeqCst);
        // wakes the thread
        drop(TcpStream::connect(self.address));
        accepting.join().expect("the thread does not panic");
        for stream in self.seen.open.lock().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // clients must learn of it before their next call
        thread::sleep(Duration::from_millis(100));
    }

    /// Comes back at the same address.
    pub(crate) fn rise(&mut self) {
        self.listen(TcpListener::bind(self.address).expect("the port is still free"));
    }

    /// A vendor that quotes every symbol at this price.
    pub(crate) fn quoting(price: &'static str) -> Self {
        Upstream::quoting_over(Setup::default(), price)
    }

    /// The same, with a certificate or slow connections.
    pub(crate) fn quoting_over(setup: Setup, price: &'static str) -> Self {
        Upstream::with(setup, move |call| {
            let asked = call.asked();
            let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), price)).collect();
            call.json(&rows(&quotes))
        })
    }

    /// A vendor that replies to every request with the same body.
    pub(crate) fn saying(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Upstream::new(move |call| call.reply(status, "Content-Type: application/json\r\n", &body))
    }

    /// A vendor that accepts requests and never replies.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough a function")]
    pub(crate) fn silent() -> Self {
        Upstream::new(|call| call.hang())
    }

    /// The section that makes it a source; keys in `more` replace the usual ones.
    pub(crate) fn source(&self, name: &str, more: &str) -> String {
        source(name, self.address, more)
    }

    /// Its URL, as `base_url` takes it.
    pub(crate) fn base(&self) -> String {
        let scheme = if self.setup.certified.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// How many requests it got.
    pub(crate) fn calls(&self) -> usize {
        self.seen.heads.lock().len()
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().iter().map(|(head, _)| head.clone()).collect()
    }

    /// The most requests that arrived in any window of this length.
    pub(crate) fn most_in(&self, window: Duration) -> usize {
        let heads = self.seen.heads.lock();
        let arrived: Vec<Instant> = heads.iter().map(|(_, at)| *at).collect();
        let within = |start: &Instant| arrived.iter().filter(|at| *at >= start && **at < *start + window).count();
        arrived.iter().map(within).max().unwrap_or(0)
    }

    /// How many connections it accepted.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many connections did not begin as TLS does; counted only with a certificate.
    pub(crate) fn plain(&self) -> usize {
        self.seen.plain.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.lock().len()
    }

    /// How many bytes it could send with [`Call::pour`].
    pub(crate) fn poured(&self) -> usize {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// Waits until it has got this many requests.
    pub(crate) fn until_called(&self, times: usize) {
        until(&format!("{times} calls"), || self.calls() >= times);
    }

    /// Waits until every connection is closed.
    pub(crate) fn until_left(&self) {
        until("every connection closed", || self.open() == 0);
    }
}

/// The section of a source at an address; keys in `more` replace the usual ones.
pub(crate) fn source(name: &str, address: SocketAddr, more: &str) -> String {
    let built_in = [
        ("classes", "[\"crypto\", \"equity\"]".to_owned()),
        ("url", format!("\"http://{address}/quotes?ids={{symbols}}\"")),
        ("batch", "20".to_owned()),
        ("timeout", "\"2s\"".to_owned()),
        ("jq", "'.[] | {symbol: .s, price: .p, at_ms: .t}'".to_owned()),
    ];
    let is_set = |key: &str| more.lines().any(|line| line.split_once(" = ").is_some_and(|(set, _)| set == key));
    let lines = built_in.iter().filter(|(key, _)| !is_set(key)).map(|(key, value)| format!("{key} = {value}\n"));
    format!("\n[sources.{name}]\n{}{more}\n", lines.collect::<String>())
}

/// The body of a reply with these symbols and prices.
pub(crate) fn rows(quotes: &[(&str, &str)]) -> String {
    let row = |(symbol, price): &(&str, &str)| format!(r#"{{"s":"{symbol}","p":"{price}"}}"#);
    format!("[{}]", quotes.iter().map(row).collect::<Vec<_>>().join(","))
}

impl Seen {
    fn serve(&self, mut socket: TcpStream, number: usize, setup: &Setup, script: &Script) {
        if !setup.delays.is_empty() {
            thread::sleep(Duration::from_millis(setup.delays[number % setup.delays.len()]));
        }
        let Ok(handle) = socket.try_clone() else { return };
        let Some(certified) = setup.certified.clone() else { return self.answer(&mut socket, &handle, script) };
        let mut first = [0];
        if !socket.peek(&mut first).is_ok_and(|read| read == 1 && first[0] == HANDSHAKE) {
            self.plain.fetch_add(1, Ordering::SeqCst);
        }
        let connection = ServerConnection::new(certified).expect("a certificate that fits");
        self.answer(&mut StreamOwned::new(connection, socket), &handle, script);
    }

    /// Reads requests one after another, until the client leaves or the script closes the connection.
    fn answer(&self, stream: &mut dyn Stream, socket: &TcpStream, script: &Script) {
        while let Some(head) = read_head(stream) {
            let number = {
                let mut heads = self.heads.lock();
                heads.push((head.clone(), Instant::now()));
                heads.len()
            };
            match script(&mut Call { head, number, stream: &mut *stream, socket, seen: self }) {
                After::Keep => {}
                After::Close => return,
            }
        }
    }
}

/// A request up to its empty line: the calls here have no body.
pub(super) fn read_head(stream: &mut (impl Read + ?Sized)) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

impl Call<'_> {
    /// The path and query of the request.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The symbols that the request asks for.
    pub(crate) fn asked(&self) -> Vec<String> {
        let list = self.target().split_once("ids=").map_or("", |(_, list)| list);
        list.split(',').map(str::to_owned).collect()
    }

    /// A complete, valid reply.
    pub(crate) fn reply(&mut self, status: u16, headers: &str, body: &str) -> After {
        let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.raw(&format!("{head}{body}"));
        After::Keep
    }

    /// A complete reply with JSON in it.
    pub(crate) fn json(&mut self, body: &str) -> After {
        self.reply(200, "Content-Type: application/json\r\n", body)
    }

    /// Sends text as it is. A vendor does not care whether the client has left.
    pub(crate) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Sends bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends nothing, and waits until the client leaves.
    pub(crate) fn hang(&mut self) -> After {
        while self.stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        After::Close
    }

    /// The socket, for scripts that use it from another thread.
    pub(crate) fn socket(&self) -> TcpStream {
        self.socket.try_clone().expect("a file descriptor")
    }

    /// Sends a pattern over and over, up to this many bytes or until the client leaves.
    pub(crate) fn pour(&mut self, pattern: &[u8], most: usize) -> After {
        let mut poured = 0;
        while poured < most && self.stream.write_all(pattern).is_ok() {
            poured += pattern.len();
            self.seen.written.store(poured, Ordering::SeqCst);
        }
        After::Close
    }
}
