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
use super::snapshot::{Restored, Strangers, give, revision, take};
use crate::service::Quotefold;
use crate::units::Span;

/// The state is written no more often than this; so much is lost at most if the process is killed.
const PAUSE: Duration = Duration::from_secs(1);

/// So often is looked for a change. The first one after a pause is written at once: a process that keeps dying soon after its
/// start would otherwise forget each time the calls it makes at the start.
const LOOK: Duration = Duration::from_millis(100);

/// A wall clock that is farther off than this from where it was going was set. Reading two clocks takes less.
const SET: SignedDuration = SignedDuration::from_secs(1);

/// So long the end waits for a disk that hangs.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// A state that is being kept. Without [`Keeping::finish`], what has changed last is not written.
#[derive(Debug)]
pub struct Keeping {
    end: CancellationToken,
    task: AbortOnDropHandle<()>,
    /// No other process takes the state over before this is dropped.
    _lock: Lock,
}

struct Keeper {
    service: Arc<Quotefold>,
    file: Arc<StateFile>,
    strangers: Strangers,
    /// When it began to keep.
    began: Instant,
    /// What the file holds; `None` if it has to be written whatever it holds.
    written: Option<Written>,
    /// Whether the last write failed.
    fails: bool,
}

/// What a file was written from: nothing else can make the next one say something else.
#[derive(Clone, Copy, Debug)]
struct Written {
    revision: u64,
    /// When the keeper began, as the wall clock said at the time. The file tells wall times: once the clock is set, they are
    /// no longer those of the calls.
    began: Timestamp,
}

/// Gives a service that has just been set up what an earlier process left, and keeps its state from now on. If another process
/// keeps its state there, waits as long as that one may take to end.
///
/// # Errors
/// A path at which no state can be kept.
pub async fn begin(service: &Arc<Quotefold>, path: &Path) -> Result<Keeping, OpenError> {
    let file = StateFile::at(path)?;
    let server = &service.settings().server;
    let lock = Lock::take(&file, server.drain_delay + server.drain_timeout + LAST_WRITE).await?;
    let found = file.open()?;
    let (strangers, holds) = restore(service, &file, found);
    let now = service.clock().now();
    let written = holds.then(|| Written { revision: revision(service), began: now.wall });
    let (service, file) = (Arc::clone(service), Arc::new(file));
    let keeper = Keeper { service, file, strangers, began: now.monotonic, written, fails: false };
    let end = CancellationToken::new();
    let task = AbortOnDropHandle::new(tokio::spawn(keeper.run(end.clone())));
    Ok(Keeping { end, task, _lock: lock })
}

impl Keeping {
    /// Writes what has changed since the last time, and ends.
    pub async fn finish(self) {
        self.end.cancel();
        match timeout(LAST_WRITE, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(panicked)) => {
                tracing::error!("keeping the state failed by a fault of ours; the last one is kept: {panicked}");
            }
            Err(_) => {
                tracing::warn!("the state could not be written within {}; the last one is kept", Span(LAST_WRITE));
            }
        }
    }
}

impl Keeper {
    async fn run(mut self, end: CancellationToken) {
        while end.run_until_cancelled(sleep(LOOK)).await.is_some() {
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

    /// What the file would be written from now, if that makes a difference. What changes later is written the next time.
    fn change(&self) -> Option<Written> {
        let new = Written { revision: revision(&self.service), began: self.service.clock().now().wall_at(self.began) };
        let same = |old: Written| old.revision == new.revision && new.began.duration_since(old.began).abs() < SET;
        (!self.written.is_some_and(same)).then_some(new)
    }

    async fn write(&mut self, new: Written) {
        let state = take(&self.service, &self.strangers, self.service.clock().now());
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
                    tracing::warn!(%path, "the state cannot be written, a restart would forget the latest: {error}");
                }
            }
        }
    }
}

/// Gives the service what was found. Whose it was that is not here, and whether the file may stay as it is.
fn restore(service: &Quotefold, file: &StateFile, found: Found) -> (Strangers, bool) {
    let path = file.path().display();
    let state = match found {
        Found::State(state) => *state,
        Found::Nothing => {
            tracing::info!(%path, "there is no state yet; one will be kept");
            return (Strangers::new(), true);
        }
        Found::SetAside(why, aside) => {
            let aside = aside.display();
            tracing::warn!(%path, "what was found is not restored and was set aside as {aside}: {why}");
            return (Strangers::new(), true);
        }
    };
    let (restored, strangers) = give(service, state, service.clock().now());
    let Restored { age, is_from_the_future, quotes, dropped, spent, cooldowns } = restored;
    if is_from_the_future {
        tracing::warn!(
            %path,
            "the state was saved later than now: the clock was set back. Calls made later than now count as made now; quotes \
             of later than now are dropped"
        );
    }
    let age_s = age.as_secs();
    tracing::info!(%path, quotes, dropped, accounts_spent = spent, cooldowns, age_s, "state restored");
    // each start would take what lies ahead for made now, anew, and so for ever
    (strangers, !is_from_the_future)
}
