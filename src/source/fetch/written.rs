//! Tells a batch that its request is about to be written.
//!
//! A handshake may take longer than the call itself, and until it is done the vendor has not seen anything to count. The HTTP
//! client does not say when that is, but it looks at the request's body right before it writes the head, and not earlier.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::source::batch::Batch;

/// A request's body that tells a batch when it is looked at.
pub(super) struct Written {
    body: Full<Bytes>,
    batch: Option<Batch>,
}

impl Written {
    /// A body, empty for `None`, and the batch to tell.
    pub(super) fn new(body: Option<impl Into<Bytes>>, batch: Option<Batch>) -> Self {
        Written { body: body.map(|body| Full::new(body.into())).unwrap_or_default(), batch }
    }
}

impl Body for Written {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        if let Some(batch) = &self.batch {
            batch.write();
        }
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
