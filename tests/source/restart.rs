//! What a restart may not change: a day's calls are spent once, a vendor that said no is left alone, and quotes keep their age.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quotefold::clock::{Clock, Moment};
use quotefold::fold::Verdict;
use quotefold::settings::units::Limit;
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply, Times};
use quotefold::source::error::SourceError;
use quotefold::source::rate_limit::RateLimitLayer;
use quotefold::state::snapshot::{Restored, Strangers, give, take};
use quotefold::state::{AccountState, State};
use quotefold::symbol::Symbol;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};

use crate::support::{all_quoted, limit, reason, symbol};
use crate::town::{Said, Town, crypto, morning};

const HOUR: Duration = Duration::from_secs(3600);

fn quoting(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Said {
    Box::pin(async move {
        sleep(Duration::from_millis(50)).await;
        all_quoted(symbols, &clock)
    })
}

/// The state of a service as the next one reads it.
fn saved(town: &Town) -> State {
    let state = take(&town.service, &Strangers::new(), town.service.clock.now());
    State::parse(&state.to_bytes().unwrap()).unwrap()
}

fn restored(town: &Town, state: State) -> Restored {
    give(&town.service, state, town.service.clock.now()).0
}

/// The same service after a restart.
fn restart(town: &Town, settings: &str, clock: &Clock) -> Town {
    let next = Town::new(settings, clock, quoting);
    restored(&next, saved(town));
    next
}

/// Spends what an account has room for, up to so many units; says how many that were.
async fn spend(account: &Arc<Account>, most: usize) -> usize {
    let vendor = RateLimitLayer(Arc::clone(account))
        .layer(tower::service_fn(|_: Batch| async { Ok::<_, SourceError>(Reply { rows: Vec::new() }) }));
    for done in 0..most {
        let batch = Batch::new(1, false, at_once());
        batch.board(&symbol("A-USD"));
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

fn at_once() -> Times {
    let now = Instant::now();
    Times { sends_by: now, replies_by: now, ends_by: now }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_25_calls_that_spent_20_has_5_left_after_a_restart_and_a_fifth_of_it_still_bears_5() {
    let (clock, limits) = (morning(), ["25/day"]);
    let mut account = account(&limits);
    // four fifths of the day, and a minute each: to so much are calls rounded that are older than an hour
    for _ in 0..4 {
        assert_eq!(spend(&account, 100).await, 5);
        advance(Duration::from_millis(17_340_400)).await;
    }
    account = reborn(&account, &limits, &clock);
    let left: Vec<usize> = account.left(Instant::now()).iter().map(|left| left.left).collect();
    assert_eq!(left, [5, 5], "of the day, and of its fifth");
    assert_eq!(spend(&account, 100).await, 5);
    account = reborn(&account, &limits, &clock);
    assert_eq!(spend(&account, 100).await, 0, "another restart gives nothing");
    // a fifth later the first five calls are a day old, give or take the minute they were rounded to
    advance(Duration::from_secs(17_280 + 120)).await;
    assert_eq!(spend(&account, 100).await, 5);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_spent_and_whenever_it_restarts_no_window_holds_more_than_the_limit() {
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
        assert!(sent.len() > 50, "seed {seed}: the limits are made use of: {}", sent.len());
    }
}

#[tokio::test(start_paused = true)]
async fn restarting_again_and_again_moves_nothing_on() {
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
    assert_eq!(account.left(now.monotonic)[0].left, 0);
    assert_eq!(account.remember(now).spent[0].1, 25);
}

/// A vendor that says once that its quota is used up, and then quotes again.
fn refusing_once() -> impl Fn(&str, Vec<Symbol>, Clock) -> Said + Clone + Send + Sync + 'static {
    let refused = Arc::new(Mutex::new(false));
    move |_: &str, symbols, clock: Clock| {
        let refuse = !std::mem::replace(&mut *refused.lock().unwrap(), true);
        Box::pin(async move {
            let error = SourceError::QuotaExhausted { detail: "25 calls a day".to_owned(), retry_after: None };
            if refuse { Err(error) } else { all_quoted(symbols, &clock) }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_said_no_is_left_alone_after_a_restart_for_as_long_as_before() {
    let (settings, clock) = (crypto("alpha", ""), morning());
    let before = Town::new(&settings, &clock, refusing_once());
    before.ask("symbols=A-USD").await;
    advance(Duration::from_secs(600)).await;
    let after = Town::new(&settings, &clock, refusing_once());
    assert_eq!(restored(&after, saved(&before)).cooldowns, 1);
    let answer = after.ask("symbols=A-USD").await;
    let outcome = &answer.prices()[0].quotes[0].outcome;
    assert_eq!(reason(outcome), "quota_exhausted");
    assert_eq!(outcome.failure.as_ref().unwrap().error.to_string(), "25 calls a day");
    assert_eq!(after.log("alpha").calls().len(), 0);
    // the quarter of an hour is over five minutes later; the next no lasts twice as long
    advance(Duration::from_secs(301)).await;
    after.ask("symbols=A-USD&refresh_after=0s").await;
    assert_eq!(after.log("alpha").calls().len(), 1);
    let until = after.service.sources[0].account.cooldown(Instant::now()).unwrap().until;
    assert_eq!(until - Instant::now(), Duration::from_secs(1800));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_changed_has_not_been_refused_yet_but_its_calls_are_spent() {
    let (clock, limits) = (morning(), [limit("25/day")]);
    let with_key = |mark| Arc::new(Account::new("vendor", &limits).marked(Some(mark)));
    let before = with_key(1);
    let refusing = RateLimitLayer(Arc::clone(&before)).layer(tower::service_fn(|_: Batch| async {
        Err::<Reply, _>(SourceError::Unauthorized("wrong key".to_owned()))
    }));
    let _ = refusing.oneshot(Batch::new(1, false, at_once())).await;
    let now = clock.now();
    let past = before.remember(now);
    for (mark, cools) in [(1, true), (2, false)] {
        let after = with_key(mark);
        after.restore(&past, now.wall, now);
        assert_eq!(after.cooldown(now.monotonic).is_some(), cools, "key {mark}");
        assert_eq!(after.left(now.monotonic)[0].left, 24);
    }
}

#[tokio::test(start_paused = true)]
async fn quotes_keep_their_times_so_they_are_fetched_again_when_they_would_have_been() {
    let (settings, clock) = (crypto("alpha", "") + &crypto("beta", ""), morning());
    let before = Town::new(&settings, &clock, quoting);
    let first = before.ask("symbols=BTC-USD").await;
    advance(Duration::from_secs(3)).await;
    let after = restart(&before, &settings, &clock);
    let second = after.ask("symbols=BTC-USD").await;
    assert_eq!(after.log("alpha").calls().len(), 0, "a quote of 3 s is young enough");
    let (one, two) = (&first.prices()[0], &second.prices()[0]);
    assert_eq!(one.folded.as_ref().map(|folded| folded.price), two.folded.as_ref().map(|folded| folded.price));
    for (one, two) in one.quotes.iter().zip(&two.quotes) {
        assert_eq!(one.outcome.quote, two.outcome.quote);
    }
    advance(Duration::from_secs(3)).await;
    after.ask("symbols=BTC-USD").await;
    assert_eq!(after.log("alpha").calls().len(), 1, "one of 6 s is not");
}

#[tokio::test(start_paused = true)]
async fn an_old_quote_is_as_stale_after_a_restart_as_before() {
    let (settings, clock) = (crypto("alpha", "") + &crypto("beta", ""), morning());
    let before = Town::new(&settings, &clock, quoting);
    before.ask("symbols=BTC-USD").await;
    advance(HOUR).await;
    let after = Town::new(&settings, &clock, |_, _, _| Box::pin(async { Err(SourceError::unavailable("503")) }));
    restored(&after, saved(&before));
    let answer = after.ask("symbols=BTC-USD").await;
    let price = &answer.prices()[0];
    assert!(price.folded.is_none(), "{price:?}");
    let is_used = |verdict: &Verdict| *verdict == Verdict::Used;
    assert!(!price.quotes.iter().any(|judged| is_used(&judged.verdict)), "{price:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_any_more_loses_its_quotes_but_not_what_it_spent() {
    let clock = morning();
    let (alpha, beta) = (crypto("alpha", "limits = [\"25/day\"]"), crypto("beta", ""));
    let both = Town::new(&(alpha.clone() + &beta), &clock, quoting);
    both.ask("symbols=BTC-USD").await;
    let alone = Town::new(&beta, &clock, quoting);
    let (restored, strangers) = give(&alone.service, saved(&both), clock.now());
    assert_eq!((restored.quotes, restored.dropped), (1, 1));
    advance(HOUR).await;
    let again = Town::new(&(alpha.clone() + &beta), &clock, quoting);
    give(&again.service, take(&alone.service, &strangers, clock.now()), clock.now());
    assert_eq!(again.left("alpha"), [24, 4]);
    // but not for ever
    advance(HOUR * 24 * 400).await;
    assert!(!take(&alone.service, &strangers, clock.now()).accounts.contains_key("alpha"));
}

#[tokio::test(start_paused = true)]
async fn after_the_clock_was_set_back_calls_count_as_made_now_and_quotes_of_later_are_dropped() {
    let (settings, clock) = (crypto("alpha", "limits = [\"25/day\"]"), morning());
    let before = Town::new(&settings, &clock, quoting);
    before.ask("symbols=BTC-USD").await;
    let saved = saved(&before);
    let hour_ago = Clock::starting_at(clock.now().wall - SignedDuration::from_hours(1));
    let after = Town::new(&settings, &hour_ago, quoting);
    let restored = restored(&after, saved);
    assert!(restored.is_from_the_future);
    assert_eq!((restored.quotes, restored.dropped), (0, 1));
    assert_eq!(after.left("alpha"), [24, 4]);
    // they count as long as calls made now do, and not an hour longer
    advance(HOUR * 24 + Duration::from_secs(1)).await;
    assert_eq!(after.left("alpha"), [25, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_does_not_grow_when_the_clock_was_set_back() {
    let (settings, clock) = (crypto("alpha", ""), morning());
    let before = Town::new(&settings, &clock, refusing_once());
    before.ask("symbols=A-USD").await;
    let saved = saved(&before);
    let day_ago = Clock::starting_at(clock.now().wall - SignedDuration::from_hours(24));
    let after = Town::new(&settings, &day_ago, quoting);
    restored(&after, saved);
    let left = after.service.sources[0].account.cooldown(Instant::now()).unwrap().until - Instant::now();
    assert_eq!(left, Duration::from_secs(900));
}

#[tokio::test(start_paused = true)]
async fn the_most_recently_asked_are_kept_and_none_that_is_no_number() {
    let clock = morning();
    let town = Town::new(&crypto("alpha", ""), &clock, quoting);
    for name in ["A-USD", "B-USD", "C-USD", "A-USD"] {
        town.ask(&format!("symbols={name}")).await;
    }
    let kept = |most| town.service.board.remember(most).into_iter().map(|quote| quote.symbol).collect::<Vec<_>>();
    assert_eq!(kept(2), ["A-USD", "C-USD"]);
    assert_eq!(kept(10).len(), 3);
    // and asked in the same order by the next process
    let next = restart(&town, &crypto("alpha", ""), &clock);
    assert_eq!(next.service.board.remember(10), town.service.board.remember(10));
}

#[tokio::test(start_paused = true)]
async fn no_state_that_can_be_read_makes_the_next_process_stumble() {
    let (settings, clock) = (crypto("alpha", "limits = [\"25/day\", \"2/s\"]"), morning());
    let town = Town::new(&settings, &clock, quoting);
    town.ask("symbols=BTC-USD").await;
    let whole = saved(&town).to_bytes().unwrap();
    let mut chance = fastrand::Rng::with_seed(5);
    let mut read = 0;
    for _ in 0..5_000 {
        let mut bytes = whole.clone();
        for _ in 0..chance.usize(1..3) {
            let place = chance.usize(..bytes.len());
            bytes[place] = b"0123456789-.\"TZ"[chance.usize(..15)];
        }
        if let Ok(state) = State::parse(&bytes) {
            read += 1;
            let next = Town::new(&settings, &clock, quoting);
            restored(&next, state);
            take(&next.service, &Strangers::new(), clock.now());
        }
    }
    assert!(read > 500, "{read} of them could be read");
}

/// Times that no wall clock shows.
#[tokio::test(start_paused = true)]
async fn the_ends_of_time_are_survived() {
    let account = account(&["5/min", "25/day"]);
    let past = AccountState { spent: vec![(i64::MIN, 1), (0, 2), (i64::MAX, 3)], ..AccountState::default() };
    for wall in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let now = Moment { wall, monotonic: Instant::now() };
        account.restore(&past, Timestamp::MAX, now);
        account.remember(now);
    }
    assert_eq!(account.left(Instant::now())[0].left, 0, "what cannot have been is taken for now");
}
