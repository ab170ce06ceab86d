//! A gate in front of a venue: it passes calls on, or misbehaves as venues and networks do.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::arrivals::Arrivals;

/// What a gate does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Behaviour {
    Honest,
    Slow,
    Hang,
    Reset,
    HalfABody,
    ServerError,
    Limited,
    LimitedWithoutATime,
    Frozen,
    Garbage,
    Page,
    /// Sends the head and half of the body, and then nothing.
    Stall,
    /// Sends the body in pieces of some bytes.
    Drip,
    /// Sends a body without an end.
    HugeBody,
    /// Sends the same reply again, at once or while the connection is idle.
    Twice,
    /// Sends the last reply again on each new connection, if replies name their symbols. If they do not, the service could not
    /// tell it from the right one.
    Early,
    /// Serves each connection after a while, and one call on each.
    Reluctant,
    /// Closes its port and every connection.
    Away,
}

const MISBEHAVIOURS: [Behaviour; 17] = [
    Behaviour::Slow,
    Behaviour::Hang,
    Behaviour::Reset,
    Behaviour::HalfABody,
    Behaviour::ServerError,
    Behaviour::Limited,
    Behaviour::LimitedWithoutATime,
    Behaviour::Frozen,
    Behaviour::Garbage,
    Behaviour::Page,
    Behaviour::Stall,
    Behaviour::Drip,
    Behaviour::HugeBody,
    Behaviour::Twice,
    Behaviour::Early,
    Behaviour::Reluctant,
    Behaviour::Away,
];

/// The venues whose replies do not name their symbols.
const NAMELESS: [&str; 3] = ["beta", "epsilon", "eta"];

/// How much of an endless body is sent at most, in bytes: far more than a source's reply may have.
const HUGE: usize = 4 << 20;

/// The gate of one venue.
pub(crate) struct Gate {
    pub(crate) venue: &'static str,
    pub(crate) address: SocketAddr,
    behaviour: Mutex<Behaviour>,
    /// While its venue lies, and until all its quotes are true again, the gate does not misbehave otherwise.
    pub(crate) reserved: AtomicBool,
    pub(crate) calls: Mutex<BTreeMap<Behaviour, u64>>,
    pub(crate) arrivals: Arrivals,
    frozen: Mutex<HashMap<String, String>>,
    last: Mutex<Option<String>>,
    router: Router,
    chance: Mutex<fastrand::Rng>,
}

