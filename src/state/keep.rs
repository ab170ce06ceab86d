//! Decides when the state is read and written: at the start, at most once a second while it changes, and at the end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::file::{Found, OpenError, StateFile};
use super::lock::Lock;
use super::snapshot::{Restored, UnconfiguredAccounts, give, revision, take};
use crate::service::Quotefold;
use crate::service::current::Current;
use crate::units::Span;

/// The shortest time between two writes, and so the most that a killed process loses.
const PAUSE: Duration = Duration::from_secs(1);

/// How often to check for a change. The first change after a pause is written at once: otherwise a process that keeps dying soon
/// after its start would forget each time the calls that it makes then.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// A wall clock that differs by more than this from what the monotonic clock predicts has been set. Reading two clocks takes
/// less.
const CLOCK_WAS_SET: SignedDuration = SignedDuration::from_secs(1);

/// How long the shutdown waits for a disk that hangs.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// A state that is being kept. Without [`Keeping::finish`], the last changes are not written.
#[derive(Debug)]
pub struct Keeping {
    end: CancellationToken,
    task: AbortOnDropHandle<()>,
    /// No other process can take over the state before this is dropped.
    _lock: Lock,
}

struct Keeper {
    service: Current,
    file: Arc<StateFile>,
    /// When the keeper started.
    began: Instant,
    /// What the file was written from; `None` if it must be written in any case.
    written: Option<Written>,
    /// Whether the last write failed.
    fails: bool,
}

/// What a file was written from. As long as it stays the same, the next file would have the same content.
#[derive(Clone, Copy, Debug)]
struct Written {
    revision: u64,
    /// How often the settings had changed: with others there are other sources.
    generation: u64,
    /// When the keeper started, by the wall clock at the time of writing. The file holds wall times: once the clock has been set,
    /// they are no longer right.
    began: Timestamp,
}

/// Restores what an earlier process left to a service that has just been set up, and keeps its state from now on. If another
/// process uses the file, waits as long as that one may take to shut down.
///
/// # Errors
/// If no state can be kept at the path, or another process does not release it in time.
pub async fn begin(current: &Current, path: &Path) -> Result<Keeping, OpenError> {
    let file = StateFile::at(path)?;
    let service = current.get();
    let server = &service.settings().server;
    let lock = Lock::take(&file, server.drain_delay + server.drain_timeout + LAST_WRITE).await?;
    let found = file.open()?;
    let (unconfigured, holds) = restore(&service, &file, found);
    *service.unconfigured().lock() = unconfigured;
    let now = service.clock().now();
    let written = holds.then(|| Written::of(&service, now.wall));
    let (service, file) = (current.clone(), Arc::new(file));
    let keeper = Keeper { service, file, began: now.monotonic, written, fails: false };
    let end = CancellationToken::new();
    let task = AbortOnDropHandle::new(tokio::spawn(keeper.run(end.clone())));
    Ok(Keeping { end, task, _lock: lock })
}

impl Keeping {
    /// Writes the last changes, and ends.
    pub async fn finish(self) {
        self.end.cancel();
        match timeout(LAST_WRITE, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(panicked)) => {
                tracing::error!(
                    "keeping the state failed because of a bug in quotefold; the previous file is still there: {panicked}"
                );
            }
            Err(_) => {
                tracing::warn!(
                    "the state could not be written within {}; the previous file is still there",
                    Span(LAST_WRITE)
                );
            }
        }
    }
}

impl Written {
    fn of(service: &Quotefold, began: Timestamp) -> Self {
        Written { revision: revision(service), generation: service.generation(), began }
    }
}

impl Keeper {
    async fn run(mut self, end: CancellationToken) {
        while end.run_until_cancelled(sleep(CHECK_EVERY)).await.is_some() {
            let Some(new) = self.change() else { continue };
            self.write(new).await;
            if end.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                break;
            }
        }
        if let Some(new) = self.change() {
            self.write(new).await;
        }
    }

    /// What the file would be written from now, if it has changed. Later changes are written the next time.
    fn change(&self) -> Option<Written> {
        let service = self.service.get();
        let new = Written::of(&service, service.clock().now().wall_at(self.began));
        let same = |old: Written| {
            let clock_was_set = new.began.duration_since(old.began).abs() >= CLOCK_WAS_SET;
            (old.revision, old.generation) == (new.revision, new.generation) && !clock_was_set
        };
        (!self.written.is_some_and(same)).then_some(new)
    }

    async fn write(&mut self, new: Written) {
        let service = self.service.get();
        let unconfigured = service.unconfigured().lock().clone();
        let state = take(&service, &unconfigured, service.clock().now());
        drop(service);
        let file = Arc::clone(&self.file);
        let written = spawn_blocking(move || file.write(&state.to_bytes()?)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => {
                self.written = Some(new);
                if std::mem::take(&mut self.fails) {
                    tracing::info!(path = %self.file.path().display(), "the state can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.fails, true) {
                    let path = self.file.path().display();
                    tracing::warn!(%path, "the state cannot be written; a restart would lose the latest changes: {error}");
                }
            }
        }
    }
}

/// Restores what was found. Returns the accounts that are not configured, and whether the file may stay as it is.
fn restore(service: &Quotefold, file: &StateFile, found: Found) -> (UnconfiguredAccounts, bool) {
    let path = file.path().display();
    let state = match found {
        Found::State(state) => *state,
        Found::Nothing => {
            tracing::info!(%path, "there is no state yet; it will be created");
            return (UnconfiguredAccounts::new(), true);
        }
        Found::SetAside(why, aside) => {
            let aside = aside.display();
            tracing::warn!(%path, "the state cannot be restored and was set aside as {aside}: {why}");
            return (UnconfiguredAccounts::new(), true);
        }
    };
    let (restored, unconfigured) = give(service, state, service.clock().now());
    let Restored { age, is_from_the_future, quotes, dropped, spent, cooldowns } = restored;
    if is_from_the_future {
        tracing::warn!(
            %path,
            "the state was saved in the future, so the clock has been set back: calls in the future count as made now, and \
             quotes from the future are dropped"
        );
    }
    let age_s = age.as_secs();
    tracing::info!(%path, quotes, dropped, accounts_spent = spent, cooldowns, age_s, "state restored");
    // otherwise each start would count calls in the future as made now, again and again
    (unconfigured, !is_from_the_future)
}
