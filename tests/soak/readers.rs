//! Readers of streams, who follow prices all the time. Some read slowly, some stop reading for a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use quotefold::symbol::Symbol;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::honest::History;
use crate::judge::is_honest;

/// How many symbols each of them follows.
const SYMBOLS: usize = 20;

/// How old a price may be that has just been sent, by when it was folded: a second at most between two events of a symbol, and what
/// the service and the clients' one thread take while there is more to do than both cores can.
const LATE: Duration = Duration::from_secs(5);

/// How long a reader that is deaf for a while does not read: longer than the service waits for it.
const DEAF: Duration = Duration::from_secs(8);

/// The most faults of each kind that are kept.
const TOLD: usize = 20;

/// What the readers have seen.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// How many readers there were.
    pub(crate) readers: usize,
    /// Streams that were begun.
    pub(crate) streams: u64,
    /// Streams that began with something else than a 200, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    pub(crate) events: u64,
    /// How old the prices of events were that came to readers who read all the time.
    pub(crate) ages: Vec<Duration>,
    pub(crate) faults: BTreeMap<&'static str, Vec<String>>,
}

/// Readers that are running.
pub(crate) struct Readers {
    tasks: JoinSet<()>,
    followed: Arc<Mutex<Followed>>,
}

impl Readers {
    /// Follows prices until a time.
    pub(crate) fn begin(
        readers: usize,
        runtime: &Runtime,
        server: SocketAddr,
        history: &Arc<History>,
        until: Instant,
    ) -> Self {
        let _in_runtime = runtime.enter();
        let (mut tasks, followed) = (JoinSet::new(), Arc::<Mutex<Followed>>::default());
        followed.lock().unwrap().readers = readers;
        let all = history.symbols();
        for number in 0..readers {
            let symbols: Vec<Symbol> = (0..SYMBOLS).map(|at| all[(number * 7 + at) % all.len()].clone()).collect();
            let mut reader =
                Reader { server, number, symbols, history: Arc::clone(history), followed: Arc::clone(&followed) };
            tasks.spawn(async move {
                while Instant::now() < until {
                    let _ = tokio::time::timeout_at(until.into(), reader.follow()).await;
                    sleep(Duration::from_millis(200)).await;
                }
            });
        }
        Readers { tasks, followed }
    }

    /// Waits until the last has left.
    pub(crate) fn end(mut self, runtime: &Runtime) -> Followed {
        runtime.block_on(async { while self.tasks.join_next().await.is_some() {} });
        std::mem::take(&mut self.followed.lock().unwrap())
    }
}

struct Reader {
    server: SocketAddr,
    number: usize,
    symbols: Vec<Symbol>,
    history: Arc<History>,
    followed: Arc<Mutex<Followed>>,
}

impl Reader {
    /// Reads one stream to its end.
    async fn follow(&mut self) -> std::io::Result<()> {
        let symbols: Vec<String> = self.symbols.iter().map(ToString::to_string).collect();
        let mut stream = TcpStream::connect(self.server).await?;
        // with this version, the reply comes without chunks
        let request =
            format!("GET /prices/stream?symbols={}&every=1s HTTP/1.0\r\nHost: localhost\r\n\r\n", symbols.join(","));
        stream.write_all(request.as_bytes()).await?;
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next_line().await?.unwrap_or_default();
        let status: u16 = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        {
            let mut followed = self.followed.lock().unwrap();
            followed.streams += 1;
            if status != 200 {
                *followed.refused.entry(status).or_default() += 1;
                return Ok(());
            }
        }
        let (mut folded, mut events) = (BTreeMap::new(), 0_u64);
        while let Some(line) = lines.next_line().await? {
            if let Some(entry) = line.strip_prefix("data: ").filter(|data| data.starts_with("{\"symbol\"")) {
                events += 1;
                self.judge(entry, &mut folded);
            }
            match self.number % 10 {
                // one that is too slow for what it asks for
                8 => sleep(Duration::from_millis(100)).await,
                9 if events % 400 == 399 => sleep(DEAF).await,
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks one event, given when the last price of each symbol was folded.
    fn judge(&self, entry: &str, folded: &mut BTreeMap<String, Timestamp>) {
        let (came, now) = (Instant::now(), Timestamp::now());
        let mut followed = self.followed.lock().unwrap();
        followed.events += 1;
        let Ok(entry) = serde_json::from_str::<Value>(entry) else {
            return followed.fault("no JSON", entry.to_owned());
        };
        let symbol = entry["symbol"].as_str().unwrap_or_default().to_owned();
        if !self.symbols.iter().any(|asked| asked.to_string() == symbol) {
            followed.fault("not asked for", entry.to_string());
        }
        let Some(as_of) = entry["as_of"].as_str().and_then(|as_of| as_of.parse::<Timestamp>().ok()) else { return };
        let age = Duration::try_from(now.duration_since(as_of)).unwrap_or_default();
        // a reader that is slow or deaf reads what was sent long ago
        if !is_honest(&entry, came - age, &self.history) {
            followed.fault("wrong price", entry.to_string());
        }
        if folded.get(&symbol).is_some_and(|before| *before > as_of) {
            followed.fault("an older price after a newer one", entry.to_string());
        }
        folded.insert(symbol, as_of);
        if self.number % 10 < 8 {
            followed.ages.push(age);
            if age > LATE {
                followed.fault("late", format!("{age:?}: {entry}"));
            }
        }
    }
}

impl Followed {
    fn fault(&mut self, kind: &'static str, words: String) {
        let faults = self.faults.entry(kind).or_default();
        // the rest is counted, not kept
        faults.push(if faults.len() < TOLD { words } else { String::new() });
    }
}
