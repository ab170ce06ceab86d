//! What a listener serves: a service that answers what it can at once, and works on the rest.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::ServiceExt;

use crate::caller::Peer;

/// Answers the requests of a listener.
pub trait App: Clone + Send + Sync + 'static {
    /// Answers a request that came from `peer`, or begins to.
    fn answer(&self, request: Request, peer: Option<Peer>) -> Answering;
}

/// Marks a reply whose body goes on for as long as its client reads it. Its connection is busy all that time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streaming;

/// An answer that is there, or one that is being worked on. Dropping it ends the work.
pub enum Answering<T = Response> {
    /// It took no waiting, and therefore no task, timer or allocation for any.
    Done(Ready<T>),
    /// It may have to wait.
    UnderWay(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answering<T> {
    /// An answer that is there.
    pub(super) fn done(answer: T) -> Self {
        Answering::Done(ready(answer))
    }

    /// An answer that `work` will give.
    pub(super) fn under_way(work: impl Future<Output = T> + Send + 'static) -> Self {
        Answering::UnderWay(Box::pin(work))
    }
}

impl<T> Future for Answering<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Answering::Done(answer) => Pin::new(answer).poll(context),
            Answering::UnderWay(work) => work.as_mut().poll(context),
        }
    }
}

/// A router without guards, for what is not exposed to clients.
impl App for Router {
    fn answer(&self, request: Request, _: Option<Peer>) -> Answering {
        let answer = self.clone().oneshot(request);
        Answering::under_way(async move { answer.await.unwrap_or_else(|never| match never {}) })
    }
}
