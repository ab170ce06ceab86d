//! Days on which a vendor refuses: how often it is still asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::source::batch::Reply;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::all_quoted;
use crate::vendors::{Replies, ScriptedService, crypto, morning};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// A vendor that answers every call with this, at once.
fn always(error: SourceError) -> impl Fn(&str, Vec<Symbol>, Clock) -> Replies + Clone + Send + Sync + 'static {
    move |_: &str, _, _| {
        let error = error.clone();
        Box::pin(async move { Err(error) })
    }
}

fn quota(retry_after: Option<Duration>) -> SourceError {
    SourceError::QuotaExhausted { detail: "daily quota exceeded".to_owned(), retry_after }
}

fn rate_limited(retry_after: Option<Duration>) -> SourceError {
    SourceError::RateLimited { detail: "slow down".to_owned(), retry_after }
}

/// Polls like a client that forces fresh quotes, and returns the seconds after which the vendor was called.
async fn polled(scripted: &ScriptedService, every: Duration, for_long: Duration) -> Vec<u64> {
    let start = Instant::now();
    while start.elapsed() < for_long {
        scripted.ask("symbols=A-USD&refresh_after=0s").await;
        sleep(every).await;
    }
    scripted.log("alpha").calls().iter().map(|call| (call.sent - start).as_secs()).collect()
}

fn alpha(error: SourceError) -> ScriptedService {
    ScriptedService::new(&crypto("alpha", ""), &morning(), always(error))
}

