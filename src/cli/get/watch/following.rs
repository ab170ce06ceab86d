//! Follows a server's prices: keeps one stream open, and opens it again whenever it ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::events::EventParser;
use crate::cli::get::ask::PriceStream;
use crate::clock::{Clock, Moment, age};

/// The longest silence: a server says something every 15 s, unless something in between keeps it back.
const SILENCE: Duration = Duration::from_secs(45);

/// A stream that has said nothing for longer than this may be dead, so what is answered counts.
const QUIET: Duration = Duration::from_secs(20);

/// How long to wait where there is no stream: one that is missing while a proxy starts may be there later.
const MISSING: Duration = Duration::from_secs(300);

/// The least and the longest pause before a stream is opened again.
const LEAST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// A stream that is followed until this is dropped.
pub(super) struct Following {
    told: Arc<Mutex<Told>>,
    _reading: AbortOnDropHandle<()>,
}

/// What the present stream has told; nothing between two streams.
#[derive(Default)]
pub(super) struct Told {
    /// The latest entry of each symbol.
    entries: HashMap<String, Entry>,
    /// When something came last.
    heard: Option<Moment>,
}

/// The latest entry of a symbol.
struct Entry {
    entry: Value,
    came: Instant,
    /// Whether the stream tells of every change of the symbol: not while it is behind what was answered.
    is_followed: bool,
}

/// An answer that was asked for.
pub(super) struct Answer {
    pub(super) body: Value,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// When it came.
    pub(super) came: Instant,
}

/// How a stream ended.
enum End {
    /// It was broken off, announced its end, or could not be reached.
    Over,
    /// It was refused, and may not be asked for before this time has passed.
    Refused(Option<Duration>),
    /// The server, or something in between, has no such path, or wants no such question.
    Denied,
}

impl Following {
    /// Begins to follow a stream, which tells of the symbols of an answer.
    pub(super) fn begin(stream: PriceStream, answer: &Answer) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let symbols = prices(&answer.body).filter_map(|entry| entry["symbol"].as_str().map(str::to_owned)).collect();
        let reading = tokio::spawn(follow(stream, symbols, Arc::clone(&told)));
        Following { told, _reading: AbortOnDropHandle::new(reading) }
    }

    /// Whether the present stream tells of every change of all symbols of an answer.
    pub(super) fn tells_all_of(&self, answer: &Answer) -> bool {
        self.told.lock().has_all_of(answer, Clock::system().now())
    }

    /// Whether the present stream has said something since then.
    pub(super) fn has_spoken_since(&self, then: Instant) -> bool {
        self.told.lock().heard.is_some_and(|heard| heard.monotonic >= then)
    }

    /// An answer with the latest of each symbol, as of now.
    pub(super) fn latest(&self, answer: &Answer) -> Value {
        self.told.lock().over(answer, Clock::system().now())
    }
}

impl Told {
    /// What it has told of the symbol of an entry.
    fn of(&mut self, entry: &Value) -> Option<&mut Entry> {
        self.entries.get_mut(entry["symbol"].as_str()?)
    }

    /// Whether it has said something lately. The monotonic clock may stand still while the computer sleeps.
    fn is_alive(&self, now: Moment) -> bool {
        self.heard.is_some_and(|heard| {
            let by_wall = age(now.wall, heard.wall).max(age(heard.wall, now.wall));
            now.monotonic.saturating_duration_since(heard.monotonic).max(by_wall) < QUIET
        })
    }

    fn has_all_of(&mut self, answer: &Answer, now: Moment) -> bool {
        self.is_alive(now)
            && prices(&answer.body).all(|entry| self.of(entry).is_some_and(|told| told.follows(entry, answer.asked)))
    }

    fn over(&mut self, answer: &Answer, now: Moment) -> Value {
        let is_alive = self.is_alive(now);
        let mut body = answer.body.clone();
        let entries = body["prices"].as_array_mut().into_iter().flatten();
        for entry in entries {
            let told = self.of(entry).filter(|_| is_alive);
            let came = match told.and_then(|told| told.is_shown_for(entry, answer.asked).then_some(told)) {
                Some(told) => {
                    entry.clone_from(&told.entry);
                    told.came
                }
                None => answer.came,
            };
            grow_old(entry, now.monotonic.saturating_duration_since(came));
        }
        body
    }
}