impl Gate {
    /// A gate that passes calls on until told otherwise.
    pub(crate) fn new(venue: &'static str, address: SocketAddr, router: Router, seed: u64) -> Self {
        Gate {
            venue,
            address,
            behaviour: Mutex::new(Behaviour::Honest),
            reserved: AtomicBool::new(false),
            calls: Mutex::default(),
            arrivals: Arrivals::default(),
            frozen: Mutex::default(),
            last: Mutex::default(),
            router,
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// A random number.
    pub(crate) fn number(&self, range: Range<u64>) -> u64 {
        self.chance.lock().unwrap().u64(range)
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.frozen.lock().unwrap().clear();
        *self.behaviour.lock().unwrap() = behaviour;
    }

    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap()
    }

    /// Honest half of the time.
    pub(crate) fn next(&self) -> Behaviour {
        let mut chance = self.chance.lock().unwrap();
        if self.reserved.load(Ordering::Relaxed) || chance.bool() {
            return Behaviour::Honest;
        }
        MISBEHAVIOURS[chance.usize(0..MISBEHAVIOURS.len())]
    }

    /// Accepts connections. While the gate is away, its port is closed; afterwards it has the same port.
    pub(crate) async fn listen(self: Arc<Self>, first: TcpListener) {
        let mut listener = Some(first);
        let mut connections = JoinSet::new();
        loop {
            if self.behaviour() == Behaviour::Away {
                listener = None;
                connections.shutdown().await;
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            let Some(open) = &listener else {
                // another connection may have taken the port; it becomes free again
                listener = self.bind().ok();
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            // with a timeout, to notice that it is away
            if let Ok(Ok((stream, _))) = tokio::time::timeout(Duration::from_millis(50), open.accept()).await {
                connections.spawn(Arc::clone(&self).serve(stream));
            }
            while connections.try_join_next().is_some() {}
        }
    }

    fn bind(&self) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        socket.listen(1024)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut came = None;
        match self.behaviour() {
            Behaviour::Reluctant => came = pause(&stream, Duration::from_millis(self.number(0..400))).await,
            Behaviour::Early if !NAMELESS.contains(&self.venue) => {
                let last = self.last.lock().unwrap().clone();
                let _ = stream.write_all(last.unwrap_or_default().as_bytes()).await;
            }
            _ => {}
        }
        while let Some((target, arrived)) = read_target(&mut stream).await {
            self.arrivals.note(came.take().unwrap_or(arrived));
            let behaviour = self.behaviour();
            *self.calls.lock().unwrap().entry(behaviour).or_default() += 1;
            match self.reply(&mut stream, &target, behaviour).await {
                Some(next) => came = next,
                None => return,
            }
        }
    }

    /// Replies to one call. Returns when the next call arrived, if it did before the reply was complete, or `None` if the
    /// connection must not be used again.
    async fn reply(&self, stream: &mut TcpStream, target: &str, behaviour: Behaviour) -> Option<Option<Instant>> {
        let mut next = None;
        let refusal = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}Content-Length: 4\r\n\r\nbusy");
        let number = |range| self.number(range);
        let reply = match behaviour {
            Behaviour::Honest | Behaviour::Early | Behaviour::Away => self.ask(target).await,
            Behaviour::Slow => {
                sleep(Duration::from_millis(number(100..900))).await;
                self.ask(target).await
            }
            Behaviour::Hang => {
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                return None;
            }
            Behaviour::Reset => {
                let _ = stream.set_zero_linger();
                return None;
            }
            Behaviour::HalfABody => {
                let reply = self.ask(target).await;
                let (head, body) = reply.split_once("\r\n\r\n")?;
                let _ = stream.write_all(format!("{head}\r\n\r\n{}", &body[..body.len() / 2]).as_bytes()).await;
                return None;
            }
            Behaviour::ServerError => {
                let statuses =
                    ["500 Broken", "502 Bad Gateway", "503 Unavailable", "504 Gateway Timeout", "599 Whatever"];
                refusal(statuses[usize::try_from(number(0..5)).unwrap_or(0)], "")
            }
            Behaviour::Limited => refusal("429 Too Many", &format!("Retry-After: {}\r\n", number(1..4))),
            Behaviour::LimitedWithoutATime => refusal("429 Too Many", ""),
            Behaviour::Frozen => {
                let kept = self.frozen.lock().unwrap().get(target).cloned();
                match kept {
                    Some(reply) => reply,
                    None => {
                        let reply = self.ask(target).await;
                        self.frozen.lock().unwrap().insert(target.to_owned(), reply.clone());
                        reply
                    }
                }
            }
            Behaviour::Garbage => {
                let length = number(0..2000);
                let garbage: String =
                    (0..length).map(|_| char::from(u8::try_from(number(0..128)).unwrap_or(0))).collect();
                with_length("200 OK", "application/json", &garbage)
            }
            Behaviour::Page => with_length("200 OK", "text/html", "<html><body>just a moment…</body></html>"),
            Behaviour::Stall => {
                let reply = self.ask(target).await;
                let _ = stream.write_all(&reply.as_bytes()[..reply.len() - reply.len() / 4]).await;
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                return None;
            }
            Behaviour::Drip => {
                let reply = self.ask(target).await;
                for piece in reply.as_bytes().chunks(64) {
                    stream.write_all(piece).await.ok()?;
                    sleep(Duration::from_millis(number(1..20))).await;
                }
                return Some(None);
            }
            Behaviour::HugeBody => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[").await.ok()?;
                let spaces = [b' '; 64 << 10];
                for _ in 0..HUGE / spaces.len() {
                    stream.write_all(&spaces).await.ok()?;
                }
                return None;
            }
            Behaviour::Twice => {
                let reply = self.ask(target).await;
                stream.write_all(reply.as_bytes()).await.ok()?;
                let late = [0, 500, 3000, 50_000][usize::try_from(number(0..4)).unwrap_or(0)];
                next = pause(stream, Duration::from_micros(late)).await;
                reply
            }
            Behaviour::Reluctant => {
                let reply = self.ask(target).await.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                let _ = stream.write_all(reply.as_bytes()).await;
                return None;
            }
        };
        stream.write_all(reply.as_bytes()).await.ok()?;
        Some(next)
    }

    /// The reply of the venue itself.
    async fn ask(&self, target: &str) -> String {
        let request = Request::get(target).body(Body::empty()).unwrap();
        let reply = self.router.clone().oneshot(request).await.unwrap();
        let status = reply.status();
        let kind =
            reply.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let body = to_bytes(reply.into_body(), usize::MAX).await.unwrap_or_default();
        let reply = with_length(&format!("{} Said", status.as_u16()), &kind, &String::from_utf8_lossy(&body));
        *self.last.lock().unwrap() = Some(reply.clone());
        reply
    }
}

pub(crate) fn with_length(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Waits, and returns when a call arrived meanwhile: a call counts from its arrival, not from when it is read.
async fn pause(stream: &TcpStream, duration: Duration) -> Option<Instant> {
    let end = sleep(duration);
    tokio::pin!(end);
    tokio::select! {
        () = &mut end => None,
        readable = stream.readable() => {
            let arrived = readable.ok().map(|()| Instant::now());
            end.await;
            arrived
        }
    }
}

/// The path and query of the next call, and when it had arrived; `None` when there is none.
pub(crate) async fn read_target(stream: &mut TcpStream) -> Option<(String, Instant)> {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&chunk[..read]);
    }
    let arrived = Instant::now();
    Some((String::from_utf8(head).ok()?.split(' ').nth(1)?.to_owned(), arrived))
}
