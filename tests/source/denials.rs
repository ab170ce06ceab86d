//! A source that denies a symbol it has just quoted is doubted: its quote stays until it has denied it three times in a
//! row, at least 5 and 30 seconds apart.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::{Status, Verdict};
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep, sleep_until};

use crate::scripted::quotes;
use crate::support::{all_quoted, reason};
use crate::vendors::{Replies, ScriptedService, morning};

fn unknown() -> SourceError {
    SourceError::UnknownSymbol("there is no such symbol".to_owned())
}

/// What the only source answers from now on: quotes, or this failure.
#[derive(Clone, Default)]
struct Vendor(Arc<Mutex<Option<SourceError>>>);

impl Vendor {
    fn says(&self, error: Option<SourceError>) {
        *self.0.lock().unwrap() = error;
    }

    fn scripted(&self, more: &str) -> ScriptedService {
        let vendor = self.clone();
        let settings = format!(
            "[fold]\nbelow_quorum = \"degrade\"\n[sources.vendor]\nurl = \"http://x.test/{{symbols}}\"\njq = \".\"\n{more}\n"
        );
        ScriptedService::new(&settings, &morning(), move |_: &str, symbols: Vec<Symbol>, clock: Clock| {
            let said = vendor.0.lock().unwrap().clone();
            let said: Replies = Box::pin(async move { said.map_or_else(|| all_quoted(symbols, &clock), Err) });
            said
        })
    }
}

/// The times at which the source was called, in seconds since the start, while a client asks every half second.
async fn polled(scripted: &ScriptedService, query: &str, seconds: u64) -> Vec<u64> {
    let (start, before) = (Instant::now(), scripted.log("vendor").calls().len());
    for tick in 1..=seconds * 2 {
        scripted.ask(query).await;
        sleep_until(start + Duration::from_millis(500) * tick as u32).await;
    }
    scripted.log("vendor").calls()[before..].iter().map(|call| (call.sent - start).as_secs()).collect()
}

/// A check of a denial leaves the last unit of a limit to others. So the time told is when two units are free.
#[tokio::test(start_paused = true)]
async fn near_a_limits_end_the_time_told_for_a_denied_symbol_is_that_of_its_check() {
    let start = Instant::now();
    let at = async |seconds: u64| sleep_until(start + Duration::from_secs(seconds)).await;
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"crypto\"]\nlimits = [\"3/min\"]");
    scripted.ask("symbols=A-USD").await;
    at(30).await;
    scripted.ask("symbols=B-USD").await;
    at(40).await;
    vendor.says(Some(unknown()));
    let calls = || scripted.log("vendor").calls().len();
    let query = "symbols=X-USD&refresh_after=0s";
    assert_eq!((scripted.ask(query).await.code, calls()), (404, 3));
    // one unit comes free after 60 s, and the second after 90 s
    vendor.says(None);
    at(70).await;
    let answer = scripted.ask(query).await;
    let told = quotes(&answer)[0].outcome.failure.clone().unwrap().retry_at.unwrap();
    let now = scripted.service.clock().now().wall;
    assert_eq!((calls(), told.duration_since(now).as_secs()), (3, 20));
    at(89).await;
    assert_eq!((scripted.ask(query).await.code, calls()), (404, 3));
    at(90).await;
    assert_eq!((scripted.ask(query).await.code, calls()), (200, 4));
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_a_recent_quote_is_checked_after_5_and_30_s_and_then_believed() {
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"crypto\"]");
    scripted.ask("symbols=A-USD").await;
    vendor.says(Some(unknown()));
    sleep(Duration::from_secs(5)).await;
    let start = Instant::now();
    for (second, verdict) in [(0, Verdict::Used), (5, Verdict::Used), (35, Verdict::Failed)] {
        sleep_until(start + Duration::from_secs(second)).await;
        let calls = scripted.log("vendor").calls().len();
        let answer = scripted.ask("symbols=A-USD").await;
        let quote = quotes(&answer)[0];
        assert_eq!((quote.verdict, reason(&quote.outcome)), (verdict, "unknown_symbol"), "after {second} s");
        assert_eq!(answer.code, if verdict == Verdict::Used { 200 } else { 404 });
        assert_eq!(scripted.log("vendor").calls().len(), calls + 1, "after {second} s");
    }
    let calls = polled(&scripted, "symbols=A-USD", 3_700).await;
    assert!(matches!(calls[..], [3600]), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_checks_all_the_time_does_not_make_a_denial_believed_sooner() {
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"crypto\"]\nretries = 0");
    scripted.ask("symbols=A-USD").await;
    sleep(Duration::from_secs(5)).await;
    vendor.says(Some(unknown()));
    let start = Instant::now();
    for second in (0..=40).step_by(5) {
        sleep_until(start + Duration::from_secs(second)).await;
        let answer = scripted.ask("symbols=A-USD&refresh_after=0s").await;
        let expected = if second < 35 { Verdict::Used } else { Verdict::Failed };
        assert_eq!(quotes(&answer)[0].verdict, expected, "after {second} s");
        assert_eq!(answer.code, if second < 35 { 200 } else { 404 }, "after {second} s");
    }
    let called: Vec<u64> =
        scripted.log("vendor").calls().iter().skip(1).map(|call| (call.sent - start).as_secs()).collect();
    assert_eq!(called, [0, 5, 10, 15, 20, 25, 30, 35, 40], "it is asked as often as the caller wants");
}

