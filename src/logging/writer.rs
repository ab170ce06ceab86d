//! Writes the log on a thread of its own: the only one that waits for stderr.

#![allow(clippy::disallowed_methods, reason = "the log has a thread of its own that waits")]

use std::convert::Infallible;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing::Event;

use super::backlog::{Backlog, Job};
use super::repeats::{Repeated, Repeats};

/// The most bytes that wait for stderr.
pub(super) const LIMIT: usize = 1024 * 1024;

/// How long the writer rests where stderr would block but may not: another process that has it made it so.
const BUSY: Duration = Duration::from_millis(10);

/// How long it rests after a write has failed. A full disk may have room again, a named pipe a reader.
const BROKEN: Duration = Duration::from_secs(1);

/// How often it looks whether a second is over in which lines were said again.
const LOOK: Duration = Duration::from_secs(1);

/// What the thread needs for writing, and for formatting one line.
const STACK: usize = 256 * 1024;

/// The way from those who log to the thread that writes.
#[derive(Debug)]
pub(super) struct Queue {
    backlog: Mutex<Backlog>,
    /// What was said lately. Its lock is taken after the backlog's, never before.
    repeats: Mutex<Repeats>,
    /// Whether the process ends: then what was counted is told at once.
    is_ending: AtomicBool,
    /// There may be something to write.
    work: Condvar,
    /// The backlog may be settled.
    settled: Condvar,
    dropped: Counter,
}

/// A handle through which events become lines.
#[derive(Clone, Debug)]
pub(super) struct Lines(pub(super) Arc<Queue>);

/// Why lines are missing.
#[derive(Debug)]
pub(super) enum Missing {
    /// Stderr did not take them in time; how many they are.
    Dropped(u64),
    /// They said what had been said.
    Repeated(Repeated),
}

/// What the thread does next.
enum Work {
    Write(Job),
    Tell(Vec<Repeated>),
}

/// Starts the thread. `line` makes the line that says what is missing; `dropped` counts what did not fit.
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
        let dropped = self.lock().push(lines);
        self.dropped.inc_by(dropped);
        self.work.notify_one();
    }

    /// Whether an event is to be written, and not only counted.
    pub(super) fn is_new(&self, event: &Event<'_>) -> bool {
        let mut repeats = self.repeats();
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
        self.lock().is_settled()
    }

    /// Waits until everything is written that can be, but no longer than this.
    pub(super) fn flush(&self, longest: Duration) {
        self.is_ending.store(true, Ordering::SeqCst);
        self.wake();
        // written or out of time: the end comes either way
        drop(self.settled.wait_timeout_while(self.lock(), longest, |backlog| {
            !backlog.is_settled() || !backlog.fails() && self.repeats().is_counting()
        }));
    }

    /// Wakes the thread. It holds the lock from its look at what there is to do until it sleeps.
    fn wake(&self) {
        drop(self.lock());
        self.work.notify_one();
    }

    fn run(&self, mut out: impl Write, line: impl Fn(Missing) -> Vec<u8>) -> Infallible {
        loop {
            match self.next() {
                Work::Write(Job::Lines(lines)) => self.write(&mut out, &lines),
                Work::Write(Job::Count(dropped)) => self.write(&mut out, &line(Missing::Dropped(dropped))),
                Work::Tell(repeated) => {
                    repeated.into_iter().for_each(|repeated| self.push(&line(Missing::Repeated(repeated))));
                }
            }
        }
    }

    /// Waits for something to do.
    fn next(&self) -> Work {
        let mut backlog = self.lock();
        loop {
            let mut repeats = self.repeats();
            let is_ending = self.is_ending.load(Ordering::SeqCst);
            let over = if is_ending { repeats.all() } else { repeats.over(Instant::now()) };
            let is_counting = repeats.is_counting();
            drop(repeats);
            if !over.is_empty() {
                backlog.begin();
                return Work::Tell(over);
            }
            if let Some(job) = backlog.next() {
                return Work::Write(job);
            }
            self.settled.notify_all();
            backlog = if is_counting {
                self.work.wait_timeout(backlog, LOOK).unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.work.wait(backlog).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all of it, however long that takes.
    fn write(&self, out: &mut impl Write, mut lines: &[u8]) {
        while !lines.is_empty() {
            match out.write(lines) {
                Ok(written @ 1..) => {
                    lines = lines.get(written..).unwrap_or_default();
                    self.lock().written(written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(BUSY),
                Ok(0) | Err(_) => {
                    self.lock().failed();
                    self.settled.notify_all();
                    sleep(BROKEN);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Lines {
    /// An event comes in one piece, with its line's end.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
