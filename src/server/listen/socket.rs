//! The socket of one connection, whichever way its client has come.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use super::write_timeout::TryWrite;

/// How often to check whether the client has closed its side while bytes that are not read yet, such as a next request, hide
/// the end of the stream.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// How long a client of a stream may leave what was sent unconfirmed before it counts as gone.
#[cfg(target_os = "linux")]
const GONE_AFTER: Duration = Duration::from_secs(30);

/// How much of a stream the kernel may hold unsent, in bytes.
#[cfg(target_os = "linux")]
const LITTLE: u32 = 16 * 1024;

/// A handle on a connection's socket: one clone reads and writes, another watches whether the client is still there.
#[derive(Clone, Debug)]
pub(super) struct SharedSocket(Arc<Socket>);

/// The two kinds of sockets, which can do the same.
#[derive(Debug)]
pub(super) enum Socket {
    /// Through the network.
    Tcp(TcpStream),
    /// Through the file system.
    Unix(UnixStream),
}

/// Does the same with a socket of either kind.
macro_rules! either {
    ($socket:expr, $stream:ident => $does:expr) => {
        match $socket {
            Socket::Tcp($stream) => $does,
            Socket::Unix($stream) => $does,
        }
    };
}

impl SharedSocket {
    /// Shares a socket.
    pub(super) fn new(socket: Socket) -> Self {
        if let Socket::Tcp(stream) = &socket {
            // Replies are written whole; waiting for more bytes would only delay them.
            let _ = stream.set_nodelay(true);
        }
        SharedSocket(Arc::new(socket))
    }

    /// Waits until the client has closed its side, or the connection is broken.
    pub(super) async fn closed_by_the_client(&self) {
        while self.peek().await.is_ok_and(|length| length > 0) {
            let is_closed = self.ready(Interest::READABLE).await.is_ok_and(Ready::is_read_closed);
            if is_closed {
                return;
            }
            sleep(CHECK_EVERY).await;
        }
    }

    /// Has the kernel take only a little that it cannot send yet, or again as much as it likes. Of a stream, it would otherwise hold
    /// megabytes of old prices for a client that does not read, and wait a quarter of an hour for one that has vanished.
    pub(super) fn hold_little(&self, little: bool) {
        #[cfg(target_os = "linux")]
        if matches!(*self.0, Socket::Tcp(_)) {
            let _ = self.system().set_tcp_notsent_lowat(if little { LITTLE } else { u32::MAX });
            let _ = self.system().set_tcp_user_timeout(little.then_some(GONE_AFTER));
        }
        #[cfg(not(target_os = "linux"))]
        let _ = little;
    }

    /// Has the kernel drop what is not sent yet: it would keep the rest of a reply for minutes.
    pub(super) fn drop_what_is_not_sent(&self) {
        if let Socket::Tcp(stream) = &*self.0 {
            let _ = stream.set_zero_linger();
        }
    }

    /// Waits for a byte and leaves it there; 0 at the end of the stream.
    async fn peek(&self) -> io::Result<usize> {
        let look = || self.system().peek(&mut [MaybeUninit::uninit()]);
        either!(&*self.0, stream => stream.async_io(Interest::READABLE, look).await)
    }

    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        either!(&*self.0, stream => stream.ready(interest).await)
    }

    /// The system's own calls, without a look at whether the socket is ready.
    fn system(&self) -> SockRef<'_> {
        either!(&*self.0, stream => SockRef::from(stream))
    }

    /// Reads what is there.
    ///
    /// A read that does not fill the buffer has taken everything. Linux then reports a TCP socket as ready again when more comes,
    /// so until then it counts as not ready, which spares the read that would find nothing after every request.
    fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut has_read = false;
        let is_told_of_more = cfg!(target_os = "linux") && matches!(*self.0, Socket::Tcp(_));
        let mut take = || {
            let length = either!(&*self.0, stream => stream.try_read_buf(buffer))?;
            has_read = true;
            let is_all = is_told_of_more && length > 0 && buffer.remaining() > 0;
            if is_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        };
        let read = either!(&*self.0, stream => stream.try_io(Interest::READABLE, &mut take));
        if has_read { Ok(()) } else { read }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready_or_return!(either!(&*self.0, stream => stream.poll_write_ready(context)))?;
            match send(&self.0) {
                // it was not ready after all
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl TryWrite for SharedSocket {
    fn try_write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.system().send(bytes)
    }
}

impl AsyncRead for SharedSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready_or_return!(either!(&*self.0, stream => stream.poll_read_ready(context)))?;
            match self.try_read(buffer) {
                // it was not ready after all
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(context, |socket| either!(socket, stream => stream.try_write(bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |socket| either!(socket, stream => stream.try_write_vectored(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The kernel has everything that was written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.system().shutdown(Shutdown::Write))
    }
}
