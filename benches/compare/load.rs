//! The load: one thread that keeps many connections busy, each with one request at a time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::process::Used;

/// How long the last replies may take once no more requests are sent.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much of a reply is read at once.
const CHUNK: usize = 64 * 1024;

/// Which part of its core this process may use before it is the load that is measured, and not the server.
const TOO_BUSY: f64 = 0.95;

/// Who is loaded, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) span: Duration,
    /// How many requests are sent a second; `None`: each connection sends its next one as soon as it has a reply.
    pub(crate) per_second: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// How long each request took, the shortest first.
    latencies: Vec<Duration>,
    elapsed: Duration,
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    /// How much of the request has been written.
    written: usize,
    reply: Incoming,
    /// When the request was due.
    since: Instant,
    is_busy: bool,
}

/// A reply on its way.
#[derive(Default)]
struct Incoming {
    head: Vec<u8>,
    /// How many bytes of the body are missing; `None` until the head is complete.
    missing: Option<usize>,
}

impl Load {
    /// Sends requests for what `next` writes, until the span is over and the last reply is in.
    ///
    /// # Errors
    /// A reply has another status than 200, or does not come.
    pub(crate) fn run(&self, next: impl FnMut(&mut String)) -> anyhow::Result<Loaded> {
        let before = Used::by(std::process::id())?;
        let loaded = self.send_all(next)?;
        let busy = Used::by(std::process::id())?.since(before).all().as_secs_f64() / loaded.elapsed.as_secs_f64();
        if busy > TOO_BUSY {
            eprintln!("  the load and the venues had no time left on their core, so {} may be faster", self.address);
        }
        if self.per_second.is_some_and(|rate| loaded.rate() < f64::from(rate) * 0.95) {
            eprintln!("  {} did not keep up: it answered {:.0} requests a second", self.address, loaded.rate());
        }
        Ok(loaded)
    }

    fn send_all(&self, mut next: impl FnMut(&mut String)) -> anyhow::Result<Loaded> {
        let mut poll = Poll::new()?;
        let mut connections = self.connect(&poll)?;
        // each in its turn: a server may close a connection that has been silent for long
        let mut idle: VecDeque<usize> = (0..connections.len()).collect();
        let mut events = Events::with_capacity(connections.len());
        let mut chunk = vec![0; CHUNK];
        let mut latencies = Vec::new();
        let mut target = String::new();
        let host = self.address.to_string();
        let started = Instant::now();
        let mut sent = 0_u32;
        loop {
            let now = Instant::now();
            let is_over = now - started >= self.span;
            while !is_over && !idle.is_empty() {
                // a request that is due counts from when it was due, whether or not a connection was free
                let due = self.per_second.map_or(now, |rate| started + Duration::from_secs(1) * sent / rate);
                if due > now {
                    break;
                }
                let Some(connection) = idle.pop_front().and_then(|at| connections.get_mut(at)) else { break };
                target.clear();
                next(&mut target);
                connection.send(&target, &host, due)?;
                sent += 1;
            }
            if is_over && idle.len() == connections.len() {
                return Ok(Loaded::new(latencies, started.elapsed()));
            }
            ensure!(now - started < self.span + PATIENCE, "{} does not answer within {PATIENCE:?}", self.address);
            let wait = if self.per_second.is_some() { Duration::from_millis(1) } else { Duration::from_millis(100) };
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                let Token(at) = event.token();
                let Some(connection) = connections.get_mut(at).filter(|connection| connection.is_busy) else {
                    continue;
                };
                connection.write()?;
                if connection.read(&mut chunk)? {
                    latencies.push(connection.since.elapsed());
                    connection.is_busy = false;
                    idle.push_back(at);
                }
            }
        }
    }

    fn connect(&self, poll: &Poll) -> anyhow::Result<Vec<Connection>> {
        let connect = |at: usize| {
            // a blocking connect: what is measured begins afterwards
            let stream = std::net::TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
            let (request, reply) = (Vec::new(), Incoming::default());
            Ok(Connection { stream, request, written: 0, reply, since: Instant::now(), is_busy: false })
        };
        (0..self.connections).map(connect).collect()
    }
}

impl Connection {
    fn send(&mut self, target: &str, host: &str, due: Instant) -> io::Result<()> {
        self.request.clear();
        for part in ["GET ", target, " HTTP/1.1\r\nhost: ", host, "\r\n\r\n"] {
            self.request.extend_from_slice(part.as_bytes());
        }
        (self.written, self.since, self.is_busy) = (0, due, true);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(rest) = self.request.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has arrived; whether the reply is complete.
    fn read(&mut self, chunk: &mut [u8]) -> anyhow::Result<bool> {
        loop {
            match self.stream.read(chunk) {
                Ok(0) => bail!("the server closed a connection before its reply was complete"),
                Ok(length) => {
                    if self.reply.take(chunk.get(..length).unwrap_or_default())? {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Incoming {
    /// Takes what has arrived; whether the reply is complete, after which the next one may begin.
    fn take(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        let missing = match self.missing {
            Some(missing) => missing.saturating_sub(bytes.len()),
            None => {
                self.head.extend_from_slice(bytes);
                let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
                let head = self.head.get(..end).unwrap_or_default();
                let length = body_length(head)?;
                length.saturating_sub(self.head.len() - end - 4)
            }
        };
        self.missing = Some(missing);
        if missing == 0 {
            self.head.clear();
            self.missing = None;
        }
        Ok(missing == 0)
    }
}

/// The length of the body that follows a head.
fn body_length(head: &[u8]) -> anyhow::Result<usize> {
    let text = || String::from_utf8_lossy(head);
    ensure!(head.get(9..12) == Some(b"200"), "a reply that is not 200: {}", text());
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let mut lengths = lines.filter_map(|line| line.split_at_checked(NAME.len()));
    let Some((_, length)) = lengths.find(|(name, _)| name.eq_ignore_ascii_case(NAME)) else {
        bail!("a reply without a content-length: {}", text())
    };
    Ok(String::from_utf8_lossy(length).trim().parse()?)
}

impl Loaded {
    fn new(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Loaded { latencies, elapsed }
    }

    /// How many requests were answered.
    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }

    /// How many requests were answered a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the requests does not exceed, in milliseconds.
    pub(crate) fn latency(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        let latency = self.latencies.get(at.min(self.latencies.len().saturating_sub(1)));
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}
