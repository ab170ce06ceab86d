//! The watch list keeps symbols fresh without any disadvantage for callers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::symbol::Symbol;
use quotefold::watch::{self, Watched};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::support::{all_quoted, most_in_a_window, reason, symbol};
use crate::vendors::{Replies, ScriptedService, crypto, morning};

const LATENCY: Duration = Duration::from_millis(50);

fn quoting(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move {
        sleep(LATENCY).await;
        all_quoted(symbols, &clock)
    })
}

fn watching(symbols: &[&str], every: &str) -> String {
    format!("[watch]\nsymbols = {symbols:?}\nevery = \"{every}\"\n")
}

/// What lacks a quote before the watch begins.
fn watched(scripted: &ScriptedService) -> Arc<Watched> {
    Arc::new(Watched::new(&scripted.service.settings().watch.symbols))
}

/// Starts the watch, and returns its task and the sender that ends it.
fn start(scripted: &ScriptedService, seed: u64) -> (JoinHandle<()>, oneshot::Sender<()>) {
    start_noting(scripted, watched(scripted), seed)
}

fn start_noting(scripted: &ScriptedService, watched: Arc<Watched>, seed: u64) -> (JoinHandle<()>, oneshot::Sender<()>) {
    let (end, ended) = oneshot::channel();
    let ended = async { drop(ended.await) };
    let chance = fastrand::Rng::with_seed(seed);
    (tokio::spawn(watch::run(Arc::clone(&scripted.service), watched, chance, ended)), end)
}

fn asked(scripted: &ScriptedService, source: &str) -> Vec<String> {
    scripted.log(source).calls().iter().flat_map(|call| &call.symbols).map(ToString::to_string).collect()
}

/// How long an answer took, and the reason of the first quote's failure.
async fn timed(scripted: &ScriptedService, query: &str) -> (Duration, &'static str) {
    let start = Instant::now();
    let answer = scripted.ask(query).await;
    (start.elapsed(), reason(&answer.prices()[0].quotes[0].outcome))
}

#[tokio::test(start_paused = true)]
async fn a_watched_symbol_is_on_the_board_at_any_time() {
    let sources = crypto("alpha", "batch = 9") + &crypto("beta", "batch = 9");
    let scripted = ScriptedService::new(&(watching(&["A-USD", "B-USD"], "4s") + &sources), &morning(), quoting);
    let (_watch, _end) = start(&scripted, 1);
    sleep(LATENCY * 2).await;
    for _ in 0..500 {
        sleep(Duration::from_millis(730)).await;
        let before = scripted.log("alpha").calls().len();
        let (took, said) = timed(&scripted, "symbols=A-USD,B-USD").await;
        assert_eq!((took, said), (Duration::ZERO, "ok"));
        assert_eq!(scripted.log("alpha").calls().len(), before);
    }
    // 365 s of rounds of 3.6 to 4.4 s, each of them one call
    let rounds = scripted.log("alpha").calls().len();
    assert!((83..=102).contains(&rounds), "{rounds}");
}

