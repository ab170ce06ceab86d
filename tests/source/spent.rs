//! What an account knows after a restart: windows that began before the restart still hold.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quotefold::clock::{Clock, Moment};
use quotefold::failure::SourceError;
use quotefold::fingerprint::Fingerprint;
use quotefold::source::account::Account;
use quotefold::source::account::AccountState;
use quotefold::source::batch::{Batch, Deadlines, Reply};
use quotefold::units::Limit;
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};

use crate::support::{limit, symbol, within};
use crate::vendors::morning;

const HOUR: Duration = Duration::from_secs(3600);

/// Deadlines for a call that must be sent at this moment or not at all.
fn at_once() -> Deadlines {
    let now = Instant::now();
    Deadlines { sends_by: now, replies_by: now, ends_by: now }
}

/// Spends the units that an account has room for, up to `most`, and returns how many those were.
async fn spend(account: &Arc<Account>, most: usize) -> usize {
    let vendor =
        within(account).layer(tower::service_fn(|_: Batch| async { Ok::<_, SourceError>(Reply { rows: Vec::new() }) }));
    for done in 0..most {
        let batch = Batch::new(1, false, at_once());
        batch.join(&symbol("A-USD"));
        if vendor.clone().oneshot(batch).await.is_err() {
            return done;
        }
    }
    most
}

fn account(limits: &[&str]) -> Arc<Account> {
    let limits: Vec<Limit> = limits.iter().map(|text| limit(text)).collect();
    Arc::new(Account::new("vendor", &limits))
}

/// The same account in the next process.
fn reborn(account: &Account, limits: &[&str], clock: &Clock) -> Arc<Account> {
    let (next, now) = (self::account(limits), clock.now());
    next.restore(&through_json(&account.remember(now)), now.wall, now);
    next
}

