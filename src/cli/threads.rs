//! Fits the threads of a service into the address space that its process may have (`ulimit -v`).
//!
//! Each thread reserves address space for its stack and its part of the heap. So a machine with many cores needs more
//! address space for the same work, though no more memory.

use std::io;

use rustix::process::{Resource, getrlimit};
use tokio::runtime::{Builder, Runtime};

use super::Exit;
use super::print::complain;
use crate::address_space;

/// The address space, in bytes, of everything but the program and the worker threads: settings, certificates, the log's
/// thread, threads that wait for files and names, and requests for a hundred symbols over the whole catalogue.
const BESIDES: u64 = 100 << 20;

/// The address space of one worker thread, in bytes: 2 MiB for its stack, and its part of the heap.
const PER_THREAD: u64 = 12 << 20;

/// The most threads that wait for files and names: with little address space, and with plenty. They start when needed.
const FEW_WAITING: usize = 4;
const MANY_WAITING: usize = 512;

/// A runtime with a thread for each core, or with as many as fit. If none fits, says so on stderr.
pub(super) fn runtime() -> io::Result<Result<Runtime, Exit>> {
    match Threads::that_fit() {
        Ok(threads) => threads.runtime().map(Ok),
        Err(why) => {
            complain(&why);
            Ok(Err(Exit::Configuration))
        }
    }
}

/// How many threads there may be; `None` if only the number of cores decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Threads {
    working: Option<usize>,
    waiting: Option<usize>,
}

impl Threads {
    /// As many as fit beside what this process already uses.
    ///
    /// # Errors
    /// There is no room for even one. The message says how much is needed.
    fn that_fit() -> Result<Self, String> {
        match getrlimit(Resource::As).current {
            None => Ok(Threads { working: None, waiting: None }),
            Some(limit) => Self::within(limit, address_space::used(), wanted()),
        }
    }

    /// A runtime with these threads.
    fn runtime(self) -> io::Result<Runtime> {
        let mut builder = Builder::new_multi_thread();
        self.working.map(|working| builder.worker_threads(working));
        self.waiting.map(|waiting| builder.max_blocking_threads(waiting));
        builder.enable_all().build()
    }

    fn within(limit: u64, used: u64, wanted: usize) -> Result<Self, String> {
        let room = limit.saturating_sub(used);
        let fit = usize::try_from(room.saturating_sub(BESIDES) / PER_THREAD).unwrap_or(usize::MAX);
        if fit == 0 {
            let (limit, least) = (limit >> 20, (used + BESIDES + PER_THREAD).div_ceil(1 << 20));
            return Err(format!(
                "the process may have {limit} MiB of address space (ulimit -v), and needs at least {least} MiB; \
                raise the limit to that, plus {} MiB for each further core that it should use",
                PER_THREAD >> 20
            ));
        }
        let working = fit.min(wanted);
        Ok(Threads { working: Some(working), waiting: Some((fit - working).clamp(FEW_WAITING, MANY_WAITING)) })
    }
}

/// How many worker threads tokio would start without a limit: one for each core, or as many as its own variable says.
fn wanted() -> usize {
    let set = std::env::var("TOKIO_WORKER_THREADS").ok().and_then(|set| set.parse().ok()).filter(|set| *set > 0);
    set.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn there_are_never_more_threads_than_fit_nor_than_cores() {
        for (room, cores) in (112..900).flat_map(|room| [1, 2, 64].map(|cores| (room, cores))) {
            let working = Threads::within((60 + room) * MIB, 60 * MIB, cores).unwrap().working.unwrap();
            assert!((1..=cores).contains(&working));
            assert!(100 + 12 * working as u64 <= room, "{working} in {room} MiB");
        }
        let many = Threads { working: Some(64), waiting: Some(MANY_WAITING) };
        assert_eq!(Threads::within(16_000 * MIB, 60 * MIB, 64), Ok(many));
    }

    #[test]
    fn if_no_thread_fits_the_error_says_how_much_is_needed() {
        for limit in [0, 60, 171] {
            let why = Threads::within(limit * MIB, 60 * MIB, 2).unwrap_err();
            assert!(why.contains(&format!("{limit} MiB")) && why.contains("at least 172 MiB"), "{why}");
        }
        assert!(Threads::within(172 * MIB, 60 * MIB, 2).is_ok());
    }
}
