//! Shares the connection slots out among clients: while there are enough, each client gets as many as it opens; when they run
//! short, the client that holds most loses its longest idle connection.
//!
//! Requests come far more often than slots run short. So a request only notes in its own slot that it is there; the table learns
//! of it when it looks for a connection to close.
//!
//! There is no limit per client unless one is set, because clients share addresses: an ingress or a NAT hides many clients
//! behind one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::Limits;
use crate::caller::{Caller, Peer};
use crate::permits::resize;
use crate::settings::access::Network;

/// How long a connection that was asked to close may take before another one is asked, too: it may be writing a reply.
const PAUSE: Duration = Duration::from_millis(100);

/// The value of `idle_since` while a connection answers a request.
const BUSY: u64 = 0;

/// The value of `listed_since` while a connection is not listed.
const UNLISTED: u64 = 0;

/// All connection slots, and who holds them.
#[derive(Debug)]
pub(super) struct Slots {
    limits: RwLock<SlotLimits>,
    free: Arc<Semaphore>,
    table: Mutex<Table>,
    /// Grows whenever a connection becomes idle.
    tick: AtomicU64,
    /// Notified when a connection becomes idle.
    idle_again: Notify,
}

/// The limits that hold now.
#[derive(Clone, Debug)]
struct SlotLimits {
    /// How many slots there are.
    max: usize,
    /// The most slots of one client.
    cap: Option<usize>,
    /// Whose slots are not limited.
    proxies: Arc<[Network]>,
}

impl SlotLimits {
    fn of(limits: &Limits) -> Self {
        SlotLimits {
            max: limits.max_connections.min(Semaphore::MAX_PERMITS),
            cap: limits.max_connections_per_client,
            proxies: Arc::clone(&limits.proxies),
        }
    }
}

impl SlotLimits {
    /// Whether a client already holds as many as one client may.
    fn are_reached(&self, table: &Table, peer: Peer) -> bool {
        let client = Caller::at(peer.address());
        let is_proxy = || self.proxies.iter().any(|network| network.has(peer));
        self.cap.is_some_and(|cap| table.held_by(client) >= cap) && !is_proxy()
    }
}

/// The slot of one connection. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    client: Caller,
    state: Arc<State>,
    _permit: OwnedSemaphorePermit,
}

/// What one connection does, as far as slots are concerned.
#[derive(Debug, Default)]
struct State {
    /// The tick at which it became idle, or [`BUSY`].
    idle_since: AtomicU64,
    /// The tick since which the table believes it to be idle, or [`UNLISTED`]. It changes only while the table is locked.
    listed_since: AtomicU64,
    /// Whether any request has come.
    was_used: AtomicBool,
    asked_to_close: Notify,
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Self {
        let limits = SlotLimits::of(limits);
        Slots {
            free: Arc::new(Semaphore::new(limits.max)),
            limits: RwLock::new(limits),
            table: Mutex::default(),
            tick: AtomicU64::new(BUSY),
            idle_again: Notify::new(),
        }
    }

    /// Follows limits that may have changed. If there are fewer slots than connections now, slots disappear as these close.
    pub(super) fn follow(&self, limits: &Limits) {
        let (new, mut limits) = (SlotLimits::of(limits), self.limits.write());
        resize(&self.free, limits.max, new.max);
        *limits = new;
    }

    /// Takes a slot for a new connection, waiting for one if necessary; `None` if the client already holds as many as one
    /// client may.
    pub(super) async fn take(self: &Arc<Self>, peer: Peer) -> Option<Slot> {
        let client = Caller::at(peer.address());
        let limits = self.limits.read().clone();
        if limits.are_reached(&self.table.lock(), peer) {
            return None;
        }
        if self.are_short() {
            self.ask_one_to_close(Some(client));
        }
        let permit = loop {
            tokio::select! {
                biased;
                // the semaphore is never closed, so this never fails
                permit = Arc::clone(&self.free).acquire_owned() => break permit.ok()?,
                () = self.idle_again.notified() => {}
                () = sleep(PAUSE) => {}
            }
            self.ask_one_to_close(Some(client));
        };
        let state = Arc::new(State::idle_since(self.next_tick()));
        self.table.lock().enter(client, &state);
        Some(Slot { slots: Arc::clone(self), client, state, _permit: permit })
    }

    fn next_tick(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether nine tenths are taken.
    fn are_short(&self) -> bool {
        let max = self.limits.read().max;
        let taken = max - self.free.available_permits().min(max);
        taken.saturating_mul(10) >= max.saturating_mul(9)
    }

    /// Asks the longest idle connection of the client that holds most to close, unless the newcomer that needs the slot holds
    /// more than that client.
    fn ask_one_to_close(&self, newcomer: Option<Caller>) {
        if let Some(connection) = self.table.lock().longest_idle(newcomer) {
            // this also reaches a connection that is not listening yet
            connection.asked_to_close.notify_one();
        }
    }

    /// Asks a tenth of all connections to close, each of them the longest idle one of the client that holds most: something else
    /// than slots is short, and one place would be taken again at once.
    pub(super) fn ask_a_tenth_to_close(&self) {
        let held = self.limits.read().max.saturating_sub(self.free.available_permits());
        for _ in 0..held.div_ceil(10) {
            self.ask_one_to_close(None);
        }
    }
}

impl State {
    fn idle_since(tick: u64) -> Self {
        State { idle_since: AtomicU64::new(tick), ..State::default() }
    }

