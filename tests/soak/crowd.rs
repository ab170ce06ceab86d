//! Clients who ask, each in its own way, and look at every answer they get.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quotefold::symbol::Symbol;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::errand::Errand;
use crate::honest::History;

/// How much later than the deadline an answer may be.
pub(crate) const LATE: Duration = Duration::from_millis(500);

/// How old a quote may be that a venue's frozen feed calls new, and what the calls around it take.
const FROZEN: Duration = Duration::from_secs(10);

/// Faults that are told of each kind; the others are counted.
const TOLD: usize = 5;

/// What the clients have seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) left_early: u64,
    pub(crate) broken: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) symbols: BTreeMap<String, u64>,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) faults: BTreeMap<&'static str, Vec<String>>,
}

/// All clients.
pub(crate) struct Crowd {
    server: SocketAddr,
    history: Arc<History>,
    seed: u64,
    tally: Arc<Mutex<Tally>>,
}

/// One client.
struct Client {
    server: SocketAddr,
    history: Arc<History>,
    tally: Arc<Mutex<Tally>>,
    chance: fastrand::Rng,
    connection: Option<TcpStream>,
}

impl Crowd {
    pub(crate) fn new(server: SocketAddr, history: Arc<History>, seed: u64) -> Self {
        Crowd { server, history, seed, tally: Arc::default() }
    }

    /// One request for everything, so that what is made once is there.
    pub(crate) async fn look_around(&self) {
        let symbols: Vec<String> = self.history.symbols().iter().map(ToString::to_string).collect();
        let mut client = self.client(0);
        for _ in 0..2 {
            let _ = client.get(&format!("/prices?symbols={}&timeout=2s", symbols.join(","))).await;
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// So many clients until then. What is given back ends when the last has left.
    pub(crate) fn open(&self, clients: usize, until: Instant) -> impl Future<Output = ()> {
        let mut crowd = JoinSet::new();
        for number in 0..clients {
            let mut client = self.client(self.seed * 100_000 + number as u64);
            crowd.spawn(async move {
                while Instant::now() < until {
                    client.ask().await;
                    let pause = client.chance.u64(200..500);
                    sleep(Duration::from_millis(pause)).await;
                }
            });
        }
        async move { while crowd.join_next().await.is_some() {} }
    }

    /// Calls that the service says are in the air.
    pub(crate) async fn in_flight(&self) -> u64 {
        let Some((_, overview)) = self.client(0).get("/sources").await else { return u64::MAX };
        let sources = overview["sources"].as_array().into_iter().flatten();
        sources.map(|source| source["in_flight"].as_u64().unwrap_or(u64::MAX)).sum()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    fn client(&self, seed: u64) -> Client {
        let (history, tally) = (Arc::clone(&self.history), Arc::clone(&self.tally));
        Client { server: self.server, history, tally, chance: fastrand::Rng::with_seed(seed), connection: None }
    }
}

impl Client {
    async fn ask(&mut self) {
        let errand = Errand::new(&self.history.symbols(), &mut self.chance);
        if self.chance.u8(..) < 10 {
            return self.leave_early(&errand).await;
        }
        let begun = Instant::now();
        let reply = timeout(errand.deadline + Duration::from_secs(10), self.get(&errand.target)).await;
        let took = begun.elapsed();
        let Ok(Some((status, answer))) = reply else {
            self.connection = None;
            self.tally.lock().unwrap().broken += 1;
            let why = if reply.is_err() { "no answer" } else { "no whole answer" };
            return self.fault(why, format!("{} after {took:?}", errand.target));
        };
        let mut tally = self.tally.lock().unwrap();
        tally.requests += 1;
        tally.latencies.push(took);
        *tally.statuses.entry(status).or_default() += 1;
        drop(tally);
        if took > errand.deadline + LATE {
            self.fault("late", format!("{} took {took:?}", errand.target));
        }
        if !(matches!(status, 200 | 503) || status == 404 && errand.invented) {
            self.fault("status", format!("{status} for {}: {answer}", errand.target));
        }
        self.judge(&errand, &answer);
    }

    /// Looks at every entry: those that were asked for, and no price that no honest venue gave.
    fn judge(&self, errand: &Errand, answer: &Value) {
        let entries: Vec<&Value> = match answer["prices"].as_array() {
            Some(prices) => prices.iter().collect(),
            None => vec![answer],
        };
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry["symbol"].as_str()).collect();
        if names != errand.asked {
            return self.fault("entries", format!("{} is answered with {answer}", errand.target));
        }
        for entry in entries {
            let (name, status) = (entry["symbol"].as_str().unwrap_or_default(), entry["status"].as_str());
            let status = status.unwrap_or_default();
            let words = [status, entry["reason"].as_str().unwrap_or_default()].join(" ");
            *self.tally.lock().unwrap().symbols.entry(words.trim().to_owned()).or_default() += 1;
            let price = entry["price"].as_str().and_then(|price| price.parse::<Decimal>().ok());
            if price.is_some() != matches!(status, "ok" | "degraded") {
                self.fault("price", format!("{entry}"));
            }
            let Some(price) = price.filter(|_| errand.plain) else { continue };
            let age = Duration::from_millis(entry["age_ms"].as_u64().unwrap_or(0));
            let symbol = Symbol::parse(name).unwrap();
            let allows = |price| self.history.allows(&symbol, price, age + FROZEN);
            // with nobody to contradict it, a liar is believed, and the price says so
            let believed = words.ends_with("few_sources") && allows(price / Decimal::new(108, 2));
            if !allows(price) && !believed {
                self.fault("wrong price", format!("{price} for {}: {entry}", errand.target));
            }
        }
    }

    fn fault(&self, kind: &'static str, words: String) {
        let mut tally = self.tally.lock().unwrap();
        let faults = tally.faults.entry(kind).or_default();
        // the rest is counted, not kept
        faults.push(if faults.len() < TOLD { words } else { String::new() });
    }

    /// Asks, and is gone before the answer comes.
    async fn leave_early(&mut self, errand: &Errand) {
        self.tally.lock().unwrap().left_early += 1;
        let Some(mut stream) = self.connected().await else { return };
        let _ = stream.write_all(format!("GET {} HTTP/1.1\r\nHost: soak\r\n\r\n", errand.target).as_bytes()).await;
        sleep(Duration::from_millis(self.chance.u64(0..100))).await;
    }

    async fn connected(&mut self) -> Option<TcpStream> {
        match self.connection.take() {
            Some(stream) => Some(stream),
            None => TcpStream::connect(self.server).await.ok(),
        }
    }

    /// Status and body of the reply; the connection is kept for the next request.
    async fn get(&mut self, target: &str) -> Option<(u16, Value)> {
        let mut stream = self.connected().await?;
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: soak\r\n\r\n").as_bytes()).await.ok()?;
        let (mut reply, mut chunk) = (Vec::new(), vec![0; 16 << 10]);
        loop {
            let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
            reply.extend_from_slice(&chunk[..read]);
            let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = str::from_utf8(&reply[..end]).ok()?.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
            if let Some(body) = reply.get(end + 4..end + 4 + length) {
                let status = head.split(' ').nth(1)?.parse().ok()?;
                let body = serde_json::from_slice(body).ok()?;
                self.connection = (!head.contains("connection: close")).then_some(stream);
                return Some((status, body));
            }
        }
    }
}
