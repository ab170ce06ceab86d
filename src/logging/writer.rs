//! Writes the log on a dedicated thread, the only one that waits for stderr.

#![allow(clippy::disallowed_methods, reason = "the log has a thread of its own that waits")]

use std::convert::Infallible;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;
use tracing::Event;

use super::backlog::{Backlog, Job};
use super::repeats::{Repeated, Repeats};

/// The most bytes that may wait for stderr.
pub(super) const LIMIT: usize = 1024 * 1024;

/// How long the writer pauses if stderr would block: another process that shares it has made it non-blocking.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(10);

/// How long it pauses after a write has failed. A full disk may have room again, a named pipe a reader.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// How often it checks for repeats to report.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The stack of the thread, in bytes: enough for writing, and for formatting one line.
const STACK: usize = 256 * 1024;

/// The queue between the threads that log and the thread that writes.
#[derive(Debug)]
pub(super) struct Queue {
    backlog: Mutex<Backlog>,
    /// What was logged lately. Lock it after the backlog, never before.
    repeats: Mutex<Repeats>,
    /// Whether the process is ending: then repeats are reported at once.
    is_ending: AtomicBool,
    /// Notified when there may be something to write.
    work: Condvar,
    /// Notified when the backlog may be settled.
    settled: Condvar,
    dropped: Counter,
}

/// A handle through which events become lines.
#[derive(Clone, Debug)]
pub(super) struct Lines(pub(super) Arc<Queue>);

/// Why lines are missing from the log.
#[derive(Debug)]
pub(super) enum Missing {
    /// Stderr did not take them in time; how many.
    Dropped(u64),
    /// They repeated what had been logged.
    Repeated(Repeated),
}

/// What the thread does next.
enum Work {
    Write(Job),
    Report(Vec<Repeated>),
}

/// Starts the thread. `line` makes the line that reports missing lines; `dropped` counts lines that did not fit.
///
/// # Errors
/// If the system cannot start a thread.
pub(super) fn start(
    out: impl Write + Send + 'static,
    line: impl Fn(Missing) -> Vec<u8> + Send + 'static,
    dropped: Counter,
) -> io::Result<Arc<Queue>> {
    let queue = Arc::new(Queue {
        backlog: Mutex::new(Backlog::new(LIMIT)),
        repeats: Mutex::default(),
        is_ending: AtomicBool::new(false),
        work: Condvar::new(),
        settled: Condvar::new(),
        dropped,
    });
    let writing = Arc::clone(&queue);
    let thread = thread::Builder::new().name("log".to_owned()).stack_size(STACK);
    thread.spawn(move || writing.run(out, line))?;
    Ok(queue)
}

impl Queue {
    /// Takes whole lines, or drops them. It never waits for stderr.
    pub(super) fn push(&self, lines: &[u8]) {
        let dropped = self.backlog.lock().push(lines);
        self.dropped.inc_by(dropped);
        self.work.notify_one();
    }

    /// Whether to write an event, instead of only counting it.
    pub(super) fn is_new(&self, event: &Event<'_>) -> bool {
        let mut repeats = self.repeats.lock();
        let was_counting = repeats.is_counting();
        let is_new = repeats.is_new(event, Instant::now());
        drop(repeats);
        if !is_new && !was_counting {
            self.wake();
        }
        is_new
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_settled(&self) -> bool {
        self.backlog.lock().is_settled()
    }

    /// Waits until everything is written that can be, but no longer than this.
    pub(super) fn flush(&self, longest: Duration) {
        self.is_ending.store(true, Ordering::SeqCst);
        self.wake();
        let is_pending =
            |backlog: &mut Backlog| !backlog.is_settled() || !backlog.fails() && self.repeats.lock().is_counting();
        // written or out of time: the process ends either way
        let _ = self.settled.wait_while_for(&mut self.backlog.lock(), is_pending, longest);
    }

    /// Wakes the thread. It holds the lock from its check for work until it sleeps, so no wake-up is lost.
    fn wake(&self) {
        drop(self.backlog.lock());
        self.work.notify_one();
    }

    fn run(&self, mut out: impl Write, line: impl Fn(Missing) -> Vec<u8>) -> Infallible {
        loop {
            match self.next() {
                Work::Write(Job::Lines(lines)) => self.write(&mut out, &lines),
                Work::Write(Job::Count(dropped)) => self.write(&mut out, &line(Missing::Dropped(dropped))),
                Work::Report(repeated) => {
                    repeated.into_iter().for_each(|repeated| self.push(&line(Missing::Repeated(repeated))));
                }
            }
        }
    }

    /// Waits for something to do.
    fn next(&self) -> Work {
        let mut backlog = self.backlog.lock();
        loop {
            let mut repeats = self.repeats.lock();
            let is_ending = self.is_ending.load(Ordering::SeqCst);
            let over = if is_ending { repeats.all() } else { repeats.over(Instant::now()) };
            let is_counting = repeats.is_counting();
            drop(repeats);
            if !over.is_empty() {
                backlog.begin();
                return Work::Report(over);
            }
            if let Some(job) = backlog.next() {
                return Work::Write(job);
            }
            self.settled.notify_all();
            if is_counting {
                self.work.wait_for(&mut backlog, CHECK_EVERY);
            } else {
                self.work.wait(&mut backlog);
            }
        }
    }

    /// Writes everything, however long that takes.
    fn write(&self, out: &mut impl Write, mut lines: &[u8]) {
        while !lines.is_empty() {
            match out.write(lines) {
                Ok(written @ 1..) => {
                    lines = lines.get(written..).unwrap_or_default();
                    self.backlog.lock().written(written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(WOULD_BLOCK_PAUSE),
                Ok(0) | Err(_) => {
                    self.backlog.lock().failed();
                    self.settled.notify_all();
                    sleep(FAILURE_PAUSE);
                }
            }
        }
    }
}

impl Write for Lines {
    /// An event comes in one piece, including its newline.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
