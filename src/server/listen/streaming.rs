//! Sends a body that goes on until its client leaves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;

/// A body that ends when its client leaves, and then does what is to be done at its end, however it ends.
pub(super) struct StreamingBody<F: FnOnce()> {
    body: Body,
    left: Pin<Box<dyn Future<Output = ()> + Send>>,
    at_its_end: Option<F>,
}

impl<F: FnOnce()> StreamingBody<F> {
    /// Sends `body` until `left` is over.
    pub(super) fn new(body: Body, left: impl Future<Output = ()> + Send + 'static, at_its_end: F) -> Self {
        StreamingBody { body, left: Box::pin(left), at_its_end: Some(at_its_end) }
    }
}

impl<F: FnOnce() + Unpin> HttpBody for StreamingBody<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }
}

impl<F: FnOnce()> Drop for StreamingBody<F> {
    fn drop(&mut self) {
        self.at_its_end.take().into_iter().for_each(|end| end());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_body_ends_when_its_client_leaves_and_says_so_once_it_is_dropped() {
        let (leaves, left) = oneshot::channel::<()>();
        let has_ended = Arc::new(AtomicBool::new(false));
        let (endless, ended) = (futures_util::stream::repeat_with(|| Ok::<_, Error>("piece")), Arc::clone(&has_ended));
        let left = async { drop(left.await) };
        let mut body =
            StreamingBody::new(Body::from_stream(endless), left, move || ended.store(true, Ordering::Relaxed));
        for _ in 0..3 {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "piece");
        }
        leaves.send(()).unwrap();
        assert!(body.frame().await.is_none() && !has_ended.load(Ordering::Relaxed));
        drop(body);
        assert!(has_ended.load(Ordering::Relaxed));
    }
}
