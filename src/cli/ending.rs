//! Hears the signals that end a service, from the first moment on.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::server::drain::Drain;

/// The runtime in which signals arrive, and what they move on. Those that come before it is run are heard when it is.
pub(super) struct Ending {
    pub(super) front: Runtime,
    pub(super) drain: Drain,
}

impl Ending {
    /// Obeys signals from now on.
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
