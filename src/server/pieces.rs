//! Writes large answers in pieces, so that memory is freed as soon as the client has taken a piece, not only at the end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::reply_memory::{Full, Held, ReplyMemory};

/// The shortest piece, in bytes; only the last one may be shorter.
const PIECE: usize = 64 * 1024;

/// A body that is being written. Clones of a complete one share its pieces, and count once.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    memory: ReplyMemory,
    closed: VecDeque<Bytes>,
    /// The bytes in the closed pieces.
    length: usize,
    /// The piece that is being written.
    open: Vec<u8>,
}

/// A piece, counted as held memory until the connection has sent it.
struct Piece {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body that is written already. A large one is sent in pieces.
///
/// # Errors
/// If replies hold as much memory as they may.
pub(super) fn whole(memory: &ReplyMemory, bytes: Vec<u8>) -> Result<Body, Full> {
    if bytes.len() < PIECE {
        let held = memory.hold(bytes.len(), 0)?;
        return Ok(Body::from(Bytes::from_owner(Piece { bytes, _held: held })));
    }
    let mut body = Pieces::new(memory);
    for piece in bytes.chunks(PIECE) {
        body.push(piece)?;
    }
    body.finish()
}

impl Pieces {
    /// An empty body.
    pub(super) fn new(memory: &ReplyMemory) -> Self {
        Pieces { memory: memory.clone(), closed: VecDeque::new(), length: 0, open: Vec::new() }
    }

    /// Appends to the body.
    ///
    /// # Errors
    /// If replies hold as much memory as they may.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), Full> {
        self.open.extend_from_slice(part);
        if self.open.len() >= PIECE { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), Full> {
        let mut bytes = std::mem::take(&mut self.open);
        if bytes.is_empty() {
            return Ok(());
        }
        // it has grown by doubling
        bytes.shrink_to_fit();
        // the client takes nothing before the body is complete
        let held = self.memory.hold(bytes.len(), self.length)?;
        self.length += bytes.len();
        self.closed.push_back(Bytes::from_owner(Piece { bytes, _held: held }));
        Ok(())
    }

    /// The complete body.
    ///
    /// # Errors
    /// As [`Pieces::push`].
    pub(super) fn finish(self) -> Result<Body, Full> {
        self.complete().map(Body::new)
    }

    /// The same, while it may still be cloned.
    ///
    /// # Errors
    /// As [`Pieces::push`].
    pub(super) fn complete(mut self) -> Result<Self, Full> {
        self.close()?;
        Ok(self)
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.closed.pop_front();
        self.length -= next.as_ref().map_or(0, Bytes::len);
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.closed.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn memory_is_freed_piece_by_piece() {
        let memory = ReplyMemory::new(usize::MAX);
        let mut pieces = Pieces::new(&memory);
        let part = vec![b'x'; 10_000];
        (0..100).for_each(|_| pieces.push(&part).unwrap());
        let mut body = pieces.finish().unwrap();
        assert_eq!((memory.used(), body.size_hint().exact()), (1_000_000, Some(1_000_000)));
        let mut left = 1_000_000;
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE + part.len());
            assert_eq!(memory.used(), left, "a piece counts as long as it exists");
            left -= piece.len();
            drop(piece);
            assert_eq!(memory.used(), left);
        }
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn a_body_that_does_not_fit_is_dropped_and_holds_nothing() {
        let memory = ReplyMemory::new(PIECE * 3);
        let other = memory.hold(PIECE, 0).unwrap();
        let mut pieces = Pieces::new(&memory);
        let part = vec![b'x'; PIECE];
        assert_eq!(pieces.push(&part).and_then(|()| pieces.push(&part)), Ok(()));
        assert_eq!(pieces.push(&part), Err(Full));
        drop(pieces);
        assert_eq!(memory.used(), other.bytes());
    }

    #[tokio::test]
    async fn a_body_that_is_written_already_is_held_like_any_other() {
        for length in [0, 1, PIECE - 1, PIECE, 3 * PIECE + 1] {
            let memory = ReplyMemory::new(usize::MAX);
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            let body = whole(&memory, bytes.clone()).unwrap();
            assert_eq!(memory.used(), length);
            assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
            assert_eq!(memory.used(), 0, "{length}");
        }
        let memory = ReplyMemory::new(10);
        let _other = memory.hold(5, 0).unwrap();
        assert!(whole(&memory, vec![0; 6]).is_err());
    }

    #[tokio::test]
    async fn an_empty_body_has_no_piece() {
        let body = Pieces::new(&ReplyMemory::new(0)).finish().unwrap();
        assert!(body.is_end_stream() && body.collect().await.unwrap().to_bytes().is_empty());
    }
}
