//! Writes the log on a thread of its own: the only one that waits for stderr.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

use super::backlog::{Backlog, Job};

/// The most bytes that wait for stderr.
pub(super) const LIMIT: usize = 1024 * 1024;

/// How long the writer rests where stderr would block but may not: another process that has it made it so.
const BUSY: Duration = Duration::from_millis(10);

/// How long it rests after a write has failed. A full disk may have room again, a named pipe a reader.
const BROKEN: Duration = Duration::from_secs(1);

/// What the thread needs for writing, and for formatting one line.
const STACK: usize = 256 * 1024;

/// The way from those who log to the thread that writes.
#[derive(Debug)]
pub(super) struct Queue {
    backlog: Mutex<Backlog>,
    /// There may be something to write.
    work: Condvar,
    /// The backlog may be settled.
    settled: Condvar,
    dropped: Counter,
}

/// A handle through which events become lines.
#[derive(Clone, Debug)]
pub(super) struct Lines(pub(super) Arc<Queue>);

/// Starts the thread. `count_line` makes the line that says how many were dropped; `dropped` counts them.
pub(super) fn start(
    out: impl Write + Send + 'static,
    count_line: impl Fn(u64) -> Vec<u8> + Send + 'static,
    dropped: Counter,
) -> io::Result<Arc<Queue>> {
    let (work, settled) = (Condvar::new(), Condvar::new());
    let queue = Arc::new(Queue { backlog: Mutex::new(Backlog::new(LIMIT)), work, settled, dropped });
    let writing = Arc::clone(&queue);
    let thread = thread::Builder::new().name("log".to_owned()).stack_size(STACK);
    thread.spawn(move || writing.run(out, count_line))?;
    Ok(queue)
}

impl Queue {
    /// Takes whole lines, or drops them. It never waits for stderr.
    pub(super) fn push(&self, lines: &[u8]) {
        let dropped = self.lock().push(lines);
        self.dropped.inc_by(dropped);
        self.work.notify_one();
    }

    /// Waits until everything is written that can be, but no longer than this.
    pub(super) fn flush(&self, longest: Duration) {
        // written or out of time: the end comes either way
        drop(self.settled.wait_timeout_while(self.lock(), longest, |backlog| !backlog.is_settled()));
    }

    fn run(&self, mut out: impl Write, count_line: impl Fn(u64) -> Vec<u8>) -> Infallible {
        loop {
            match self.next() {
                Job::Lines(lines) => self.write(&mut out, &lines),
                Job::Count(dropped) => self.write(&mut out, &count_line(dropped)),
            }
        }
    }

    /// Waits for the next job.
    fn next(&self) -> Job {
        let mut backlog = self.lock();
        loop {
            if let Some(job) = backlog.next() {
                return job;
            }
            self.settled.notify_all();
            backlog = self.work.wait(backlog).unwrap_or_else(PoisonError::into_inner);
        }
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

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}
