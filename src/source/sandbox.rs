//! Runs a source's filter in a process of its own, whose memory and CPU time the operating system limits.
//!
//! A few words of jq are enough to fill the memory (`. + .`, again and again) or to compute for minutes within one step of
//! the interpreter, which nothing inside the process could stop. The filters of the catalogue are fixed and known to do
//! neither. Every other filter runs here, and so does every filter of a list of what a vendor trades, whose body is long. So no
//! body can make a filter cost more than that one call.
//!
//! A source has one such process. It starts with the first reply, filters one reply after the other, and ends with the
//! service, because its standard input ends then. If it dies, or if its call is cancelled, the next reply starts another one.

mod limits;
#[cfg(test)]
mod tests;
mod wire;
pub mod worker;

use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::failure::SourceError;
use crate::provider::extract::Job;
use crate::provider::filter::{Rows, RunError};

/// The program that runs filters: this one, as `quotefold run-filter SOURCE`.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

/// Where one source's filter runs.
pub(super) struct Sandbox {
    program: Program,
    source: String,
    filter: String,
    /// Memory that it may take beyond that of an idle process, in bytes.
    memory: usize,
    /// The process, while it is idle. It is taken out for each reply, so a process that is dropped in the middle of a reply is
    /// never used again.
    idle: Mutex<Option<Process>>,
}

/// The result of a filter, as its process sent it.
pub(super) struct Filtered(Vec<u8>);

/// A running process; dropping it kills it.
struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Program {
    /// The program that is running now, even if the file that it was started from has been replaced since.
    pub fn running() -> Self {
        let same = Path::new("/proc/self/exe");
        let named = || std::env::current_exe().unwrap_or_else(|_| PathBuf::from("quotefold"));
        Program(if same.exists() { same.to_owned() } else { named() })
    }
}

impl Sandbox {
    /// Where a filter of this source will run, which reads bodies of at most `max_body` bytes. Nothing is started yet.
    pub(super) fn new(program: Program, source: &str, filter: &str, max_body: usize) -> Self {
        let (source, filter) = (source.to_owned(), filter.to_owned());
        Sandbox { program, source, filter, memory: limits::memory(max_body), idle: Mutex::new(None) }
    }

    /// Ends its process, if there is one. The next reply starts another.
    pub(super) async fn end(&self) {
        drop(self.idle.lock().await.take());
    }

    /// Filters one reply. Replies that come meanwhile wait.
    ///
    /// # Errors
    /// The process cannot be started, or it ended for another reason than the filter.
    pub(super) async fn run(&self, job: &Job<'_>) -> Result<Filtered, SourceError> {
        let mut idle = self.idle.lock().await;
        let alive = idle.take().and_then(Process::if_alive);
        let mut process = match alive {
            Some(process) => process,
            None => self.start().await.map_err(|error| cannot_start(&error))?,
        };
        match process.exchange(job).await {
            Ok(reply) => {
                *idle = Some(process);
                Ok(Filtered(reply))
            }
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => {
                let status = process.child.wait().await.map_err(|error| failed(&error))?;
                self.why_it_ended(status).ok_or_else(|| failed(&io::Error::other(status.to_string())))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    async fn start(&self) -> io::Result<Process> {
        let mut command = Command::new(&self.program.0);
        command.arg0("quotefold").args(["run-filter", &self.source, "--memory", &self.memory.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // a filter sees the reply and nothing else, and what a terminal sends to the service is not for its filters
        command.env_clear().current_dir("/").process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let mut process = Process { child, input, output };
        process.send(&[self.filter.as_bytes()]).await?;
        Ok(process)
    }

    /// What the end of a process says of its filter; `None` if it says nothing.
    fn why_it_ended(&self, status: ExitStatus) -> Option<Filtered> {
        let why = match status.signal()? {
            limits::OUT_OF_TIME => format!("one step took more than {} s of processor time", limits::SECONDS),
            // what cannot be allocated, and what the system takes back when its own memory runs out
            limits::ABORTED | limits::KILLED | limits::OVERFLOWED => {
                format!("it took more than {} MiB of memory", self.memory >> 20)
            }
            _ => return None,
        };
        Some(Filtered(wire::reply(&Rows { rows: Vec::new(), cut: false, failure: Some(RunError::OutOfFuel(why)) })))
    }
}

impl Filtered {
    /// How much there is to read, in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rows.
    ///
    /// # Errors
    /// They cannot be read, which is a bug of ours.
    pub(super) fn rows(&self) -> Result<Rows, SourceError> {
        wire::rows(&self.0).map_err(|why| failed(&io::Error::other(why)))
    }
}

fn cannot_start(error: &io::Error) -> SourceError {
    let why = "this program cannot start itself anew to run the filter";
    SourceError::Internal(format!("{why}: {error}"))
}

fn failed(error: &io::Error) -> SourceError {
    SourceError::Internal(format!("the filter's process failed: {error}"))
}

impl Process {
    fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    async fn exchange(&mut self, job: &Job<'_>) -> io::Result<Vec<u8>> {
        self.send(&[&job.head(), job.body]).await?;
        let length = self.output.read_u32_le().await? as usize;
        if length > wire::LONGEST_REPLY {
            return Err(io::Error::other("it replied with too much"));
        }
        let mut reply = vec![0; length];
        self.output.read_exact(&mut reply).await?;
        Ok(reply)
    }

    /// Sends a message that consists of several parts.
    async fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        self.input.write_u32_le(u32::try_from(length).map_err(io::Error::other)?).await?;
        for part in parts {
            self.input.write_all(part).await?;
        }
        self.input.flush().await
    }
}
