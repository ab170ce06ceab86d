//! A server as a process: started on its core, read in `/proc`, stopped with its row.

use std::fs::read_to_string;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::machine::field;

/// How long a server may take to answer its first request.
const PATIENCE: Duration = Duration::from_secs(30);

/// The unit of processor time in `/proc/PID/stat`: `USER_HZ` is 100 for every program.
const TICK: Duration = Duration::from_millis(10);

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// How much processor time a process has had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// In its own code.
    pub(crate) own: Duration,
    /// In the kernel, on its behalf.
    pub(crate) kernel: Duration,
}

/// A reply that was read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A port that is free now.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// Starts a server that listens at `address`, without waiting for it.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let child = quiet.spawn().with_context(|| format!("{} does not start", quiet.get_program().display()))?;
        Ok(Server { child, address })
    }

    /// Waits until it answers this path with 200.
    pub(crate) fn until_it_answers(mut self, path: &str) -> anyhow::Result<Self> {
        let started = Instant::now();
        loop {
            if get(self.address, path).is_ok_and(|reply| reply.status == 200) {
                return Ok(self);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server at {} ended with {status}", self.address);
            }
            if started.elapsed() > PATIENCE {
                bail!("the server at {} does not answer {path} with 200 within {PATIENCE:?}", self.address);
            }
            // short, because the time until a server is ready is measured, too
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// The processor time that it has had so far.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        Used::by(self.child.id())
    }

    /// The memory that it holds, in MB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = field(&status, "VmRSS:").context("/proc/PID/status has no VmRSS")?;
        let kilobytes: f64 = resident.trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    /// The most memory that it holds while something is done, in MB.
    pub(crate) fn most_resident_during(&self, act: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
        let is_over = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            let sampling = scope.spawn(|| {
                let mut most = 0_f64;
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    most = most.max(self.resident()?);
                    thread::sleep(Duration::from_millis(20));
                }
                Ok(most)
            });
            let acted = act();
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            let most = sampling.join().unwrap();
            acted.and(most)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Used {
    /// The processor time that a process has had so far.
    pub(crate) fn by(process: u32) -> anyhow::Result<Self> {
        let stat = read_to_string(format!("/proc/{process}/stat"))?;
        // the name may contain spaces, so count from the bracket behind it
        let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat has another form than expected")?;
        let ticks = |at: usize| -> anyhow::Result<u32> { Ok(rest.split(' ').nth(at).unwrap_or_default().parse()?) };
        Ok(Used { own: TICK * ticks(11)?, kernel: TICK * ticks(12)? })
    }

    /// What was used since an earlier moment.
    pub(crate) fn since(self, earlier: Used) -> Used {
        Used { own: self.own - earlier.own, kernel: self.kernel - earlier.kernel }
    }

    /// Both kinds together.
    pub(crate) fn all(self) -> Duration {
        self.own + self.kernel
    }
}

/// Requests a path on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let head = reply.windows(4).position(|four| four == b"\r\n\r\n").context("a reply without an end of its head")?;
    let status = String::from_utf8_lossy(reply.get(9..12).unwrap_or_default()).parse()?;
    Ok(Reply { status, body: reply.split_off(head + 4) })
}
