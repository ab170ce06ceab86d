//! Counts every attempt to call a vendor: how long it took and how it ended. Ends those that take too long.
//!
//! It stands right around the leaf, so it counts what was sent, and neither refusals of ours nor the wait to be sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;
use tracing::{Instrument, Span};

use super::batch::{Batch, Reply};
use super::guard::{Guard, Next};
use super::statistics::Statistics;
use crate::clock::Clock;
use crate::failure::SourceError;
use crate::metrics::CANCELLED;
use crate::trace;

/// The guard that measures the attempts of a source.
#[derive(Clone, Debug)]
pub struct Attempts {
    /// Where they are counted.
    pub statistics: Arc<Statistics>,
    /// Where the time comes from.
    pub clock: Clock,
    /// What one attempt may take.
    pub longest: Duration,
}

/// An attempt under way. It may end without a result: its last caller left, or it panicked.
struct UnderWay {
    statistics: Arc<Statistics>,
    started: Instant,
    span: Span,
    has_ended: bool,
}

impl UnderWay {
    fn ends(mut self, result: &Result<Reply, SourceError>, clock: &Clock) {
        self.has_ended = true;
        trace::ended(&self.span, result);
        self.statistics.call(result, self.started.elapsed(), clock.now());
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.has_ended {
            let how = if std::thread::panicking() { "internal" } else { CANCELLED };
            trace::note(&self.span, "outcome", how);
            self.statistics.lost(how);
        }
    }
}

impl Guard for Attempts {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        let started = Instant::now();
        // a call that waited has less: it must fail before its callers leave, or its failure would never count
        let ends_by = batch.replies_by().min(batch.units_over_by().unwrap_or(started + self.longest));
        let longest = self.longest.min(ends_by.saturating_duration_since(started));
        batch.end_by(started + longest);
        if batch.sent().is_some() {
            self.statistics.retried();
        }
        let span = batch.context().attempt(self.statistics.source(), batch.calls() + 1);
        let call = next.oneshot(batch.clone()).instrument(span.clone());
        let under_way = UnderWay { statistics: self.statistics, started, span, has_ended: false };
        let result = timeout_at(started + longest, call).await.unwrap_or(Err(SourceError::Timeout(longest)));
        under_way.ends(&result, &self.clock);
        batch.end(result.as_ref().err().cloned());
        result
    }
}
