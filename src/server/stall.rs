//! Gives up on a client that has stopped reading its reply, for it would keep its connection for ever.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How often within its patience a stalled stream is tried.
const TRIES: u32 = 10;

/// A stream that can be written to whether it is said to be ready or not.
pub trait Try {
    /// Writes what fits right now.
    ///
    /// # Errors
    /// `WouldBlock` if nothing does.
    fn try_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl Try for TcpStream {
    fn try_now(&self, bytes: &[u8]) -> io::Result<usize> {
        SockRef::from(self).send(bytes)
    }
}

/// A stream whose writes fail when the other side takes nothing for too long.
#[derive(Debug)]
pub struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits, and only then: most replies fit into the kernel's buffer and never start it.
    stalled: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    began: Instant,
    next_try: Pin<Box<Sleep>>,
}

impl<S> Impatient<S> {
    /// Wraps `stream`; a write that makes no progress for `patience` fails.
    pub fn new(stream: S, patience: Duration) -> Self {
        Impatient { stream, patience, stalled: None }
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Try> Impatient<S> {
    /// Gives a write's progress back, or sees to it that it does not wait for ever.
    ///
    /// A kernel calls a stream ready only when a third of its buffer is free, which takes a slow client longer than our
    /// patience. So we also try by ourselves: whatever goes in proves that the client has taken something.
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
        let pause = self.patience / TRIES;
        let stalled =
            self.stalled.get_or_insert_with(|| Stall { began: Instant::now(), next_try: Box::pin(sleep(pause)) });
        while stalled.next_try.as_mut().poll(context).is_ready() {
            match self.stream.try_now(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                progress => {
                    self.stalled = None;
                    return Poll::Ready(progress);
                }
            }
            if stalled.began.elapsed() >= self.patience {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stalled.next_try.as_mut().reset(Instant::now() + pause);
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Try + Unpin> AsyncWrite for Impatient<S> {
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

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
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

    const PATIENCE: Duration = Duration::from_secs(30);

    impl Try for DuplexStream {
        fn try_now(&self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_fails() {
        let (ours, _theirs) = duplex(4);
        let error = Impatient::new(ours, PATIENCE).write_all(b"hello").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_everything() {
        let (ours, mut theirs) = duplex(1);
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            while read.len() < 5 {
                tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
                read.push(theirs.read_u8().await.unwrap());
            }
            read
        });
        Impatient::new(ours, PATIENCE).write_all(b"hello").await.unwrap();
        assert_eq!(reading.await.unwrap(), b"hello");
    }
}
