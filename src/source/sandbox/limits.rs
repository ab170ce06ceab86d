//! What a filter's process may take. The operating system enforces it.

#![allow(clippy::disallowed_methods, reason = "this runs in the process of one filter, without a runtime")]

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::address_space;
use crate::provider::filter::Fuel;

/// How much CPU time a process has for one reply, in whole seconds, as the system counts it. The filter ends itself after the
/// first of them, unless it is in the middle of a long step.
pub(super) const SECONDS: u64 = Fuel::MOST_TIME.as_secs() + 1;

/// The signals by which a process ends that has used up a limit.
pub(super) const OUT_OF_TIME: i32 = Signal::XCPU.as_raw();
pub(super) const ABORTED: i32 = Signal::ABORT.as_raw();
pub(super) const KILLED: i32 = Signal::KILL.as_raw();
pub(super) const OVERFLOWED: i32 = Signal::SEGV.as_raw();

/// Memory that a filter gets for a body of any length.
const MEMORY: usize = 64 << 20;

/// How much more memory the values of a body take than the body: a number of one digit and its comma become a text of their
/// own.
const MEMORY_PER_BYTE: usize = 64;

/// The memory for filtering bodies up to this length, in bytes.
pub(super) fn memory(max_body: usize) -> usize {
    MEMORY + max_body.saturating_mul(MEMORY_PER_BYTE)
}

/// Limits the memory of this process for good, to this much more than it has now.
pub(super) fn limit_memory(more: usize) -> io::Result<()> {
    let most = address_space::used().saturating_add(more as u64);
    // what the service itself is held to cannot be raised here
    let most = getrlimit(Resource::As).maximum.map_or(most, |held| held.min(most));
    setrlimit(Resource::As, Rlimit { current: Some(most), maximum: Some(most) })?;
    // a core dump of it would be of no use
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // if the machine's own memory runs out first, this process is the one to be killed
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Lets the system end this process once it has used [`SECONDS`] of CPU time from now on.
pub(super) fn limit_time() -> io::Result<()> {
    let used = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    // the system counts whole seconds, and the one that has begun is not the filter's
    let most = used.as_secs() + 1 + SECONDS;
    let held = getrlimit(Resource::Cpu).maximum;
    let current = held.map_or(most, |held| held.min(most));
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum: held })?)
}
