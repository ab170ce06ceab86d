//! Tells readers of prices as these change, however many look at the same.
//!
//! What is looked at is the union of what all readers look at: one topic per symbol and currency. Three things happen
//! for as long as somebody looks, and end with the last reader:
//!
//! - `demand` has the sources asked again, once for all readers, as one more caller of the usual path who only tries.
//! - `folder` folds a topic again once something of it has landed on the board, or a moment has come at which its price may
//!   be another one. A landing costs nothing here but the mark that the board makes anyway.
//! - `Inner::follow` ends the readers whose key a new configuration no longer has.
//!
//! A [reader](reader::Reader) has one slot per symbol, and no queue. It is told that something has changed, and then takes the
//! latest of each symbol. So one that is slow misses what lies between, and holds up no other.

mod wakeup;
mod demand;
mod folder;
pub mod reader;
mod topic;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
use crate::question::StreamQuestion;
use crate::reply_memory::{Full, Held};
use crate::service::Quotefold;
use crate::service::current::Current;
use crate::settings::access::AccessSettings;
use crate::symbol::{Currency, Symbol};
use reader::{Reader, Slot};
use topic::Topic;
use wakeup::Wakeup;

/// About how many bytes a reader takes, with its connection's share of buffers.
const BYTES_OF_READER: usize = 4 * 1024;

/// About how many bytes a reader takes for each symbol: its slot, and its place among the readers of the topic.
const BYTES_OF_SLOT: usize = 160;

/// Everything that readers look at. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

/// What the readers and the work for them share.
struct Inner {
    current: Current,
    /// Where the work runs.
    runtime: Handle,
    looked_at: Mutex<LookedAt>,
    /// Notified when the folder has something to do that no landing tells of.
    to_fold: Notify,
    /// Notified when sources may have to be asked sooner than was known.
    to_ask: Notify,
}

#[derive(Default)]
struct LookedAt {
    topics: HashMap<Subject, Arc<Topic>>,
    readers: HashMap<u64, Known>,
    by_client: HashMap<Client, usize>,
    /// The number of the next reader.
    next: u64,
    /// The work for the readers, which ends when this is dropped.
    work: Option<AbortOnDropHandle<()>>,
}

/// Whose streams are counted together. The number of a key is not enough: it changes with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Client {
    /// The holder of the key with this fingerprint.
    Key(String),
    /// A caller without a key.
    Caller(Caller),
}

/// What is known of a reader.
struct Known {
    client: Client,
    pass: Pass,
    wakeup: Arc<Wakeup>,
}

/// What a topic is about: a symbol, in a currency if prices are converted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    symbol: Symbol,
    currency: Option<Currency>,
}

/// Topics of one currency, with their symbols in the same order.
struct Group {
    currency: Option<Currency>,
    symbols: Vec<Symbol>,
    topics: Vec<Arc<Topic>>,
}

/// A reader's place, which is free again when this is dropped.
pub(crate) struct Place {
    events: Events,
    number: u64,
    question: StreamQuestion,
    _held: Held,
}

/// What a reader has shown to be let in.
#[derive(Clone, Debug)]
pub enum Pass {
    /// It has come to an address where no key is asked for.
    Operator,
    /// It has come to the public address, with this key if it has one.
    Client(Option<SecretString>),
}

/// Why a reader is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are as many readers as there may be, or no memory for another one.
    #[error("the server has as many streams as it may have (server.max_streams), or no memory for another one")]
    AtLimit,
    /// Its client has as many streams as one client may have.
    #[error("this client has as many streams as one client may have (access.max_streams_per_client)")]
    TooMany,
    /// Its key has just been taken away.
    #[error("this key is no longer one of the server's")]
    KeyGone,
}

impl From<Full> for Refused {
    fn from(_: Full) -> Self {
        Refused::AtLimit
    }
}

impl Client {
    fn of(caller: Caller, pass: &Pass) -> Self {
        match pass {
            Pass::Client(Some(key)) => Client::Key(Fingerprint::of([key.expose_secret()], 16).digits().to_owned()),
            Pass::Client(None) | Pass::Operator => Client::Caller(caller),
        }
    }
}

impl Pass {
    /// Whether a reader with this pass is let in under these settings.
    fn holds(&self, access: &AccessSettings) -> bool {
        let Pass::Client(key) = self else { return true };
        let is_known =
            |key: &SecretString| access.keys.iter().any(|known| known.expose_secret() == key.expose_secret());
        access.keys.is_empty() || key.as_ref().is_some_and(is_known)
    }
}

impl Events {
    /// No reader looks at anything yet. The work for readers will run on `runtime`.
    pub fn new(current: Current, runtime: &Handle) -> Self {
        let shared = Inner {
            current,
            runtime: runtime.clone(),
            looked_at: Mutex::default(),
            to_fold: Notify::new(),
            to_ask: Notify::new(),
        };
        Events(Arc::new(shared))
    }

    /// The service whose prices are told.
    pub(crate) fn service(&self) -> Arc<Quotefold> {
        self.0.current.get()
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.0.looked_at.lock().readers.len()
    }

    /// How many pairs of symbol and currency they look at.
    pub fn subjects(&self) -> usize {
        self.0.looked_at.lock().topics.len()
    }

