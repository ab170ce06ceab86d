//! A client that says exactly what it is told to, and reads what comes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// One reply, as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A connection on which these words have been said.
pub(crate) fn write(server: SocketAddr, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(words.as_bytes()).expect("somebody reads");
    stream
}

/// Asks for a path, and does not wait for the reply.
pub(crate) fn send(server: SocketAddr, target: &str) -> TcpStream {
    write(server, &format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

/// Asks for a path.
pub(crate) fn get(server: SocketAddr, target: &str) -> Reply {
    read(send(server, target))
}

/// Posts to a path, without a body.
pub(crate) fn post(server: SocketAddr, target: &str) -> Reply {
    read(write(server, &format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")))
}

/// Reads a reply up to the end of its connection.
pub(crate) fn read(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("a reply in UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not a reply: {text:?} ({ended:?})"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Reply { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
}

/// What is left of the first limit of the first source.
pub(crate) fn left(address: SocketAddr) -> u64 {
    get(address, "/sources").json()["sources"][0]["limits"][0]["left"].as_u64().unwrap()
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The entry of a symbol.
    pub(crate) fn entry(&self, symbol: &str) -> Value {
        let answer = self.json();
        let entry = answer["prices"].as_array().into_iter().flatten().find(|entry| entry["symbol"] == symbol);
        entry.unwrap_or_else(|| panic!("no entry for {symbol}: {answer:#}")).clone()
    }

    /// What became of a source's quote of a symbol.
    pub(crate) fn quote(&self, symbol: &str, source: &str) -> Value {
        let entry = self.entry(symbol);
        let quote = entry["quotes"].as_array().into_iter().flatten().find(|quote| quote["source"] == source);
        quote.unwrap_or_else(|| panic!("no quote of {source}: {entry:#}")).clone()
    }

    /// Status and reason of a source's quote, as in "failed / timeout"; "used" alone where there is no reason.
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
