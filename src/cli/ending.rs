//! Receives the signals that end a service, from the first moment on.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::server::drain::Drain;

/// The runtime in which signals arrive, and the drain that they start. A signal that comes before the runtime runs
/// takes effect when it does.
pub(super) struct Ending {
    pub(super) front: Runtime,
    pub(super) drain: Drain,
}

impl Ending {
    /// Handles signals from now on.
    pub(super) fn begin() -> io::Result<Self> {
        let front = Builder::new_current_thread().enable_all().build()?;
        let drain = Drain::new();
        let signals = {
            let _in_front = front.enter();
            drain.follow_signals()?
        };
        front.spawn(signals);
        Ok(Ending { front, drain })
    }
}
