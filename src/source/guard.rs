//! The one kind of layer between us and a vendor: each guard is one function around a call.
//!
//! A guard is always ready and decides inside its future, so that cancelling the call cancels whatever the guard waits for.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::BoxFuture;
use super::batch::{Batch, Reply};
use crate::failure::SourceError;

/// What stands behind a guard: more guards, and the leaf that speaks to the vendor.
pub trait Next:
    Service<Batch, Response = Reply, Error = SourceError, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Next for S where
    S: Service<Batch, Response = Reply, Error = SourceError, Future: Send> + Clone + Send + Sync + 'static
{
}

/// Decides whether and when a batch is sent, and learns how that ended.
pub(crate) trait Guard: Clone + Send + Sync + 'static {
    /// Passes a batch on, or refuses it.
    ///
    /// # Errors
    /// The guard refuses the call, or the call fails.
    fn pass(self, batch: Batch, next: impl Next) -> impl Future<Output = Result<Reply, SourceError>> + Send;
}

/// Puts a guard in front of a service.
#[derive(Clone, Debug)]
pub struct GuardLayer<G>(pub G);

/// A service behind a guard. All clones share both: each call clones its stack once per layer.
#[derive(Debug)]
pub struct Guarded<G, S>(Arc<Pair<G, S>>);

#[derive(Debug)]
struct Pair<G, S> {
    guard: G,
    next: S,
}

impl<G, S> Clone for Guarded<G, S> {
    fn clone(&self) -> Self {
        Guarded(Arc::clone(&self.0))
    }
}

impl<G: Clone, S> Layer<S> for GuardLayer<G> {
    type Service = Guarded<G, S>;

    fn layer(&self, next: S) -> Guarded<G, S> {
        Guarded(Arc::new(Pair { guard: self.0.clone(), next }))
    }
}

impl<G: Guard, S: Next> Service<Batch> for Guarded<G, S> {
    type Response = Reply;
    type Error = SourceError;
    type Future = BoxFuture<Result<Reply, SourceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: Batch) -> Self::Future {
        let Pair { guard, next } = &*self.0;
        Box::pin(guard.clone().pass(batch, next.clone()))
    }
}