impl Entry {
    /// Whether the stream tells of every change of the symbol. It tells of everything in order, but the first that it tells may be from
    /// before an answer.
    fn follows(&mut self, answered: &Value, asked: Instant) -> bool {
        let folded = |entry: &Value| entry["as_of"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let is_newer = || self.came > asked && folded(&self.entry) >= folded(answered);
        self.is_followed = self.is_followed || self.says_the_same_as(answered) || is_newer();
        self.is_followed
    }

    /// Whether this is shown rather than what was answered. An answer never changes what a stream has told: it only brings quotes
    /// and ages that the stream does not tell of.
    fn is_shown_for(&mut self, answered: &Value, asked: Instant) -> bool {
        self.follows(answered, asked) && (self.came > asked || !self.says_the_same_as(answered))
    }

    /// Whether an entry says the same, as far as a stream tells of changes.
    fn says_the_same_as(&self, other: &Value) -> bool {
        ["price", "currency", "status", "reason"].iter().all(|field| self.entry[field] == other[field])
    }
}

/// The entries of an answer.
pub(super) fn prices(body: &Value) -> impl Iterator<Item = &Value> {
    body["prices"].as_array().into_iter().flatten()
}

/// Lets an entry grow older by the time that has passed since it came.
fn grow_old(entry: &mut Value, by: Duration) {
    if let Some(age) = entry["age_ms"].as_u64() {
        entry["age_ms"] = age.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)).into();
    }
}

/// Reads one stream after the other.
async fn follow(stream: PriceStream, symbols: HashSet<String>, told: Arc<Mutex<Told>>) {
    let (mut ends, mut base) = (0_u32, LEAST);
    loop {
        let end = read(&stream, &symbols, &told, &mut base).await;
        // nothing tells of its changes any more
        let before = std::mem::take(&mut *told.lock());
        ends = if before.entries.is_empty() { ends.saturating_add(1) } else { 1 };
        let at_least = match end {
            End::Over => Duration::ZERO,
            End::Refused(after) => after.unwrap_or_default(),
            End::Denied => MISSING,
        };
        sleep(pause(ends, base, fastrand::u32(..=MILLIONTHS)).max(at_least)).await;
    }
}

/// One in millionths.
const MILLIONTHS: u32 = 1_000_000;

/// A random pause, so that the clients of a server that restarts do not all come back together. It is the longer the more streams in
/// a row have ended without an event. `base` is what the server asks for; `random` is up to [`MILLIONTHS`].
fn pause(ends: u32, base: Duration, random: u32) -> Duration {
    let most = base.max(LEAST).saturating_mul(2_u32.saturating_pow(ends)).min(LONGEST);
    LEAST + (most - LEAST) * random / MILLIONTHS
}

/// Reads one stream until it ends. `retry` becomes what the server asks for.
async fn read(stream: &PriceStream, symbols: &HashSet<String>, told: &Mutex<Told>, retry: &mut Duration) -> End {
    let Ok(mut reply) = stream.open().await else { return End::Over };
    if let Some(end) = refusal(&reply) {
        return end;
    }
    let mut parser = EventParser::default();
    while let Ok(Ok(Some(bytes))) = timeout(SILENCE, reply.chunk()).await {
        let now = Clock::system().now();
        let came = now.monotonic;
        told.lock().heard = Some(now);
        let Ok(events) = parser.read(&bytes) else { break };
        *retry = parser.retry.unwrap_or(*retry);
        for event in events {
            match event.name.as_str() {
                "price" => {
                    let Ok(entry) = serde_json::from_str::<Value>(&event.data) else { return End::Over };
                    // what was not asked for is not kept
                    if let Some(symbol) = entry["symbol"].as_str().and_then(|symbol| symbols.get(symbol)) {
                        let mut told = told.lock();
                        let is_followed = told.entries.get(symbol).is_some_and(|before| before.is_followed);
                        told.entries.insert(symbol.clone(), Entry { entry, came, is_followed });
                    }
                }
                "bye" => return End::Over,
                _ => {}
            }
        }
    }
    End::Over
}

