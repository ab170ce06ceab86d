//! Serves one connection: reads its requests, answers them, and notices when its client is gone.

use std::error::Error;
use std::future::{poll_fn, ready};
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::super::app::{Answering, App};
use super::super::drain::{Drain, Stage};
use super::Limits;
use super::head_timeout::{HeadTimeout, HeadTooSlow, Heads};
use super::lazy_timer::LazyTimer;
use super::slots::Slot;
use super::turns::Turn;
use super::write_timeout::{TryWrite, WriteTimeout};
use crate::gather::Waiting;

/// The most headers of a request; more are a 431.
const MAX_HEADERS: usize = 64;

/// The most bytes of an unread request that are buffered per connection; a longer head is a 431.
const MAX_BUFFER: usize = 16 * 1024;

/// How long a client that is still sending gets to read why its request was refused.
const LINGER: Duration = Duration::from_secs(1);

/// After this time, a request that has not reported that it waits for a source is taken to be waiting for something.
/// A large answer may take seconds on a busy machine, and its client must not be taken to have left meanwhile.
const NO_WAIT: Duration = Duration::from_secs(5);

/// How often to check whether the client has closed its side while bytes that are not read yet, such as a next request, hide
/// the end of the stream.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// One accepted connection.
pub(super) struct Connection {
    socket: SharedSocket,
    peer: SocketAddr,
    slot: Arc<Slot>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, slot: Slot) -> Self {
        // Replies are written whole; waiting for more bytes would only delay them.
        let _ = stream.set_nodelay(true);
        Connection { socket: SharedSocket(Arc::new(stream)), peer, slot: Arc::new(slot) }
    }

    /// Serves requests until the client leaves, the server shuts down, or others need the slot more.
    pub(super) async fn serve(self, app: impl App, limits: &Limits, drain: &Drain) {
        let Connection { socket, peer, slot } = self;
        let heads = Arc::new(Heads::default());
        let stream = WriteTimeout::new(socket.clone(), limits.write_timeout);
        let stream = HeadTimeout::new(stream, limits.header_timeout, Arc::clone(&heads));
        let (turn, timer) = (Turn::default(), Mutex::default());
        let answers = Arc::new(Answers { app, peer, socket, slot: Arc::clone(&slot), heads, turn, timer });
        let turns = Arc::clone(&answers);
        let service = service_fn(move |request| answers.answer(request));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // hyper counts from the start of the connection or from its last reply, whether a head has begun or not
            .header_read_timeout(limits.idle_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER)
            // whether a client that has closed its side has left depends on what it waits for; see `answer`
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);

        let (mut is_closing, mut is_wanted) = (false, false);
        let ended = loop {
            tokio::select! {
                // In this order, a request that can be read when the listener closes is still answered.
                biased;
                ended = poll_fn(|context| {
                    turns.turn.begin();
                    connection.poll_without_shutdown(context)
                }) => break ended,
                () = drain.reached(Stage::Closing), if !is_closing => {
                    Pin::new(&mut connection).graceful_shutdown();
                    is_closing = true;
                }
                () = slot.asked_to_close(), if !is_wanted => {
                    Pin::new(&mut connection).graceful_shutdown();
                    is_wanted = true;
                }
                // No whole request has come so far, unless one has just been read.
                () = ready(()), if is_wanted && !slot.was_used() => if !slot.was_used() { break Ok(()) },
            }
        };
        match ended {
            Err(error) if error.is_timeout() => debug!("closed: no request came"),
            Err(error) if is_head_too_slow(&error) => debug!("closed: a request came only in part"),
            Err(error) if cause::<ClientLeft>(&error).is_some() => debug!("closed: the client left"),
            Err(error) if timed_out_writing(&error) => {
                debug!("closed: the client stopped reading its reply");
                // The kernel would keep the rest of the reply for minutes.
                let _ = socket_of(connection.into_parts().io).0.set_zero_linger();
            }
            Err(error) if !error.is_parse() => debug!(%error, "the connection broke"),
            // another client waits for this slot
            _ if is_wanted => debug!("closed: another client needs the connection more"),
            _ => tokio::select! {
                () = linger(socket_of(connection.into_parts().io)) => {}
                () = drain.reached(Stage::Closing) => {}
            },
        }
    }
}

/// What hyper reads from and writes to: heads are bounded in time above, writes next to the socket.
type Stream = TokioIo<HeadTimeout<WriteTimeout<SharedSocket>>>;

fn socket_of(stream: Stream) -> SharedSocket {
    stream.into_inner().into_inner().into_inner()
}

/// The client left before its reply.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the client left before its reply")]
struct ClientLeft;

