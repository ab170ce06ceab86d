//! Counts every conversation with a vendor: how long it took and how it ended.
//!
//! It stands right around the call, so what is counted was sent: neither refusals of ours nor waiting in line.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
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
        let CallLayer { record, clock } = self.layer.clone();
        let under_way = UnderWay { record, started: Instant::now(), has_ended: false };
        let call = self.inner.call(batch);
        Box::pin(async move {
            let result = call.await;
            under_way.ends(&result, &clock);
            result
        })
    }
}