fn through_json(state: &AccountState) -> AccountState {
    serde_json::from_slice(&serde_json::to_vec(state).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_25_calls_a_day_20_spent_leave_5_after_a_restart_also_in_its_fifth() {
    let (clock, limits) = (morning(), ["25/day"]);
    let mut account = account(&limits);
    // four times a fifth of the day and a minute, because calls that are older than an hour are rounded to minutes
    for _ in 0..4 {
        assert_eq!(spend(&account, 100).await, 5);
        advance(Duration::from_millis(17_340_400)).await;
    }
    account = reborn(&account, &limits, &clock);
    let left: Vec<usize> = account.allowance().left(Instant::now()).iter().map(|left| left.left).collect();
    assert_eq!(left, [5, 5], "of the day, and of its fifth");
    assert_eq!(spend(&account, 100).await, 5);
    account = reborn(&account, &limits, &clock);
    assert_eq!(spend(&account, 100).await, 0, "another restart gives nothing");
    // a fifth of a day later the first five calls are a day old, give or take the minute of rounding
    advance(Duration::from_secs(17_280 + 120)).await;
    assert_eq!(spend(&account, 100).await, 5);
}

#[tokio::test(start_paused = true)]
async fn restarts_at_any_time_let_no_window_hold_more_than_the_limit() {
    let all = [&["5/min", "25/day"][..], &["2/s", "30/min"], &["3/s", "40/h", "300/month"], &["1/s"]];
    for seed in 0..60 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let limits = all[chance.usize(..all.len())];
        let clock = morning();
        let mut account = account(limits);
        let mut sent: Vec<Instant> = Vec::new();
        for _ in 0..400 {
            let spent = spend(&account, chance.usize(1..8)).await;
            sent.extend(std::iter::repeat_n(Instant::now(), spent));
            if chance.u8(..8) == 0 {
                account = reborn(&account, limits, &clock);
            }
            // from milliseconds to hours
            let most = 10_u64.pow(chance.u32(1..8));
            advance(Duration::from_millis(chance.u64(0..most))).await;
        }
        for limit in limits.iter().map(|text| limit(text)) {
            let ends = |start: Instant| sent.partition_point(|at| *at < start + limit.period);
            let most = sent.iter().enumerate().map(|(index, start)| ends(*start) - index).max().unwrap();
            assert!(most <= limit.calls as usize, "seed {seed}: {most} in {limit}");
        }
        assert!(sent.len() > 50, "seed {seed}: the limits are used: {}", sent.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_when_the_process_is_killed_counts_until_it_must_have_ended() {
    let (clock, limits, start) = (morning(), ["1/min"], Instant::now());
    let before = account(&limits);
    let vendor = within(&before).layer(tower::service_fn(|batch: Batch| {
        batch.send();
        std::future::pending::<Result<Reply, SourceError>>()
    }));
    let replies_by = start + Duration::from_secs(8);
    let deadlines = Deadlines { sends_by: replies_by, replies_by, ends_by: replies_by };
    let call = tokio::spawn(vendor.oneshot(Batch::new(1, false, deadlines)));
    tokio::task::yield_now().await;
    let (state, saved_at) = (through_json(&before.remember(clock.now())), clock.now().wall);
    call.abort();
    for (down, until) in [(1, 61), (8, 68), (30, 68)] {
        tokio::time::sleep_until(start + Duration::from_secs(down)).await;
        let after = account(&limits);
        after.restore(&state, saved_at, clock.now());
        // the file holds whole seconds
        let room_at = (after.allowance().room_at(1, Instant::now()) - start).as_millis();
        assert!((until * 1000..=until * 1000 + 1000).contains(&room_at), "{room_at} ms, {down} s after the kill");
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_restarts_postpone_nothing() {
    let (clock, limits) = (morning(), ["10/month"]);
    let mut account = account(&limits);
    assert_eq!(spend(&account, 2).await, 2);
    advance(HOUR * 30).await;
    let first = account.remember(clock.now()).spent;
    for _ in 0..50 {
        account = reborn(&account, &limits, &clock);
        advance(Duration::from_millis(700)).await;
    }
    assert_eq!(account.remember(clock.now()).spent, first);
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_counts_towards_limits_that_were_changed_since() {
    let clock = morning();
    let account = account(&["25/day"]);
    spend(&account, 4).await;
    assert_eq!(spend(&reborn(&account, &["60/min", "10/day"], &clock), 100).await, 0, "2 in a fifth of the day");
    assert_eq!(spend(&reborn(&account, &["100/day"], &clock), 100).await, 16, "20 in a fifth of the day");
    assert_eq!(spend(&reborn(&account, &["2/s"], &clock), 100).await, 0);
    advance(Duration::from_secs(2)).await;
    assert_eq!(spend(&reborn(&account, &["2/s"], &clock), 100).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_names_more_units_than_there_can_be_takes_no_memory() {
    let (account, now) = (account(&["25/day"]), morning().now());
    let past = AccountState { spent: vec![(now.wall.as_second() - 5, usize::MAX)], ..AccountState::default() };
    account.restore(&past, now.wall, now);
    assert_eq!(account.allowance().left(now.monotonic)[0].left, 0);
    assert_eq!(account.remember(now).spent[0].1, 25);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_changed_has_not_been_refused_yet_but_its_calls_are_spent() {
    let (clock, limits) = (morning(), [limit("25/day")]);
    let with_key = |key| Arc::new(Account::new("vendor", &limits).marked(Some(Fingerprint::of([key], 2))));
    let before = with_key("one");
    let refusing = within(&before).layer(tower::service_fn(|_: Batch| async {
        Err::<Reply, _>(SourceError::Unauthorized("wrong key".to_owned()))
    }));
    let _ = refusing.oneshot(Batch::new(1, false, at_once())).await;
    let now = clock.now();
    let past = before.remember(now);
    for (key, cools) in [("one", true), ("two", false)] {
        let after = with_key(key);
        after.restore(&past, now.wall, now);
        assert_eq!(after.cooldown(now.monotonic).is_some(), cools, "key {key}");
        assert_eq!(after.allowance().left(now.monotonic)[0].left, 24);
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_versions_mark_says_nothing_of_the_key_so_the_cooldown_stays() {
    let (clock, limits) = (morning(), [limit("25/day")]);
    let earlier = r#"{"key_mark":4711,"spent":[],"refused":{"rate_limited":0,"quota_exhausted":1,"unauthorized":0},
        "cooldown":{"reason":"quota_exhausted","detail":"25 calls a day","until":"2026-11-20T15:00:00Z"}}"#;
    let past: AccountState = serde_json::from_str(earlier).unwrap();
    let now = clock.now();
    for mark in [None, Some(Fingerprint::of(["a key"], 2))] {
        let account = Account::new("vendor", &limits).marked(mark.clone());
        account.restore(&past, now.wall, now);
        assert!(account.cooldown(now.monotonic).is_some(), "{mark:?}");
    }
}

/// Times that no wall clock shows.
#[tokio::test(start_paused = true)]
async fn times_that_no_clock_shows_are_survived() {
    let account = account(&["5/min", "25/day"]);
    let past = AccountState { spent: vec![(i64::MIN, 1), (0, 2), (i64::MAX, 3)], ..AccountState::default() };
    for wall in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let now = Moment { wall, monotonic: Instant::now() };
        account.restore(&past, Timestamp::MAX, now);
        account.remember(now);
    }
    assert_eq!(account.allowance().left(Instant::now())[0].left, 0, "an impossible time counts as now");
}
