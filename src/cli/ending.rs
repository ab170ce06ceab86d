//! Receives the signals that end a service, or have it read its configuration again, from the first moment on.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::server::drain::Drain;

/// The runtime in which signals arrive, and what they start. A signal that comes before the runtime runs takes effect when it
/// does.
pub(super) struct Ending {
    pub(super) front: Runtime,
    pub(super) drain: Drain,
    /// Notified by a SIGHUP that asks for the configuration to be read again.
    pub(super) reload: Arc<Notify>,
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// The configuration is read again, unless the signal came because the terminal was closed.
    Reloads,
    /// The service ends.
    Ends,
}

impl Ending {
    /// Handles signals from now on.
    pub(super) fn begin(hangup: Hangup) -> io::Result<Self> {
        let front = Builder::new_current_thread().enable_all().build()?;
        let (drain, reload) = (Drain::new(), Arc::new(Notify::new()));
        let (asked, terminals) = (Arc::clone(&reload), terminals());
        let takes_hangup = move || {
            // the kernel takes a closed terminal away from those that have it open
            let is_closed = terminals != self::terminals();
            let takes = hangup == Hangup::Reloads && !is_closed;
            if takes {
                asked.notify_one();
            }
            takes
        };
        let signals = {
            let _in_front = front.enter();
            drain.follow_signals(takes_hangup)?
        };
        front.spawn(signals);
        Ok(Ending { front, drain, reload })
    }
}

/// Which of the standard streams are terminals.
fn terminals() -> [bool; 3] {
    [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()]
}
