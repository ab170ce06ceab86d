//! One client: sends requests and reads replies, in its own manner.
//!
//! It does nothing else. Another thread examines the replies, so that the latencies measured here are the service's.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use quotefold::symbol::Symbol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::errand::Errand;
use crate::manner::Manner;

/// How long past its deadline a client waits for an answer before it counts as missing.
const NEVER: Duration = Duration::from_secs(10);

/// The kernel's receive buffer of a slow reader, in bytes.
const SMALL: u32 = 4096;

/// How long a slow reader reads, if it is not cut off.
const SLOW: Duration = Duration::from_secs(20);

/// The service gives up after 5 s on a request that does not arrive, and on a client that reads nothing of its reply.
const GIVES_UP: Duration = Duration::from_secs(5);

/// A complete reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// From sending the request to the end of the reply.
    pub(crate) took: Duration,
    pub(crate) came: Instant,
}

/// The outcome of a request.
pub(crate) enum Outcome {
    /// A complete reply. Its latency counts unless the client itself was slow.
    Answered { reply: Reply, in_time: bool },
    /// The client left, or was cut off as it should be.
    Over,
    /// Something that must not happen.
    Fault(&'static str, String),
}

/// One client.
pub(crate) struct Client {
    manner: Manner,
    server: SocketAddr,
    /// Each client has its own address.
    from: Ipv4Addr,
    symbols: Vec<Symbol>,
    chance: fastrand::Rng,
    connection: Option<TcpStream>,
}

impl Client {
    pub(crate) fn new(manner: Manner, server: SocketAddr, number: usize, symbols: Vec<Symbol>, seed: u64) -> Self {
        let [high, low] = u16::try_from(number + 1).unwrap().to_be_bytes();
        let from = Ipv4Addr::new(127, 1, high, low);
        Client { manner, server, from, symbols, chance: fastrand::Rng::with_seed(seed), connection: None }
    }

    /// Makes one request.
    pub(crate) async fn act(&mut self) -> (Errand, Outcome) {
        let errand = Errand::new(self.manner, &self.symbols, &mut self.chance);
        let outcome = match self.manner {
            Manner::LeavesEarly => self.leave_early(&errand).await,
            Manner::ReadsSlowly => self.read_slowly(&errand).await,
            Manner::StopsReading => self.stop_reading(&errand).await,
            Manner::ClosesItsSide => self.close_own_side(&errand).await,
            Manner::SendsSlowly => self.send_slowly(&errand).await,
            _ => self.ask(&errand).await,
        };
        (errand, outcome)
    }

    /// Pauses between two requests.
    pub(crate) async fn rest(&mut self) {
        let pause = self.chance.u64(200..500);
        sleep(Duration::from_millis(pause)).await;
    }

    /// Sends a request, and reads the answer.
    pub(crate) async fn ask(&mut self, errand: &Errand) -> Outcome {
        let Some(mut stream) = self.connected().await else { return self.not_let_in() };
        let sent = Instant::now();
        if stream.write_all(errand.request.as_bytes()).await.is_err() {
            return Outcome::Fault("broken", format!("{} could not be sent", errand.question));
        }
        self.answered(stream, sent, errand).await
    }

    /// Reads the answer to what has been sent, and keeps the connection.
    async fn answered(&mut self, mut stream: TcpStream, sent: Instant, errand: &Errand) -> Outcome {
        match timeout(errand.deadline + NEVER, read(&mut stream, sent)).await {
            Err(_) => Outcome::Fault("no answer", format!("{} after {:?}", errand.question, sent.elapsed())),
            Ok(None) => Outcome::Fault("no whole answer", format!("{} after {:?}", errand.question, sent.elapsed())),
            Ok(Some((reply, keeps))) => {
                self.connection = keeps.then_some(stream);
                Outcome::Answered { reply, in_time: true }
            }
        }
    }

    async fn leave_early(&mut self, errand: &Errand) -> Outcome {
        let Some(mut stream) = self.connected().await else { return self.not_let_in() };
        let _ = stream.write_all(errand.request.as_bytes()).await;
        sleep(Duration::from_millis(self.chance.u64(0..100))).await;
        Outcome::Over
    }

    /// Reads some KB each second, for a while.
    async fn read_slowly(&mut self, errand: &Errand) -> Outcome {
        let Some(mut stream) = self.connected_with(SMALL).await else { return self.not_let_in() };
        let (begun, mut piece) = (Instant::now(), [0; SMALL as usize]);
        let _ = stream.write_all(errand.request.as_bytes()).await;
        // the service may cut it off: it learns only from the kernel that something was read
        while begun.elapsed() < SLOW && stream.read(&mut piece).await.is_ok_and(|read| read > 0) {
            sleep(Duration::from_millis(500)).await;
        }
        Outcome::Over
    }