/// Why a reply is no stream; `None` if it is one.
fn refusal(reply: &Response) -> Option<End> {
    let header = |name| reply.headers().get(name).and_then(|value| value.to_str().ok());
    let is_events = || header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/event-stream"));
    let status = reply.status();
    if status == StatusCode::OK && is_events() {
        return None;
    }
    let is_lasting = match status {
        StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => false,
        StatusCode::NOT_IMPLEMENTED => true,
        _ => !status.is_server_error(),
    };
    let after = || header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    Some(if is_lasting { End::Denied } else { End::Refused(after()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn entry(symbol: &str, price: &str, as_of: &str) -> Value {
        json!({ "symbol": symbol, "price": price, "as_of": format!("2026-11-20T14:31:{as_of}Z"), "age_ms": 100 })
    }

    fn told(entries: &[(Value, Instant, bool)]) -> Told {
        let entry = |(entry, came, is_followed): &(Value, Instant, bool)| {
            let symbol = entry["symbol"].as_str().unwrap().to_owned();
            (symbol, Entry { entry: entry.clone(), came: *came, is_followed: *is_followed })
        };
        Told { entries: entries.iter().map(entry).collect(), heard: Some(moment(Instant::now())) }
    }

    fn moment(monotonic: Instant) -> Moment {
        Moment { wall: "2026-11-20T14:31:45Z".parse().unwrap(), monotonic }
    }

    /// An answer with symbols at 1, folded at second 40.
    fn answer(symbols: &[&str], asked: Instant) -> Answer {
        let prices: Vec<Value> = symbols.iter().map(|symbol| entry(symbol, "1", "40")).collect();
        Answer { body: json!({ "prices": prices }), asked, came: asked + SECOND }
    }

    #[test]
    fn the_latest_of_each_symbol_is_shown_with_the_age_that_it_has_by_now() {
        let asked = Instant::now();
        let later = asked + 3 * SECOND;
        let mut told = told(&[
            (entry("A", "2", "42"), later, false),
            // it says the same, but the proof that was answered is younger
            (entry("B", "1", "39"), asked, true),
            // folded before the answer was, and late
            (entry("C", "0", "39"), later, false),
            // the answer is newer, and the stream will tell of that, if it lasts
            (entry("D", "2", "39"), asked, true),
        ]);
        let shown = told.over(&answer(&["A", "B", "C", "D"], asked), moment(asked + 5 * SECOND));
        let shown: Vec<_> = prices(&shown).map(|entry| (entry["price"].clone(), entry["age_ms"].clone())).collect();
        let expected = [("2", 2100), ("1", 4100), ("1", 4100), ("2", 5100)];
        assert_eq!(shown, expected.map(|(price, age)| (json!(price), json!(age))));
    }

    #[test]
    fn a_stream_tells_all_once_it_has_told_of_every_symbol_and_is_not_behind() {
        let asked = Instant::now();
        let (answer, same) = (answer(&["A", "B"], asked), (entry("A", "1", "40"), asked, false));
        assert!(!told(std::slice::from_ref(&same)).has_all_of(&answer, moment(asked)));
        assert!(told(&[same.clone(), (entry("B", "1", "39"), asked, false)]).has_all_of(&answer, moment(asked)));
        let behind = (entry("B", "0", "39"), asked + SECOND, false);
        assert!(!told(&[same.clone(), behind.clone()]).has_all_of(&answer, moment(asked)));
        // from then on it tells everything in order, whatever the server's clock does
        assert!(told(&[same, (behind.0, behind.1, true)]).has_all_of(&answer, moment(asked)));
    }

    #[test]
    fn a_stream_that_has_said_nothing_for_long_does_not_outweigh_an_answer() {
        let asked = Instant::now();
        let mut told = told(&[(entry("A", "2", "42"), asked + SECOND, true)]);
        let mut price = |now| told.over(&answer(&["A"], asked), now)["prices"][0]["price"].clone();
        let alive = moment(asked + 15 * SECOND);
        assert_eq!(price(alive), "2");
        assert_eq!(price(moment(asked + 21 * SECOND)), "1");
        // the computer has slept for a minute
        let wall = alive.wall.saturating_add(jiff::SignedDuration::from_secs(60)).unwrap();
        assert_eq!(price(Moment { wall, ..alive }), "1");
    }

    #[test]
    fn a_price_without_an_age_gets_none() {
        let mut entry = json!({ "symbol": "A", "age_ms": null });
        grow_old(&mut entry, SECOND);
        assert_eq!(entry["age_ms"], Value::Null);
    }

    #[test]
    fn the_pause_is_from_1_to_30_s_begins_with_what_the_server_asks_for_and_grows() {
        for ends in [1, 2, 5, 50, u32::MAX] {
            assert_eq!(pause(ends, 4 * SECOND, 0), SECOND);
        }
        let most = |ends, base| pause(ends, base, MILLIONTHS).as_secs();
        assert_eq!([1, 2, 3, 4, u32::MAX].map(|ends| most(ends, 3 * SECOND)), [6, 12, 24, 30, 30]);
        assert_eq!([most(1, Duration::ZERO), most(1, Duration::MAX)], [2, 30]);
        assert_eq!(pause(1, 3 * SECOND, MILLIONTHS / 2), Duration::from_millis(3_500));
    }
}
