//! What is counted, and how.

use std::path::Path as File;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, ensure};
use axum::Router;
use quotefold::server::drain::Drain;
use quotefold::server::{Front, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::board::{service, symbols};
use crate::cold::{self, Called};

/// Requests before the counted ones, which fill caches and grow buffers.
const FIRST: u32 = 30;

/// Requests whose instructions are counted.
const COUNTED: u32 = 100;

/// The function whose instructions are counted, with all that it calls.
const COUNTED_FUNCTION: &str = "instructions::counted::counted_requests";

/// Sources of each symbol on the board, and of each in a large answer.
const SOURCES: usize = 3;
const MANY_SOURCES: usize = 20;

/// The symbols of a large answer.
const MANY_SYMBOLS: usize = 100;

/// Sources that have to be called.
const CALLED: usize = 10;

/// What is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Two symbols from the board.
    Pair,
    /// Liveness: the server around an answer that costs nothing.
    Live,
    /// Two symbols that were never asked for, which every source has to be called for.
    Cold,
    /// A hundred symbols of twenty sources, from ready bytes.
    Large,
    /// The same, planned anew.
    Planned,
}

impl Path {
    /// Every path.
    pub(crate) const ALL: [Path; 5] = [Path::Pair, Path::Live, Path::Cold, Path::Large, Path::Planned];

    /// What is counted unless one path is asked for: in a build without optimisation, a cold request takes so long in valgrind
    /// that its sources and filters run out of time.
    pub(crate) const USUAL: [Path; 2] = [Path::Pair, Path::Live];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Path::Pair => "pair",
            Path::Live => "live",
            Path::Cold => "cold",
            Path::Large => "large",
            Path::Planned => "planned",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Path::ALL.into_iter().find(|path| path.name() == name)
    }

    /// What the request after this many others asks for.
    fn target(self, made: usize) -> String {
        match self {
            Path::Pair => "/prices?symbols=AAPL,MSFT".to_owned(),
            Path::Live => "/health/live".to_owned(),
            Path::Cold => format!("/prices?symbols={}", cold::pair(made)),
            Path::Large => large(),
            // an answer with a condition of its own is always planned
            Path::Planned => format!("{}&max_age=1h", large()),
        }
    }

    /// How many requests are made first, and how many counted. Large ones are few: in valgrind, each takes a while.
    fn requests(self) -> (u32, u32) {
        match self {
            Path::Pair | Path::Live | Path::Cold => (FIRST, COUNTED),
            Path::Large | Path::Planned => (3, 10),
        }
    }

    /// How many prices its answers have.
    fn prices(self) -> usize {
        match self {
            Path::Pair | Path::Cold => 2,
            Path::Live => 0,
            Path::Large | Path::Planned => MANY_SYMBOLS,
        }
    }
}

/// The instructions of one request.
pub(crate) fn count(path: Path, keep: Option<&File>) -> anyhow::Result<u64> {
    let kept = keep.unwrap_or(File::new("/dev/null")).display();
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", &format!("--callgrind-out-file={kept}")]);
    valgrind.arg(format!("--toggle-collect={COUNTED_FUNCTION}"));
    valgrind.arg(std::env::current_exe()?).args(["--requests", path.name()]);
    let output = valgrind.output().context("valgrind is not installed: `apt-get install -y valgrind`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the requests failed in valgrind: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.with_context(|| format!("valgrind said no count: {said}"))?;
    let collected: u64 = collected.trim().parse()?;
    ensure!(
        collected > 0,
        "valgrind did not find the function {COUNTED_FUNCTION}; is the program stripped of its names?"
    );
    Ok(collected / u64::from(path.requests().1))
}

/// What asks for a large answer.
fn large() -> String {
    let symbols: Vec<String> = symbols(MANY_SYMBOLS).iter().map(ToString::to_string).collect();
    format!("/prices?symbols={}", symbols.join(","))
}

/// One connection to a server in the same thread.
struct Client {
    runtime: Runtime,
    stream: TcpStream,
    path: Path,
    /// How many requests it has made.
    made: usize,
    reply: Vec<u8>,
    /// What the sources ask.
    _called: Option<Called>,
}

/// Makes requests, one after the other.
pub(crate) fn requests(path: Path) {
    // chance is seeded, so that ids are the same in every run
    fastrand::seed(1);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::of_a_new_server(path);
    let (first, counted) = path.requests();
    client.make(first);
    counted_requests(&mut client, counted);
    let reply = String::from_utf8_lossy(&client.reply);
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert_eq!(reply.matches("\"status\":\"ok\",\"reason\":null").count(), path.prices(), "{reply}");
}

/// Valgrind finds it by its name, so it must be a function of its own.
#[inline(never)]
fn counted_requests(client: &mut Client, requests: u32) {
    client.make(requests);
}

impl Client {
    fn of_a_new_server(path: Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let called = (path == Path::Cold).then(|| Called::start(CALLED));
        let stream = runtime.block_on(async {
            let service = match &called {
                Some(called) => cold::service(called),
                None if path.prices() == MANY_SYMBOLS => service(MANY_SOURCES, &symbols(MANY_SYMBOLS)),
                None => service(SOURCES, &symbols(2)),
            };
            let service = Arc::new(service);
            let listener = listen::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let drain = Drain::new();
            let app = Front::new(&service, Arc::default(), &drain, &Handle::current()).router(Router::new());
            tokio::spawn(listen::run(listener, app, listen::Limits::default(), drain));
            TcpStream::connect(address).await.unwrap()
        });
        Client { runtime, stream, path, made: 0, reply: Vec::new(), _called: called }
    }

    /// While it waits for a reply, the thread is the server's.
    fn make(&mut self, requests: u32) {
        let Client { runtime, stream, path, made, reply, .. } = self;
        runtime.block_on(async {
            for _ in 0..requests {
                let request = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", path.target(*made));
                *made += 1;
                stream.write_all(request.as_bytes()).await.unwrap();
                reply.clear();
                while !is_complete(reply) {
                    assert!(stream.read_buf(reply).await.unwrap() > 0, "the server closed the connection");
                }
            }
        });
    }
}

/// Whether a whole reply is here.
fn is_complete(reply: &[u8]) -> bool {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let at = |what: &[u8]| reply.windows(what.len()).position(|window| window == what);
    let Some(head) = at(b"\r\n\r\n") else { return false };
    let length = at(NAME).and_then(|at| reply.get(at + NAME.len()..)).unwrap_or_default();
    let digits = length.iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    reply.len() >= head + 4 + length
}