#[tokio::test(start_paused = true)]
async fn one_denial_among_quotes_costs_nothing_and_is_shown() {
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"crypto\"]");
    scripted.ask("symbols=A-USD").await;
    sleep(Duration::from_secs(6)).await;
    vendor.says(Some(unknown()));
    let answer = scripted.ask("symbols=A-USD").await;
    let quote = quotes(&answer)[0];
    assert_eq!((answer.code, quote.verdict, reason(&quote.outcome)), (200, Verdict::Used, "unknown_symbol"));
    let retry_at = quote.outcome.failure.as_ref().unwrap().retry_at.unwrap();
    assert_eq!(retry_at.duration_since(scripted.service.clock().now().wall).as_secs(), 5);
    assert_eq!(answer.prices()[0].covering, 1);
    vendor.says(None);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(reason(&quotes(&scripted.ask("symbols=A-USD").await)[0].outcome), "ok");
    // the count starts over: the next denial is the first again
    sleep(Duration::from_secs(5)).await;
    vendor.says(Some(unknown()));
    assert_eq!(quotes(&scripted.ask("symbols=A-USD").await)[0].verdict, Verdict::Used);
}

#[tokio::test(start_paused = true)]
async fn under_an_hourly_limit_each_check_waits_as_long_as_a_quote_would() {
    let vendor = Vendor::default();
    let scripted = vendor.scripted("classes = [\"equity\"]\nlimits = [\"500/day\"]");
    scripted.ask("symbols=AAPL").await;
    vendor.says(Some(unknown()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(polled(&scripted, "symbols=AAPL&refresh_after=0s", 600).await, [0, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn callers_who_force_fetches_have_a_denied_symbol_asked_once_in_five_seconds() {
    let vendor = Vendor::default();
    vendor.says(Some(unknown()));
    let scripted = vendor.scripted("classes = [\"crypto\"]");
    assert_eq!(polled(&scripted, "symbols=A-USD", 60).await, [0]);
    // five seconds after the vendor's last answer, and so on
    assert_eq!(polled(&scripted, "symbols=A-USD&refresh_after=0s", 21).await, [0, 5, 10, 15, 20]);
    vendor.says(None);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(scripted.ask("symbols=A-USD&refresh_after=0s").await.code, 200);
}

#[tokio::test(start_paused = true)]
async fn a_denial_stands_while_its_source_is_left_alone() {
    let vendor = Vendor::default();
    vendor.says(Some(unknown()));
    let scripted = vendor.scripted("classes = [\"crypto\"]\nretries = 0");
    assert_eq!(scripted.ask("symbols=X-USD").await.code, 404);
    sleep(Duration::from_secs(10)).await;
    vendor.says(Some(SourceError::Connection("it broke".to_owned())));
    assert_eq!(scripted.ask("symbols=A-USD").await.code, 503);
    let calls = scripted.log("vendor").calls().len();
    assert_eq!(scripted.ask("symbols=X-USD&refresh_after=0s").await.code, 404);
    assert_eq!(scripted.log("vendor").calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_check_rides_along_for_free_and_never_takes_the_last_call() {
    let denies_x = |_: &str, symbols: Vec<Symbol>, clock: Clock| -> Replies {
        Box::pin(async move {
            let mut reply = all_quoted(symbols, &clock)?;
            for (symbol, row) in &mut reply.rows {
                if symbol.as_str().starts_with('X') {
                    *row = Err(unknown());
                }
            }
            Ok(reply)
        })
    };
    let settings =
        "[sources.vendor]\nclasses = [\"crypto\"]\nurl = \"http://x.test/{symbols}\"\njq = \".\"\nbatch = 2\n";
    let scripted = ScriptedService::new(&format!("{settings}limits = [\"3/min\"]"), &morning(), denies_x);
    let calls = || scripted.log("vendor").calls();
    scripted.ask("symbols=X1-USD,X2-USD").await;
    sleep(Duration::from_secs(5)).await;
    // two units are left: a check may use one for itself
    let answer = scripted.ask("symbols=X1-USD&refresh_after=0s").await;
    assert_eq!((calls().len(), answer.prices()[0].status), (2, Status::Unknown));
    // one unit is left, which checks may not use
    let asked = Instant::now();
    let answer = scripted.ask("symbols=X2-USD&refresh_after=0s").await;
    assert_eq!((calls().len(), answer.prices()[0].status, asked.elapsed()), (2, Status::Unknown, Duration::ZERO));
    // but there is room beside a symbol that is asked for in any case
    scripted.ask("symbols=X2-USD,B-USD&refresh_after=0s").await;
    let last = calls().pop().unwrap();
    assert_eq!(
        (calls().len(), last.symbols),
        (3, ["B-USD", "X2-USD"].map(|text| Symbol::parse(text).unwrap()).to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn only_three_denials_in_a_row_5_and_30_s_apart_wipe_out_a_recent_quote() {
    for seed in 0..25 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let vendor = Vendor::default();
        let scripted = vendor.scripted("classes = [\"crypto\"]\nretries = 0");
        let mut in_a_row = 0;
        let mut counts_from: Option<Instant> = None;
        let mut quoted: Option<Instant> = None;
        for step in 0..200 {
            let word = match chance.u8(0..10) {
                0..4 => None,
                4 => Some(SourceError::Connection("it broke".to_owned())),
                5 => Some(SourceError::NotInPlan("premium".to_owned())),
                _ => Some(unknown()),
            };
            vendor.says(word.clone());
            let calls = scripted.log("vendor").calls().len();
            let force = if chance.bool() { "&refresh_after=0s" } else { "" };
            let answer = scripted.ask(&format!("symbols=A-USD{force}")).await;
            let was_called = scripted.log("vendor").calls().len() > calls;
            match word {
                None if was_called => (in_a_row, counts_from, quoted) = (0, None, Some(Instant::now())),
                Some(SourceError::UnknownSymbol(_) | SourceError::NotInPlan(_))
                    if was_called && counts_from.is_none_or(|from| Instant::now() >= from) =>
                {
                    in_a_row += 1;
                    counts_from = Some(Instant::now() + Duration::from_secs(if in_a_row == 1 { 5 } else { 30 }));
                }
                _ => {}
            }
            let quote = quotes(&answer)[0];
            let is_recent = quoted.is_some_and(|quoted| quoted.elapsed() < Duration::from_secs(15 * 60));
            let what = format!("seed {seed}, step {step}: {in_a_row} in a row, {quote:?}");
            if is_recent && in_a_row <= 2 {
                assert!(quote.verdict != Verdict::Failed && answer.prices()[0].status != Status::Unknown, "{what}");
                assert_eq!(answer.prices()[0].covering, 1, "{what}");
            }
            if in_a_row >= 3 {
                assert_eq!(quote.verdict, Verdict::Failed, "{what}");
            }
            sleep(Duration::from_millis(chance.u64(0..40_000))).await;
        }
    }
}
