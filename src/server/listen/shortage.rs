//! Notices that connections cannot be accepted, mostly for want of file descriptors, and says so once when it begins and once
//! when it is over.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// So long nothing may fail before it is over. While clients come and go, the process runs out of file descriptors over and
/// over; that is one event, not a thousand.
const CALM: Duration = Duration::from_secs(2);

/// A time in which connections cannot be accepted, if this is one.
#[derive(Debug, Default)]
pub(super) struct Shortage(Option<Episode>);

#[derive(Clone, Copy, Debug)]
struct Episode {
    began: Instant,
    last: Instant,
}

impl Shortage {
    /// Accepting has failed.
    pub(super) fn goes_on(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.0.is_none() {
            warn!(%error, "cannot accept connections; clients wait in the kernel's queue until others leave");
        }
        let began = self.0.map_or(now, |episode| episode.began);
        self.0 = Some(Episode { began, last: now });
    }

    /// Waits until it is over; for ever where there is none.
    pub(super) async fn over(&self) {
        match self.0 {
            Some(episode) => sleep_until(episode.last + CALM).await,
            None => std::future::pending().await,
        }
    }

    /// It is over.
    pub(super) fn ends(&mut self) {
        if let Some(Episode { began, last }) = self.0.take() {
            let lasted_ms = u64::try_from((last - began).as_millis()).unwrap_or(u64::MAX);
            info!(lasted_ms, "accepting connections again");
        }
    }
}
