//! A server with some routes that misbehave on purpose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use quotefold::server::drain::Drain;
use quotefold::server::listen::{Ended, Limits, bind, run};
use quotefold::server::pages::Pages;
use quotefold::server::request_id::RequestId;
use quotefold::server::stack::{StackLimits, wrap};
use quotefold::settings::RequestLog;
use quotefold::settings::access::AccessSettings;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{PATIENCE, Reply, read_reply};

/// The length of `/large` in bytes: more than all buffers on the way hold.
pub(crate) const LARGE: usize = 4 << 20;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) busy: Busy,
    pub(crate) ended: JoinHandle<Ended>,
}

/// How many handlers are running.
#[derive(Clone, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

struct AtWork(Busy);

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
        let health = Pages::default().page("/health/live", |_| "alive".into_response());
        let app = wrap(app(busy.clone()), health, stack, access, drain.clone());
        let ended = tokio::spawn(run(listener, app, limits, drain.clone()));
        Server { address, drain, busy, ended }
    }

    /// A connection on which nothing has been sent yet.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which `words` have been sent.
    pub(crate) async fn say(&self, words: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(words.as_bytes()).await.unwrap();
        stream
    }

    /// Requests `path` on a new connection.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// Sends `words`, and reads until the server closes the connection.
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

    /// Waits until `count` handlers are running.
    pub(crate) async fn becomes(&self, count: usize) {
        let poll = async {
            while self.now() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("{} handlers are running, not {count}", self.now()));
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
    panic!("this handler panics on purpose")
}

async fn work(busy: Busy, time: Duration) -> &'static str {
    let _at_work = busy.start();
    tokio::time::sleep(time).await;
    "done"
}