#[tokio::test(start_paused = true)]
async fn a_quota_used_up_at_nine_is_asked_for_a_handful_of_times_that_day() {
    let calls = polled(&alpha(quota(None)), MINUTE, DAY).await;
    // after 15 and 30 minutes, 1, 2, 4 and then every 6 hours, rounded up to the minute in which a caller asks
    let hours: Vec<u64> = [0, 1, 3, 7, 15, 31, 55, 79].iter().map(|quarters| quarters * 900).collect();
    assert_eq!(calls, hours);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_says_when_it_is_filled_again_is_asked_for_then_and_not_before() {
    let reset = Duration::from_secs(15 * 3600);
    assert_eq!(polled(&alpha(quota(Some(reset))), MINUTE, DAY).await, [0, 15 * 3600]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_tried_after_five_minutes_and_soon_once_an_hour() {
    let calls = polled(&alpha(SourceError::Unauthorized("wrong key".to_owned())), MINUTE, DAY / 4).await;
    let minutes: Vec<u64> = calls.iter().map(|second| second / 60).collect();
    assert_eq!(minutes, [0, 5, 15, 35, 75, 135, 195, 255, 315]);
}

#[tokio::test(start_paused = true)]
async fn a_429_without_a_time_is_asked_again_after_a_second_and_soon_once_a_minute() {
    let calls = polled(&alpha(rate_limited(None)), Duration::from_millis(200), MINUTE * 5).await;
    assert_eq!(calls, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
}

#[tokio::test(start_paused = true)]
async fn a_stated_wait_is_believed_within_reason() {
    let half_an_hour = rate_limited(Some(MINUTE * 30));
    assert_eq!(polled(&alpha(half_an_hour), Duration::from_secs(1), MINUTE * 61).await, [0, 1800, 3600]);
    // as long as a ban may last, but no longer
    let week = rate_limited(Some(DAY * 7));
    assert_eq!(polled(&alpha(week), MINUTE, DAY * 2).await, [0, 86_400]);
    let year = quota(Some(DAY * 365));
    assert_eq!(polled(&alpha(year), Duration::from_secs(3600), DAY * 32).await, [0, 31 * 86_400]);
}

fn blocked(retry_after: Option<Duration>) -> SourceError {
    SourceError::Blocked { detail: "not from there".to_owned(), retry_after }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_served_is_tried_after_a_minute_and_soon_once_an_hour() {
    let calls = polled(&alpha(blocked(None)), Duration::from_secs(5), DAY / 6).await;
    // a single page may have been about that one call only
    assert_eq!(calls[..2], [0, 5]);
    let minutes: Vec<u64> = calls[1..].windows(2).map(|pair| (pair[1] - pair[0]) / 60).collect();
    assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
    let calls = polled(&alpha(blocked(Some(DAY * 7))), MINUTE, DAY * 2).await;
    assert_eq!(calls, [0, 60, 60 + 86_400], "no ban is believed for longer than a day");
}

#[tokio::test(start_paused = true)]
async fn a_firewalls_page_between_two_successes_starts_no_cooldown() {
    let scripted =
        ScriptedService::new(&crypto("alpha", ""), &morning(), |_: &str, symbols: Vec<Symbol>, clock: Clock| {
            let refuses = symbols.iter().any(|symbol| symbol.as_str().starts_with("ODD"));
            Box::pin(async move { if refuses { Err(blocked(None)) } else { all_quoted(symbols, &clock) } })
        });
    for number in 0..20 {
        scripted.ask(&format!("symbols=ODD{number}-USD")).await;
        sleep(Duration::from_secs(1)).await;
        let answer = scripted.ask("symbols=A-USD&refresh_after=0s").await;
        assert!(answer.prices()[0].folded.is_some(), "{number}");
    }
    assert_eq!(scripted.log("alpha").calls().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_make_no_call_in_the_two_seconds_and_one_call_afterwards() {
    let refused = Arc::new(Mutex::new(false));
    let scripted = Arc::new(ScriptedService::new(&crypto("alpha", ""), &morning(), move |_: &str, symbols, clock| {
        let refuse = !std::mem::replace(&mut *refused.lock().unwrap(), true);
        Box::pin(async move {
            sleep(Duration::from_millis(50)).await;
            if refuse { Err(rate_limited(Some(Duration::from_secs(2)))) } else { all_quoted(symbols, &clock) }
        })
    }));
    let start = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let scripted = Arc::clone(&scripted);
        // each asks until it has a price, as often as it can
        clients.spawn(async move {
            while scripted.ask("symbols=A-USD&refresh_after=1s").await.prices()[0].folded.is_none() {
                sleep(Duration::from_millis(10)).await;
                assert!(start.elapsed() < Duration::from_secs(10), "no price came");
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let sent: Vec<u128> = scripted.log("alpha").calls().iter().map(|call| (call.sent - start).as_millis()).collect();
    assert!(matches!(sent[..], [0, 2050..=2070]), "{sent:?}");
}

/// A vendor whose calls take as long as the symbol's name says, and that refuses all but the slow one.
fn slow_success(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move {
        let is_slow = symbols.iter().any(|symbol| symbol.as_str() == "SLOW-USD");
        sleep(Duration::from_millis(if is_slow { 900 } else { 100 })).await;
        if is_slow { all_quoted(symbols, &clock) } else { Err::<Reply, _>(quota(None)) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_success_sent_before_the_refusal_does_not_reset_the_next_wait() {
    let scripted = ScriptedService::new(&crypto("alpha", ""), &morning(), slow_success);
    let start = Instant::now();
    let ((), ()) = tokio::join!(async { drop(scripted.ask("symbols=SLOW-USD").await) }, async {
        scripted.ask("symbols=A-USD").await;
    });
    sleep_until(start + MINUTE * 16).await;
    scripted.ask("symbols=A-USD").await;
    let until = scripted.service.sources()[0].account.cooldown(Instant::now()).unwrap().until;
    assert_eq!((until - Instant::now()).as_secs(), 1800);
    // a success that was sent after it does
    sleep_until(start + MINUTE * 60).await;
    scripted.ask("symbols=SLOW-USD").await;
    scripted.ask("symbols=A-USD").await;
    let until = scripted.service.sources()[0].account.cooldown(Instant::now()).unwrap().until;
    assert_eq!((until - Instant::now()).as_secs(), 900);
}
