//! Shares the connection slots out among clients: while there are enough, each client gets as many as it opens; when they run
//! short, the client that holds most loses its longest idle connection.
//!
//! There is no limit per client unless one is set, because clients share addresses: an ingress or a NAT hides many clients
//! behind one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::Limits;
use crate::caller::Caller;
use crate::settings::access::Network;

/// How long a connection that was asked to close may take before another one is asked, too: it may be writing a reply.
const PAUSE: Duration = Duration::from_millis(100);

/// The value of `idle_since` while a connection answers a request.
const BUSY: u64 = 0;

/// All connection slots, and who holds them.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    /// The most slots of one client.
    cap: Option<usize>,
    uncapped: Arc<[Network]>,
    free: Arc<Semaphore>,
    table: Mutex<Table>,
    /// Notified when a connection becomes idle.
    idle_again: Notify,
}

/// The slot of one connection. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    client: Caller,
    /// The tick at which it became idle, or [`BUSY`].
    idle_since: AtomicU64,
    /// Whether any request has come.
    was_used: AtomicBool,
    asked_to_close: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Self {
        let max = limits.max_connections.min(Semaphore::MAX_PERMITS);
        Slots {
            max,
            cap: limits.max_connections_per_client,
            uncapped: Arc::clone(&limits.uncapped),
            free: Arc::new(Semaphore::new(max)),
            table: Mutex::default(),
            idle_again: Notify::new(),
        }
    }

    /// Takes a slot for a new connection, waiting for one if necessary; `None` if the client already holds as many as one
    /// client may.
    pub(super) async fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        let client = Caller::at(Some(peer.to_canonical()));
        let is_capped = || !self.uncapped.iter().any(|network| network.contains(peer.to_canonical()));
        if self.cap.is_some_and(|cap| self.table.lock().held_by(client) >= cap) && is_capped() {
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
        let asked_to_close = Arc::default();
        let idle_since = AtomicU64::new(self.table.lock().enter(client, &asked_to_close));
        let (slots, was_used) = (Arc::clone(self), AtomicBool::new(false));
        Some(Slot { slots, client, idle_since, was_used, asked_to_close, _permit: permit })
    }

    /// Whether nine tenths are taken.
    fn are_short(&self) -> bool {
        let taken = self.max - self.free.available_permits().min(self.max);
        taken.saturating_mul(10) >= self.max.saturating_mul(9)
    }

    /// Asks the longest idle connection of the client that holds most to close, unless the newcomer that needs the slot holds
    /// more than that client.
    pub(super) fn ask_one_to_close(&self, newcomer: Option<Caller>) {
        if let Some(connection) = self.table.lock().longest_idle(newcomer) {
            // this also reaches a connection that is not listening yet
            connection.notify_one();
        }
    }
}

impl Slot {
    /// Records that a request has come.
    pub(super) fn begin_work(&self) {
        self.was_used.store(true, Ordering::Relaxed);
        let since = self.idle_since.swap(BUSY, Ordering::Relaxed);
        self.slots.table.lock().become_busy(self.client, since);
    }

    /// Records that its reply is on its way.
    pub(super) fn end_work(&self) {
        let since = self.slots.table.lock().become_idle(self.client, &self.asked_to_close);
        self.idle_since.store(since, Ordering::Relaxed);
        self.slots.idle_again.notify_waiters();
    }

    /// Whether a whole request has ever come.
    pub(super) fn was_used(&self) -> bool {
        self.was_used.load(Ordering::Relaxed)
    }

    /// Whether slots are short.
    pub(super) fn is_wanted_by_others(&self) -> bool {
        self.slots.are_short()
    }

    /// Waits until others need the slot more.
    pub(super) async fn asked_to_close(&self) {
        self.asked_to_close.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.table.lock().leave(self.client, *self.idle_since.get_mut());
    }
}

/// How many connections each client holds, and which of them are idle.
#[derive(Debug, Default)]
struct Table {
    clients: HashMap<Caller, Held>,
    /// The clients that have an idle connection. The one that holds most comes last; among equals, the one whose connection
    /// has been idle longest.
    ranks: BTreeSet<(usize, Reverse<u64>, Caller)>,
    /// Grows whenever a connection becomes idle.
    tick: u64,
}

