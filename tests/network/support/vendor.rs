//! A vendor that can have a certificate, go away and come back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustls::{ServerConnection, StreamOwned};

use super::Certified;

/// A vendor on loopback that has BTC-USD at one price.
pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    price: &'static str,
    certified: Option<Certified>,
    seen: Arc<Seen>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// What the vendor has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// Connections that did not begin as TLS does.
    plain: AtomicUsize,
    calls: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

/// How every TLS connection begins: the record type "handshake".
const HANDSHAKE: u8 = 22;

impl Vendor {
    /// A vendor that speaks plain HTTP.
    pub(crate) fn quoting(price: &'static str) -> Self {
        Vendor::start(price, None)
    }

    /// A vendor that speaks HTTPS.
    pub(crate) fn certified(certified: Certified, price: &'static str) -> Self {
        Vendor::start(price, Some(certified))
    }

    fn start(price: &'static str, certified: Option<Certified>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut vendor = Vendor { address, price, certified, seen: Arc::default(), running: None };
        vendor.listen(listener);
        vendor
    }

    fn listen(&mut self, listener: TcpListener) {
        let (seen, certified, price) = (Arc::clone(&self.seen), self.certified.clone(), self.price);
        let ended = Arc::new(AtomicBool::new(false));
        let is_ended = Arc::clone(&ended);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_ended.load(Ordering::SeqCst) {
                    return;
                }
                seen.connections.fetch_add(1, Ordering::SeqCst);
                seen.streams.lock().unwrap().push(stream.try_clone().unwrap());
                let (seen, certified) = (Arc::clone(&seen), certified.clone());
                thread::spawn(move || seen.serve(stream, certified, price));
            }
        });
        self.running = Some((ended, accepting));
    }

    /// Goes away: nothing listens there any more, and every connection is closed.
    pub(crate) fn die(&mut self) {
        let Some((ended, accepting)) = self.running.take() else { return };
        ended.store(true, Ordering::SeqCst);
        // so that it notices
        drop(TcpStream::connect(self.address));
        accepting.join().unwrap();
        for stream in self.seen.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // the news of it must have come before the next call
        thread::sleep(std::time::Duration::from_millis(100));
    }

    /// Comes back at the same address.
    pub(crate) fn rise(&mut self) {
        self.listen(TcpListener::bind(self.address).unwrap());
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn plain(&self) -> usize {
        self.seen.plain.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }

    /// Its URL, as `url` or `base_url` take it.
    pub(crate) fn base(&self) -> String {
        let scheme = if self.certified.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The section that makes it a source.
    pub(crate) fn source(&self, name: &str, more: &str) -> String {
        super::source(name, &format!("base_url = \"{}\"\n{more}", self.base()))
    }
}

impl Seen {
    fn serve(&self, stream: TcpStream, certified: Option<Certified>, price: &str) {
        let mut first = [0];
        if !stream.peek(&mut first).is_ok_and(|read| read == 1 && first[0] == HANDSHAKE) {
            self.plain.fetch_add(1, Ordering::SeqCst);
        }
        match certified {
            Some(certified) => self.answer(StreamOwned::new(ServerConnection::new(certified).unwrap(), stream), price),
            None => self.answer(stream, price),
        }
    }

    /// Replies to requests one after the other, until the client leaves.
    fn answer(&self, mut stream: impl Read + Write, price: &str) {
        let mut head = Vec::new();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
            if head.ends_with(b"\r\n\r\n") {
                head.clear();
                self.calls.fetch_add(1, Ordering::SeqCst);
                let body = format!(r#"[{{"s":"BTC-USD","p":"{price}"}}]"#);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        }
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.die();
    }
}
