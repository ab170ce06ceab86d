//! What a restart must not change: a day's calls are spent once, a vendor that refused is left alone, and quotes keep
//! their age.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::Verdict;
use quotefold::state::State;
use quotefold::state::snapshot::{Restored, UnconfiguredAccounts, give, take};
use quotefold::symbol::Symbol;
use tokio::time::{Instant, advance, sleep};

use crate::support::{all_quoted, reason};
use crate::vendors::{Replies, ScriptedService, crypto, morning};

const HOUR: Duration = Duration::from_secs(3600);

fn quoting(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move {
        sleep(Duration::from_millis(50)).await;
        all_quoted(symbols, &clock)
    })
}

/// The state of a service as the next process reads it.
fn saved(scripted: &ScriptedService) -> State {
    let state = take(&scripted.service, &UnconfiguredAccounts::new(), scripted.service.clock().now());
    State::parse(&state.to_bytes().unwrap()).unwrap()
}

fn restored(scripted: &ScriptedService, state: State) -> Restored {
    give(&scripted.service, state, scripted.service.clock().now()).0
}

/// The same service after a restart.
fn restart(scripted: &ScriptedService, settings: &str, clock: &Clock) -> ScriptedService {
    let next = ScriptedService::new(settings, clock, quoting);
    restored(&next, saved(scripted));
    next
}

/// A vendor that says once that its quota is used up, and then quotes again.
fn refusing_once() -> impl Fn(&str, Vec<Symbol>, Clock) -> Replies + Clone + Send + Sync + 'static {
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
    let before = ScriptedService::new(&settings, &clock, refusing_once());
    before.ask("symbols=A-USD").await;
    advance(Duration::from_secs(600)).await;
    let after = ScriptedService::new(&settings, &clock, refusing_once());
    assert_eq!(restored(&after, saved(&before)).cooldowns, 1);
    let answer = after.ask("symbols=A-USD").await;
    let outcome = &answer.prices()[0].quotes[0].outcome;
    assert_eq!(reason(outcome), "quota_exhausted");
    assert_eq!(outcome.failure.as_ref().unwrap().error.to_string(), "25 calls a day");
    assert_eq!(after.log("alpha").calls().len(), 0);
    // the quarter of an hour is over five minutes later; the next refusal lasts twice as long
    advance(Duration::from_secs(301)).await;
    after.ask("symbols=A-USD&refresh_after=0s").await;
    assert_eq!(after.log("alpha").calls().len(), 1);
    let until = after.service.sources()[0].account.cooldown(Instant::now()).unwrap().until;
    assert_eq!(until - Instant::now(), Duration::from_secs(1800));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_refused_is_refused_again_after_a_restart_and_for_longer() {
    let blocked = |_: &str, _: Vec<Symbol>, _: Clock| -> Replies {
        Box::pin(async { Err(SourceError::Blocked { detail: "not from there".to_owned(), retry_after: None }) })
    };
    let (settings, clock) = (crypto("alpha", ""), morning());
    let left = |scripted: &ScriptedService| {
        let cooldown = scripted.service.sources()[0].account.cooldown(Instant::now())?;
        Some((cooldown.error.reason(), cooldown.until - Instant::now()))
    };
    // the first in a row starts no cooldown, but is remembered
    let first = ScriptedService::new(&settings, &clock, blocked);
    first.ask("symbols=A-USD").await;
    assert_eq!(left(&first), None);
    let second = ScriptedService::new(&settings, &clock, blocked);
    restored(&second, saved(&first));
    second.ask("symbols=A-USD").await;
    let minute = Duration::from_secs(60);
    assert_eq!(left(&second), Some(("blocked", minute)));
    advance(minute / 2).await;
    let third = ScriptedService::new(&settings, &clock, blocked);
    assert_eq!(restored(&third, saved(&second)).cooldowns, 1);
    assert_eq!(left(&third), Some(("blocked", minute / 2)));
    advance(minute / 2).await;
    third.ask("symbols=A-USD").await;
    assert_eq!(left(&third), Some(("blocked", minute * 2)));
}

