//! After a failure, a source is left alone for a while, then tried with one call, and used again as soon as it is back.
//! What callers are told about that is true.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::answer::Answer;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::{Degraded, Status, Verdict};
use quotefold::symbol::Symbol;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::failing::{broken, gateway};
use crate::scripted::quotes;
use crate::support::all_quoted;
use crate::vendors::{Replies, ScriptedService, morning};

const SECOND: Duration = Duration::from_secs(1);

fn status(is_client_error: bool) -> SourceError {
    SourceError::HttpStatus { detail: "no".to_owned(), is_client_error }
}

/// Everything that a call can fail with.
fn every_failure() -> Vec<SourceError> {
    let detail = || "no".to_owned();
    let rate_limited = |retry_after| SourceError::RateLimited { detail: detail(), retry_after };
    let quota = |retry_after| SourceError::QuotaExhausted { detail: detail(), retry_after };
    vec![
        broken(),
        SourceError::Tls(detail()),
        SourceError::Timeout(Duration::from_millis(700)),
        gateway(true),
        gateway(false),
        SourceError::Unavailable { detail: detail(), passing: false, retry_after: Some(20 * SECOND) },
        SourceError::Malformed(detail()),
        SourceError::TooLarge { limit: 9 },
        status(true),
        status(false),
        SourceError::Internal(detail()),
        SourceError::Missing(detail()),
        SourceError::NotInPlan(detail()),
        SourceError::Unauthorized(detail()),
        rate_limited(None),
        rate_limited(Some(3 * SECOND)),
        quota(None),
        quota(Some(20 * SECOND)),
        SourceError::Blocked { detail: detail(), retry_after: None },
        SourceError::Blocked { detail: detail(), retry_after: Some(20 * SECOND) },
    ]
}

/// The settings of an ordinary source, of a file that is published once a day, and of a source with few calls a day.
const KINDS: [(&str, &str); 3] = [
    ("BTC-USD", "classes = [\"crypto\"]\nlimits = [\"30/min\"]"),
    ("EUR-USD", "classes = [\"fx\"]\nrole = \"reference\"\nrefresh_after = \"6h\"\nlag = \"4d\""),
    ("AAPL", "classes = [\"equity\"]\nlimits = [\"500/day\"]"),
];

fn source(more: &str) -> String {
    format!("[sources.vendor]\nurl = \"http://x.test/{{symbols}}\"\njq = \".\"\n{more}\n")
}

/// A vendor that fails as its state says, after a moment, or else quotes everything.
#[derive(Clone, Default)]
struct Vendor(Arc<Mutex<Option<SourceError>>>);

impl Vendor {
    fn becomes(&self, failing: Option<SourceError>) {
        *self.0.lock().unwrap() = failing;
    }

    fn scripted(&self, more: &str) -> ScriptedService {
        let vendor = self.clone();
        ScriptedService::new(&source(more), &morning(), move |_: &str, symbols: Vec<Symbol>, clock: Clock| {
            let failing = vendor.0.lock().unwrap().clone();
            let said: Replies = Box::pin(async move {
                sleep(Duration::from_millis(30)).await;
                match failing {
                    Some(error) => Err(error),
                    None => all_quoted(symbols, &clock),
                }
            });
            said
        })
    }
}

