//! Tells when a connection gives the reply to one call to a later call as well.
//!
//! HTTP/1.1 has nothing but the order to tell whose a reply is. If a vendor or a proxy sends one twice and the second comes
//! while the next call waits, it is taken for that call's, and so on for as long as the connection lasts. Where a reply
//! names its symbol, the description sees it. Where it does not, two symbols have the same price at the same time.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use hyper_util::client::legacy::connect::HttpInfo;
use jiff::Timestamp;
use reqwest::Response;

use super::trouble::host;
use crate::quote::{Quote, Stated};
use crate::source::batch::Reply;
use crate::symbol::Symbol;

/// How many replies of a connection are remembered: a second response that is 50 ms late may come dozens of calls later.
const MOST_REPLIES: usize = 64;

/// How many connections are remembered; a source has one for each call in flight.
const MOST_CONNECTIONS: usize = 64;

/// The connection that a reply came on.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Our end of it.
    pub(super) local: SocketAddr,
    pub(super) host: String,
}

impl Connection {
    pub(super) fn of(response: &Response) -> Option<Self> {
        let local = response.extensions().get::<HttpInfo>()?.local_addr();
        Some(Connection { local, host: host(response.url()) })
    }
}

/// A reply that held the price of one symbol, with its time.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) symbol: Symbol,
    pub(super) received_at: Timestamp,
    body: u64,
}

/// What came on the connections of one source.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    connections: Mutex<HashMap<SocketAddr, VecDeque<Heard>>>,
    random: RandomState,
}

impl Repeats {
    /// A number that stands for a body.
    pub(super) fn mark(&self, body: &[u8]) -> u64 {
        self.random.hash_one(body)
    }

    /// Takes note of a reply and its body's mark. Gives the earlier reply of another symbol on this connection that was the
    /// same, and forgets the connection then.
    pub(super) fn hear(&self, connection: &Connection, body: u64, reply: &Reply) -> Option<Heard> {
        let [(symbol, Ok(quote))] = &reply.rows[..] else { return None };
        if !(states_a_price(quote) && states_a_time(quote)) {
            return None;
        }
        // a panic elsewhere while the lock was held leaves at worst one reply unnoted
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let replies = connections.entry(connection.local).or_default();
        if let Some(same) = replies.iter().find(|heard| heard.body == body && heard.symbol != *symbol).cloned() {
            connections.remove(&connection.local);
            return Some(same);
        }
        if replies.len() >= MOST_REPLIES {
            replies.pop_front();
        }
        replies.push_back(Heard { symbol: symbol.clone(), received_at: quote.received_at, body });
        if connections.len() > MOST_CONNECTIONS {
            let latest = |replies: &VecDeque<Heard>| replies.back().map(|heard| heard.received_at);
            let oldest = connections.iter().min_by_key(|(_, replies)| latest(replies)).map(|(local, _)| *local);
            oldest.map(|local| connections.remove(&local));
        }
        None
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
    use rust_decimal::Decimal;

    use super::*;

    fn reply(name: &str, time: Option<&str>) -> Reply {
        let now: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let quote = Quote { observed_at: time.map(|time| time.parse().unwrap()), ..Quote::bare(Decimal::ONE, now) };
        Reply { rows: vec![(Symbol::parse(name).unwrap(), Ok(quote))] }
    }

    fn on(port: u16) -> Connection {
        Connection { local: ([127, 0, 0, 1], port).into(), host: "a.test".to_owned() }
    }

    /// The symbol whose reply came again.
    fn hear(repeats: &Repeats, port: u16, body: &str, reply: &Reply) -> Option<String> {
        repeats.hear(&on(port), repeats.mark(body.as_bytes()), reply).map(|heard| heard.symbol.to_string())
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
        let connections = repeats.connections.lock().unwrap();
        assert!(connections.len() <= MOST_CONNECTIONS);
        assert!(connections.values().all(|replies| replies.len() <= MOST_REPLIES));
    }
}
