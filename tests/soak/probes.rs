//! Requests health and metrics all the time, from threads that do nothing else, so that every delay is the service's.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::percentile;

/// How often each page is asked for.
const EVERY: Duration = Duration::from_millis(50);

/// Longer than any probe waits for health.
const TOO_LONG: Duration = Duration::from_secs(10);

/// A page, and the address at which it was requested.
type Page = (&'static str, &'static str);

/// How long each page took, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Probed {
    pub(crate) latencies: BTreeMap<Page, Vec<Duration>>,
    pub(crate) faults: Vec<String>,
    /// How late the threads' own timers were.
    pub(crate) lags: Vec<Duration>,
    /// The longest that any page took, and when that was.
    pub(crate) longest: (Duration, Duration),
}

/// The threads.
pub(crate) struct Probes {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Probed>>,
}

impl Probes {
    /// Probes the public and the admin address.
    pub(crate) fn begin(public: SocketAddr, admin: SocketAddr) -> Self {
        let over: Arc<AtomicBool> = Arc::default();
        let probe = |place: &'static str, address: SocketAddr, path: &'static str| {
            let over = Arc::clone(&over);
            thread::spawn(move || probe((place, path), address, &over))
        };
        let threads = vec![
            probe("public", public, "/health/live"),
            probe("public", public, "/health/ready"),
            probe("admin", admin, "/health/live"),
            probe("admin", admin, "/health/ready"),
            probe("admin", admin, "/metrics"),
        ];
        Probes { over, threads }
    }

    /// Everything that was seen.
    pub(crate) fn end(self) -> Probed {
        self.over.store(true, Ordering::Relaxed);
        let mut all = Probed::default();
        for thread in self.threads {
            let Probed { latencies, faults, lags, longest } = thread.join().unwrap();
            all.longest = all.longest.max(longest);
            all.latencies.extend(latencies);
            all.faults.extend(faults);
            all.lags.extend(lags);
        }
        all
    }
}

impl Probed {
    /// The latencies of health, wherever it was asked for.
    pub(crate) fn of_health(&self) -> Vec<Duration> {
        let health = self.latencies.iter().filter(|((_, path), _)| path.starts_with("/health"));
        health.flat_map(|(_, latencies)| latencies).copied().collect()
    }

    /// The page with the largest p99 of those of health.
    pub(crate) fn slowest_health(&self) -> Option<(Page, Duration)> {
        let health = self.latencies.iter().filter(|((_, path), _)| path.starts_with("/health"));
        health.map(|(page, latencies)| (*page, percentile(latencies, 99))).max_by_key(|(_, late)| *late)
    }
}

/// Requests a page again and again, alternating between a kept and a new connection.
fn probe((place, path): Page, address: SocketAddr, over: &AtomicBool) -> Probed {
    let (mut probed, mut kept, mut latencies) = (Probed::default(), None, Vec::new());
    let started = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let due = Instant::now() + EVERY;
        thread::sleep(EVERY);
        probed.lags.push(due.elapsed());
        let begun = Instant::now();
        let stream = kept.take().map_or_else(|| TcpStream::connect(address), Ok);
        let is_new = latencies.len() % 2 == 0;
        match stream.and_then(|stream| ask(stream, path)) {
            Ok((200, stream)) => {
                latencies.push(begun.elapsed());
                probed.longest = probed.longest.max((begun.elapsed(), begun - started));
                kept = is_new.then_some(stream);
            }
            Ok((status, _)) => probed.faults.push(format!("{path} ({place}) gave {status}")),
            Err(error) => probed.faults.push(format!("{path} ({place}) failed: {error}, after {:?}", begun.elapsed())),
        }
    }
    probed.latencies.insert((place, path), latencies);
    probed
}

/// The status of a page that was read completely.
fn ask(mut stream: TcpStream, path: &str) -> io::Result<(u16, TcpStream)> {
    stream.set_read_timeout(Some(TOO_LONG))?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let (mut reply, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        reply.extend_from_slice(&chunk[..read]);
        let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if length.is_some_and(|length| reply.len() >= end + 4 + length) {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            return Ok((status, stream));
        }
    }
}
