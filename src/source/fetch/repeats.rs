//! Notices when a connection gives the reply to one call to a later call as well.
//!
//! In HTTP/1.1 only the order tells which call a reply belongs to. If a vendor or a proxy sends a reply twice and the second one
//! comes while the next call waits, that call takes it for its own, and so on for as long as the connection lasts. If the
//! reply names its symbol, the description notices. Otherwise two symbols have the same price at the same time.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use hyper_util::client::legacy::connect::HttpInfo;
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::Response;
use tokio::time::Instant;

use super::trouble::host;
use crate::quote::{Quote, Stated};
use crate::source::batch::Reply;
use crate::symbol::Symbol;

/// How many replies of a connection are remembered: a second response that is 50 ms late may come dozens of calls later.
const MOST_REPLIES: usize = 64;

/// How many connections are remembered; a source has one for each call in flight.
const MOST_CONNECTIONS: usize = 64;

/// The connection that a reply came on, and when.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Our end of it.
    pub(super) local: SocketAddr,
    pub(super) host: String,
    /// Before the call was sent: a connection that was opened later has nothing to do with this one, even with the same port.
    called: Instant,
    /// When the reply's head was read and its body was not. The next call is written after the body, so this gives the order of
    /// the replies on a connection, however long each takes to process.
    began: Instant,
}

impl Connection {
    /// The connection of a response whose body is still to be read, to a call that was sent at `called`.
    pub(super) fn of(response: &Response, called: Instant) -> Option<Self> {
        let local = response.extensions().get::<HttpInfo>()?.local_addr();
        Some(Connection { local, host: host(response.url()), called, began: Instant::now() })
    }

    #[cfg(test)]
    pub(super) fn at(local: SocketAddr, now: Instant) -> Self {
        Connection { local, host: "a.test".to_owned(), called: now, began: now }
    }
}

/// A reply that held the price of one symbol and its time.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) symbol: Symbol,
    pub(super) received_at: Timestamp,
    body: u64,
    began: Instant,
}

/// Why a reply is not used.
#[derive(Debug)]
pub(super) struct Repeated {
    /// The symbol that had the same reply before, on the same connection.
    pub(super) symbol: Symbol,
    /// The earlier replies that may belong to another symbol as well. That of `symbol` is among them.
    pub(super) withdrawn: Vec<Heard>,
}

/// What came on the connections of one source.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    connections: Mutex<HashMap<SocketAddr, Replies>>,
    random: RandomState,
}

/// What came on one connection.
#[derive(Debug, Default)]
struct Replies {
    heard: VecDeque<Heard>,
    broken: Option<Broken>,
}

/// A connection that gave one reply twice.
#[derive(Debug)]
struct Broken {
    /// Whose reply came again.
    symbol: Symbol,
    /// When it came again. From then on, each reply may be the one to an earlier call.
    since: Instant,
    /// When the last call on it can have begun; `None` as long as calls may still be sent on it.
    closed: Option<Instant>,
}

impl Repeats {
    /// A hash of a body.
    pub(super) fn hash(&self, body: &[u8]) -> u64 {
        self.random.hash_one(body)
    }

    /// Notes a reply and the hash of its body. Returns why the reply must not be used: an earlier reply for another symbol on
    /// this connection was the same, or that has happened to a reply before it.
    pub(super) fn hear(&self, connection: &Connection, body: u64, reply: &Reply) -> Option<Repeated> {
        let [(symbol, Ok(quote))] = &reply.rows[..] else { return None };
        if !(states_a_price(quote) && states_a_time(quote)) {
            return None;
        }
        let began = connection.began;
        let heard = Heard { symbol: symbol.clone(), received_at: quote.received_at, body, began };
        let mut connections = self.connections.lock();
        let replies = connections.entry(connection.local).or_default();
        let closed = replies.broken.as_ref().and_then(|broken| broken.closed);
        if closed.is_some_and(|closed| closed < connection.called) {
            *replies = Replies::default();
        }
        let repeated = replies.hear(heard);
        if connections.len() > MOST_CONNECTIONS {
            let latest = |replies: &Replies| replies.heard.back().map(|heard| heard.received_at);
            let oldest = connections.iter().min_by_key(|(_, replies)| latest(replies)).map(|(local, _)| *local);
            oldest.map(|local| connections.remove(&local));
        }
        repeated
    }

    /// Notes that no call that begins from now on is sent on a connection.
    pub(super) fn close(&self, connection: &Connection) {
        let mut connections = self.connections.lock();
        let replies = connections.get_mut(&connection.local);
        if let Some(broken) = replies.and_then(|replies| replies.broken.as_mut()) {
            broken.closed = Some(Instant::now());
        }
    }
}

impl Replies {
    fn hear(&mut self, reply: Heard) -> Option<Repeated> {
        let is_the_same = |heard: &&Heard| heard.body == reply.body && heard.symbol != reply.symbol;
        if let Some(same) = self.heard.iter().find(is_the_same).cloned() {
            // the one that came first may be read last
            let since = same.began.max(reply.began);
            let since = self.broken.as_ref().map_or(since, |broken| broken.since.min(since));
            self.broken = Some(Broken { symbol: same.symbol.clone(), since, closed: None });
            let withdrawn = self.heard.iter().filter(|heard| heard.body == same.body || heard.began >= since);
            let withdrawn = withdrawn.cloned().collect();
            self.keep(reply);
            return Some(Repeated { symbol: same.symbol, withdrawn });
        }
        let broken = self.broken.as_ref().filter(|broken| broken.since <= reply.began);
        let repeated = broken.map(|broken| Repeated { symbol: broken.symbol.clone(), withdrawn: Vec::new() });
        self.keep(reply);
        repeated
    }