/// Answers the requests of one connection.
struct Answers<A> {
    app: A,
    peer: SocketAddr,
    socket: SharedSocket,
    slot: Arc<Slot>,
    heads: Arc<Heads>,
    turn: Turn,
    /// For [`NO_WAIT`], while no request uses it.
    timer: Mutex<LazyTimer>,
}

impl<A: App> Answers<A> {
    /// Answers one request, and tells the client whether to keep the connection.
    ///
    /// What needs no waiting is answered at once, without a task, a timer or a watch on the client.
    fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Answering<Result<Response, ClientLeft>> {
        self.slot.begin_work();
        self.heads.request_came(request.body().size_hint().exact());
        let request = request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(body) });
        let answers = Arc::clone(self);
        if !self.turn.is_free() {
            return Answering::under_way(async move {
                answers.turn.next().await;
                let answering = answers.app.answer(request, Some(answers.peer));
                answers.unless_the_client_leaves(answering).await
            });
        }
        match self.app.answer(request, Some(self.peer)) {
            Answering::Done(reply) => Answering::done(Ok(self.finish(reply.into_inner()))),
            under_way => Answering::under_way(async move { answers.unless_the_client_leaves(under_way).await }),
        }
    }

    /// Waits for an answer, unless its client leaves first.
    ///
    /// A client that closes its side may have left, or may just have nothing more to send: some proxies, and `nc -N`, close it
    /// right after the request. So the closed side is ignored while the reply needs no waiting. Once a source has to be waited
    /// for, closing counts as leaving: a call would be spent for a client that may be gone.
    async fn unless_the_client_leaves(&self, answering: Answering) -> Result<Response, ClientLeft> {
        let (waiting, mut timer) = (Waiting::default(), std::mem::take(&mut *self.timer.lock()));
        let left = async {
            tokio::select! {
                () = waiting.begun() => {}
                () = timer.until(Instant::now() + NO_WAIT) => {}
            }
            self.socket.closed_by_the_client().await;
        };
        let reply = tokio::select! {
            // In this order, nothing is set for an answer that is there at once.
            biased;
            reply = waiting.scope(answering) => Ok(self.finish(reply)),
            () = left => Err(ClientLeft),
        };
        *self.timer.lock() = timer;
        reply
    }

    fn finish(&self, mut reply: Response) -> Response {
        self.slot.end_work();
        self.heads.was_answered();
        // when slots are short, a client that is refused should not keep one
        let is_refused = matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS);
        if is_refused && self.slot.is_wanted_by_others() {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

/// Whether a connection ended because [`WriteTimeout`] gave up on its client.
fn timed_out_writing(error: &hyper::Error) -> bool {
    cause::<io::Error>(error).is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// Whether a connection ended because [`HeadTimeout`] gave up on its client.
fn is_head_too_slow(error: &hyper::Error) -> bool {
    cause(error).is_some_and(HeadTooSlow::is_behind)
}

fn cause<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// Closes our side and keeps reading for a moment. Closing a connection with unread bytes resets it, and the reset would
/// overtake the reply: the client would see "connection reset" instead of "too large".
async fn linger(mut stream: SharedSocket) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // However this ends, the connection is over.
    let _ = timeout(LINGER, rest).await;
}

/// A handle on a connection's socket: one clone reads and writes, another watches whether the client is still there.
#[derive(Clone, Debug)]
struct SharedSocket(Arc<TcpStream>);

impl SharedSocket {
    /// Waits until the client has closed its side, or the connection is broken.
    async fn closed_by_the_client(&self) {
        while self.0.peek(&mut [0]).await.is_ok_and(|length| length > 0) {
            let is_closed = self.0.ready(Interest::READABLE).await.is_ok_and(Ready::is_read_closed);
            if is_closed {
                return;
            }
            sleep(CHECK_EVERY).await;
        }
    }

    /// Reads what is there.
    ///
    /// A read that does not fill the buffer has taken everything. Linux then reports the socket as ready again when more comes,
    /// so until then it counts as not ready, which spares the read that would find nothing after every request.
    fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut has_read = false;
        let read = self.0.try_io(Interest::READABLE, || {
            let length = self.0.try_read_buf(buffer)?;
            has_read = true;
            let is_all = cfg!(target_os = "linux") && length > 0 && buffer.remaining() > 0;
            if is_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if has_read { Ok(()) } else { read }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready_or_return!(self.0.poll_write_ready(context))?;
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
        SockRef::from(&*self.0).send(bytes)
    }
}

impl AsyncRead for SharedSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready_or_return!(self.0.poll_read_ready(context))?;
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
        self.poll_send(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The kernel has everything that was written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}
