//! The stages of a shutdown, and the signals that move it on.

use std::future::{Future, pending};
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far the shutdown has come. The stages follow one another in this order and never go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not shutting down.
    Serving,
    /// Still serving every request, but no longer ready: load balancers get time to send requests elsewhere.
    Draining,
    /// No new connections; requests in flight are finished.
    Closing,
    /// Requests still in flight are dropped.
    Cancelling,
}

/// A handle on the server's shutdown. Every clone can read the stage, wait for one, or move on to one.
#[derive(Clone, Debug)]
pub struct Drain(watch::Sender<Stage>);

impl Drain {
    /// A server that is not shutting down.
    pub fn new() -> Self {
        Drain(watch::Sender::new(Stage::Serving))
    }

    /// The present stage.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Whether the shutdown has begun. From then on readiness fails, and replies ask clients to reconnect elsewhere.
    pub(crate) fn has_begun(&self) -> bool {
        self.stage() > Stage::Serving
    }

    /// Moves on to `stage`; does nothing if the shutdown has already come that far.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|present| {
            let forward = stage > *present;
            if forward {
                *present = stage;
            }
            forward
        });
    }

    /// Waits until the shutdown has reached `stage`, or a later one.
    pub async fn reached(&self, stage: Stage) {
        // Waiting fails only when every sender is gone, and `self` is one.
        let _ = self.0.subscribe().wait_for(|present| *present >= stage).await;
    }

    /// Handles SIGTERM, SIGINT and SIGHUP from now on: the future, which never ends by itself, moves this drain on.
    ///
    /// SIGTERM comes from an orchestrator, whose load balancer needs time; SIGINT from a user who waits at a terminal. A second
    /// signal of either kind means: now. `takes_hangup` decides on SIGHUP: if it does not take it, it begins the shutdown as
    /// SIGTERM does, but never hurries it: a terminal that is closed often sends it twice, once from the kernel and once from
    /// its shell.
    ///
    /// # Errors
    /// If the system does not let the process handle a signal.
    pub fn follow_signals(
        &self,
        takes_hangup: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<impl Future<Output = ()> + Send + 'static> {
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
                        if !takes_hangup() {
                            drain.advance(Stage::Draining);
                        }
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

/// SIGHUP, if this process should handle it. A process that `nohup` started ignores it, and must outlive its terminal. Where
/// the system does not say whether it is ignored, it keeps its default effect.
#[allow(clippy::disallowed_methods, reason = "/proc is memory, and is read once")]
fn hangups() -> io::Result<Option<Signal>> {
    let ignored = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| ignores_hangups(&status));
    if ignored == Some(false) { signal(SignalKind::hangup()).map(Some) } else { Ok(None) }
}

/// Whether SIGHUP is ignored, by the `/proc` status of a process: the ignored signals are a hexadecimal mask, and its lowest
/// bit is signal 1, SIGHUP.
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
    async fn stages_never_go_back_and_a_skipped_stage_counts_as_reached() {
        let drain = Drain::new();
        drain.advance(Stage::Closing);
        drain.advance(Stage::Draining);
        assert_eq!(drain.stage(), Stage::Closing);
        drain.reached(Stage::Draining).await;
    }

    #[test]
    fn whether_hangups_are_ignored_is_read_from_proc() {
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
