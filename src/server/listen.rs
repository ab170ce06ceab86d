//! Opens a port or a socket file, accepts connections, and shuts down in stages.
//!
//! The accept loop is our own because `axum::serve` never times out a client that sends half a request, or nothing.

mod connection;
mod head_timeout;
mod lazy_timer;
mod listener;
pub(crate) mod proxy_header;
mod slots;
mod socket;
mod streaming;
mod turns;
mod unix;
mod write_timeout;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::app::App;
use super::drain::{Drain, Stage};
use crate::caller::Peer;
use crate::settings::access::Network;
use connection::Connection;
pub use listener::{Listener, bind};
use slots::{Slot, Slots};

/// How long the loop pauses when the process has no file descriptor left: retrying at once would only burn a core.
const PAUSE: Duration = Duration::from_millis(500);

/// How long accepting must succeed before a shortage counts as over. While clients come and go, the process runs out of file
/// descriptors again and again; that is one event, not a thousand.
const CALM: Duration = Duration::from_secs(2);

/// How long cancelled connections get to end; only a handler that never yields needs longer.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// How much one client, and all clients together, may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most connections at once. Further ones wait, all but one in the kernel's queue. Once nine tenths are taken, each
    /// new connection closes the longest idle one of the client that holds most.
    pub max_connections: usize,
    /// The most connections of one client at once; further ones are closed. A client is an IPv4 address or an IPv6 /64.
    /// `None`: no limit.
    pub max_connections_per_client: Option<usize>,
    /// Where proxies are, which connect on behalf of many clients: the limit per client does not apply to them.
    pub proxies: Arc<[Network]>,
    /// Whether each connection comes from one of the proxies and begins with a header of the PROXY protocol, which says whose
    /// connection it is.
    pub proxy_protocol: bool,
    /// How TLS is spoken; `None` if it is not.
    pub tls: Option<Arc<ServerConfig>>,
    /// How long the head of a request that has begun may take to become whole. If the head before it is still being answered, it
    /// counts from the reply on.
    pub header_timeout: Duration,
    /// How long a connection may stay without a whole request, counted from its start or from its last reply. A proxy in front
    /// must keep its idle connections for a shorter time, or it sends requests into connections that are being closed.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of a reply that waits for it. We see a slow reader's progress only in steps of its
    /// kernel's receive buffer, mostly some 100 KB: a shorter time would cut off slow readers.
    pub write_timeout: Duration,
    /// How long to go on serving as before once draining has begun.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish after the listener has closed.
    pub drain_timeout: Duration,
}

/// Limits that may change while the server runs. Cheap to clone; all clones change together.
#[derive(Clone, Debug)]
pub struct CurrentLimits(watch::Sender<Limits>);

impl From<Limits> for CurrentLimits {
    fn from(limits: Limits) -> Self {
        CurrentLimits(watch::Sender::new(limits))
    }
}

impl CurrentLimits {
    /// The limits that hold now.
    pub fn get(&self) -> Limits {
        self.0.borrow().clone()
    }

    /// Puts others in their place. They hold from the next connection on.
    pub fn set(&self, limits: Limits) {
        self.0.send_replace(limits);
    }
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that did not finish in time and were dropped.
    pub cancelled: usize,
}

