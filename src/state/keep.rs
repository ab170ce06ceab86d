//! Decides when the state is read and written: at the start, at most once a second while it changes, and at the end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::file::{Found, OpenError, StateFile};
use super::snapshot::{Restored, Strangers, give, revision, take};
use crate::Quotefold;
use crate::settings::units::Span;

/// The state is written no more often than this; so much is lost at most if the process is killed.
const PAUSE: Duration = Duration::from_secs(1);

/// So long the end waits for a disk that hangs.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// A state that is being kept.
#[derive(Debug)]
pub struct Keeping {
    end: CancellationToken,
    task: JoinHandle<()>,
}

struct Keeper {
    service: Arc<Quotefold>,
    file: Arc<StateFile>,
    strangers: Strangers,
    /// What the file holds.
    written: u64,
    /// Whether the last write failed.
    fails: bool,
}

/// Gives a service that has just been set up what an earlier process left, and keeps its state from now on. Needs a runtime.
///
/// # Errors
/// A path at which no state can be kept.
pub fn begin(service: &Arc<Quotefold>, path: &Path) -> Result<Keeping, OpenError> {
    let (file, found) = StateFile::open(path)?;
    let strangers = restore(service, &file, found);
    let (service, file, written) = (Arc::clone(service), Arc::new(file), revision(service));
    let keeper = Keeper { service, file, strangers, written, fails: false };
    let end = CancellationToken::new();
    let task = tokio::spawn(keeper.run(end.clone()));
    Ok(Keeping { end, task })
}

impl Keeping {
    /// Writes what has changed since the last time, and ends.
    pub async fn finish(self) {
        self.end.cancel();
        if timeout(LAST_WRITE, self.task).await.is_err() {
            tracing::warn!("the state could not be written within {}; the last one is kept", Span(LAST_WRITE));
        }
    }
}

impl Keeper {
    async fn run(mut self, end: CancellationToken) {
        while end.run_until_cancelled(sleep(PAUSE)).await.is_some() {
            self.write().await;
        }
        self.write().await;
    }

    /// Writes the state if it has changed.
    async fn write(&mut self) {
        // what changes from here on is written the next time
        let revision = revision(&self.service);
        if revision == self.written {
            return;
        }
        let state = take(&self.service, &self.strangers, self.service.clock.now());
        let file = Arc::clone(&self.file);
        let written = spawn_blocking(move || file.write(&state.to_bytes()?)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => {
                self.written = revision;
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

fn restore(service: &Quotefold, file: &StateFile, found: Found) -> Strangers {
    let path = file.path().display();
    let state = match found {
        Found::State(state) => *state,
        Found::Nothing => {
            tracing::info!(%path, "there is no state yet; one will be kept");
            return Strangers::new();
        }
        Found::SetAside(why, aside) => {
            let aside = aside.display();
            tracing::warn!(%path, "what was found is not restored and was set aside as {aside}: {why}");
            return Strangers::new();
        }
    };
    let (restored, strangers) = give(service, state, service.clock.now());
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
    strangers
}