    /// Lets a reader in.
    ///
    /// # Errors
    /// There are too many, or its key no longer holds.
    pub fn open(&self, question: &StreamQuestion, caller: Caller, pass: Pass) -> Result<Reader, Refused> {
        let client = Client::of(caller, &pass);
        let mut looked_at = self.0.looked_at.lock();
        // under the lock: what is let in by settings that have just been replaced is seen when the new ones are followed
        let service = self.service();
        let (settings, memory) = (service.settings(), service.reply_memory());
        let slots_held = memory.hold(BYTES_OF_READER + BYTES_OF_SLOT * question.symbols.len(), 0)?;
        if !pass.holds(&settings.access) {
            return Err(Refused::KeyGone);
        }
        if looked_at.readers.len() >= settings.server.streams() {
            return Err(Refused::AtLimit);
        }
        let most = settings.access.max_streams_per_client;
        if most > 0 && looked_at.by_client.get(&client).is_some_and(|count| *count >= most) {
            return Err(Refused::TooMany);
        }
        let (number, wakeup) = (looked_at.next, Arc::new(Wakeup::default()));
        looked_at.next += 1;
        let (mut slots, mut must_be_folded) = (Vec::with_capacity(question.symbols.len()), false);
        for symbol in &question.symbols {
            let subject = Subject { symbol: symbol.clone(), currency: question.currency.clone() };
            let topic = looked_at.topics.entry(subject).or_insert_with(|| Arc::new(Topic::new(memory.hold_nothing())));
            must_be_folded |= topic.enter(number, &wakeup, question.quotes);
            slots.push(Slot::new(Arc::clone(topic)));
        }
        *looked_at.by_client.entry(client.clone()).or_default() += 1;
        looked_at.readers.insert(number, Known { client, pass, wakeup: Arc::clone(&wakeup) });
        if looked_at.work.is_none() {
            looked_at.work = Some(AbortOnDropHandle::new(self.0.runtime.spawn(Arc::clone(&self.0).work())));
        }
        drop(looked_at);
        if must_be_folded {
            self.0.to_fold.notify_one();
            self.0.to_ask.notify_one();
        }
        service.metrics().stream_opened();
        let place = Place { events: self.clone(), number, question: question.clone(), _held: slots_held };
        Ok(Reader::new(place, slots, wakeup))
    }

    /// Lets a reader go. What only it looked at is looked at no more, and with the last reader all work for readers ends.
    fn leave(&self, number: u64, question: &StreamQuestion) {
        let mut looked_at = self.0.looked_at.lock();
        let Some(known) = looked_at.readers.remove(&number) else { return };
        if let Entry::Occupied(mut count) = looked_at.by_client.entry(known.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        for symbol in &question.symbols {
            let subject = Subject { symbol: symbol.clone(), currency: question.currency.clone() };
            if looked_at.topics.get(&subject).is_some_and(|topic| topic.leave(number)) {
                looked_at.topics.remove(&subject);
            }
        }
        let work = if looked_at.readers.is_empty() { looked_at.work.take() } else { None };
        drop(looked_at);
        drop(work);
        self.service().metrics().stream_closed();
    }
}

impl Inner {
    /// All work for the readers, for as long as there are any.
    async fn work(self: Arc<Self>) {
        tokio::join!(folder::run(&self), demand::run(&self), self.follow());
    }

    /// Follows the configuration: readers whose key is gone are told to end, and every topic is folded and asked for anew.
    async fn follow(&self) {
        loop {
            let generation = self.take_over(&self.current.get());
            self.current.changed_until(|now| now.generation() != generation).await;
        }
    }

    /// Has everything follow a service's settings. Returns which settings these are.
    fn take_over(&self, service: &Quotefold) -> u64 {
        let looked_at = self.looked_at.lock();
        for known in looked_at.readers.values().filter(|known| !known.pass.holds(&service.settings().access)) {
            known.wakeup.end();
        }
        looked_at.topics.values().for_each(|topic| topic.renew());
        drop(looked_at);
        self.to_fold.notify_one();
        self.to_ask.notify_one();
        service.generation()
    }

    /// The topics that satisfy a test, each with what it is about.
    fn topics(&self, test: impl Fn(&Topic) -> bool) -> Vec<(Subject, Arc<Topic>)> {
        let looked_at = self.looked_at.lock();
        let found = looked_at.topics.iter().filter(|(_, topic)| test(topic));
        found.map(|(subject, topic)| (subject.clone(), Arc::clone(topic))).collect()
    }
}

/// Topics in groups of one currency, each with at most this many.
fn in_groups(topics: Vec<(Subject, Arc<Topic>)>, most: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open: HashMap<Option<Currency>, usize> = HashMap::new();
    for (Subject { symbol, currency }, topic) in topics {
        let place = open
            .get(&currency)
            .copied()
            .filter(|place| groups.get(*place).is_some_and(|group| group.symbols.len() < most.max(1)));
        let place = place.unwrap_or(groups.len());
        if place == groups.len() {
            open.insert(currency.clone(), place);
            groups.push(Group { currency, symbols: Vec::new(), topics: Vec::new() });
        }
        if let Some(group) = groups.get_mut(place) {
            group.symbols.push(symbol);
            group.topics.push(topic);
        }
    }
    groups
}

impl Drop for Place {
    fn drop(&mut self) {
        self.events.leave(self.number, &self.question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_of_a_key_are_counted_together_whatever_its_number_is() {
        let client = |number, key: &str| Client::of(Caller::Key(number), &Pass::Client(Some(key.into())));
        assert_eq!(client(0, "correct-horse"), client(1, "correct-horse"));
        assert_ne!(client(0, "correct-horse"), client(0, "battery-staple"));
        assert_eq!(Client::of(Caller::at(None), &Pass::Operator), Client::of(Caller::at(None), &Pass::Client(None)));
    }
}
