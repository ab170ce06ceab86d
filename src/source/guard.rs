//! The one kind of layer between us and a vendor: each guard is one function around a call.
//!
//! A guard is always ready and decides inside its future, so that cancelling the call cancels whatever the guard waits for.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::BoxFuture;
use super::batch::{Batch, Reply};
use crate::failure::SourceError;

/// What stands behind a guard: more guards, and the leaf that speaks to the vendor.
pub(crate) trait Next:
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

/// A service behind a guard.
#[derive(Clone, Debug)]
pub struct Guarded<G, S> {
    guard: G,
    next: S,
}

impl<G: Clone, S> Layer<S> for GuardLayer<G> {
    type Service = Guarded<G, S>;

    fn layer(&self, next: S) -> Guarded<G, S> {
        Guarded { guard: self.0.clone(), next }
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
        Box::pin(self.guard.clone().pass(batch, self.next.clone()))
    }
}
