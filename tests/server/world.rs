//! A server with a few routes that misbehave on purpose, and raw clients that do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use quotefold::server::drain::Drain;
use quotefold::server::listen::{Ended, Limits, bind, run};
use quotefold::server::request_id::RequestId;
use quotefold::server::stack::{StackLimits, wrap};
use quotefold::settings::RequestLog;
use quotefold::settings::access::AccessSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The length of `/large`: more than all the buffers in between hold.
pub(crate) const LARGE: usize = 4 << 20;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) busy: Busy,
    pub(crate) ended: JoinHandle<Ended>,
}

/// How many handlers are at work right now.
#[derive(Clone, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

struct AtWork(Busy);

/// One reply, as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn limits() -> Limits {
    Limits {
        max_connections: 1000,
        header_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(5),
        drain_delay: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(10),
        ..Limits::default()
    }
}

pub(crate) fn stack_limits() -> StackLimits {
    StackLimits {
        max_requests: 100,
        max_timeout: Duration::from_secs(10),
        longest_form: 5000,
        requests: RequestLog::All,
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Server::with(limits(), stack_limits()).await
    }

    pub(crate) async fn with(limits: Limits, stack: StackLimits) -> Self {
        Server::guarded(limits, stack, &AccessSettings::default()).await
    }

    pub(crate) async fn guarded(limits: Limits, stack: StackLimits, access: &AccessSettings) -> Self {
        let (drain, busy) = (Drain::new(), Busy::default());
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Router::new().route("/health/live", get(|| async { "alive" }));
        let app = wrap(app(busy.clone()), health, stack, access, drain.clone());
        let ended = tokio::spawn(run(listener, app, limits, drain.clone()));
        Server { address, drain, busy, ended }
    }

    /// A connection on which nothing has been said yet.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which `words` have been said.
    pub(crate) async fn say(&self, words: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(words.as_bytes()).await.unwrap();
        stream
    }

    /// Asks for `path` on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// Says `words`, and reads until the server closes the connection.
    pub(crate) async fn ask(&self, words: &str) -> Reply {
        read_reply(self.say(words).await).await
    }

    /// How the server ended.
    pub(crate) async fn ended(self) -> Ended {
        timeout(PATIENCE, self.ended).await.expect("the server does not end").unwrap()
    }
}

impl Busy {
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until `count` handlers are at work.
    pub(crate) async fn becomes(&self, count: usize) {
        let poll = async {
            while self.now() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("{} handlers at work, not {count}", self.now()));
    }

    fn start(&self) -> AtWork {
        self.0.fetch_add(1, Ordering::SeqCst);
        AtWork(self.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The problem this reply is, having checked that it is one in all respects.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        problem
    }
}

/// Reads until the other side closes; a reset after the reply counts as a close.
pub(crate) async fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection stays open");
    String::from_utf8(bytes).unwrap()
}

pub(crate) async fn read_reply(stream: TcpStream) -> Reply {
    let text = read_to_end(stream).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not a reply: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Reply { status, head: head.to_string(), body: body.to_string() }
}

fn app(busy: Busy) -> Router {
    let (slow, endless) = (busy.clone(), busy);
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(|| work(slow, Duration::from_millis(500))))
        .route("/endless", get(|| work(endless, Duration::from_secs(3600))))
        .route("/huge", get(|| async { "x".repeat(64 << 20) }))
        .route("/large", get(|| async { "x".repeat(LARGE) }))
        .route("/blocking", get(|| async { std::thread::sleep(Duration::from_millis(30)) }))
        .route("/panic", get(broken))
        .route("/number/{number}", get(|Path(number): Path<u32>| async move { number.to_string() }))
        .route("/length", post(|body: String| async move { body.len().to_string() }))
        .route(
            "/id",
            get(|request: axum::extract::Request| async move {
                request.extensions().get::<RequestId>().unwrap().to_string()
            }),
        )
}

async fn broken() -> &'static str {
    panic!("as the test wants it")
}

async fn work(busy: Busy, time: Duration) -> &'static str {
    let _at_work = busy.start();
    tokio::time::sleep(time).await;
    "done"
}