impl Limits {
    /// Whether a peer is one that is awaited: where each connection begins with a proxy's header, only a proxy is.
    fn may_connect(&self, peer: Peer) -> bool {
        !self.proxy_protocol || self.proxies.iter().any(|network| network.has(peer))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 4096,
            max_connections_per_client: None,
            proxies: Arc::default(),
            proxy_protocol: false,
            tls: None,
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(5),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// What the accept loop shares with its connections.
#[derive(Clone)]
struct Server<A> {
    app: A,
    limits: CurrentLimits,
    drain: Drain,
    connections: TaskTracker,
    cancelled: Arc<AtomicUsize>,
    slots: Arc<Slots>,
}

/// Serves `app` until `drain` starts the shutdown, and then ends in time, whatever the clients do.
pub async fn run<A: App>(
    listener: impl Into<Listener>,
    app: A,
    limits: impl Into<CurrentLimits>,
    drain: Drain,
) -> Ended {
    let listener = listener.into();
    let (connections, cancelled, limits) = (TaskTracker::new(), Arc::default(), limits.into());
    let slots = Arc::new(Slots::new(&limits.get()));
    let server = Server { app, limits, drain, connections, cancelled, slots };
    let Server { limits, drain, connections, cancelled, .. } = &server;

    tokio::select! {
        () = server.accept(&listener) => {}
        () = closing(drain, limits) => {}
    }
    drop(listener);
    connections.close();
    info!(connections = connections.len(), "no longer listening, finishing what is in flight");

    tokio::select! {
        // Another listener may share this drain: if nothing is in flight here, that must not cancel what is in flight there.
        () = connections.wait() => {}
        () = drain.reached(Stage::Cancelling) => {}
        () = sleep(limits.get().drain_timeout) => drain.advance(Stage::Cancelling),
    }
    let _ = timeout(LAST_WAIT, connections.wait()).await;
    Ended { cancelled: cancelled.load(Ordering::Relaxed) + connections.len() }
}

/// Waits until it is time to close the listener, and then moves the drain on for everything that follows it.
async fn closing(drain: &Drain, limits: &CurrentLimits) {
    drain.reached(Stage::Draining).await;
    info!("shutdown requested: no longer ready");
    tokio::select! {
        () = drain.reached(Stage::Closing) => {}
        () = sleep(limits.get().drain_delay) => {}
    }
    drain.advance(Stage::Closing);
}

impl<A: App> Server<A> {
    async fn accept(&self, listener: &Listener) {
        let mut shortage = Shortage::default();
        loop {
            let next = tokio::select! {
                next = listener.accept() => next,
                () = shortage.over() => {
                    shortage.end();
                    continue;
                }
            };
            match next {
                Ok((_, peer)) if !self.may_connect(peer) => {
                    debug!(%peer, "closed: only trusted proxies may connect, since proxy_protocol is set");
                }
                Ok((socket, peer)) => {
                    let Some(slot) = self.slot_for(peer).await else {
                        debug!(%peer, "closed: this client has the most connections that one client may have");
                        continue;
                    };
                    let server = self.clone();
                    let connection = Connection::new(socket, peer, slot);
                    self.connections.spawn(async move { server.serve_or_cancel(connection).await });
                }
                Err(error) if concerns_one_client(&error) => {
                    debug!(%error, "a client left before its connection was accepted");
                }
                Err(error) => {
                    shortage.failed(&error);
                    self.slots.ask_a_tenth_to_close();
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether a peer is one that is awaited here.
    fn may_connect(&self, peer: Peer) -> bool {
        self.limits.0.borrow().may_connect(peer)
    }

    /// Takes a slot for a new connection, as many as there are now: the limits may change while it waits.
    async fn slot_for(&self, peer: Peer) -> Option<Slot> {
        let mut changes = self.limits.0.subscribe();
        loop {
            self.slots.follow(&changes.borrow_and_update().clone());
            tokio::select! {
                biased;
                slot = self.slots.take(peer) => return slot,
                _ = changes.changed() => {}
            }
        }
    }

    async fn serve_or_cancel(&self, connection: Connection) {
        let limits = self.limits.get();
        // they may have changed while it waited for a slot
        if !limits.may_connect(connection.peer()) {
            return;
        }
        tokio::select! {
            // In this order, a connection that has nothing in flight ends by itself and is not counted.
            biased;
            () = connection.serve(self.app.clone(), &limits, &self.drain) => {}
            () = self.drain.reached(Stage::Cancelling) => { self.cancelled.fetch_add(1, Ordering::Relaxed); }
        }
    }
}

fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A time in which connections cannot be accepted, mostly for want of file descriptors. It is logged once when it begins and
/// once when it is over.
#[derive(Debug, Default)]
struct Shortage(Option<Episode>);

#[derive(Clone, Copy, Debug)]
struct Episode {
    began: Instant,
    last: Instant,
}

impl Shortage {
    /// Records that accepting has failed.
    fn failed(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.0.is_none() {
            warn!(%error, "cannot accept connections; new clients wait in the kernel's queue until others leave");
        }
        let began = self.0.map_or(now, |episode| episode.began);
        self.0 = Some(Episode { began, last: now });
    }

    /// Waits until it is over; for ever if there is no shortage.
    async fn over(&self) {
        match self.0 {
            Some(episode) => sleep_until(episode.last + CALM).await,
            None => std::future::pending().await,
        }
    }

    /// Records that it is over.
    fn end(&mut self) {
        if let Some(Episode { began, last }) = self.0.take() {
            let lasted_ms = u64::try_from((last - began).as_millis()).unwrap_or(u64::MAX);
            info!(lasted_ms, "accepting connections again");
        }
    }
}
