//! Retries: when a call that failed is sent again, and when that could not help or may do harm.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::Quotefold;
use quotefold::failure::SourceError;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep};

use crate::failing::{Mood, broken, burst, gateway, outcome, slow_down};
use crate::scripted::{ask, quotes, service, service_with};
use crate::support::{Log, all_quoted};

fn retries(service: &Quotefold) -> usize {
    let page = service.metrics().render().unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("quotefold_source_retries_total{source=\"vendor\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_connection_broke_is_retried_once_a_moment_later() {
    let count = Arc::new(AtomicUsize::new(0));
    let (service, log) = service(move |symbols, clock| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Err(broken()) } else { all_quoted(symbols, &clock) } }
    });
    assert_eq!(outcome(&service, "A-USD").await, "ok");
    let calls = log.calls();
    assert_eq!(calls.len(), 2);
    let pause = calls[1].sent - calls[0].sent;
    // 20 ms for the first call at most, tokio's timer rounds up to the next millisecond
    assert!(pause <= Duration::from_millis(20 + 250 + 1), "{pause:?}");
    let page = service.metrics().render().unwrap();
    for counted in ["outcome=\"connection\"} 1", "outcome=\"ok\"} 1"] {
        assert!(page.contains(counted), "both calls went over the wire, and both are counted: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_failures_that_may_have_passed_are_retried() {
    let again = [broken(), gateway(true)];
    let final_word = [
        gateway(false),
        SourceError::Timeout(Duration::from_millis(400)),
        SourceError::Tls("expired".to_owned()),
        SourceError::HttpStatus { detail: "400".to_owned(), is_client_error: true },
        SourceError::Malformed("no JSON".to_owned()),
        SourceError::TooLarge { limit: 9 },
        SourceError::UnknownSymbol("no".to_owned()),
        SourceError::Unauthorized("no".to_owned()),
        slow_down(),
    ];
    let twice = again.into_iter().map(|error| (error, 2));
    for (error, calls) in twice.chain(final_word.into_iter().map(|error| (error, 1))) {
        let (service, log) = Mood::of(error.clone()).service("");
        assert_eq!(outcome(&service, "A-USD").await, error.reason());
        assert_eq!(log.calls().len(), calls, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_took_over_half_of_its_time_to_fail_is_not_retried() {
    // the retry has the time that is left of the attempt
    for (milliseconds, calls, reason) in [(500, 2, "timeout"), (501, 1, "connection")] {
        let (service, log) = service(move |_, _| async move {
            sleep(Duration::from_millis(milliseconds)).await;
            Err(broken())
        });
        assert_eq!(outcome(&service, "A-USD").await, reason);
        assert_eq!(log.calls().len(), calls, "{milliseconds} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retried_under_a_daily_limit_or_if_the_operator_says_so() {
    for (more, calls) in [("limits = [\"25/day\"]", 1), ("retries = 0", 1), ("limits = [\"25/day\"]\nretries = 1", 2)] {
        let (service, log) = Mood::of(broken()).service(more);
        outcome(&service, "A-USD").await;
        assert_eq!(log.calls().len(), calls, "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_never_made_leaves_the_first_failure_visible() {
    let (service, log) = Mood::of(broken()).service("limits = [\"1/min\"]");
    let answer = ask(&service, "symbols=A-USD").await;
    let failure = quotes(&answer)[0].outcome.failure.as_ref().unwrap();
    assert_eq!((failure.error.reason(), failure.latency), ("connection", Some(Duration::from_millis(20))));
    assert_eq!((log.calls().len(), retries(&service)), (1, 0), "a retry that was not sent is not counted");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_another_calls_refusal_prevents_is_not_counted() {
    let (service, log) = service_with("batch = 1", |symbols: Vec<Symbol>, _| async move {
        let is_first = symbols[0].as_str() == "S0-USD";
        // at the same moment, which is before the wait of any retry is over
        sleep(Duration::from_millis(10)).await;
        let refusal = SourceError::RateLimited { detail: "no".to_owned(), retry_after: Some(Duration::from_secs(9)) };
        Err(if is_first { broken() } else { refusal })
    });
    let mut outcomes = burst(&service, 2).await;
    outcomes.sort_unstable();
    assert_eq!((outcomes, log.calls().len()), (vec!["connection", "rate_limited"], 2));
}

#[tokio::test(start_paused = true)]
async fn calls_that_failed_together_are_not_retried_together() {
    // every other call of a symbol breaks
    let odd = Arc::new(Mutex::new(BTreeSet::new()));
    let (service, log) = service_with("batch = 1", move |symbols: Vec<Symbol>, clock| {
        let mut odd = odd.lock().unwrap();
        let breaks = !odd.remove(&symbols[0]) && odd.insert(symbols[0].clone());
        async move { if breaks { Err(broken()) } else { all_quoted(symbols, &clock) } }
    });
    let mut pauses = BTreeSet::new();
    for round in 0..25 {
        // four at a time: the retry budget allows that many, and the breaker does not open
        assert_eq!(burst(&service, 4).await, ["ok"; 4]);
        let calls = log.calls().split_off(8 * round);
        pauses.extend(calls[4..].iter().map(|call| (call.sent - calls[0].sent).as_millis()));
        sleep(Duration::from_secs(11)).await;
    }
    assert!(pauses.len() > 50, "of 100 retries, only so many came at a moment of their own: {}", pauses.len());
}

#[tokio::test(start_paused = true)]
async fn retries_are_at_most_a_tenth_of_the_answered_calls_plus_one_a_second() {
    // every third call breaks at first, and succeeds the second time
    let count = Arc::new(AtomicUsize::new(0));
    let (service, log) = service_with("batch = 1", move |symbols, clock| {
        let breaks = count.fetch_add(1, Ordering::Relaxed).is_multiple_of(3);
        async move { if breaks { Err(broken()) } else { all_quoted(symbols, &clock) } }
    });
    let start = Instant::now();
    for _ in 0..1_200 {
        let is_ok = outcome(&service, "A-USD").await == "ok";
        // after a failure that was not retried, the source is left alone for a second, give or take a fifth
        sleep(Duration::from_millis(if is_ok { 50 } else { 1_201 })).await;
    }
    let (calls, retries) = (log.calls().len(), retries(&service));
    let allowed = (calls as f64 / 10.0 + start.elapsed().as_secs_f64() + 10.0) as usize;
    assert!(retries > calls / 10 && retries <= allowed, "{retries} retries of {calls} calls, {allowed} allowed");
}

/// The time between the end of each call and the start of the next, for calls that all take this long.
fn pauses(log: &Log, took: Duration) -> Vec<Duration> {
    log.calls().windows(2).map(|pair| pair[1].sent - pair[0].sent - took).collect()
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_doubles_with_each_try_and_each_wait_is_random_up_to_it() {
    let took = Duration::from_millis(20);
    let mut longest = [Duration::ZERO; 3];
    for _ in 0..200 {
        let (service, log) = Mood::of(broken()).service("retries = 3\ntimeout = \"2s\"");
        assert_eq!(outcome(&service, "A-USD").await, "connection");
        for (place, pause) in pauses(&log, took).into_iter().enumerate() {
            longest[place] = longest[place].max(pause);
        }
    }
    // the longest wait is a quarter of the attempt; the extra millisecond is the timer's
    for (longest, most) in longest.into_iter().zip([250, 500, 500]) {
        let most = Duration::from_millis(most);
        assert!(longest > most / 2 && longest <= most + Duration::from_millis(1), "{longest:?} of {most:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_tries_of_a_call_together_have_the_time_of_one_attempt() {
    let mut counted = BTreeSet::new();
    for seed in 0..100 {
        let chance = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let retries = chance.lock().unwrap().usize(..4);
        // a vendor that fails quickly leaves time for every retry, whatever the waits are that are drawn between them
        let longest = if chance.lock().unwrap().bool() { 20 } else { 400 };
        let more = format!("retries = {retries}\ntimeout = \"1s\"");
        let (service, log) = service_with(&more, move |_, _| {
            let took = Duration::from_millis(chance.lock().unwrap().u64(0..longest));
            async move {
                sleep(took).await;
                Err(broken())
            }
        });
        let start = Instant::now();
        assert!(["connection", "timeout"].contains(&outcome(&service, "A-USD").await), "seed {seed}");
        assert!(start.elapsed() <= Duration::from_millis(1_001), "seed {seed}: {:?}", start.elapsed());
        let calls = log.calls().len();
        assert!(calls <= retries + 1, "seed {seed}: {calls} calls");
        counted.insert(calls);
    }
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn each_try_spends_a_unit_and_none_is_sent_beyond_the_limit() {
    for (limit, calls) in [("9/min", 4), ("4/min", 4), ("2/min", 2), ("1/min", 1)] {
        // it fails at once: any time that it took would count towards the half of an attempt in which retries may begin
        let more = format!("retries = 3\nlimits = [\"{limit}\"]");
        let (service, log) = service_with(&more, |_, _| async { Err(broken()) });
        assert_eq!(outcome(&service, "A-USD").await, "connection", "{limit}");
        assert_eq!(log.calls().len(), calls, "{limit}");
        let left = service.sources()[0].account.allowance().left(Instant::now())[0];
        assert_eq!(left.left, left.limit.calls as usize - calls, "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_safe_to_repeat_is_never_retried() {
    let post = "method = \"POST\"\nbody = \"{}\"\nretries = 3";
    for (more, calls) in [
        (post.to_owned(), 1),
        (format!("{post}\nidempotent = true"), 4),
        ("retries = 3".to_owned(), 4),
        ("retries = 3\nidempotent = false".to_owned(), 1),
    ] {
        let (service, log) = service_with(&more, |_, _| async { Err(broken()) });
        assert_eq!(outcome(&service, "A-USD").await, "connection");
        assert_eq!(log.calls().len(), calls, "{more}");
    }
}
