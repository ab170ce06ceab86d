//! The venues: scripted vendors on loopback, in a thread of their own, that speak the format of the built-in `tiingo`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// What a venue does with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// It quotes every symbol that it is asked for, this long after the call.
    Quotes(Duration),
    /// It fails.
    Breaks,
}

/// The venues of a row, which end with it.
pub(crate) struct Venues {
    pub(crate) addresses: Vec<SocketAddr>,
    calls: Arc<AtomicU64>,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Venues {
    /// Opens a venue per manner.
    pub(crate) fn open(manners: &[Manner]) -> anyhow::Result<Self> {
        let bind = |manner: &Manner| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener, *manner))
        };
        let bound = manners.iter().map(bind).collect::<std::io::Result<Vec<_>>>()?;
        let addresses = bound.iter().map(|(address, ..)| *address).collect();
        let calls: Arc<AtomicU64> = Arc::default();
        let counted = Arc::clone(&calls);
        let (end, ended) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                for (number, (_, listener, manner)) in bound.into_iter().enumerate() {
                    let listener = TcpListener::from_std(listener).unwrap();
                    tokio::spawn(accept(listener, number, manner, Arc::clone(&counted)));
                }
                let _ = ended.await;
            });
        });
        Ok(Venues { addresses, calls, _end: end })
    }

    /// This many venues that quote after a delay.
    pub(crate) fn quoting(count: usize, delay: Duration) -> anyhow::Result<Self> {
        Venues::open(&vec![Manner::Quotes(delay); count])
    }

    /// How many calls all of them have had so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, number: usize, manner: Manner, calls: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let calls = Arc::clone(&calls);
        // a client that goes away ends its connection, and nothing else
        tokio::spawn(async move { drop(serve(stream, number, manner, &calls).await) });
    }
}

/// Answers one call after the other.
async fn serve(mut stream: TcpStream, number: usize, manner: Manner, calls: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    let mut reply = String::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        calls.fetch_add(1, Ordering::Relaxed);
        let body = match manner {
            Manner::Quotes(delay) => {
                // not even a delay of nothing: the timer would round it up to a millisecond
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                quotes(tickers(&String::from_utf8_lossy(&head)), number)
            }
            Manner::Breaks => String::new(),
        };
        let status = if body.is_empty() { "500 Internal Server Error" } else { "200 OK" };
        reply.clear();
        let _ = write!(
            reply,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(reply.as_bytes()).await?;
    }
}

/// The tickers in the first line of a call.
fn tickers(head: &str) -> impl Iterator<Item = &str> {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let list = target.split_once("tickers=").map_or("", |(_, list)| list);
    list.split(['&', ',']).flat_map(|part| part.split("%2C")).filter(|ticker| !ticker.is_empty())
}

/// A quote per ticker. Venues differ by cents, and every ticker has its own price.
fn quotes<'t>(tickers: impl Iterator<Item = &'t str>, number: usize) -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let mut body = String::from("[");
    for ticker in tickers {
        let dollars = ticker.bytes().fold(0_usize, |sum, byte| (sum * 31 + usize::from(byte)) % 400) + 100;
        let cents = 40 + number;
        let _ = write!(
            body,
            "{}{{\"ticker\":\"{ticker}\",\"timestamp\":\"{now}\",\"quoteTimestamp\":\"{now}\",\
             \"lastSaleTimestamp\":\"{now}\",\"last\":{dollars}.{cents},\"lastSize\":100,\"tngoLast\":{dollars}.{cents},\
             \"prevClose\":{dollars}.11,\"open\":{dollars}.20,\"high\":{dollars}.95,\"low\":{dollars}.05,\"mid\":null,\
             \"volume\":1048576,\"bidSize\":100,\"bidPrice\":{dollars}.{},\"askSize\":300,\"askPrice\":{dollars}.{}}}",
            if body.len() > 1 { "," } else { "" },
            cents - 1,
            cents + 1,
        );
    }
    body.push(']');
    body
}
