//! A vendor's limits are exact: never more than N calls in any window, and never a wait that cannot end in time.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Log, limit, most_in_a_window, symbol, within};
use quotefold::failure::SourceError;
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Deadlines, Reply};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt};

fn account(limits: &[&str]) -> Arc<Account> {
    Arc::new(Account::new("vendor", &limits.iter().map(|text| limit(text)).collect::<Vec<_>>()))
}

fn vendor(
    account: &Arc<Account>,
    log: &Log,
) -> impl Service<Batch, Response = Reply, Error = SourceError, Future: Send> + Clone + use<> {
    let log = log.clone();
    within(account).layer(tower::service_fn(move |batch: Batch| {
        let in_flight = log.enter(&batch.send());
        async move {
            drop(in_flight);
            Ok(Reply { rows: Vec::new() })
        }
    }))
}

fn batch(budget: Duration) -> Batch {
    let ends_by = Instant::now() + budget;
    let batch = Batch::new(1, false, Deadlines { sends_by: ends_by, replies_by: ends_by, ends_by });
    batch.join(&symbol("A-USD"));
    batch
}

#[tokio::test(start_paused = true)]
async fn no_window_ever_holds_more_calls_than_the_limit() {
    let (account, log) = (account(&["5/min", "2/s"]), Log::default());
    let vendor = vendor(&account, &log);
    let mut chance = fastrand::Rng::with_seed(7);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        calls.spawn(vendor.clone().oneshot(batch(Duration::from_secs(30))));
        // bursts and pauses, so that each of the two limits is the tighter one now and then
        let pause = if chance.bool() { chance.u64(0..300) } else { chance.u64(0..40_000) };
        sleep(Duration::from_millis(pause)).await;
    }
    while calls.join_next().await.is_some() {}
    assert_eq!(most_in_a_window(&log, Duration::from_secs(60)), 5);
    assert_eq!(most_in_a_window(&log, Duration::from_secs(1)), 2);
    assert!(log.calls().len() > 100, "the limit is also used");
}