    fn keep(&mut self, reply: Heard) {
        if self.heard.len() >= MOST_REPLIES {
            self.heard.pop_front();
        }
        self.heard.push_back(reply);
    }
}

fn states_a_price(quote: &Quote) -> bool {
    quote.price != Stated::Absent || quote.bid.is_some() || quote.ask.is_some()
}

fn states_a_time(quote: &Quote) -> bool {
    quote.observed_at.is_some() || quote.book_at.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn reply(name: &str, time: Option<&str>) -> Reply {
        let now: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let quote = Quote { observed_at: time.map(|time| time.parse().unwrap()), ..Quote::bare(Decimal::ONE, now) };
        Reply { rows: vec![(Symbol::parse(name).unwrap(), Ok(quote))] }
    }

    fn on(port: u16) -> Connection {
        Connection::at(([127, 0, 0, 1], port).into(), Instant::now())
    }

    /// The symbol whose reply came again.
    fn hear(repeats: &Repeats, port: u16, body: &str, reply: &Reply) -> Option<String> {
        repeats.hear(&on(port), repeats.hash(body.as_bytes()), reply).map(|repeated| repeated.symbol.to_string())
    }

    /// Calls on one connection, each written once the reply to the one before is here: the symbols' names are numbers, and a
    /// reply's body is that of the call which it belongs to.
    fn exchanges(bodies: &[usize]) -> Vec<(Connection, String, Reply)> {
        let start = Instant::now();
        let exchange = |(number, body): (usize, &usize)| {
            let began = start + std::time::Duration::from_millis(number as u64);
            let reply = reply(&format!("N{number}-USD"), TIME);
            (Connection { called: start, began, ..on(1) }, body.to_string(), reply)
        };
        bodies.iter().enumerate().map(exchange).collect()
    }

    /// Which replies are used in the end, if they are heard in this order. What is taken back may have been used before.
    fn used(exchanges: &[(Connection, String, Reply)], order: &[usize]) -> BTreeSet<usize> {
        let repeats = Repeats::default();
        let (mut used, mut taken_back) = (BTreeSet::new(), BTreeSet::new());
        for number in order {
            let (connection, body, reply) = &exchanges[*number];
            match repeats.hear(connection, repeats.hash(body.as_bytes()), reply) {
                None => drop(used.insert(*number)),
                Some(repeated) => taken_back.extend(repeated.withdrawn.into_iter().map(|heard| heard.symbol)),
            }
        }
        used.retain(|number| !taken_back.contains(&exchanges[*number].2.rows[0].0));
        used
    }

    proptest! {
        /// Of the replies to eight calls, one comes again in the place of a later one, and shifts those that follow.
        #[test]
        fn in_whatever_order_replies_are_read_no_shifted_one_is_used(
            first in 0_usize..7,
            later in 1_usize..7,
            order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        ) {
            let again = (first + later).min(7);
            let bodies: Vec<usize> = (0..8)
                .map(|number| if number < again { number } else if number == again { first } else { number - 1 })
                .collect();
            let used = used(&exchanges(&bodies), &order);
            let right: BTreeSet<usize> = (0..again).filter(|number| *number != first).collect();
            prop_assert_eq!(used, right, "{:?}", bodies);
        }
    }

    #[test]
    fn a_later_connection_from_the_same_port_is_another_one() {
        let repeats = Repeats::default();
        hear(&repeats, 1, "A", &reply("A-USD", TIME));
        assert_eq!(hear(&repeats, 1, "A", &reply("B-USD", TIME)), Some("A-USD".to_owned()));
        let still = Connection { began: Instant::now(), ..on(1) };
        assert!(repeats.hear(&still, repeats.hash(b"C"), &reply("C-USD", TIME)).is_some(), "the pool may hold it yet");
        repeats.close(&on(1));
        let later = Instant::now() + std::time::Duration::from_millis(1);
        let anew = Connection { called: later, began: later, ..on(1) };
        assert!(repeats.hear(&anew, repeats.hash(b"C"), &reply("C-USD", TIME)).is_none());
    }

    const TIME: Option<&str> = Some("2026-11-20T14:30:59Z");

    #[test]
    fn the_same_reply_for_another_symbol_is_noticed_however_many_calls_later() {
        let repeats = Repeats::default();
        assert_eq!(hear(&repeats, 1, "A", &reply("A-USD", TIME)), None);
        assert_eq!(
            hear(&repeats, 1, "A", &reply("A-USD", TIME)),
            None,
            "the same symbol may have the same reply twice"
        );
        for number in 0..40 {
            let name = format!("N{number}-USD");
            assert_eq!(hear(&repeats, 1, &name, &reply(&name, TIME)), None);
        }
        assert_eq!(hear(&repeats, 2, "A", &reply("C-USD", TIME)), None, "that came on another connection");
        assert_eq!(hear(&repeats, 1, "A", &reply("B-USD", TIME)), Some("A-USD".to_owned()));
    }

    #[test]
    fn what_states_no_time_or_is_about_several_symbols_may_be_the_same_by_chance() {
        let repeats = Repeats::default();
        for name in ["A-USD", "B-USD"] {
            assert_eq!(hear(&repeats, 1, "1", &reply(name, None)), None);
            let both = Reply { rows: [reply(name, TIME).rows, reply("C-USD", TIME).rows].concat() };
            assert_eq!(hear(&repeats, 1, "2", &both), None);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::default();
        for number in 0..1_000_u16 {
            let name = format!("N{number}-USD");
            hear(&repeats, 1, &name, &reply(&name, TIME));
            hear(&repeats, number + 2, &name, &reply(&name, TIME));
        }
        let connections = repeats.connections.lock();
        assert!(connections.len() <= MOST_CONNECTIONS);
        assert!(connections.values().all(|replies| replies.heard.len() <= MOST_REPLIES));
    }
}