/// The connections of one client.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// The idle ones, by the tick at which they became idle.
    idle: BTreeMap<u64, Arc<Notify>>,
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

    /// Adds a new connection, which is idle, and returns the tick since when.
    fn enter(&mut self, client: Caller, connection: &Arc<Notify>) -> u64 {
        self.change(client, |held| held.count += 1);
        self.become_idle(client, connection)
    }

    fn leave(&mut self, client: Caller, idle_since: u64) {
        self.change(client, |held| {
            held.idle.remove(&idle_since);
            held.count -= 1;
        });
    }

    fn become_idle(&mut self, client: Caller, connection: &Arc<Notify>) -> u64 {
        self.tick += 1;
        let tick = self.tick;
        self.change(client, |held| held.idle.insert(tick, Arc::clone(connection)));
        tick
    }

    fn become_busy(&mut self, client: Caller, idle_since: u64) {
        self.change(client, |held| held.idle.remove(&idle_since));
    }

    /// Removes and returns the longest idle connection of the client that holds most, unless the newcomer holds more than that
    /// client.
    fn longest_idle(&mut self, newcomer: Option<Caller>) -> Option<Arc<Notify>> {
        let (count, Reverse(since), client) = *self.ranks.last()?;
        let is_fair = newcomer.is_none_or(|newcomer| count >= self.held_by(newcomer));
        if is_fair { self.change(client, |held| held.idle.remove(&since)) } else { None }
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
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// The naive model that the table is compared with: every connection, with its client and since when it is idle.
    #[derive(Clone, Debug)]
    struct Known {
        client: Caller,
        notify: Arc<Notify>,
        /// [`BUSY`], or since when; `None` once it was asked to close.
        idle_since: Option<u64>,
    }

    fn client(number: u8) -> Caller {
        Caller::at(Some(Ipv4Addr::new(10, 0, 0, number).into()))
    }

    /// The connection that should close for a newcomer, found by looking at all of them.
    fn expected(known: &[Known], newcomer: Caller) -> Option<usize> {
        let held = |client| known.iter().filter(|one| one.client == client).count();
        let idle = |at: &usize| known[*at].idle_since.is_some_and(|since| since != BUSY);
        let most =
            (0..known.len()).filter(idle).max_by_key(|at| (held(known[*at].client), Reverse(known[*at].idle_since)));
        most.filter(|at| held(known[*at].client) >= held(newcomer))
    }

    proptest! {
        #[test]
        fn the_client_that_holds_most_loses_its_longest_idle_connection(
            steps in proptest::collection::vec((0..5u8, 0..6u8, any::<prop::sample::Index>()), 1..200),
        ) {
            let (mut table, mut known) = (Table::default(), Vec::<Known>::new());
            for (step, number, index) in steps {
                let at = (!known.is_empty()).then(|| index.index(known.len()));
                match (step, at) {
                    (0 | 1, _) => {
                        let (client, notify) = (client(number), Arc::default());
                        let since = table.enter(client, &notify);
                        known.push(Known { client, notify, idle_since: Some(since) });
                    }
                    (2, Some(at)) => {
                        let gone = known.swap_remove(at);
                        table.leave(gone.client, gone.idle_since.unwrap_or(BUSY));
                    }
                    (3, Some(at)) => {
                        let one = &mut known[at];
                        let since = one.idle_since.unwrap_or(BUSY);
                        if since == BUSY {
                            one.idle_since = Some(table.become_idle(one.client, &one.notify));
                        } else {
                            table.become_busy(one.client, since);
                            one.idle_since = Some(BUSY);
                        }
                    }
                    _ => {
                        let expected = expected(&known, client(number));
                        let asked = table.longest_idle(Some(client(number)));
                        let is_expected = |asked: &Arc<Notify>| {
                            expected.is_some_and(|at| Arc::ptr_eq(&known[at].notify, asked))
                        };
                        prop_assert_eq!(asked.is_some(), expected.is_some());
                        prop_assert!(asked.as_ref().is_none_or(is_expected));
                        if let Some(at) = expected {
                            known[at].idle_since = None;
                        }
                    }
                }
                for number in 0..6 {
                    let held = known.iter().filter(|one| one.client == client(number)).count();
                    prop_assert_eq!(table.held_by(client(number)), held);
                }
            }
            for one in known.drain(..) {
                table.leave(one.client, one.idle_since.unwrap_or(BUSY));
            }
            prop_assert!(table.clients.is_empty() && table.ranks.is_empty());
        }
    }
}