    fn begin_work(&self) {
        self.was_used.store(true, Ordering::Relaxed);
        self.idle_since.store(BUSY, Ordering::SeqCst);
    }

    /// Returns whether the table must be told. It need not be told while it lists the connection, even as idle for longer.
    ///
    /// The table, too, changes its side before it looks at ours, so one of the two notices the other.
    fn end_work(&self, tick: u64) -> bool {
        self.idle_since.store(tick, Ordering::SeqCst);
        self.listed_since.load(Ordering::SeqCst) == UNLISTED
    }
}

impl Slot {
    /// Records that a request has come.
    pub(super) fn begin_work(&self) {
        self.state.begin_work();
    }

    /// Counts the connection to another client from now on. Returns whether that client may hold one more.
    pub(super) fn passes_to(&mut self, peer: Peer) -> bool {
        let (limits, client) = (self.slots.limits.read().clone(), Caller::at(peer.address()));
        let mut table = self.slots.table.lock();
        if limits.are_reached(&table, peer) {
            return false;
        }
        table.leave(self.client, &self.state);
        table.enter(client, &self.state);
        self.client = client;
        true
    }

    /// Records that its reply is on its way.
    pub(super) fn end_work(&self) {
        if self.state.end_work(self.slots.next_tick()) {
            self.slots.table.lock().list(self.client, &self.state);
        }
        // a newcomer waits only while no slot is free
        if self.slots.free.available_permits() == 0 {
            self.slots.idle_again.notify_waiters();
        }
    }

    /// Whether a whole request has ever come.
    pub(super) fn was_used(&self) -> bool {
        self.state.was_used.load(Ordering::Relaxed)
    }

    /// Whether slots are short.
    pub(super) fn is_wanted_by_others(&self) -> bool {
        self.slots.are_short()
    }

    /// Waits until others need the slot more.
    pub(super) async fn asked_to_close(&self) {
        self.state.asked_to_close.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.table.lock().leave(self.client, &self.state);
    }
}

/// How many connections each client holds, and which of them are idle. What it lists as idle may meanwhile be busy, or idle for
/// a shorter time, but never for a longer one.
#[derive(Debug, Default)]
struct Table {
    clients: HashMap<Caller, Held>,
    /// The clients that have a listed connection. The one that holds most comes last; among equals, the one whose connection
    /// has been listed longest.
    ranks: BTreeSet<(usize, Reverse<u64>, Caller)>,
}

/// The connections of one client.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// The listed ones, by the tick since which they are listed.
    idle: BTreeMap<u64, Arc<State>>,
}

impl Held {
    fn rank(&self, client: Caller) -> Option<(usize, Reverse<u64>, Caller)> {
        let (since, _) = self.idle.first_key_value()?;
        Some((self.count, Reverse(*since), client))
    }
}

impl Table {
    fn held_by(&self, client: Caller) -> usize {
        self.clients.get(&client).map_or(0, |held| held.count)
    }

    /// Adds a new connection, which is idle.
    fn enter(&mut self, client: Caller, connection: &Arc<State>) {
        self.change(client, |held| held.count += 1);
        self.list(client, connection);
    }

    fn leave(&mut self, client: Caller, connection: &State) {
        let since = connection.listed_since.swap(UNLISTED, Ordering::SeqCst);
        self.change(client, |held| {
            held.idle.remove(&since);
            held.count -= 1;
        });
    }

    /// Lists a connection, unless it is listed or busy.
    fn list(&mut self, client: Caller, connection: &Arc<State>) {
        let since = connection.idle_since.load(Ordering::SeqCst);
        if since != BUSY && connection.listed_since.load(Ordering::SeqCst) == UNLISTED {
            connection.listed_since.store(since, Ordering::SeqCst);
            self.change(client, |held| held.idle.insert(since, Arc::clone(connection)));
        }
    }

    fn unlist(&mut self, client: Caller, since: u64) -> Option<Arc<State>> {
        let connection = self.change(client, |held| held.idle.remove(&since))?;
        connection.listed_since.store(UNLISTED, Ordering::SeqCst);
        Some(connection)
    }

    /// Removes and returns the longest idle connection of the client that holds most, unless the newcomer holds more than that
    /// client.
    fn longest_idle(&mut self, newcomer: Option<Caller>) -> Option<Arc<State>> {
        loop {
            let (count, Reverse(since), client) = *self.ranks.last()?;
            let connection = self.clients.get(&client)?.idle.get(&since)?;
            if connection.idle_since.load(Ordering::SeqCst) == since {
                // no other is listed since earlier than it is idle, so none comes before this one
                let is_fair = newcomer.is_none_or(|newcomer| count >= self.held_by(newcomer));
                return if is_fair { self.unlist(client, since) } else { None };
            }
            // it was used since: list it anew, unless it is still busy
            let connection = self.unlist(client, since)?;
            self.list(client, &connection);
        }
    }

    fn change<T>(&mut self, client: Caller, change: impl FnOnce(&mut Held) -> T) -> T {
        let held = self.clients.entry(client).or_default();
        if let Some(rank) = held.rank(client) {
            self.ranks.remove(&rank);
        }
        let changed = change(held);
        if let Some(rank) = held.rank(client) {
            self.ranks.insert(rank);
        }
        if held.count == 0 {
            self.clients.remove(&client);
        }
        changed
    }
}

#[cfg(test)]
mod tests;
