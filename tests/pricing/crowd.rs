//! Many who ask the same at the same time: one answer is made for all whom it fits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quotefold::question::Question;
use quotefold::service::Verdicts;
use quotefold::service::in_flight::{AnswersInFlight, Made};
use quotefold::service::joining::Joining;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::ready::run;
use crate::world::{World, of, says, source, status};

/// A question about two coins that accepts no quote from before.
const FORCED: &str = "symbols=BTC-USD,ETH-USD&refresh_after=0s";

/// Callers who may share answers.
#[derive(Clone)]
struct Crowd {
    world: Arc<World>,
    answers: AnswersInFlight<(), (Arc<Value>, Verdicts)>,
    /// How many answers were made.
    made: Arc<AtomicUsize>,
    /// How many of them were for callers who had joined another one first.
    made_later: Arc<AtomicUsize>,
}

impl Crowd {
    fn around(world: World) -> Self {
        Crowd {
            world: Arc::new(world),
            answers: AnswersInFlight::default(),
            made: Arc::default(),
            made_later: Arc::default(),
        }
    }

    /// Three venues that quote two coins after 40, 80 and 160 ms.
    fn around_venues(more: &str) -> Self {
        let sources = ["one", "two", "three"].map(|name| source(name, "crypto", ""));
        let world = World::of(&format!("{more}{}", sources.concat()));
        for (name, latency) in [("one", 40), ("two", 80), ("three", 160)] {
            world.say(name, "BTC-USD", says("100")).say(name, "ETH-USD", says("10"));
            world.slow(name, Duration::from_millis(latency));
        }
        Crowd::around(world)
    }

    /// What one caller is answered.
    async fn ask(self, query: String) -> Arc<Value> {
        let service = &self.world.service;
        let question = Question::parse(&query, service.bounds(), service.clock().now()).unwrap();
        let question = Arc::new(question);
        let make = |joining: Option<Arc<Joining>>| {
            let (crowd, question) = (self.clone(), Arc::clone(&question));
            async move {
                let service = &crowd.world.service;
                crowd.made.fetch_add(1, Ordering::Relaxed);
                if joining.is_none() && service.joining(&question).is_some() {
                    crowd.made_later.fetch_add(1, Ordering::Relaxed);
                }
                let in_turn = service.answer_in_turn(&question, joining.as_deref()).await.unwrap();
                let body = in_turn.answer.body(service.clock().now().wall).unwrap();
                let body: Arc<Value> = Arc::new(serde_json::from_slice(&body).unwrap());
                let made = in_turn.verdicts.clone().map(|verdicts| {
                    verdicts.count();
                    Made::ForAll((Arc::clone(&body), verdicts))
                });
                (body, made.unwrap_or(Made::ForOne))
            }
        };
        let joined = |(body, verdicts): (Arc<Value>, Verdicts)| {
            verdicts.count();
            body
        };
        self.answers.answer(service, (&question, ()), &Handle::current(), make, joined).await
    }

