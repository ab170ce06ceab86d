//! When the state is written, so that nothing is forgotten if a process keeps dying or a clock is set.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::service::current::Current;
use quotefold::state::State;
use quotefold::state::keep::begin;
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep};

use crate::support::all_quoted;
use crate::vendors::{Replies, ScriptedService, crypto, morning};

const HOUR: Duration = Duration::from_secs(3600);

/// A folder that exists for the duration of a test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("quotefold-keeping-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn quoting(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move { all_quoted(symbols, &clock) })
}

fn exhausted(_: &str, _: Vec<Symbol>, _: Clock) -> Replies {
    Box::pin(async { Err(SourceError::QuotaExhausted { detail: "no more".to_owned(), retry_after: Some(HOUR * 10) }) })
}

fn state(file: &Path) -> Option<State> {
    Some(State::parse(&std::fs::read(file).ok()?).unwrap())
}

/// A morning on a clock that a test can set forward or back by seconds.
fn settable() -> (Clock, Arc<AtomicI64>) {
    let (true_time, wrong_by) = (morning(), Arc::new(AtomicI64::new(0)));
    let by = Arc::clone(&wrong_by);
    let read = move || true_time.now().wall + SignedDuration::from_secs(by.load(Ordering::SeqCst));
    (Clock::from_fn(read), wrong_by)
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_soon_after_each_start_keeps_the_calls_of_each_start() {
    let (folder, clock) = (Folder::new(), morning());
    let settings = crypto("alpha", "limits = [\"25/day\"]");
    for start in 1..=4 {
        let scripted = ScriptedService::new(&settings, &clock, quoting);
        let keeping = begin(&Current::new(Arc::clone(&scripted.service)), &folder.file()).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        scripted.ask("symbols=BTC-USD&refresh_after=0s").await;
        sleep(Duration::from_millis(480)).await;
        // killed: the process does nothing more
        drop(keeping);
        let spent: usize =
            state(&folder.file()).map_or(0, |state| state.accounts["alpha"].spent.iter().map(|run| run.1).sum());
        assert_eq!(spent, start);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_clock_was_set_back_what_was_spent_counts_as_made_now_only_once() {
    let (folder, (clock, wrong_by)) = (Folder::new(), settable());
    let settings = crypto("alpha", "limits = [\"1/day\"]") + &crypto("beta", "");
    let first = ScriptedService::new(&settings, &clock, |name: &str, symbols, clock| {
        if name == "beta" { exhausted(name, symbols, clock) } else { quoting(name, symbols, clock) }
    });
    let keeping = begin(&Current::new(Arc::clone(&first.service)), &folder.file()).await.unwrap();
    first.ask("symbols=BTC-USD").await;
    keeping.finish().await;
    wrong_by.store(-30 * 86_400, Ordering::SeqCst);
    // it restarts every six hours, and no caller asks in between
    for restart in 0..4 {
        let scripted = ScriptedService::new(&settings, &clock, quoting);
        let keeping = begin(&Current::new(Arc::clone(&scripted.service)), &folder.file()).await.unwrap();
        let cools = scripted.service.sources()[1].account.cooldown(Instant::now()).is_some();
        assert_eq!((scripted.left("alpha")[0], cools), (0, restart < 2), "restart {restart}");
        sleep(HOUR * 6).await;
        keeping.finish().await;
    }
    sleep(HOUR).await;
    let scripted = ScriptedService::new(&settings, &clock, quoting);
    let _keeping = begin(&Current::new(Arc::clone(&scripted.service)), &folder.file()).await.unwrap();
    assert_eq!(scripted.left("alpha"), [1, 1], "a day is over");
}

#[tokio::test(start_paused = true)]
async fn after_the_clock_was_set_the_file_says_so_though_no_call_is_made() {
    let (folder, (clock, wrong_by)) = (Folder::new(), settable());
    let settings = crypto("alpha", "limits = [\"1/day\"]");
    let scripted = ScriptedService::new(&settings, &clock, quoting);
    let keeping = begin(&Current::new(Arc::clone(&scripted.service)), &folder.file()).await.unwrap();
    scripted.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(5)).await;
    // a machine without a battery for its clock learns the time after its start
    wrong_by.store(300 * 86_400, Ordering::SeqCst);
    sleep(Duration::from_secs(5)).await;
    drop(keeping);
    let next = ScriptedService::new(&settings, &clock, quoting);
    let _keeping = begin(&Current::new(Arc::clone(&next.service)), &folder.file()).await.unwrap();
    assert_eq!(next.left("alpha")[0], 0);
}
