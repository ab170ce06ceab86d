//! Says how far the server has come in ending, and lets signals (or a test) push it on.

use std::future::{Future, pending};
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far the end has come. The stages follow one another in this order and never go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is ending.
    Serving,
    /// Still serving everybody, but no longer ready: load balancers get time to look elsewhere.
    Draining,
    /// No new connections; what is in flight is finished.
    Closing,
    /// What is still in flight is dropped.
    Cancelling,
}

/// A handle on the server's end: whoever holds a clone can read the stage, wait for one, or move on to one.
#[derive(Clone, Debug)]
pub struct Drain(watch::Sender<Stage>);

impl Drain {
    /// A server that nobody has asked to end.
    pub fn new() -> Self {
        Drain(watch::Sender::new(Stage::Serving))
    }

    /// The present stage.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Whether the end has begun. Readiness fails from here on, and replies ask clients to connect anew elsewhere.
    pub fn has_begun(&self) -> bool {
        self.stage() > Stage::Serving
    }

    /// Moves on to `stage`; does nothing if the end has come that far already.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|present| {
            let forward = stage > *present;
            if forward {
                *present = stage;
            }
            forward
        });
    }

    /// Waits until the end has come to `stage`, or further.
    pub async fn reached(&self, stage: Stage) {
        // Waiting fails only when every sender is gone, and `self` is one.
        let _ = self.0.subscribe().wait_for(|present| *present >= stage).await;
    }

    /// Listens to SIGTERM, SIGINT and SIGHUP from now on; the future, which never ends by itself, moves this drain on.
    ///
    /// SIGTERM comes from an orchestrator, whose load balancer must be given time; SIGINT from somebody who waits at a
    /// terminal. A second signal, of either kind, means: now. SIGHUP begins the end as SIGTERM does, but never hurries it: a
    /// terminal that is closed often sends it twice, once by the kernel and once by its shell.
    pub fn follow_signals(&self) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = hangups()?;
        let drain = self.clone();
        Ok(async move {
            loop {
                let first = tokio::select! {
                    _ = terminate.recv() => Stage::Draining,
                    _ = interrupt.recv() => Stage::Closing,
                    () = next_hangup(&mut hangup) => {
                        drain.advance(Stage::Draining);
                        continue;
                    }
                };
                drain.advance(if drain.has_begun() { Stage::Cancelling } else { first });
            }
        })
    }
}

impl Default for Drain {
    fn default() -> Self {
        Drain::new()
    }
}

/// SIGHUP, if this process is to hear it. One that `nohup` started ignores it and is to outlive its terminal. Where the system
/// does not say whether it is ignored, it keeps its usual effect.
#[allow(clippy::disallowed_methods, reason = "/proc is memory, and is read once")]
fn hangups() -> io::Result<Option<Signal>> {
    let ignored = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| ignores_hangups(&status));
    if ignored == Some(false) { signal(SignalKind::hangup()).map(Some) } else { Ok(None) }
}

/// What Linux says of a process: the signals it ignores are a hexadecimal mask, whose lowest bit is signal 1, SIGHUP.
fn ignores_hangups(status: &str) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok().map(|mask| mask & 1 == 1)
}

async fn next_hangup(hangup: &mut Option<Signal>) {
    match hangup {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_never_goes_back_and_a_skipped_stage_counts_as_reached() {
        let drain = Drain::new();
        drain.advance(Stage::Closing);
        drain.advance(Stage::Draining);
        assert_eq!(drain.stage(), Stage::Closing);
        drain.reached(Stage::Draining).await;
    }

    #[test]
    fn whether_hangups_are_ignored_is_read_from_what_the_system_says() {
        let status =
            |mask: &str| format!("Name:\tquotefold\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\tff\n");
        for (mask, ignored) in [("0000000000000000", false), ("0000000000001001", true), ("0000000000001000", false)] {
            assert_eq!(ignores_hangups(&status(mask)), Some(ignored), "{mask}");
        }
        for unknown in ["", "Name:\tquotefold\n", &status("nonsense")] {
            assert_eq!(ignores_hangups(unknown), None, "{unknown:?}");
        }
    }
}
