//! Takes connections and speaks HTTP/1.1 on them, so that no client can hold the server up, and ends in stages.
//!
//! The loop is our own because ready-made ones let a connection live for ever that sends half a request, or none.

mod bind;
mod exchange;
mod places;
mod shortage;
mod stream;

use std::error::Error;
use std::future::{poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

pub use bind::bind;

use super::client::Peer;
use super::drain::{Drain, Stage};
use super::stall::Impatient;
use crate::settings::access::Network;
use exchange::Left;
use places::{Place, Places};
use shortage::Shortage;
use stream::Shared;

/// More headers than this are a 431.
const MAX_HEADERS: usize = 64;

/// What is kept per connection of an unread request; a longer head is a 431.
const MAX_BUFFER: usize = 16 * 1024;

/// How long the loop rests when the process has no file descriptor left: trying again at once would only burn a core.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a client that is still sending gets to read why it was refused.
const LINGER: Duration = Duration::from_secs(1);

/// How long dropped connections get to be gone; only a handler that never yields needs longer.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// What one client, and all of them together, may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once. More wait, all but one in the kernel's queue. From nine tenths on, a newcomer costs the client that
    /// holds most the connection that has been idle longest.
    pub max_connections: usize,
    /// Connections of one client at once, counted by its address, or by its /64 in IPv6; more are closed. `None`: any number.
    pub max_connections_per_client: Option<usize>,
    /// Networks for which that cap does not hold: proxies have many clients behind them.
    pub uncapped: Arc<[Network]>,
    /// How long the head of a request may take to arrive, counted from the connection's start or its last reply. So it
    /// also ends silent connections and idle ones: proxies must keep theirs for a shorter time.
    pub header_timeout: Duration,
    /// How long a client may take nothing of a reply that waits for it. Clients that read slowly show it to us in steps of what
    /// their own kernel keeps for them, mostly some 100 KB: a shorter time would cut them off.
    pub write_timeout: Duration,
    /// How long to go on as before once draining has begun.
    pub drain_delay: Duration,
    /// How long what is in flight may take to finish after the listener has closed.
    pub drain_timeout: Duration,
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that had to be dropped because they did not finish in time.
    pub cancelled: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 4096,
            max_connections_per_client: None,
            uncapped: Arc::default(),
            header_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// What the loop shares with its connections.
#[derive(Clone)]
struct Server {
    app: Router,
    limits: Limits,
    drain: Drain,
    connections: TaskTracker,
    cancelled: Arc<AtomicUsize>,
    places: Arc<Places>,
}

/// Serves `app` until `drain` says to end, and ends: in time, whatever the clients do.
pub async fn run(listener: TcpListener, app: Router, limits: Limits, drain: Drain) -> Ended {
    let (connections, cancelled) = (TaskTracker::new(), Arc::default());
    let places = Arc::new(Places::new(&limits));
    let server = Server { app, limits, drain, connections, cancelled, places };
    let Server { limits, drain, connections, cancelled, .. } = &server;

    tokio::select! {
        () = server.accept(&listener) => {}
        () = closing(drain, limits.drain_delay) => {}
    }
    drop(listener);
    connections.close();
    info!(connections = connections.len(), "no longer listening, finishing what is in flight");

    tokio::select! {
        // Another listener may share this drain: that nothing is in flight here does not end what is in flight there.
        () = connections.wait() => {}
        () = drain.reached(Stage::Cancelling) => {}
        () = sleep(limits.drain_timeout) => drain.advance(Stage::Cancelling),
    }
    let _ = timeout(LAST_WAIT, connections.wait()).await;
    Ended { cancelled: cancelled.load(Ordering::Relaxed) + connections.len() }
}

/// Waits for the moment to close the listener, and says so to everybody.
async fn closing(drain: &Drain, delay: Duration) {
    drain.reached(Stage::Draining).await;
    info!("asked to end: no longer ready");
    tokio::select! {
        () = drain.reached(Stage::Closing) => {}
        () = sleep(delay) => {}
    }
    drain.advance(Stage::Closing);
}

impl Server {
    async fn accept(&self, listener: &TcpListener) {
        let mut shortage = Shortage::default();
        loop {
            let next = tokio::select! {
                next = listener.accept() => next,
                () = shortage.over() => {
                    shortage.ends();
                    continue;
                }
            };
            match next {
                Ok((stream, peer)) => {
                    let Some(place) = self.places.take(peer.ip()).await else {
                        debug!(%peer, "closed: this client has as many connections as one client may have");
                        continue;
                    };
                    let server = self.clone();
                    self.connections.spawn(async move { server.serve_or_cancel(stream, peer, &Arc::new(place)).await });
                }
                Err(error) if concerns_one_client(&error) => debug!(%error, "a client left before it was let in"),
                Err(error) => {
                    shortage.goes_on(&error);
                    self.places.ask_one_to_close(None);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn serve_or_cancel(&self, stream: TcpStream, peer: SocketAddr, place: &Arc<Place>) {
        tokio::select! {
            // In this order, a connection that has nothing in flight ends by itself and is not counted.
            biased;
            () = self.serve(stream, peer, place) => {}
            () = self.drain.reached(Stage::Cancelling) => { self.cancelled.fetch_add(1, Ordering::Relaxed); }
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, place: &Arc<Place>) {
        // Replies are written whole; waiting for more of them only makes them late.
        let _ = stream.set_nodelay(true);
        let client = Shared(Arc::new(stream));
        let stream = Impatient::new(client.clone(), self.limits.write_timeout);
        let (app, of_requests) = (self.app.clone(), Arc::clone(place));
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            Box::pin(exchange::answer(app.clone(), request, client.clone(), Arc::clone(&of_requests)))
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER)
            // whether a client that has closed its side has left depends on what it waits for
            .half_close(true)
            .serve_connection(TokioIo::new(stream), answer);

        let (mut asked_to_close, mut is_wanted) = (false, false);
        let ended = loop {
            tokio::select! {
                // In this order, a request that can be read when the listener closes is still answered.
                biased;
                ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
                () = self.drain.reached(Stage::Closing), if !asked_to_close => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    asked_to_close = true;
                }
                () = place.asked_to_close(), if !is_wanted => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    is_wanted = true;
                }
                // What came so far is not even a request, unless one has just been read.
                () = ready(()), if is_wanted && !place.was_used() => if !place.was_used() { break Ok(()) },
            }
        };
        match ended {
            Err(error) if error.is_timeout() => debug!("closed: no request came"),
            Err(error) if cause::<Left>(&error).is_some() => debug!("closed: the client left"),
            Err(error) if has_taken_nothing(&error) => {
                debug!("closed: the client takes nothing of its reply");
                // What the kernel still holds for it would wait there for minutes.
                let _ = connection.into_parts().io.into_inner().into_inner().0.set_zero_linger();
            }
            Err(error) if !error.is_parse() => debug!(%error, "the connection broke"),
            // another client waits for this place
            _ if is_wanted => debug!("closed: others need the connection more"),
            _ => tokio::select! {
                () = linger(connection.into_parts().io.into_inner().into_inner()) => {}
                () = self.drain.reached(Stage::Closing) => {}
            },
        }
    }
}

fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Whether a connection ended because [`Impatient`] gave up on it.
fn has_taken_nothing(error: &hyper::Error) -> bool {
    cause::<io::Error>(error).is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

fn cause<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// Closes our half and reads on for a moment. A connection closed with something unread is reset, and the reset would
/// overtake the reply: the client would learn "connection reset" instead of "too large".
async fn linger(mut stream: Shared) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // However it ends, the connection is over.
    let _ = timeout(LINGER, rest).await;
}