    fn spawn(&self, query: &str) -> JoinHandle<Arc<Value>> {
        tokio::spawn(self.clone().ask(query.to_owned()))
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// How often each venue was called.
    fn calls(&self) -> [usize; 3] {
        // each call is for both coins
        ["one", "two", "three"].map(|name| self.world.asked(name).len() / 2)
    }

    /// A counter that has no source.
    fn total(&self, metric: &str) -> u64 {
        let page = self.world.service.metrics().render().unwrap();
        let start = format!("quotefold_{metric} ");
        page.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap()
    }

    /// The counters of quotes.
    fn counted(&self) -> BTreeMap<String, i64> {
        let page = self.world.service.metrics().render().unwrap();
        let lines = page.lines().filter(|line| line.starts_with("quotefold_source_quotes_total"));
        let read = |line: &str| line.rsplit_once(' ').map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
        lines.filter_map(read).filter(|(_, count)| *count > 0).collect()
    }
}

fn entries(answer: &Value) -> &[Value] {
    answer["prices"].as_array().unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_call_that_is_in_flight_is_counted() {
    let crowd = Crowd::around_venues("");
    let first = crowd.spawn(FORCED);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(crowd.total("coalesced_total"), 0);
    // another question, which needs one of the two coins
    let second = crowd.spawn("symbols=BTC-USD&refresh_after=0s");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(crowd.total("coalesced_total"), 3);
    let third = crowd.spawn(FORCED);
    for caller in [first, second, third] {
        caller.await.unwrap();
    }
    assert_eq!((crowd.total("coalesced_total"), crowd.calls()), (3 + 6, [1, 1, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_gets_one_answer_that_counts_for_each_of_its_callers() {
    let crowd = Crowd::around_venues("");
    let callers: Vec<_> = (0..50).map(|_| crowd.spawn(FORCED)).collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    assert_eq!((crowd.made(), crowd.calls()), (1, [1, 1, 1]));
    assert!(answers.iter().all(|answer| Arc::ptr_eq(answer, &answers[0])));
    assert!(entries(&answers[0]).iter().all(|entry| status(entry) == "ok"));
    assert_eq!(crowd.total("prices_total{class=\"crypto\",status=\"ok\",reason=\"none\"}"), 50 * 2);
    // two coins at three venues, for all but the one for whom the calls were made
    assert_eq!(crowd.total("coalesced_total"), 49 * 6);
    let counted = crowd.counted();
    assert!(counted.values().all(|count| *count == 100), "two quotes for each of 50 callers: {counted:?}");
    assert_eq!(counted.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_an_outcome_has_landed_gets_a_newer_one() {
    let crowd = Crowd::around_venues("");
    let first = crowd.spawn(FORCED);
    sleep(Duration::from_millis(30)).await;
    let joined = crowd.spawn(FORCED);
    sleep(Duration::from_millis(30)).await;
    let later = crowd.spawn(FORCED);
    let (first, joined, later) = (first.await.unwrap(), joined.await.unwrap(), later.await.unwrap());
    assert!(Arc::ptr_eq(&first, &joined) && !Arc::ptr_eq(&first, &later));
    assert_eq!((crowd.made(), crowd.calls()), (2, [2, 1, 1]));
    let received = |answer: &Value, name: &str| of(&entries(answer)[0], name)["received_at"].clone();
    assert_ne!(received(&first, "one"), received(&later, "one"));
    assert_eq!(received(&first, "three"), received(&later, "three"));
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_may_leave_and_the_last_one_ends_the_calls() {
    let crowd = Crowd::around_venues("");
    let callers = [0, 1, 2].map(|_| crowd.spawn(FORCED));
    sleep(Duration::from_millis(10)).await;
    callers[0].abort();
    let [_, second, third] = callers;
    assert!(Arc::ptr_eq(&second.await.unwrap(), &third.await.unwrap()));
    assert_eq!((crowd.made(), crowd.calls()), (1, [1, 1, 1]));
    sleep(Duration::from_millis(10)).await;
    let callers = [0, 1].map(|_| crowd.spawn(FORCED));
    sleep(Duration::from_millis(10)).await;
    assert_eq!((crowd.made(), crowd.calls()), (2, [2, 2, 2]));
    callers.iter().for_each(JoinHandle::abort);
    sleep(Duration::from_millis(1)).await;
    assert!(crowd.world.service.tasks().is_empty(), "the calls have ended with the last caller");
    drop(callers);
    // and nothing of it is in the way of the next caller
    let answer = crowd.clone().ask(FORCED.to_owned()).await;
    assert!(entries(&answer).iter().all(|entry| status(entry) == "ok"));
    assert_eq!((crowd.made(), crowd.calls()), (3, [3, 3, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_fails_for_each_caller_in_its_own_time() {
    for silent in ["one", "two", "three"] {
        hangs(silent).await;
    }
}

async fn hangs(silent: &str) {
    let crowd = Crowd::around_venues("");
    // a caller that waits for this one first still hears the others
    crowd.world.silence(silent);
    let start = Instant::now();
    let timed = |at: u64| {
        let crowd = crowd.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(at)).await;
            let answer = crowd.ask(format!("{FORCED}&timeout=800ms")).await;
            (answer, start.elapsed())
        })
    };
    for (at, caller) in [0, 20, 30].map(|at| (at, timed(at))) {
        let (answer, after) = caller.await.unwrap();
        for name in ["one", "two", "three"] {
            let quote = of(&entries(&answer)[0], name);
            let expected =
                if name == silent { ("failed".into(), "timeout".into()) } else { ("used".into(), Value::Null) };
            assert_eq!((&quote["status"], &quote["reason"]), (&expected.0, &expected.1), "{quote}");
        }
        assert_eq!(after, Duration::from_millis(at + 775), "each is answered a little before its time is over");
    }
    assert_eq!(crowd.calls(), [1, 1, 1], "what has landed since they came is theirs");
}

#[tokio::test(start_paused = true)]
async fn what_other_questions_fetch_meanwhile_ends_the_joining() {
    let crowd = Crowd::around_venues("");
    crowd.world.slow("one", Duration::from_millis(100));
    let first = crowd.spawn(FORCED);
    sleep(Duration::from_millis(10)).await;
    // this one waits for two of the three calls of the first, and lands nothing that the others would not see
    let same_symbol = crowd.spawn("symbols=BTC-USD&refresh_after=0s&sources=one");
    let later = crowd.spawn(FORCED);
    let answers = [first.await.unwrap(), same_symbol.await.unwrap(), later.await.unwrap()];
    assert!(Arc::ptr_eq(&answers[0], &answers[2]) && !Arc::ptr_eq(&answers[0], &answers[1]));
    assert_eq!((crowd.made(), crowd.calls()), (2, [1, 1, 1]));
}

/// Something that happens at a moment of a history, in milliseconds.
#[derive(Clone, Debug)]
enum Event {
    /// So many ask the same.
    Ask(&'static str, usize),
    Latency(&'static str, u64),
    Fail(&'static str),
    Say(&'static str, &'static str),
}

const VENUES: [&str; 4] = ["one", "two", "three", "spare"];

fn any_event() -> impl Strategy<Value = Event> {
    let query = proptest::sample::select(vec![
        "symbols=BTC-USD",
        "symbols=BTC-USD&refresh_after=0s",
        "symbols=BTC-USD&refresh_after=0s",
        FORCED,
        FORCED,
        "symbols=BTC-USD,ETH-USD",
        "symbols=BTC-USD,NONE-USD&refresh_after=0s",
        "symbols=BTC-USD&refresh_after=100ms",
        "symbols=BTC-USD&max_age=1s",
        "symbols=BTC-USD&sources=one,two&refresh_after=0s",
        "symbols=BTC-USD&refresh_after=0s&timeout=200ms",
        "symbols=BTC-USD&refresh_after=0s&wait=quorum",
        "symbols=BTC-EUR&currency=USD&refresh_after=0s",
        "symbols=ETH-USD&refresh=background",
    ]);
    let venue = || proptest::sample::select(VENUES.to_vec());
    prop_oneof![
        12 => (query, 1_usize..5).prop_map(|(query, callers)| Event::Ask(query, callers)),
        1 => (venue(), 1_u64..1500).prop_map(|(venue, latency)| Event::Latency(venue, latency)),
        1 => venue().prop_map(Event::Fail),
        1 => (venue(), proptest::sample::select(vec!["99", "100", "101", "150"]))
            .prop_map(|(venue, price)| Event::Say(venue, price)),
    ]
}

/// What came of a history.
struct Played {
    /// What each was answered, and when.
    answers: Vec<(Value, Duration)>,
    calls: Vec<String>,
    counted: BTreeMap<String, i64>,
    /// Whether someone who had joined an answer was given another one.
    has_later: bool,
}

/// Plays a history, in which everyone asks alone or may join others. Whatever may not be older than its question is not.
async fn play(history: &[(u64, Event)], together: bool) -> Played {
    // both times, chance has the same part in when a source is called again
    fastrand::seed(1);
    let kinds = [
        ("one", "limits = [\"20/s\"]\n"),
        ("two", "limits = [\"6/s\"]\n"),
        ("three", ""),
        ("spare", "role = \"reserve\"\n"),
    ];
    let sources = kinds.map(|(name, more)| source(name, "crypto", &format!("currencies = [\"USD\"]\n{more}")));
    let world = World::of(&format!("{}{}", sources.concat(), source("bank", "fx", "")));
    // nothing lands at the very moment at which someone asks
    let latency = |milliseconds: u64| Duration::from_micros(1_000 * milliseconds + 500);
    for venue in VENUES {
        world.say(venue, "BTC-USD", says("100")).say(venue, "ETH-USD", says("10")).slow(venue, latency(50));
    }
    world.say("bank", "EUR-USD", says("1.1"));
    let crowd = Crowd::around(world);
    let (start, mut at) = (Instant::now(), Duration::ZERO);
    let mut callers = Vec::new();
    for (pause, event) in history {
        at += Duration::from_millis(*pause);
        sleep_until(start + at).await;
        match event {
            Event::Ask(query, number) => callers.extend((0..*number).map(|_| {
                // those who ask alone have no one to join
                let alone = Crowd { answers: AnswersInFlight::default(), ..crowd.clone() };
                let (caller, query) = (if together { crowd.clone() } else { alone }, (*query).to_owned());
                tokio::spawn(async move {
                    let came = caller.world.service.clock().now().wall;
                    let answer = caller.ask(query.clone()).await;
                    if query.contains("refresh_after=0s") {
                        assert_received_since(came, &answer);
                    }
                    (Value::clone(&answer), start.elapsed())
                })
            })),
            Event::Latency(venue, takes) => drop(crowd.world.slow(venue, latency(*takes))),
            Event::Fail(venue) => crowd.world.fail(venue),
            Event::Say(venue, price) => drop(crowd.world.say(venue, "BTC-USD", says(price))),
        }
    }
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    let calls = VENUES.map(|venue| {
        let mut asked = crowd.world.asked(venue);
        // callers who wait for the same outcome go on in any order
        asked.sort_unstable();
        format!("{venue}: {asked:?}")
    });
    let has_later = crowd.made_later.load(Ordering::Relaxed) > 0;
    Played { answers, calls: calls.to_vec(), counted: crowd.counted(), has_later }
}

/// Every quote of an answer that did not fail was received since a moment.
fn assert_received_since(came: Timestamp, answer: &Value) {
    for quote in entries(answer).iter().flat_map(|entry| entry["quotes"].as_array().unwrap()) {
        // beside a failure stands what was received before
        let has_failed = !(quote["failure"].is_null() && quote["derivation"].is_null());
        let received = quote["received_at"].as_str().filter(|_| quote["status"] == "used" && !has_failed);
        let is_older = received.is_some_and(|at| at.parse::<Timestamp>().unwrap() < came);
        assert!(!is_older, "asked at {came}: {quote}");
    }
}

/// The first place at which two answers differ.
fn difference(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(some), Value::Object(others)) if some.len() == others.len() => {
            some.iter().find_map(|(key, one)| Some(format!("{key}.{}", difference(one, others.get(key)?)?)))
        }
        (Value::Array(some), Value::Array(others)) if some.len() == others.len() => {
            let mut pairs = some.iter().zip(others).enumerate();
            pairs.find_map(|(place, (one, other))| Some(format!("{place}.{}", difference(one, other)?)))
        }
        _ => (one != other).then(|| format!(" {one} / {other}")),
    }
}

const CASES: u32 = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// In virtual time, both ways take the same steps at the same moments, so that even ages are equal.
    #[test]
    fn a_caller_that_joins_an_answer_is_told_what_an_answer_of_its_own_would_have_said(
        history in prop::collection::vec((prop_oneof![3 => 0_u64..3, 2 => 0_u64..60, 1 => 0_u64..3_000], any_event()), 1..40),
    ) {
        let (together, alone) = (run(play(&history, true)), run(play(&history, false)));
        prop_assert_eq!(together.answers.len(), alone.answers.len());
        // who is given a later answer is told what has landed until then, which is more
        prop_assume!(!together.has_later);
        for (number, (together, alone)) in together.answers.iter().zip(&alone.answers).enumerate() {
            prop_assert_eq!(together.1, alone.1, "caller {}", number);
            prop_assert_eq!(difference(&together.0, &alone.0), None, "caller {}", number);
        }
        prop_assert_eq!(together.calls, alone.calls);
        prop_assert_eq!(together.counted, alone.counted);
    }
}
