//! Counts every conversation with a vendor: how long it took and how it ended. Ends those that take too long.
//!
//! It stands right around the call, so what is counted was sent: neither refusals of ours nor waiting in line.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};

use super::BoxFuture;
use super::batch::{Batch, Reply};
use super::error::SourceError;
use super::record::Record;
use crate::clock::Clock;

/// Puts a source's record around its calls.
#[derive(Clone, Debug)]
pub struct CallLayer {
    /// Where they are counted.
    pub record: Arc<Record>,
    /// Where the time comes from.
    pub clock: Clock,
    /// What one call may take.
    pub longest: Duration,
}

/// A service whose calls are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    layer: CallLayer,
    inner: S,
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

impl<S> Layer<S> for CallLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { layer: self.clone(), inner }
    }
}

impl<S> Service<Batch> for Counted<S>
where
    S: Service<Batch, Response = Reply, Error = SourceError, Future: Send + 'static>,
{
    type Response = Reply;
    type Error = SourceError;
    type Future = BoxFuture<Result<Reply, SourceError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, batch: Batch) -> Self::Future {
        let CallLayer { record, clock, longest } = self.layer.clone();
        let started = Instant::now();
        // one that stood in line has less: it must fail before its callers leave, or its failure would never count
        let longest = longest.min(batch.times().replies_by.saturating_duration_since(started));
        if batch.sent().is_some() {
            record.again();
        }
        let under_way = UnderWay { record, started, has_ended: false };
        let call = self.inner.call(batch.clone());
        Box::pin(async move {
            let result = timeout_at(started + longest, call).await.unwrap_or(Err(SourceError::Timeout(longest)));
            under_way.ends(&result, &clock);
            batch.end();
            result
        })
    }
}
