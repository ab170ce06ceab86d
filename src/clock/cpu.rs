//! Measures the CPU time of a thread: on a busy machine, a second may pass in which the thread hardly runs.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Starts to measure the CPU time of the current thread. The function that it returns tells whether this thread has
/// used more than a given time since then.
pub fn timer() -> Box<dyn Fn(Duration) -> bool> {
    let (begun, used_before) = (Instant::now(), used());
    // CPU time never exceeds elapsed time, which is cheaper to read
    Box::new(move |limit| begun.elapsed() > limit && used().saturating_sub(used_before) > limit)
}

/// The CPU time that the current thread has used since it began.
pub fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