/// When the only quote of an answer says that its source may be asked again.
fn retry_at(scripted: &ScriptedService, answer: &Answer) -> Instant {
    let failure = quotes(answer)[0].outcome.failure.as_ref().unwrap();
    let now = scripted.service.clock().now();
    now.monotonic + Duration::try_from(failure.retry_at.unwrap().duration_since(now.wall)).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn after_any_failure_a_source_is_used_again_in_time_and_callers_are_told_when() {
    for (symbol, kind) in KINDS {
        for error in every_failure() {
            let vendor = Vendor::default();
            vendor.becomes(Some(error.clone()));
            let scripted = vendor.scripted(&format!("batch = 9\n{kind}"));
            let (query, what) = (format!("symbols={symbol}&refresh_after=0s"), format!("{symbol}, {error:?}"));
            let calls = || scripted.log("vendor").calls().len();
            let start = Instant::now();
            let back = {
                let vendor = vendor.clone();
                tokio::spawn(async move {
                    sleep_until(start + 10 * SECOND).await;
                    vendor.becomes(None);
                })
            };
            let mut answer = scripted.ask(&query).await;
            let mut waits = Vec::new();
            while answer.code == 503 {
                let (told, asked, before) = (answer.retry_after.unwrap(), Instant::now(), calls());
                let from = retry_at(&scripted, &answer);
                assert_eq!(told, (from - asked).as_millis().div_ceil(1000).max(1) as u64, "{what}");
                waits.push(told);
                // a moment earlier no call is made
                sleep_until(from - Duration::from_millis(2)).await;
                let early = scripted.ask(&query).await;
                assert_eq!((early.code, early.retry_after, calls()), (503, Some(1), before), "{what}: too early");
                // and then one is
                sleep_until(asked + told as u32 * SECOND).await;
                answer = scripted.ask(&query).await;
                assert!(calls() > before, "{what}: no call although {told} s are over");
            }
            assert_eq!(answer.code, 200, "{what}");
            back.await.unwrap();
            // the longest wait of each kind, give or take a fifth
            let longest = match (&error, symbol) {
                (SourceError::NotInPlan(_), _) => 3600,
                (SourceError::QuotaExhausted { retry_after: None, .. }, _) => 900,
                (SourceError::Unauthorized(_), _) => 300,
                (SourceError::Blocked { .. }, "AAPL") => 73,
                (SourceError::Blocked { retry_after: None, .. }, _) => 60,
                (SourceError::QuotaExhausted { .. } | SourceError::Blocked { .. }, _) => 20,
                (SourceError::RateLimited { .. }, _) => 8,
                (SourceError::Missing(_), "BTC-USD" | "AAPL") => 1,
                (SourceError::Missing(_), _) => 60,
                (_, "AAPL") => 73,
                (SourceError::Unavailable { retry_after: Some(_), .. }, _) => 20,
                (error, _) if error.reason() == "unavailable" || error.reason() == "connection" => 11,
                (SourceError::Timeout(_) | SourceError::Tls(_), _) => 11,
                _ => 25,
            };
            assert!(waits.iter().all(|wait| *wait <= longest), "{what}: {waits:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_is_announced_is_waited_out_and_callers_are_told_for_how_long() {
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"equity\"]\nretries = 0");
    let announced = SourceError::Unavailable {
        detail: "down for maintenance".to_owned(),
        passing: false,
        retry_after: Some(90 * SECOND),
    };
    vendor.becomes(Some(announced));
    let ask = || scripted.ask("symbols=AAPL&refresh_after=0s");
    ask().await;
    vendor.becomes(None);
    let began = Instant::now();
    let mut asked = 0;
    while ask().await.code != 200 {
        asked += 1;
        sleep(SECOND).await;
    }
    let calls = scripted.log("vendor").calls().len();
    assert!((89..=92).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(asked > 60 && calls == 2, "{asked} questions, {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn after_every_outage_a_source_is_asked_again_in_time_without_eating_a_day() {
    for seed in 0..25 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let is_scarce = chance.bool();
        let failures = [broken(), gateway(false), SourceError::Malformed("no".into()), status(false)];
        let vendor = Vendor::default();
        let limits = if is_scarce { "limits = [\"1000/day\"]" } else { "" };
        let scripted = vendor.scripted(&format!("classes = [\"equity\"]\nretries = 0\n{limits}"));
        let ask = || scripted.ask("symbols=AAPL&refresh_after=0s");
        let calls = || scripted.log("vendor").calls();
        for _ in 0..4 {
            let error = chance.choice(&failures).unwrap().clone();
            let is_passing = matches!(error, SourceError::Connection(_) | SourceError::Unavailable { .. });
            // from a tenth of a second to an hour, evenly spread over the orders of magnitude
            let lasts = Duration::from_millis(100 << chance.u32(0..16)) * chance.u32(1000..2000) / 1000;
            vendor.becomes(Some(error));
            let (began, before) = (Instant::now(), calls().len());
            let pause = Duration::from_millis(500).max(lasts / 500);
            while began.elapsed() < lasts {
                ask().await;
                sleep(pause).await;
            }
            vendor.becomes(None);
            let (over, tries) = (Instant::now(), calls().len() - before);
            while ask().await.code != 200 || quotes(&ask().await)[0].outcome.failure.is_some() {
                sleep(pause).await;
            }
            let (first, most) = match (is_scarce, is_passing) {
                (true, _) => (60, 3600),
                (false, true) => (1, 30),
                (false, false) => (10, 300),
            };
            // waits double, so the last one is no longer than the outage had lasted by then, or than the longest wait
            let longest = (lasts.as_secs() * 2 + first).min(most) * 6 / 5 + 1 + pause.as_secs();
            // the breaker, which opens after five failures, leaves the source alone for a minute at most
            let longest = longest.max(if tries >= 5 { 73 } else { 0 });
            assert!(over.elapsed().as_secs() <= longest, "seed {seed}: {lasts:?}, {:?} of {longest}", over.elapsed());
            let doublings = (lasts.as_secs_f64() / (first as f64 * 0.8) + 1.0).log2().ceil();
            let at_most = doublings + lasts.as_secs_f64() / (most as f64 * 0.8) + 2.0;
            assert!(tries as f64 <= at_most, "seed {seed}: {tries} calls in {lasts:?}, at most {at_most}");
            sleep(Duration::from_secs(chance.u64(1..100))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_proxy_is_tried_again_within_seconds_and_opens_no_breaker() {
    let dead = SourceError::Proxy { detail: "the proxy http://a.test cannot be reached".to_owned(), passing: true };
    for limits in ["", "limits = [\"1000/day\"]"] {
        let vendor = Vendor::default();
        vendor.becomes(Some(dead.clone()));
        let scripted = vendor.scripted(&format!("classes = [\"equity\"]\nretries = 0\n{limits}"));
        let ask = || scripted.ask("symbols=AAPL&refresh_after=0s");
        let began = Instant::now();
        while began.elapsed() < 600 * SECOND {
            ask().await;
            assert!(scripted.service.sources()[0].breaker.is_closed(), "{limits}");
            sleep(SECOND / 2).await;
        }
        let tries = scripted.log("vendor").calls().len();
        assert!((50..=85).contains(&tries), "{limits}: {tries} tries");
        vendor.becomes(None);
        let over = Instant::now();
        while ask().await.code != 200 {
            sleep(SECOND / 2).await;
        }
        assert!(over.elapsed() <= 13 * SECOND, "{limits}: {:?}", over.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_with_many_symbols_and_clients_gets_one_call_at_a_time() {
    let vendor = Vendor::default();
    vendor.becomes(Some(gateway(false)));
    let scripted = Arc::new(vendor.scripted("classes = [\"crypto\"]\nbatch = 1\nconcurrency = 100"));
    let symbols: Vec<String> = (0..50).map(|number| format!("S{number}-USD")).collect();
    scripted.ask(&format!("symbols={}", symbols[0])).await;
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..20_u64 {
        let (scripted, query) = (Arc::clone(&scripted), format!("symbols={}&refresh_after=0s", symbols.join(",")));
        clients.spawn(async move {
            sleep(Duration::from_millis(number * 50)).await;
            while start.elapsed() < 60 * SECOND {
                assert_eq!(scripted.ask(&query).await.code, 503);
                sleep(SECOND).await;
            }
        });
    }
    clients.join_all().await;
    let calls = scripted.log("vendor").calls();
    let gaps: Vec<Duration> = calls.windows(2).map(|pair| pair[1].sent - pair[0].sent).collect();
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(800)), "{gaps:?}");
    assert!((6..=9).contains(&calls.len()), "{} calls", calls.len());
    // once it is back, one call goes first, and all others after it in the same request
    vendor.becomes(None);
    sleep(40 * SECOND).await;
    let before = calls.len();
    let answer = scripted.ask(&format!("symbols={}", symbols.join(","))).await;
    assert!(
        answer.prices().iter().all(|price| quotes(&answer).len() == 50 && price.quotes[0].verdict != Verdict::Failed)
    );
    let calls = scripted.log("vendor").calls().split_off(before);
    assert_eq!(calls.len(), 50);
    assert!(calls[1..].iter().all(|call| call.sent >= calls[0].sent + Duration::from_millis(30)));
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_together_are_one_failure_and_one_that_succeeds_ends_it() {
    let vendor = Vendor::default();
    vendor.becomes(Some(broken()));
    let scripted = vendor.scripted("classes = [\"crypto\"]\nbatch = 1\nretries = 0\nconcurrency = 100");
    let answer = scripted.ask("symbols=A-USD,B-USD,C-USD,D-USD").await;
    assert_eq!((scripted.log("vendor").calls().len(), answer.retry_after.unwrap() <= 2), (4, true));
    let rest = || scripted.service.sources()[0].backoff.rest(Instant::now()).map(|rest| rest.until - Instant::now());
    assert!(rest().unwrap() <= Duration::from_millis(1_200), "not the wait after four failures: {:?}", rest());
    // of two calls in flight, one fails, and one succeeds later
    vendor.becomes(None);
    sleep(2 * SECOND).await;
    scripted.ask("symbols=A-USD").await;
    assert!(scripted.service.sources()[0].backoff.is_clear());
    vendor.becomes(Some(status(false)));
    let (failing, well) = tokio::join!(scripted.ask("symbols=B-USD&refresh_after=0s"), async {
        sleep(Duration::from_millis(10)).await;
        vendor.becomes(None);
        scripted.ask("symbols=C-USD&refresh_after=0s").await
    });
    assert_eq!((failing.code, well.code), (503, 200));
    assert!(rest().is_none(), "it has answered since");
    assert_eq!(scripted.ask("symbols=B-USD").await.code, 200);
}

#[tokio::test(start_paused = true)]
async fn of_two_failed_sources_the_first_that_can_help_decides_when_to_ask_again() {
    // beta is back long before alpha, and either is enough
    let error = |name: &str| match name {
        "alpha" => SourceError::QuotaExhausted { detail: "no".into(), retry_after: Some(200 * SECOND) },
        _ => SourceError::RateLimited { detail: "no".into(), retry_after: Some(20 * SECOND) },
    };
    let script = move |name: &str, _: Vec<Symbol>, _: Clock| -> Replies {
        let error = error(name);
        Box::pin(async move { Err(error) })
    };
    let sources = ["alpha", "beta"].map(|name| source("classes = [\"equity\"]").replace("vendor", name)).concat();
    let scripted = ScriptedService::new(&sources, &morning(), script);
    let told = async |query: &str| scripted.ask(query).await.retry_after;
    assert_eq!(told("symbols=AAPL").await, Some(20));
    assert_eq!(told("symbols=AAPL&sources=alpha").await, Some(200), "no longer cut at a minute");
}

#[tokio::test(start_paused = true)]
async fn the_flaw_of_an_answer_decides_when_to_ask_again() {
    let script = |_: &str, symbols: Vec<Symbol>, clock: Clock| -> Replies {
        Box::pin(async move {
            let quota = |seconds: u64| {
                let retry_after = Some(Duration::from_secs(seconds));
                Err(SourceError::QuotaExhausted { detail: "no".into(), retry_after })
            };
            match symbols[0].as_str() {
                "EUR-USD" => quota(300),
                "AAPL" => quota(100),
                _ => all_quoted(symbols, &clock),
            }
        })
    };
    // each source covers one symbol, and has an account of its own
    let only = |name: &str, class: &str, symbol: &str| {
        source(&format!("classes = [\"{class}\"]\nsymbols = [\"{symbol}\"]")).replace("vendor", name)
    };
    let sources = [
        only("alpha", "equity", "AAPL"),
        only("beta", "equity", "MSFT"),
        only("gamma", "fx", "EUR-USD"),
        only("delta", "equity", "TSLA"),
        only("epsilon", "equity", "TSLA"),
    ];
    let scripted = ScriptedService::new(&sources.concat(), &morning(), script);
    let told = async |query: &str| {
        let answer = scripted.ask(query).await;
        (answer.code, answer.retry_after)
    };
    // MSFT has a price, though too few sources; its next call is due in a minute, which does not help
    assert_eq!(told("symbols=AAPL,MSFT").await, (200, None));
    assert_eq!(told("symbols=AAPL,MSFT&require=all").await, (503, Some(100)));
    // here the degraded one counts as well
    assert_eq!(told("symbols=AAPL,MSFT&require=ok").await, (503, Some(60)));
    assert_eq!(told("symbols=TSLA&require=ok").await, (200, None));
    // the price is there; the rate to the caller's currency is not
    assert_eq!(told("symbols=TSLA&currency=EUR").await, (503, Some(300)));
    // the earlier of the two
    assert_eq!(told("symbols=TSLA,AAPL&currency=EUR&require=all").await, (503, Some(100)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_must_outwait_its_caller_is_refused_at_once_to_that_caller_alone() {
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"crypto\"]\nbatch = 5\nlimits = [\"1/s\"]");
    scripted.ask("symbols=A-USD").await;
    let asked = Instant::now();
    let answer = scripted.ask("symbols=B-USD&timeout=300ms").await;
    let failure = quotes(&answer)[0].outcome.failure.clone().unwrap();
    assert_eq!((failure.error.reason(), asked.elapsed(), answer.retry_after), ("throttled", Duration::ZERO, Some(1)));
    // the first call counts until a second after its end
    assert_eq!(retry_at(&scripted, &answer), asked + SECOND);
    // a patient caller waits for it; a hasty one joins a call for the same symbol that waits, but for no other
    let patient = scripted.ask("symbols=B-USD");
    let hasty = async {
        // a call that has not been sent by then failed for want of room
        let joined = scripted.ask("symbols=B-USD&timeout=300ms").await;
        assert_eq!(quotes(&joined)[0].outcome.failure.as_ref().unwrap().error.reason(), "throttled");
        sleep(Duration::from_millis(400)).await;
        let other = scripted.ask("symbols=C-USD&timeout=100ms").await;
        (
            quotes(&other)[0].outcome.failure.clone().unwrap().error.reason(),
            scripted.ask("symbols=B-USD&timeout=500ms").await.code,
        )
    };
    let (patient, hasty) = tokio::join!(patient, hasty);
    assert_eq!((patient.code, hasty), (200, ("throttled", 200)));
    assert_eq!(scripted.log("vendor").calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn asking_at_the_time_told_makes_a_call_that_can_help_and_not_a_second_sooner() {
    let (mut told_often, mut longest) = (0, 0);
    for seed in 0..40 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let vendors: [Vendor; 3] = std::array::from_fn(|_| Vendor::default());
        let names = ["alpha", "beta", "gamma"];
        let kinds = ["", "limits = [\"10/min\"]", "limits = [\"200/day\"]", "refresh_after = \"20m\""];
        let sources = names.map(|name| {
            let more = format!("classes = [\"equity\"]\nretries = 0\n{}", chance.choice(kinds).unwrap());
            source(&more).replace("vendor", name)
        });
        let moods = vendors.clone();
        let scripted = ScriptedService::new(
            &sources.concat(),
            &morning(),
            move |name: &str, symbols: Vec<Symbol>, clock: Clock| {
                let place = names.iter().position(|known| *known == name).unwrap();
                let failing = moods[place].0.lock().unwrap().clone();
                let said: Replies = Box::pin(async move {
                    sleep(Duration::from_millis(30)).await;
                    failing.map_or_else(|| all_quoted(symbols, &clock), Err)
                });
                said
            },
        );
        let called = || names.map(|name| scripted.log(name).calls().len());
        let query = ["symbols=AAPL&require=ok", "symbols=AAPL", "symbols=AAPL&refresh_after=0s"][chance.usize(0..3)];
        for step in 0..40 {
            for vendor in &vendors {
                let failure = chance.choice(every_failure()).filter(|_| chance.u8(0..6) > 0);
                vendor.becomes(failure);
            }
            let answer = scripted.ask(query).await;
            let (asked, before) = (Instant::now(), called());
            let what = format!("seed {seed}, step {step}, {query}: {:?}", answer.prices());
            for quote in quotes(&answer) {
                let failure = quote.outcome.failure.as_ref();
                assert!(failure.is_none_or(|failure| failure.retry_at.is_some()), "{what}");
            }
            let Some(told) = answer.retry_after else {
                sleep(chance.u32(1..100) * SECOND).await;
                continue;
            };
            (told_often, longest) = (told_often + 1, longest.max(told));
            // one more reply of a source whose quote is used already makes no quorum, unless that quote is old
            let is_old = answer.prices()[0].status == Status::Degraded(Degraded::StaleFallback);
            let lacks = |place: usize| {
                let quote = quotes(&answer).into_iter().find(|quote| quote.outcome.origin.source == names[place]);
                is_old || quote.is_none_or(|quote| quote.verdict != Verdict::Used)
            };
            let helped = |now: [usize; 3]| (0..3).any(|place| lacks(place) && now[place] > before[place]);
            if told > 1 {
                sleep_until(asked + (told as u32 - 1) * SECOND - Duration::from_millis(1)).await;
                let early = scripted.ask(query).await;
                assert!(
                    !helped(called()) && early.code == 503,
                    "{what}: a call a second before the {told} s were over"
                );
            }
            sleep_until(asked + told as u32 * SECOND).await;
            scripted.ask(query).await;
            assert!(helped(called()), "{what}: no call that could help after {told} s");
        }
    }
    // the test proves something only if much has happened
    assert!(told_often > 150 && longest > 120, "{told_often}, {longest}");
}