#[tokio::test(start_paused = true)]
async fn quotes_keep_their_times_so_they_are_fetched_again_when_they_would_have_been() {
    let (settings, clock) = (crypto("alpha", "") + &crypto("beta", ""), morning());
    let before = ScriptedService::new(&settings, &clock, quoting);
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
    let before = ScriptedService::new(&settings, &clock, quoting);
    before.ask("symbols=BTC-USD").await;
    advance(HOUR).await;
    let after =
        ScriptedService::new(&settings, &clock, |_, _, _| Box::pin(async { Err(SourceError::unavailable("503")) }));
    restored(&after, saved(&before));
    let answer = after.ask("symbols=BTC-USD").await;
    let price = &answer.prices()[0];
    assert!(price.folded.is_none(), "{price:?}");
    let is_used = |verdict: &Verdict| *verdict == Verdict::Used;
    assert!(!price.quotes.iter().any(|judged| is_used(&judged.verdict)), "{price:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_no_longer_configured_loses_its_quotes_but_keeps_its_spending() {
    let clock = morning();
    let (alpha, beta) = (crypto("alpha", "limits = [\"25/day\"]"), crypto("beta", ""));
    let both = ScriptedService::new(&(alpha.clone() + &beta), &clock, quoting);
    both.ask("symbols=BTC-USD").await;
    let alone = ScriptedService::new(&beta, &clock, quoting);
    let (restored, unconfigured) = give(&alone.service, saved(&both), clock.now());
    assert_eq!((restored.quotes, restored.dropped), (1, 1));
    advance(HOUR).await;
    let again = ScriptedService::new(&(alpha.clone() + &beta), &clock, quoting);
    give(&again.service, take(&alone.service, &unconfigured, clock.now()), clock.now());
    assert_eq!(again.left("alpha"), [24, 4]);
    // and is reported only for sources whose windows still hold something
    let spent =
        |at: &Clock| give(&ScriptedService::new(&alpha, &clock, quoting).service, saved(&both), at.now()).0.spent;
    let days_later = Clock::starting_at(clock.now().wall + SignedDuration::from_hours(3 * 24));
    assert_eq!((spent(&clock), spent(&days_later)), (1, 0));
    // but not for ever
    advance(HOUR * 24 * 400).await;
    assert!(!take(&alone.service, &unconfigured, clock.now()).accounts.contains_key("alpha"));
}

#[tokio::test(start_paused = true)]
async fn after_the_clock_is_set_back_calls_count_as_new_and_future_quotes_drop() {
    let (settings, clock) = (crypto("alpha", "limits = [\"25/day\"]"), morning());
    let before = ScriptedService::new(&settings, &clock, quoting);
    before.ask("symbols=BTC-USD").await;
    let saved = saved(&before);
    let hour_ago = Clock::starting_at(clock.now().wall - SignedDuration::from_hours(1));
    let after = ScriptedService::new(&settings, &hour_ago, quoting);
    let restored = restored(&after, saved);
    assert!(restored.is_from_the_future);
    assert_eq!((restored.quotes, restored.dropped), (0, 1));
    assert_eq!(after.left("alpha"), [24, 4]);
    // they count as long as calls made now, and not an hour longer
    advance(HOUR * 24 + Duration::from_secs(1)).await;
    assert_eq!(after.left("alpha"), [25, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_does_not_grow_when_the_clock_was_set_back() {
    let (settings, clock) = (crypto("alpha", ""), morning());
    let before = ScriptedService::new(&settings, &clock, refusing_once());
    before.ask("symbols=A-USD").await;
    let saved = saved(&before);
    let day_ago = Clock::starting_at(clock.now().wall - SignedDuration::from_hours(24));
    let after = ScriptedService::new(&settings, &day_ago, quoting);
    restored(&after, saved);
    let left = after.service.sources()[0].account.cooldown(Instant::now()).unwrap().until - Instant::now();
    assert_eq!(left, Duration::from_secs(900));
}

#[tokio::test(start_paused = true)]
async fn the_most_recently_asked_quotes_are_kept_and_only_those_with_a_number() {
    let clock = morning();
    let scripted = ScriptedService::new(&crypto("alpha", ""), &clock, quoting);
    for name in ["A-USD", "B-USD", "C-USD", "A-USD"] {
        scripted.ask(&format!("symbols={name}")).await;
    }
    let kept = |most| scripted.service.board().remember(most).into_iter().map(|quote| quote.symbol).collect::<Vec<_>>();
    assert_eq!(kept(2), ["A-USD", "C-USD"]);
    assert_eq!(kept(10).len(), 3);
    // and asked in the same order by the next process
    let next = restart(&scripted, &crypto("alpha", ""), &clock);
    assert_eq!(next.service.board().remember(10), scripted.service.board().remember(10));
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_quotes_may_mean_something_else_now_loses_them() {
    let clock = morning();
    let described = |more: &str| crypto("alpha", &format!("limits = [\"25/day\"]\n{more}"));
    let before = ScriptedService::new(&described("spelled = { \"WORLD-USD\" = \"W1\" }"), &clock, quoting);
    before.ask("symbols=WORLD-USD").await;
    let quotes = |more: &str| {
        let after = ScriptedService::new(&described(more), &clock, quoting);
        let quotes = restored(&after, saved(&before)).quotes;
        assert_eq!(after.left("alpha"), [24, 4], "its calls stay spent");
        quotes
    };
    assert_eq!(quotes("spelled = { \"WORLD-USD\" = \"W2\" }"), 0);
    assert_eq!(quotes("spelled = { \"WORLD-USD\" = \"W1\" }\nbase_url = \"http://y.test\""), 0);
    assert_eq!(quotes("spelled = { \"WORLD-USD\" = \"W1\" }\n[symbols.VTSAX]\nclass = \"fund\""), 0);
    // settings that say how to ask, and not what for
    let same = "spelled = { \"WORLD-USD\" = \"W1\" }\ntimeout = \"800ms\"\nrole = \"reserve\"\nlag = \"1m\"";
    assert_eq!(quotes(same), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_an_earlier_version_is_read_without_quotes_of_unknown_meaning() {
    let (settings, clock) = (crypto("alpha", "limits = [\"25/day\"]"), morning());
    let before = ScriptedService::new(&settings, &clock, quoting);
    before.ask("symbols=BTC-USD").await;
    let whole = String::from_utf8(saved(&before).to_bytes().unwrap()).unwrap();
    let (front, rest) = whole.split_once("\"meanings\":{").unwrap();
    let (_, rest) = rest.split_once('}').unwrap();
    for (meanings, quotes) in [("{\"alpha\":4712}", 0), ("{}", 0)] {
        let earlier = State::parse(format!("{front}\"meanings\":{meanings}{rest}").as_bytes()).unwrap();
        let after = ScriptedService::new(&settings, &clock, quoting);
        let restored = restored(&after, earlier);
        assert_eq!((restored.quotes, restored.dropped), (quotes, 1 - quotes), "{meanings}");
        assert_eq!(after.left("alpha"), [24, 4], "the calls stay spent");
    }
}

#[tokio::test(start_paused = true)]
async fn future_calls_of_a_source_that_is_not_configured_count_as_made_now_too() {
    let clock = morning();
    let (alpha, beta) = (crypto("alpha", "limits = [\"25/day\"]"), crypto("beta", ""));
    let both = ScriptedService::new(&(alpha.clone() + &beta), &clock, quoting);
    both.ask("symbols=BTC-USD").await;
    let month_ago = Clock::starting_at(clock.now().wall - SignedDuration::from_hours(30 * 24));
    let alone = ScriptedService::new(&beta, &month_ago, quoting);
    let (_, unconfigured) = give(&alone.service, saved(&both), month_ago.now());
    advance(HOUR * 25).await;
    let again = ScriptedService::new(&(alpha + &beta), &month_ago, quoting);
    give(&again.service, take(&alone.service, &unconfigured, month_ago.now()), month_ago.now());
    assert_eq!(again.left("alpha"), [25, 5]);
}

#[tokio::test(start_paused = true)]
async fn no_state_that_can_be_read_makes_the_next_process_stumble() {
    let (settings, clock) = (crypto("alpha", "limits = [\"25/day\", \"2/s\"]"), morning());
    let scripted = ScriptedService::new(&settings, &clock, quoting);
    scripted.ask("symbols=BTC-USD").await;
    let whole = saved(&scripted).to_bytes().unwrap();
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
            let next = ScriptedService::new(&settings, &clock, quoting);
            restored(&next, state);
            take(&next.service, &UnconfiguredAccounts::new(), clock.now());
        }
    }
    assert!(read > 500, "{read} of them could be read");
}

/// A vendor that knows no symbol whose name begins with these letters, and fails every call that asks for one.
fn failing_for_unknown(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move {
        if symbols.iter().any(|symbol| symbol.as_str().starts_with("NO")) {
            return Err(SourceError::UnknownSymbol("Unknown asset pair".to_owned()));
        }
        all_quoted(symbols, &clock)
    })
}

#[tokio::test(start_paused = true)]
async fn which_symbols_fail_a_whole_call_is_known_after_a_restart() {
    // the vendor's description does not say that they do; the service learns it
    let (settings, clock) = (crypto("alpha", "batch = 20"), morning());
    let before = ScriptedService::new(&settings, &clock, failing_for_unknown);
    before.ask("symbols=A-USD,B-USD,NO-USD,NO-EUR").await;
    let state = saved(&before);
    assert!(state.suspects["alpha"].unknown_kills, "{:?}", state.suspects);
    assert_eq!(state.suspects["alpha"].groups, [["NO-USD"], ["NO-EUR"]]);
    let after = ScriptedService::new(&settings, &clock, failing_for_unknown);
    restored(&after, state.clone());
    after.ask("symbols=C-USD,D-USD,NO-USD,NO-EUR").await;
    let mut sizes: Vec<usize> = after.log("alpha").calls().iter().map(|call| call.symbols.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 2], "an unknown symbol no longer fails a call for others");
    // a source with a different description may fail for other reasons
    let other = ScriptedService::new(&settings.replace("x.test", "y.test"), &clock, failing_for_unknown);
    restored(&other, state);
    assert!(saved(&other).suspects.is_empty());
}
