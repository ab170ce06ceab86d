//! Examines the outcome of every request, on a thread of its own.
//!
//! Every small reply is parsed. Of the large ones, whose parsing takes as long as the service takes to write them, one in
//! eight is parsed; of the others only status and latency are checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use quotefold::symbol::Symbol;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::client::{Outcome, Reply};
use crate::errand::Errand;
use crate::honest::History;
use crate::manner::Manner;

/// How late after its deadline an answer may be.
pub(crate) const LATE: Duration = Duration::from_millis(100);

/// How old a quote of a frozen feed may be, including the latency of calls.
const FROZEN: Duration = Duration::from_secs(10);

/// Replies longer than this many bytes are large; of these, one in `ONE_IN` is parsed.
const LARGE: usize = 64 << 10;
const ONE_IN: u64 = 8;

/// The most faults of each kind that are shown; the others are counted.
const TOLD: usize = 20;

/// What one client saw.
pub(crate) type Seen = (Manner, Errand, Outcome);

/// What the clients have seen.
#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    /// Requests of each manner.
    pub(crate) requests: BTreeMap<Manner, u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests that were shed, by problem.
    pub(crate) shed: BTreeMap<String, u64>,
    pub(crate) symbols: BTreeMap<String, u64>,
    /// Large replies, and how many of these were read.
    pub(crate) large: u64,
    pub(crate) large_read: u64,
    pub(crate) latencies: Vec<Duration>,
    /// How late the late answers were.
    pub(crate) late_by: Vec<Duration>,
    pub(crate) faults: BTreeMap<&'static str, Vec<String>>,
}

/// Judges every outcome, until all clients are gone.
pub(crate) fn judge(seen: Receiver<Seen>, history: &Arc<History>) -> Tally {
    let mut tally = Tally::begun_now();
    for (manner, errand, outcome) in seen {
        *tally.requests.entry(manner).or_default() += 1;
        match outcome {
            Outcome::Over => {}
            Outcome::Fault(kind, words) => tally.fault(kind, words),
            Outcome::Answered { reply, in_time } => {
                if in_time {
                    tally.judge_time(&errand, &reply);
                }
                tally.judge(&errand, &reply, history);
            }
        }
    }
    tally
}

impl Tally {
    fn begun_now() -> Self {
        Tally {
            begun: Instant::now(),
            requests: BTreeMap::new(),
            statuses: BTreeMap::new(),
            shed: BTreeMap::new(),
            symbols: BTreeMap::new(),
            large: 0,
            large_read: 0,
            latencies: Vec::new(),
            late_by: Vec::new(),
            faults: BTreeMap::new(),
        }
    }

    /// How many complete answers were seen.
    pub(crate) fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    fn judge_time(&mut self, errand: &Errand, reply: &Reply) {
        let took = reply.took;
        self.latencies.push(took);
        let late_by = took.saturating_sub(errand.deadline);
        if !late_by.is_zero() {
            self.late_by.push(late_by);
        }
        if late_by > LATE {
            let at = reply.came - self.begun;
            self.fault("late", format!("{took:?} instead of {:?}, after {at:?}: {}", errand.deadline, errand.question));
        }
    }

    fn judge(&mut self, errand: &Errand, reply: &Reply, history: &History) {
        *self.statuses.entry(reply.status).or_default() += 1;
        if !(matches!(reply.status, 200 | 503) || reply.status == 404 && errand.invented) {
            let body = String::from_utf8_lossy(&reply.body);
            self.fault("status", format!("{} for {}: {body:.500}", reply.status, errand.question));
        }
        if reply.body.len() > LARGE {
            self.large += 1;
            if self.large % ONE_IN != 1 {
                return;
            }
            self.large_read += 1;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else {
            return self.fault("no JSON", format!("for {}: {:?}", errand.question, reply.body));
        };
        let problem = answer["type"].as_str().filter(|_| reply.status == 503);
        if let Some(problem @ ("/problems/overloaded" | "/problems/no-answer")) = problem {
            *self.shed.entry(problem.to_owned()).or_default() += 1;
            return;
        }
        self.judge_entries(errand, reply, &answer, history);
    }

    /// Checks that the entries are those that were asked for, and that every price is one that honest venues gave.
    fn judge_entries(&mut self, errand: &Errand, reply: &Reply, answer: &Value, history: &History) {
        let entries: Vec<&Value> = match answer["prices"].as_array() {
            Some(prices) => prices.iter().collect(),
            None => vec![answer],
        };
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry["symbol"].as_str()).collect();
        if names != errand.asked {
            return self.fault("entries", format!("{} is answered with {answer:.2000}", errand.question));
        }
        for entry in entries {
            let status = entry["status"].as_str().unwrap_or_default();
            let words = [status, entry["reason"].as_str().unwrap_or_default()].join(" ");
            *self.symbols.entry(words.trim().to_owned()).or_default() += 1;
            if price(entry).is_some() != matches!(status, "ok" | "degraded") {
                self.fault("price", format!("{entry}"));
            }
            if errand.plain && !is_honest(entry, reply.came, history) {
                self.fault("wrong price", format!("for {}: {entry}", errand.question));
            }
        }
    }

    fn fault(&mut self, kind: &'static str, words: String) {
        let faults = self.faults.entry(kind).or_default();
        // the rest is counted, not kept
        faults.push(if faults.len() < TOLD { words } else { String::new() });
    }
}

/// The price of an entry, if it has one.
pub(crate) fn price(entry: &Value) -> Option<Decimal> {
    entry["price"].as_str().and_then(|price| price.parse().ok())
}

/// Whether honest venues gave the price of an entry that came at an instant. Without a second vendor a liar is believed, and the
/// entry says so.
pub(crate) fn is_honest(entry: &Value, came: Instant, history: &History) -> bool {
    let Some(price) = price(entry) else { return true };
    let age = Duration::from_millis(entry["age_ms"].as_u64().unwrap_or(0));
    let symbol = Symbol::parse(entry["symbol"].as_str().unwrap_or_default()).unwrap();
    let allows = |price| history.allows(&symbol, price, came - age - FROZEN);
    let is_alone = entry["reason"] == "few_sources";
    allows(price) || is_alone && allows(price / Decimal::new(108, 2))
}
