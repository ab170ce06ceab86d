//! A stand-in for a collector: takes batches of spans over HTTP, and reads them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::protobuf::{Field, fields};
use crate::support::until;

/// The kinds that a span can have, by their numbers.
const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];

/// One span, as the collector reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) is_error: bool,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A collector on loopback.
pub(crate) struct Collector {
    address: std::net::SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The status of the next replies.
    status: AtomicU16,
    heads: Mutex<Vec<String>>,
    /// What is said of whole processes.
    resource: Mutex<BTreeMap<String, String>>,
    spans: Mutex<Vec<Span>>,
    /// The spans of batches that were refused.
    refused: Mutex<Vec<Span>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Seen::default()));
        seen.status.store(200, Ordering::SeqCst);
        let sees = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sees = Arc::clone(&sees);
                thread::spawn(move || sees.take(&stream));
            }
        });
        Collector { address, seen }
    }

    /// The variable that makes a program export its spans to it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replies with this status from now on. What it refuses it keeps apart.
    pub(crate) fn reply(&self, status: u16) {
        self.seen.status.store(status, Ordering::SeqCst);
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().clone()
    }

    /// What was said of the process.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        self.seen.resource.lock().clone()
    }

    /// All spans that it has taken.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.seen.spans.lock().clone()
    }

    /// Whether it has refused the span of a request.
    pub(crate) fn has_refused(&self, request_id: &str) -> bool {
        self.seen.refused.lock().iter().any(|span| is_of(span, request_id))
    }

    /// The spans in the trace of a request, once there are so many.
    pub(crate) fn trace_of(&self, request_id: &str, count: usize) -> Vec<Span> {
        let spans = || {
            let all = self.spans();
            let request = all.iter().find(|span| is_of(span, request_id) && span.kind == "server");
            let trace = request.map(|span| span.trace.clone());
            all.into_iter().filter(|span| Some(&span.trace) == trace.as_ref()).collect::<Vec<_>>()
        };
        until(&format!("{count} spans of {request_id}"), || spans().len() >= count);
        spans()
    }
}

fn is_of(span: &Span, request_id: &str) -> bool {
    span.attributes.get("quotefold.request_id").is_some_and(|id| id == request_id)
}

impl Seen {
    /// Takes one request, and closes its connection.
    fn take(&self, stream: &TcpStream) {
        let (mut reader, mut head, mut length) = (BufReader::new(stream), String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
                length = value.parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() || head.is_empty() {
            return;
        }
        let status = self.status.load(Ordering::SeqCst);
        self.read(&body, if status == 200 { &self.spans } else { &self.refused });
        self.heads.lock().push(head);
        let mut stream = stream;
        let _ = write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    /// Reads `ExportTraceServiceRequest`, and keeps its spans.
    fn read(&self, body: &[u8], spans: &Mutex<Vec<Span>>) {
        for of_resource in messages(body, 1) {
            for resource in messages(of_resource, 1) {
                self.resource.lock().extend(attributes(resource, 1));
            }
            for of_scope in messages(of_resource, 2) {
                spans.lock().extend(messages(of_scope, 2).into_iter().map(span));
            }
        }
    }
}

fn span(message: &[u8]) -> Span {
    let mut span = Span { attributes: attributes(message, 9), ..Span::default() };
    for field in fields(message) {
        match field {
            (1, Field::Bytes(id)) => span.trace = hexadecimal(id),
            (2, Field::Bytes(id)) => span.id = hexadecimal(id),
            (4, Field::Bytes(id)) => span.parent = hexadecimal(id),
            (5, Field::Bytes(name)) => span.name = text(name),
            (6, Field::Number(kind)) => span.kind = KINDS[usize::try_from(kind).unwrap()],
            (7, Field::Number(time)) => span.started = time,
            (8, Field::Number(time)) => span.ended = time,
            (15, Field::Bytes(status)) => span.is_error = fields(status).contains(&(3, Field::Number(2))),
            _ => {}
        }
    }
    span
}

/// The attributes in a message, which are all texts or whole numbers.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let attribute = |pair: &[u8]| {
        let key = messages(pair, 1).concat();
        let value = messages(pair, 2).concat();
        let value = match fields(&value).first() {
            Some((1, Field::Bytes(words))) => text(words),
            Some((3, Field::Number(number))) => number.to_string(),
            other => format!("{other:?}"),
        };
        (text(&key), value)
    };
    messages(message, number).into_iter().map(attribute).collect()
}

fn messages(message: &[u8], number: u64) -> Vec<&[u8]> {
    let found = fields(message).into_iter().filter(|(field, _)| *field == number);
    found.filter_map(|(_, field)| if let Field::Bytes(bytes) = field { Some(bytes) } else { None }).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
