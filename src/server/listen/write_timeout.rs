//! Gives up on a client that has stopped reading its reply; otherwise it would keep its connection for ever.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How many times within the timeout a stalled stream is tried.
const TRIES: u32 = 10;

/// A stream that can be written to whether or not it is reported ready.
pub(super) trait TryWrite {
    /// Writes what fits right now.
    ///
    /// # Errors
    /// `WouldBlock` if nothing fits.
    fn try_write_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// A stream whose writes fail if the other side takes nothing for too long.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// Runs only while a write waits: most replies fit into the kernel's buffer and never start it.
    stalled: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    began: Instant,
    next_try: Pin<Box<Sleep>>,
}

impl<S> WriteTimeout<S> {
    /// Wraps `stream`; a write that makes no progress for `timeout` fails.
    pub(super) fn new(stream: S, timeout: Duration) -> Self {
        WriteTimeout { stream, timeout, stalled: None }
    }
}

impl<S: TryWrite> WriteTimeout<S> {
    /// Returns the progress of a write, or makes sure that it does not wait for ever.
    ///
    /// A kernel reports a stream ready only once a third of its buffer is free, which takes a slow client longer than the
    /// timeout. So we also try by ourselves: if any byte goes in, the client has taken something.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        progress: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let pause = self.timeout / TRIES;
        let stalled =
            self.stalled.get_or_insert_with(|| Stall { began: Instant::now(), next_try: Box::pin(sleep(pause)) });
        while stalled.next_try.as_mut().poll(context).is_ready() {
            match self.stream.try_write_now(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                progress => {
                    self.stalled = None;
                    return Poll::Ready(progress);
                }
            }
            if stalled.began.elapsed() >= self.timeout {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stalled.next_try.as_mut().reset(Instant::now() + pause);
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + TryWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, bytes, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.watch(context, first.map_or(&[], |slice| slice), progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    impl TryWrite for DuplexStream {
        fn try_write_now(&self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_fails_if_the_client_stops_reading() {
        let (ours, _theirs) = duplex(4);
        let error = WriteTimeout::new(ours, TIMEOUT).write_all(b"hello").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_everything() {
        let (ours, mut theirs) = duplex(1);
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            while read.len() < 5 {
                tokio::time::sleep(TIMEOUT - Duration::from_secs(1)).await;
                read.push(theirs.read_u8().await.unwrap());
            }
            read
        });
        WriteTimeout::new(ours, TIMEOUT).write_all(b"hello").await.unwrap();
        assert_eq!(reading.await.unwrap(), b"hello");
    }
}