#[tokio::test(start_paused = true)]
async fn the_first_round_comes_at_once_and_the_rounds_differ_by_chance() {
    let starts = |seed| async move {
        let scripted = ScriptedService::new(&(watching(&["A-USD"], "30s") + &crypto("alpha", "")), &morning(), quoting);
        let (began, (_watch, _end)) = (Instant::now(), start(&scripted, seed));
        sleep(Duration::from_secs(300)).await;
        scripted.log("alpha").calls().iter().map(|call| call.sent - began).collect::<Vec<_>>()
    };
    let (one, two) = (starts(1).await, starts(2).await);
    assert_eq!((one[0], two[0]), (Duration::ZERO, Duration::ZERO));
    let gaps: BTreeSet<u128> = one.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(gaps.iter().all(|gap| (27_000..=33_100).contains(gap)), "{gaps:?}");
    assert!(gaps.len() > 5 && one != two, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn symbols_without_room_are_tried_again_within_the_round() {
    let symbols = ["A-USD", "B-USD", "C-USD", "D-USD", "E-USD"];
    let scripted = ScriptedService::new(
        &(watching(&symbols, "30s") + &crypto("alpha", "limits = [\"1/s\"]")),
        &morning(),
        quoting,
    );
    let (_watch, _end) = start(&scripted, 1);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(asked(&scripted, "alpha"), symbols);
    assert_eq!(most_in_a_window(scripted.log("alpha"), Duration::from_secs(1)), 1);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(asked(&scripted, "alpha").len(), 5, "each once a round");
}

#[tokio::test(start_paused = true)]
async fn a_caller_at_the_moment_of_a_round_waits_for_one_call_at_most() {
    let symbols = ["A-USD", "B-USD", "C-USD", "D-USD", "E-USD"];
    // that call counts for a second from its end
    for (limit, waits) in [("1/s", LATENCY + Duration::from_secs(1)), ("5/s", Duration::ZERO)] {
        let settings = watching(&symbols, "30s") + &crypto("alpha", &format!("limits = [\"{limit}\"]"));
        let scripted = ScriptedService::new(&settings, &morning(), quoting);
        let (_watch, _end) = start(&scripted, 1);
        tokio::task::yield_now().await;
        sleep(Duration::from_millis(1)).await;
        assert!(!asked(&scripted, "alpha").is_empty(), "the round has begun");
        let (took, said) = timed(&scripted, "symbols=Z-USD").await;
        assert_eq!(said, "ok", "{limit}");
        assert!(took <= waits + LATENCY, "{limit}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_watch_never_asks_a_reserve() {
    let settings = watching(&["A-USD"], "5s") + &crypto("alpha", "") + &crypto("spare", "role = \"reserve\"");
    let scripted = ScriptedService::new(&settings, &morning(), |name: &str, symbols, clock| {
        let fails = name == "alpha";
        Box::pin(async move { if fails { Err(SourceError::unavailable("503")) } else { all_quoted(symbols, &clock) } })
    });
    let (_watch, _end) = start(&scripted, 1);
    sleep(Duration::from_secs(60)).await;
    assert!(asked(&scripted, "alpha").len() > 5);
    assert_eq!(asked(&scripted, "spare"), Vec::<String>::new());
    scripted.ask("symbols=A-USD").await;
    assert_eq!(asked(&scripted, "spare"), ["A-USD"], "a caller who waits may have it");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_watch_refuses_no_caller() {
    let settings = watching(&["A-USD", "B-USD"], "30s") + &crypto("alpha", "limits = [\"1/s\"]");
    let scripted = ScriptedService::new(&settings, &morning(), quoting);
    let (_watch, _end) = start(&scripted, 1);
    sleep(LATENCY * 2).await;
    let now = Instant::now();
    assert!(scripted.service.board().known("alpha", &symbol("B-USD"), now).is_none(), "nothing landed");
    // a second after the end of the first call there is room for one, which is made for the caller
    let (took, said) = timed(&scripted, "symbols=B-USD").await;
    assert_eq!((took, said), (Duration::from_secs(1), "ok"));
}

#[tokio::test(start_paused = true)]
async fn the_watch_ends_at_once_with_the_calls_that_no_caller_waits_for() {
    let scripted = ScriptedService::new(&(watching(&["A-USD"], "5s") + &crypto("alpha", "")), &morning(), |_, _, _| {
        Box::pin(std::future::pending())
    });
    let (watch, end) = start(&scripted, 1);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(scripted.log("alpha").in_flight(), 1);
    let before = Instant::now();
    end.send(()).unwrap();
    watch.await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(scripted.log("alpha").in_flight(), 0);
    assert!(before.elapsed() <= Duration::from_millis(1));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(asked(&scripted, "alpha"), ["A-USD"]);
}

#[tokio::test(start_paused = true)]
async fn the_watch_says_what_is_lacking_until_everything_has_a_quote() {
    let symbols = ["A-USD", "B-USD", "C-USD", "D-USD", "E-USD", "F-USD", "G-USD"];
    let (healed, scripted) = {
        let healed = Arc::new(AtomicBool::new(false));
        let heals = Arc::clone(&healed);
        let script = move |_: &str, symbols: Vec<Symbol>, clock: Clock| -> Replies {
            let fails = !heals.load(Ordering::Relaxed);
            Box::pin(
                async move { if fails { Err(SourceError::unavailable("503")) } else { all_quoted(symbols, &clock) } },
            )
        };
        let settings = watching(&symbols, "10s") + &crypto("alpha", "batch = 9");
        (healed, ScriptedService::new(&settings, &morning(), script))
    };
    let words = "no usable quote of A-USD, B-USD, C-USD, D-USD, E-USD and 2 more";
    let watched = watched(&scripted);
    assert_eq!(watched.lacking().as_deref(), Some(words));
    let (_watch, _end) = start_noting(&scripted, Arc::clone(&watched), 1);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(watched.lacking().as_deref(), Some(words), "a failure is not a quote");
    healed.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(watched.lacking(), None);
    healed.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(watched.lacking(), None, "for a minute its quotes may still be used");
    sleep(Duration::from_secs(40)).await;
    assert_eq!(watched.lacking().as_deref(), Some(words));
}

#[tokio::test(start_paused = true)]
async fn many_symbols_are_asked_in_questions_of_the_allowed_size() {
    let names: Vec<String> = (0..25).map(|number| format!("S{number}-USD")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let settings = format!("[server]\nmax_symbols = 10\n{}{}", watching(&names, "30s"), crypto("alpha", "batch = 100"));
    let scripted = ScriptedService::new(&settings, &morning(), quoting);
    let (_watch, _end) = start(&scripted, 1);
    sleep(Duration::from_secs(1)).await;
    let sizes: Vec<usize> = scripted.log("alpha").calls().iter().map(|call| call.symbols.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

/// When a source was asked for a symbol, as time since the first call.
fn asked_at(scripted: &ScriptedService, symbol: &str) -> Vec<Duration> {
    let calls = scripted.log("alpha").calls();
    let asks = calls.iter().filter(|call| call.symbols.iter().any(|asked| asked.as_str() == symbol));
    asks.map(|call| call.sent - calls[0].sent).collect()
}

#[tokio::test(start_paused = true)]
async fn a_long_list_at_a_slow_vendor_keeps_its_rhythm() {
    let names: Vec<String> = (0..100).map(|number| format!("S{number}-USD")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let slow = |_: &str, symbols: Vec<Symbol>, clock: Clock| -> Replies {
        Box::pin(async move {
            sleep(Duration::from_millis(700)).await;
            all_quoted(symbols, &clock)
        })
    };
    let settings = format!("[server]\nmax_symbols = 10\n{}{}", watching(&names, "2s"), crypto("alpha", "batch = 10"));
    let scripted = ScriptedService::new(&settings, &morning(), slow);
    let (_watch, _end) = start(&scripted, 1);
    sleep(Duration::from_secs(60)).await;
    for name in names {
        let gaps: Vec<Duration> = asked_at(&scripted, name).windows(2).map(|pair| pair[1] - pair[0]).collect();
        // a round may have waited for a free place, for as long as a call takes
        assert!(gaps.iter().all(|gap| (1000..=3000).contains(&gap.as_millis())), "{name}: {gaps:?}");
        assert!((27..=34).contains(&(gaps.len() + 1)), "{name}: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_list_that_hangs_delays_no_other_and_is_never_asked_twice() {
    let hanging = |_: &str, symbols: Vec<Symbol>, clock: Clock| -> Replies {
        let hangs = symbols.iter().any(|symbol| symbol.as_str() == "A-USD");
        Box::pin(async move {
            sleep(if hangs { Duration::from_millis(3500) } else { LATENCY }).await;
            all_quoted(symbols, &clock)
        })
    };
    let server = "[server]\nmax_symbols = 1\ntimeout = \"5s\"\n";
    let settings = format!("{server}{}{}", watching(&["A-USD", "B-USD"], "1s"), crypto("alpha", "timeout = \"4s\""));
    let scripted = ScriptedService::new(&settings, &morning(), hanging);
    let (_watch, _end) = start(&scripted, 1);
    sleep(Duration::from_secs(60)).await;
    let gaps = |name: &str| asked_at(&scripted, name).windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    let (hangs, other) = (gaps("A-USD"), gaps("B-USD"));
    // a round that follows at once skips a quote that has just landed
    assert!(hangs.len() >= 12 && hangs.iter().all(|gap| gap.as_millis() >= 3500), "{hangs:?}");
    assert!(other.len() >= 54 && other.iter().all(|gap| gap.as_millis() <= 1200), "{other:?}");
}

#[test]
fn every_is_stretched_and_shortened_by_up_to_a_tenth() {
    let (every, mut chance) = (Duration::from_secs(30), fastrand::Rng::with_seed(3));
    let all: BTreeSet<Duration> = (0..200).map(|_| watch::jittered(every, &mut chance)).collect();
    assert!(all.iter().all(|one| (27_000..=33_000).contains(&one.as_millis())), "{all:?}");
    assert!(all.len() > 50 && all.first() < Some(&(every * 95 / 100)) && all.last() > Some(&(every * 105 / 100)));
}

#[tokio::test(start_paused = true)]
async fn a_source_left_alone_is_probed_once_and_its_refusals_affect_no_other_caller() {
    let healed = Arc::new(AtomicBool::new(false));
    let symbols = ["A-USD", "B-USD", "C-USD", "D-USD", "E-USD", "F-USD"];
    let scripted = {
        let healed = Arc::clone(&healed);
        let settings = watching(&symbols, "20s") + &crypto("alpha", "retries = 0");
        ScriptedService::new(&settings, &morning(), move |_: &str, symbols, clock: Clock| -> Replies {
            let fails = !healed.load(Ordering::Relaxed);
            Box::pin(async move {
                sleep(LATENCY).await;
                if fails { Err(SourceError::Connection("refused".to_owned())) } else { all_quoted(symbols, &clock) }
            })
        })
    };
    let watched = watched(&scripted);
    let (_watch, _end) = start_noting(&scripted, Arc::clone(&watched), 1);
    sleep(Duration::from_secs(15)).await;
    assert!(!scripted.service.sources()[0].breaker.is_closed());
    healed.store(true, Ordering::Relaxed);
    let before = asked(&scripted, "alpha").len();
    // the next round comes long after the wait of about a second
    while asked(&scripted, "alpha").len() == before {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(asked(&scripted, "alpha").len(), before + 1, "one call comes first");
    let now = Instant::now();
    for name in symbols {
        let known = scripted.service.board().known("alpha", &symbol(name), now);
        let failure = known.and_then(|known| known.outcome.failure.clone());
        assert!(failure.is_none_or(|failure| failure.error.reason() == "connection"), "{name}");
    }
    sleep(Duration::from_secs(45)).await;
    assert_eq!(watched.lacking(), None);
}
