//! A vendor made by hand: a TCP server that does what no HTTP library would do wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::until;

/// A vendor on loopback whose every reply comes from one script.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

/// What the vendor has seen.
#[derive(Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    written: AtomicUsize,
}

/// One request, and the connection it came on.
pub(crate) struct Call<'a> {
    /// Request line and headers.
    pub(crate) head: String,
    /// The connection itself, for scripts that do not reply as they should.
    pub(crate) stream: &'a mut TcpStream,
    /// Which request it is, counted from 1 over all connections.
    pub(crate) number: usize,
    seen: &'a Seen,
}

/// What becomes of the connection after a reply.
pub(crate) enum After {
    /// The next request may come on it.
    Keep,
    /// It is closed.
    Close,
}

impl Upstream {
    /// A vendor that does with every request what the script says.
    pub(crate) fn new(script: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (seen, script) = (Arc::new(Seen::default()), Arc::new(script));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (seen, script) = (Arc::clone(&shared), Arc::clone(&script));
                seen.connections.fetch_add(1, Ordering::SeqCst);
                seen.open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    seen.serve(&mut stream, &*script);
                    drop(stream);
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Upstream { address, seen }
    }

    /// A vendor that has every symbol, at this price.
    pub(crate) fn quoting(price: &'static str) -> Self {
        Upstream::new(move |call| {
            let asked = call.asked();
            let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), price)).collect();
            call.json(&rows(&quotes))
        })
    }

    /// A vendor that gives every request the same body.
    pub(crate) fn saying(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Upstream::new(move |call| call.reply(status, "Content-Type: application/json\r\n", &body))
    }

    /// A vendor that takes requests and never replies.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough a function")]
    pub(crate) fn silent() -> Self {
        Upstream::new(|call| call.hang())
    }

    /// The section that makes it a source; what `more` sets is not set twice.
    pub(crate) fn source(&self, name: &str, more: &str) -> String {
        source(name, self.address, more)
    }

    /// How many requests it got.
    pub(crate) fn calls(&self) -> usize {
        self.heads().len()
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().expect("no script panicked").clone()
    }

    /// How many connections it took.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// How many bytes it could send with [`Call::pour`].
    pub(crate) fn poured(&self) -> usize {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// Waits until it got so many requests.
    pub(crate) fn until_called(&self, times: usize) {
        until(&format!("{times} calls"), || self.calls() >= times);
    }

    /// Waits until nobody is connected.
    pub(crate) fn until_left(&self) {
        until("every connection closed", || self.open() == 0);
    }
}

/// The section of a source at an address; what `more` sets is not set twice.
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

/// The body of a vendor that says these prices of these symbols.
pub(crate) fn rows(quotes: &[(&str, &str)]) -> String {
    let row = |(symbol, price): &(&str, &str)| format!(r#"{{"s":"{symbol}","p":"{price}"}}"#);
    format!("[{}]", quotes.iter().map(row).collect::<Vec<_>>().join(","))
}

impl Seen {
    /// Reads requests one after the other, until the client leaves or the script says so.
    fn serve(&self, stream: &mut TcpStream, script: &dyn Fn(&mut Call<'_>) -> After) {
        while let Some(head) = read_head(stream) {
            let number = {
                let mut heads = self.heads.lock().expect("no script panicked");
                heads.push(head.clone());
                heads.len()
            };
            match script(&mut Call { head, stream, number, seen: self }) {
                After::Keep => {}
                After::Close => return,
            }
        }
    }
}

/// A request up to its empty line: the calls here have no body.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

impl Call<'_> {
    /// The path and query that are asked for.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The symbols that are asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        let list = self.target().split_once("ids=").map_or("", |(_, list)| list);
        list.split(',').map(str::to_owned).collect()
    }

    /// A whole reply, as it should be.
    pub(crate) fn reply(&mut self, status: u16, headers: &str, body: &str) -> After {
        let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.raw(&format!("{head}{body}"));
        After::Keep
    }

    /// A whole reply with JSON in it.
    pub(crate) fn json(&mut self, body: &str) -> After {
        self.reply(200, "Content-Type: application/json\r\n", body)
    }

    /// Text as it is. That the client has left is no concern of a vendor's.
    pub(crate) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The same with bytes that need not be text.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says nothing, and waits until the client leaves.
    pub(crate) fn hang(&mut self) -> After {
        while self.stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        After::Close
    }

    /// Sends a pattern over and over, up to so many bytes or until the client leaves.
    pub(crate) fn pour(&mut self, pattern: &[u8], most: usize) -> After {
        let mut poured = 0;
        while poured < most && self.stream.write_all(pattern).is_ok() {
            poured += pattern.len();
            self.seen.written.store(poured, Ordering::SeqCst);
        }
        After::Close
    }
}