#[tokio::test(start_paused = true)]
async fn a_daily_limit_is_spread_so_that_no_five_minutes_eat_the_day() {
    let (account, log) = (account(&["25/day"]), Log::default());
    let vendor = vendor(&account, &log);
    for _ in 0..300 {
        let _ = vendor.clone().oneshot(batch(Duration::from_secs(2))).await;
        sleep(Duration::from_secs(60)).await;
    }
    // five in the first fifth of the day, and the next five when that has passed
    assert_eq!(
        log.calls().iter().filter(|call| call.sent < log.calls()[0].sent + Duration::from_secs(17_280)).count(),
        5
    );
    assert_eq!(log.calls().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_outlast_its_time_is_refused_at_once_with_the_time_to_wait() {
    let (account, log) = (account(&["1/min"]), Log::default());
    let vendor = vendor(&account, &log);
    vendor.clone().oneshot(batch(Duration::from_secs(2))).await.unwrap();
    advance(Duration::from_secs(10)).await;
    let before = Instant::now();
    let refused = vendor.clone().oneshot(batch(Duration::from_secs(2))).await.unwrap_err();
    assert_eq!(refused, SourceError::Throttled { limit: "1/min".to_owned(), retry_after: Duration::from_secs(50) });
    assert_eq!(Instant::now(), before);
    assert_eq!(account.allowance().left(Instant::now())[0].left, 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_gives_its_turn_back() {
    let (account, log) = (account(&["1/s"]), Log::default());
    let vendor = vendor(&account, &log);
    vendor.clone().oneshot(batch(Duration::from_secs(2))).await.unwrap();
    let waiting = tokio::spawn(vendor.clone().oneshot(batch(Duration::from_secs(2))));
    sleep(Duration::from_millis(100)).await;
    waiting.abort();
    let _ = waiting.await;
    assert_eq!(account.allowance().room(5, Instant::now(), Instant::now() + Duration::from_secs(1)).0, 1);
    vendor.clone().oneshot(batch(Duration::from_secs(1))).await.unwrap();
    assert_eq!(log.calls()[1].sent - log.calls()[0].sent, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn looking_for_room_spends_nothing() {
    let account = account(&["3/s"]);
    let now = Instant::now();
    let until = now + Duration::from_secs(1);
    assert_eq!(account.allowance().room(10, now, until), account.allowance().room(10, now, until));
    assert_eq!(account.allowance().room(10, now, until).0, 6, "three now, three when the second has passed");
    assert_eq!(account.allowance().left(now)[0].left, 3);
}

#[tokio::test(start_paused = true)]
async fn a_429_ends_the_wait_of_every_call_in_the_queue() {
    let account = account(&["1/s"]);
    let refusing = within(&account).layer(tower::service_fn(|batch: Batch| async move {
        batch.send();
        sleep(Duration::from_millis(500)).await;
        Err::<Reply, _>(SourceError::RateLimited {
            detail: "slow down".to_owned(),
            retry_after: Some(Duration::from_secs(9)),
        })
    }));
    let start = Instant::now();
    let first = tokio::spawn(refusing.clone().oneshot(batch(Duration::from_secs(2))));
    tokio::task::yield_now().await;
    let second = refusing.clone().oneshot(batch(Duration::from_secs(2))).await.unwrap_err();
    assert_eq!(second.reason(), "rate_limited");
    assert_eq!(start.elapsed(), Duration::from_millis(500), "told as soon as it is known, not when its turn came");
    assert_eq!(first.await.unwrap().unwrap_err().reason(), "rate_limited");
    assert!(account.cooldown(Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_late_does_not_let_two_through_at_once() {
    let (account, log) = (account(&["1/s"]), Log::default());
    let vendor = vendor(&account, &log);
    vendor.clone().oneshot(batch(Duration::from_secs(30))).await.unwrap();
    let mut first = Box::pin(vendor.clone().oneshot(batch(Duration::from_secs(30))));
    let mut second = Box::pin(vendor.clone().oneshot(batch(Duration::from_secs(30))));
    tokio::select! {
        biased;
        _ = &mut first => panic!("it has to wait for a second"),
        _ = &mut second => panic!("it has to wait for two"),
        () = std::future::ready(()) => {}
    }
    // no task runs for two seconds (a stopped process), and then the later one wakes first
    advance(Duration::from_secs(2)).await;
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(log.calls().len(), 3);
    assert_eq!(most_in_a_window(&log, Duration::from_secs(1)), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_refusals_at_the_same_time_the_worse_one_counts() {
    let account = account(&["10/s"]);
    let refusing = |error: SourceError, after: u64| {
        let vendor = within(&account).layer(tower::service_fn(move |_: Batch| {
            let error = error.clone();
            async move {
                sleep(Duration::from_millis(after)).await;
                Err::<Reply, _>(error)
            }
        }));
        tokio::spawn(vendor.oneshot(batch(Duration::from_secs(2))))
    };
    let detail = || "no".to_owned();
    let retry_after = |seconds| Some(Duration::from_secs(seconds));
    let calls = [
        refusing(SourceError::RateLimited { detail: detail(), retry_after: retry_after(2) }, 100),
        refusing(SourceError::QuotaExhausted { detail: detail(), retry_after: retry_after(3600) }, 200),
        refusing(SourceError::RateLimited { detail: detail(), retry_after: retry_after(2) }, 300),
    ];
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    let cooldown = account.cooldown(Instant::now()).unwrap();
    assert_eq!(cooldown.error.reason(), "quota_exhausted");
    assert!(cooldown.until > Instant::now() + Duration::from_secs(3599));
}

/// A vendor behind a network: each call and each reply travels for a random time. Some connections are refused, some
/// callers leave, some replies never begin.
#[tokio::test(start_paused = true)]
async fn no_window_at_the_vendors_end_exceeds_the_limit_however_long_calls_travel() {
    for seed in 0..40 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let limits = [&["5/s"][..], &["1/s", "30/min"], &["3/s", "20/min"], &["7/min"]][chance.usize(..4)];
        let (account, log) = (account(limits), Log::default());
        let vendor = {
            let (log, chance) = (log.clone(), std::sync::Arc::new(std::sync::Mutex::new(chance.fork())));
            within(&account).layer(tower::service_fn(move |batch: Batch| {
                let (log, mut chance) = (log.clone(), chance.lock().unwrap());
                let mut within = |most| Duration::from_millis(chance.u64(0..most));
                let (handshake, way, work, fate) = (within(900), within(50), within(300), within(10));
                async move {
                    let asked = batch.connect();
                    sleep(handshake).await;
                    if fate.as_millis() == 0 {
                        return Err(SourceError::Connection("refused".to_owned()));
                    }
                    batch.write();
                    sleep(way).await;
                    drop(log.enter(&asked));
                    sleep(work).await;
                    if fate.as_millis() == 1 {
                        return Err(SourceError::Connection("broken".to_owned()));
                    }
                    batch.begin_reply();
                    sleep(work).await;
                    Ok(Reply { rows: Vec::new() })
                }
            }))
        };
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..150 {
            let call = vendor.clone().oneshot(batch(Duration::from_secs(30)));
            // some leave, at any moment
            let patience = Duration::from_millis(if chance.u8(..3) == 0 { chance.u64(1..2_000) } else { 60_000 });
            calls.spawn(tokio::time::timeout(patience, call));
            sleep(Duration::from_millis(chance.u64(0..400))).await;
        }
        while calls.join_next().await.is_some() {}
        for limit in limits.iter().map(|text| limit(text)) {
            let most = most_in_a_window(&log, limit.period);
            assert!(most <= limit.calls as usize, "seed {seed}: {most} in {limit}");
        }
        assert!(log.calls().len() > 5, "seed {seed}: the limits are used: {}", log.calls().len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_counts_from_its_grant_until_a_period_after_the_reply_begins() {
    let account = account(&["1/s"]);
    let vendor = within(&account).layer(tower::service_fn(|batch: Batch| async move {
        batch.connect();
        sleep(Duration::from_millis(400)).await;
        batch.write();
        sleep(Duration::from_millis(300)).await;
        batch.begin_reply();
        // the body takes longer, which does not matter for the limit
        sleep(Duration::from_secs(5)).await;
        Ok(Reply { rows: Vec::new() })
    }));
    let start = Instant::now();
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(vendor.clone().oneshot(batch(Duration::from_secs(60))))).collect();
    for (number, call) in calls.into_iter().enumerate() {
        call.await.unwrap().unwrap();
        let turn = Duration::from_millis(1_700) * u32::try_from(number).unwrap();
        assert_eq!(start.elapsed(), turn + Duration::from_millis(5_700));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_returns_its_unit_to_the_next_in_line() {
    let account = account(&["1/min"]);
    let vendor = within(&account).layer(tower::service_fn(|batch: Batch| async move {
        batch.connect();
        sleep(Duration::from_millis(400)).await;
        Err::<Reply, _>(SourceError::Connection("refused".to_owned()))
    }));
    let start = Instant::now();
    let first = tokio::spawn(vendor.clone().oneshot(batch(Duration::from_secs(90))));
    let second = tokio::spawn(vendor.clone().oneshot(batch(Duration::from_secs(90))));
    first.await.unwrap().unwrap_err();
    second.await.unwrap().unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_millis(800), "the second is sent as soon as the first was refused");
    assert_eq!(account.allowance().left(Instant::now())[0].left, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_after_it_was_written_counts_for_its_whole_time() {
    let account = account(&["1/s"]);
    let vendor = within(&account).layer(tower::service_fn(|batch: Batch| {
        batch.send();
        std::future::pending::<Result<Reply, SourceError>>()
    }));
    let start = Instant::now();
    let deadlines = Deadlines {
        sends_by: start,
        replies_by: start + Duration::from_secs(2),
        ends_by: start + Duration::from_secs(3),
    };
    let call = vendor.oneshot(Batch::new(1, false, deadlines));
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    // a call that was written may arrive at any moment until its reply would have been too late
    assert_eq!(account.allowance().room_at(1, Instant::now()), start + Duration::from_secs(3));
}