    /// Reads the rest of the answer after a pause, unless it was too long.
    async fn stop_reading(&mut self, errand: &Errand) -> Outcome {
        let Some(mut stream) = self.connected_with(SMALL).await else { return self.not_let_in() };
        let sent = Instant::now();
        let _ = stream.write_all(errand.request.as_bytes()).await;
        if timeout(errand.deadline + NEVER, stream.readable()).await.is_err() {
            return Outcome::Fault("no answer", format!("{} after {:?}", errand.question, sent.elapsed()));
        }
        let pause = Duration::from_millis(self.chance.u64(500..15_000));
        sleep(pause).await;
        match timeout(NEVER, read(&mut stream, sent)).await.ok().flatten() {
            Some((reply, _)) => Outcome::Answered { reply, in_time: false },
            None if pause < GIVES_UP / 2 => {
                Outcome::Fault("cut off", format!("a client that stopped reading for {pause:?}"))
            }
            None => Outcome::Over,
        }
    }

    /// Health needs no wait and must be answered; prices only if they are cached.
    async fn close_own_side(&mut self, errand: &Errand) -> Outcome {
        let asks_for_health = self.chance.bool();
        let health = "GET /health/live HTTP/1.1\r\nHost: soak\r\n\r\n";
        let Some(mut stream) = self.connected().await else { return self.not_let_in() };
        let sent = Instant::now();
        let _ = stream.write_all(if asks_for_health { health } else { &errand.request }.as_bytes()).await;
        let _ = stream.shutdown().await;
        let reply = timeout(errand.deadline + NEVER, read(&mut stream, sent)).await;
        match reply {
            Err(_) => Outcome::Fault("no end", format!("{} after {:?}", errand.question, sent.elapsed())),
            Ok(Some((Reply { status: 200, .. }, _))) if asks_for_health => Outcome::Over,
            Ok(reply) if asks_for_health => {
                Outcome::Fault("no health", format!("for one that closed its side: {reply:?}"))
            }
            Ok(Some((reply, _))) => Outcome::Answered { reply, in_time: true },
            Ok(None) => Outcome::Over,
        }
    }

    /// Sends its request in pieces. Every third time it stops in the middle, and must be cut off.
    async fn send_slowly(&mut self, errand: &Errand) -> Outcome {
        let Some(mut stream) = self.connected().await else { return self.not_let_in() };
        let whole = errand.request.as_bytes();
        let stops = self.chance.u8(0..3) == 0;
        let sending = if stops { &whole[..whole.len() / 2] } else { whole };
        let mut sent = Instant::now();
        for piece in sending.chunks(sending.len().div_ceil(10)) {
            sleep(Duration::from_millis(self.chance.u64(50..250))).await;
            sent = Instant::now();
            let _ = stream.write_all(piece).await;
        }
        if !stops {
            return self.answered(stream, sent, errand).await;
        }
        match timeout(GIVES_UP * 2, read(&mut stream, sent)).await {
            Err(_) => Outcome::Fault("no end", "half a request holds its connection".to_owned()),
            Ok(_) => Outcome::Over,
        }
    }

    fn not_let_in(&self) -> Outcome {
        Outcome::Fault("no connection", self.server.to_string())
    }

    async fn connected(&mut self) -> Option<TcpStream> {
        match self.connection.take() {
            Some(stream) => Some(stream),
            None => self.socket()?.connect(self.server).await.ok(),
        }
    }

    /// A connection with a receive buffer of this many bytes.
    async fn connected_with(&self, kept: u32) -> Option<TcpStream> {
        let socket = self.socket()?;
        socket.set_recv_buffer_size(kept).ok()?;
        socket.connect(self.server).await.ok()
    }

    fn socket(&self) -> Option<TcpSocket> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind((self.from, 0).into()).ok()?;
        Some(socket)
    }
}

/// The reply to a request that was sent at an instant, and whether the connection can be used again.
async fn read(stream: &mut TcpStream, sent: Instant) -> Option<(Reply, bool)> {
    let (mut reply, mut head_end) = (Vec::with_capacity(16 << 10), None);
    loop {
        let read = stream.read_buf(&mut reply).await.ok()?;
        let came = Instant::now();
        if read == 0 {
            return None;
        }
        if head_end.is_none() {
            head_end = reply.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
            let Some(end) = head_end else { continue };
            let length = header(&reply[..end], "content-length").and_then(|length| length.parse::<usize>().ok())?;
            reply.reserve_exact((end + length).saturating_sub(reply.len()));
        }
        let Some(end) = head_end else { continue };
        let head = &reply[..end];
        let length = header(head, "content-length").and_then(|length| length.parse::<usize>().ok())?;
        if reply.len() >= end + length {
            let status = str::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()?;
            let keeps = header(head, "connection").is_none_or(|value| value != "close");
            let body = reply.split_off(end);
            return Some((Reply { status, body, took: came - sent, came }, keeps));
        }
    }
}

fn header<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    let head = str::from_utf8(head).ok()?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// A JSON page of the service.
pub(crate) async fn page(server: SocketAddr, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let (reply, _) = read(&mut stream, Instant::now()).await.unwrap_or_else(|| panic!("no reply for {path}"));
    serde_json::from_slice(&reply.body).unwrap()
}
