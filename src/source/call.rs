//! Counts every conversation with a vendor: how long it took and how it ended. Ends those that take too long.
//!
//! It stands right around the call, so what is counted was sent: neither refusals of ours nor waiting in line.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;

use super::batch::{Batch, Reply};
use super::guard::{Guard, Next};
use super::record::Record;
use crate::clock::Clock;
use crate::failure::SourceError;

/// Puts a source's record around its calls.
#[derive(Clone, Debug)]
pub struct Counting {
    /// Where they are counted.
    pub record: Arc<Record>,
    /// Where the time comes from.
    pub clock: Clock,
    /// What one call may take.
    pub longest: Duration,
}

/// A call under way. It may end without a result: everybody left, or it panicked.
struct UnderWay {
    record: Arc<Record>,
    started: Instant,
    has_ended: bool,
}

impl UnderWay {
    fn ends(mut self, result: &Result<Reply, SourceError>, clock: &Clock) {
        self.has_ended = true;
        self.record.call(result, self.started.elapsed(), clock.now());
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.has_ended {
            self.record.lost(if std::thread::panicking() { "internal" } else { "cancelled" });
        }
    }
}

impl Guard for Counting {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        let started = Instant::now();
        // one that stood in line has less: it must fail before its callers leave, or its failure would never count
        let longest = self.longest.min(batch.replies_by().saturating_duration_since(started));
        batch.end_by(started + longest);
        if batch.sent().is_some() {
            self.record.again();
        }
        let under_way = UnderWay { record: self.record, started, has_ended: false };
        let call = next.oneshot(batch.clone());
        let result = timeout_at(started + longest, call).await.unwrap_or(Err(SourceError::Timeout(longest)));
        under_way.ends(&result, &self.clock);
        batch.end(result.as_ref().err().cloned());
        result
    }
}
