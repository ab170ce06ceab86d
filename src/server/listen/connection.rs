//! Serves one connection: reads its requests, answers them, and notices when its client is gone.

use std::error::Error;
use std::future::{Future, poll_fn, ready};
use std::io;
use std::sync::Arc;
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
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::super::app::{Answering, App, Streaming};
use super::super::drain::{Drain, Stage};
use super::Limits;
use super::head_timeout::{HeadTimeout, HeadTooSlow, Heads};
use super::lazy_timer::LazyTimer;
use super::proxy_header;
use super::slots::Slot;
use super::socket::{SharedSocket, Socket};
use super::streaming::StreamingBody;
use super::turns::Turn;
use super::write_timeout::WriteTimeout;
use crate::caller::Peer;
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

/// One accepted connection.
pub(super) struct Connection {
    socket: SharedSocket,
    peer: Peer,
    slot: Slot,
}

impl Connection {
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn new(socket: Socket, peer: Peer, slot: Slot) -> Self {
        Connection { socket: SharedSocket::new(socket), peer, slot }
    }

    /// Serves requests until the client leaves, the server shuts down, or others need the slot more.
    pub(super) async fn serve(mut self, app: impl App, limits: &Limits, drain: &Drain) {
        if limits.proxy_protocol && !self.is_passed_on(limits, drain).await {
            return;
        }
        // next to the socket: only there, a client that takes nothing can be told from one that has nothing to take
        let stream = WriteTimeout::new(self.socket.clone(), limits.write_timeout);
        match &limits.tls {
            None => self.serve_on(stream, app, limits, drain).await,
            Some(tls) => {
                let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(stream);
                if let Some(stream) = self.in_time("TLS handshake", handshake, limits, drain).await {
                    // most servers speak no TLS, and their connections should not be as large
                    Box::pin(self.serve_on(stream, app, limits, drain)).await;
                }
            }
        }
    }

    /// Learns from the proxy's header whose connection it passes on. Returns whether that client may have one.
    async fn is_passed_on(&mut self, limits: &Limits, drain: &Drain) -> bool {
        let mut socket = self.socket.clone();
        let header = proxy_header::read(&mut socket);
        match self.in_time("proxy header", header, limits, drain).await {
            None => false,
            // the proxy speaks for itself
            Some(None) => true,
            Some(Some(client)) => {
                self.peer = client.into();
                let may_connect = self.slot.passes_to(self.peer);
                if !may_connect {
                    debug!(peer = %self.peer, "closed: this client has the most connections that one client may have");
                }
                may_connect
            }
        }
    }

    /// Does what comes before requests. `None` if it fails or takes too long, or if nothing must come after it.
    async fn in_time<T>(
        &self,
        name: &str,
        work: impl Future<Output = io::Result<T>>,
        limits: &Limits,
        drain: &Drain,
    ) -> Option<T> {
        tokio::select! {
            biased;
            done = timeout(limits.header_timeout, work) => match done {
                Ok(Ok(done)) => return Some(done),
                Ok(Err(error)) => debug!(%error, peer = %self.peer, "closed: the {name} failed"),
                Err(_) => debug!(peer = %self.peer, "closed: the {name} did not come in time"),
            },
            () = drain.reached(Stage::Closing) => {}
            () = self.slot.asked_to_close() => debug!("closed: another client needs the connection more"),
        }
        None
    }

    async fn serve_on<S>(self, stream: S, app: impl App, limits: &Limits, drain: &Drain)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Connection { socket, peer, slot } = self;
        let (watched, slot) = (socket.clone(), Arc::new(slot));
        let heads = Arc::new(Heads::default());
        let stream = HeadTimeout::new(stream, limits.header_timeout, Arc::clone(&heads));
        let (turn, timer) = (Turn::default(), Mutex::default());
        let answers = Arc::new(Answers { app, peer, socket: watched, slot: Arc::clone(&slot), heads, turn, timer });
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

        let (mut is_closing, mut is_wanted, mut last_head_by) = (false, false, Instant::now());
        let ended = loop {
            tokio::select! {
                // In this order, a request that can be read when the listener closes is still answered.
                biased;
                ended = poll_fn(|context| {
                    turns.turn.begin();
                    connection.poll_without_shutdown(context)
                }) => break ended,
                () = drain.reached(Stage::Closing), if !is_closing => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    (is_closing, last_head_by) = (true, Instant::now() + limits.header_timeout);
                }
                () = slot.asked_to_close(), if !is_wanted => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    is_wanted = true;
                }
                // No whole request has come so far, unless one has just been read.
                () = ready(()), if is_wanted && !slot.was_used() => if !slot.was_used() { break Ok(()) },
                // A client that has sent no more than an empty line would hold up the end.
                () = sleep_until(last_head_by), if is_closing && !slot.was_used() => break Ok(()),
            }
        };
        match ended {
            Err(error) if error.is_timeout() => debug!("closed: no request came"),
            Err(error) if is_head_too_slow(&error) => debug!("closed: a request came only in part"),
            Err(error) if cause::<ClientLeft>(&error).is_some() => debug!("closed: the client left"),
            Err(error) if timed_out_writing(&error) => {
                debug!("closed: the client stopped reading its reply");
                socket.drop_what_is_not_sent();
            }
            Err(error) if !error.is_parse() => debug!(%error, "the connection broke"),
            // another client waits for this slot
            _ if is_wanted => debug!("closed: another client needs the connection more"),
            _ => tokio::select! {
                () = linger(connection.into_parts().io.into_inner().into_inner()) => {}
                () = drain.reached(Stage::Closing) => {}
            },
        }
    }
}

/// The client left before its reply.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the client left before its reply")]
struct ClientLeft;

/// Answers the requests of one connection.
struct Answers<A> {
    app: A,
    peer: Peer,
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
    async fn unless_the_client_leaves(self: &Arc<Self>, answering: Answering) -> Result<Response, ClientLeft> {
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

    fn finish(self: &Arc<Self>, mut reply: Response) -> Response {
        if reply.extensions().get::<Streaming>().is_some() {
            return self.stream(reply);
        }
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

impl<A: App> Answers<A> {
    /// Begins a reply that goes on for as long as its client reads it. Until it ends, the connection is busy: no other client is given
    /// its place. A client that closes its side has left, since calls are made for it.
    fn stream(self: &Arc<Self>, reply: Response) -> Response {
        self.socket.hold_little(true);
        let (socket, answers) = (self.socket.clone(), Arc::clone(self));
        let left = async move { socket.closed_by_the_client().await };
        let at_its_end = move || {
            answers.socket.hold_little(false);
            answers.slot.end_work();
            answers.heads.was_answered();
        };
        reply.map(|body| Body::new(StreamingBody::new(body, left, at_its_end)))
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
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // However this ends, the connection is over.
    let _ = timeout(LINGER, rest).await;
}
