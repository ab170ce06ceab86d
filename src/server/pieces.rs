//! Writes large answers in pieces, so that memory is freed as soon as the client has taken a piece, not only at the end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::ready::Part;
use crate::reply_memory::{Full, Held, ReplyMemory};

/// The shortest piece, in bytes; only the last one may be shorter, and those beside parts that are not copied.
const PIECE: usize = 64 * 1024;

/// A shorter part is copied: a piece of its own would cost more than that.
const SHORTEST_ALONE: usize = 8 * 1024;

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
struct Piece<B> {
    bytes: B,
    _held: Held,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Piece<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// A body that is written already. A large one is sent in pieces.
///
/// # Errors
/// If replies hold as much memory as they may.
pub(super) fn whole(memory: &ReplyMemory, bytes: Vec<u8>) -> Result<Body, Full> {
    in_parts(memory, vec![Part::Own(bytes)])
}

/// The same for a body in parts.
///
/// # Errors
/// As [`whole`].
pub(super) fn in_parts(memory: &ReplyMemory, mut parts: Vec<Part>) -> Result<Body, Full> {
    if let [Part::Own(bytes)] = &mut parts[..]
        && bytes.len() < PIECE
    {
        let held = memory.hold(bytes.len(), 0)?;
        return Ok(Body::from(Bytes::from_owner(Piece { bytes: std::mem::take(bytes), _held: held })));
    }
    let mut body = Pieces::new(memory);
    for part in parts {
        match part {
            Part::Own(bytes) => bytes.chunks(PIECE).try_for_each(|piece| body.push(piece))?,
            Part::Shared(text) => body.push_shared(text)?,
        }
    }
    body.finish()
}

/// A piece of a stream, counted as held memory until the connection has sent it. It is written even if there is no room for it:
/// its client has been promised a stream.
pub(super) fn piece_of_stream(memory: &ReplyMemory, bytes: Vec<u8>) -> Bytes {
    // whatever others hold, a reply that is said to hold all of it has room
    match memory.hold(bytes.len(), usize::MAX) {
        Ok(held) => Bytes::from_owner(Piece { bytes, _held: held }),
        Err(Full) => bytes.into(),
    }
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

    /// Appends a part that nothing else needs. A long one becomes a piece as it is.
    ///
    /// # Errors
    /// If replies hold as much memory as they may.
    pub(super) fn push_own(&mut self, mut part: Vec<u8>) -> Result<(), Full> {
        if part.len() < SHORTEST_ALONE {
            return self.push(&part);
        }
        self.close()?;
        if part.capacity() - part.len() > part.len() / 4 {
            part.shrink_to_fit();
        }
        self.add(part)
    }

    /// Appends what is not copied, because other replies have it, too. It counts like any other piece: the others may soon be
    /// gone.
    ///
    /// # Errors
    /// If replies hold as much memory as they may.
    pub(super) fn push_shared(&mut self, part: impl AsRef<[u8]> + Send + 'static) -> Result<(), Full> {
        self.close()?;
        self.add(part)
    }

    fn close(&mut self) -> Result<(), Full> {
        let mut bytes = std::mem::take(&mut self.open);
        if bytes.is_empty() {
            return Ok(());
        }
        // it has grown by doubling
        bytes.shrink_to_fit();
        self.add(bytes)
    }

    fn add(&mut self, bytes: impl AsRef<[u8]> + Send + 'static) -> Result<(), Full> {
        let length = bytes.as_ref().len();
        // the client takes nothing before the body is complete
        let held = self.memory.hold(length, self.length)?;
        self.length += length;
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
    async fn a_long_part_is_a_piece_of_its_own_and_short_ones_are_put_together() {
        let mut pieces = Pieces::new(&ReplyMemory::new(usize::MAX));
        let long = vec![b'x'; SHORTEST_ALONE];
        for part in [b"a".to_vec(), b"b".to_vec(), long.clone(), long.clone(), b"c".to_vec(), b"d".to_vec()] {
            pieces.push_own(part).unwrap();
        }
        let mut body = pieces.finish().unwrap();
        for expected in [&b"ab"[..], &long, &long, b"cd"] {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
        }
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn what_replies_share_is_a_piece_of_its_own_and_counts() {
        let memory = ReplyMemory::new(usize::MAX);
        let mut pieces = Pieces::new(&memory);
        let shared: &'static [u8] = b"shared";
        pieces.push(b"own").unwrap();
        pieces.push_shared(shared).unwrap();
        pieces.push_shared(shared).unwrap();
        pieces.push(b"tail").unwrap();
        let mut body = pieces.finish().unwrap();
        assert_eq!((memory.used(), body.size_hint().exact()), (19, Some(19)));
        for expected in ["own", "shared", "shared", "tail"] {
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(piece, expected);
            assert_eq!(expected.starts_with("shared"), piece.as_ptr() == shared.as_ptr(), "{expected}: copied");
        }
        assert!(body.frame().await.is_none());
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn an_empty_body_has_no_piece() {
        let body = Pieces::new(&ReplyMemory::new(0)).finish().unwrap();
        assert!(body.is_end_stream() && body.collect().await.unwrap().to_bytes().is_empty());
    }
}
