//! The process that filters run in: `quotefold run-filter SOURCE`. It reads a filter, and then one reply after the other.

#![allow(clippy::disallowed_methods, reason = "this is the process of one filter, without a runtime")]

use std::io::{self, Read, Write};

use tokio::signal::unix::{SignalKind, signal};

use super::{limits, wire};
use crate::clock::cpu;
use crate::provider::extract::Job;
use crate::provider::filter::{Filter, Fuel};

/// Runs a filter until the standard input ends. `memory` is what it may take beyond what the process takes by itself, in bytes.
///
/// # Errors
/// The filter cannot be compiled, the process cannot be limited, or a pipe breaks in the middle of a message.
pub fn run(memory: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // a signal to all processes of the service asks for a drain, in which replies are still read
    let _ignored = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let Some(code) = receive(&mut input)? else { return Ok(()) };
    let filter = Filter::compile(&String::from_utf8_lossy(&code)).map_err(io::Error::other)?;
    limits::limit_memory(memory)?;
    while let Some(message) = receive(&mut input)? {
        limits::limit_time()?;
        let job = Job::decode(&message).map_err(io::Error::other)?;
        let asked: Vec<&str> = job.asked.iter().map(AsRef::as_ref).collect();
        let rows = filter.run(job.body, job.layout, job.status, &asked, Fuel::most(cpu::timer));
        let reply = wire::reply(&rows);
        output.write_all(&u32::try_from(reply.len()).map_err(io::Error::other)?.to_le_bytes())?;
        output.write_all(&reply)?;
        output.flush()?;
    }
    Ok(())
}

/// The next message; `None` at the end of the input.
fn receive(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    input.read_exact(&mut message)?;
    Ok(Some(message))
}
