//! An HTTP/1.1 client that sends exactly the bytes that it is given, and reads whatever comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::PATIENCE;
use super::openapi::exchanges::Connection;

/// One reply, as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A connection on which these bytes have been sent.
pub(crate) fn write(server: SocketAddr, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    if let Some(connection) = Connection::of(&stream) {
        connection.asks(words);
    }
    stream.write_all(words.as_bytes()).expect("a reader");
    stream
}

/// Requests a path, without waiting for the reply.
pub(crate) fn send(server: SocketAddr, target: &str) -> TcpStream {
    write(server, &format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

/// Requests a path.
pub(crate) fn get(server: SocketAddr, target: &str) -> Reply {
    read(send(server, target))
}

/// Posts an empty body to a path.
pub(crate) fn post(server: SocketAddr, target: &str) -> Reply {
    read(write(server, &format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")))
}

/// Reads a reply until the connection ends, and compares it with the description if it is a service's.
pub(crate) fn read(mut stream: TcpStream) -> Reply {
    let (connection, mut bytes) = (Connection::of(&stream), Vec::new());
    // a reset after the reply counts as an end
    let _ = stream.read_to_end(&mut bytes);
    let reply = Reply::parse(&String::from_utf8(bytes).expect("a reply in UTF-8"));
    if let Some(connection) = connection {
        connection.gets(&reply);
    }
    reply
}

/// Requests a path with further header lines, and returns the reply's head and the bytes of its body.
pub(crate) fn get_bytes(server: SocketAddr, target: &str, headers: &str) -> (Reply, Vec<u8>) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
    let (mut stream, mut bytes) = (write(server, &request), Vec::new());
    let connection = Connection::of(&stream);
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let body = bytes.split_off(end);
    let reply = Reply::parse(&String::from_utf8(bytes).expect("a head in UTF-8"));
    if let Some(connection) = connection {
        connection.gets(&reply.with_body(&body));
    }
    (reply, body)
}

/// Reads until the other side closes, in a runtime; a reset counts as a close.
pub(crate) async fn read_to_end(mut stream: tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the connection stays open");
    String::from_utf8(bytes).expect("a reply in UTF-8")
}

/// Reads a reply until the connection ends, in a runtime.
pub(crate) async fn read_reply(stream: tokio::net::TcpStream) -> Reply {
    Reply::parse(&read_to_end(stream).await)
}

/// The units that are left of the first limit of the first source.
pub(crate) fn left(address: SocketAddr) -> u64 {
    get(address, "/sources").json()["sources"][0]["limits"][0]["left"].as_u64().unwrap()
}

impl Reply {
    /// One reply, as it came over the wire.
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not a reply: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Reply { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    /// The same reply with these bytes as its body, unpacked if the reply says that they are packed.
    fn with_body(&self, bytes: &[u8]) -> Self {
        let mut unpacked = Vec::new();
        let bytes = match self.header("content-encoding") {
            Some("gzip") => {
                GzDecoder::new(bytes).read_to_end(&mut unpacked).expect("a packed body");
                &unpacked
            }
            _ => bytes,
        };
        let body = String::from_utf8(bytes.to_vec()).expect("a body in UTF-8");
        Reply { status: self.status, head: self.head.clone(), body }
    }

    /// The problem document in this reply, after checking that it is one in every respect.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        problem
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The entry of a symbol, which must follow from its quotes.
    pub(crate) fn entry(&self, symbol: &str) -> Value {
        let answer = self.json();
        if answer["prices"].as_array().is_some_and(|entries| entries.iter().all(|entry| !entry["quotes"].is_null())) {
            super::verified(&self.body);
        }
        let entry = answer["prices"].as_array().into_iter().flatten().find(|entry| entry["symbol"] == symbol);
        entry.unwrap_or_else(|| panic!("no entry for {symbol}: {answer:#}")).clone()
    }

    /// A source's quote of a symbol.
    pub(crate) fn quote(&self, symbol: &str, source: &str) -> Value {
        let entry = self.entry(symbol);
        let quote = entry["quotes"].as_array().into_iter().flatten().find(|quote| quote["source"] == source);
        quote.unwrap_or_else(|| panic!("no quote of {source}: {entry:#}")).clone()
    }

    /// Status and reason of a source's quote: "failed / timeout", or just "used" without a reason.
    pub(crate) fn verdict(&self, symbol: &str, source: &str) -> String {
        verdict(&self.quote(symbol, source))
    }

    /// Status and reason of a symbol.
    pub(crate) fn status(&self, symbol: &str) -> String {
        verdict(&self.entry(symbol))
    }
}

fn verdict(value: &Value) -> String {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (status, reason) = (text("status"), text("reason"));
    if reason.is_empty() { status } else { format!("{status} / {reason}") }
}
