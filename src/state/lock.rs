//! Gives a state file to one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::file::{OpenError, StateFile};
use crate::units::Span;

/// How often a waiting process tries again.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// The exclusive right to keep a state, for as long as this lives. The system releases it when the process ends, however it
/// ends.
///
/// It is a lock on a separate file beside the state, because the state file is replaced at every write. That file is never
/// removed: otherwise one process could hold the lock on a removed file while another locks a new file of the same name.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the lock. If another process has it, waits for that process to end.
    ///
    /// # Errors
    /// If the lock file cannot be opened, or another process still has the lock after `timeout`.
    pub(crate) async fn take(file: &StateFile, timeout: Duration) -> Result<Self, OpenError> {
        let path = file.lock_path();
        let open = OpenOptions::new().create(true).truncate(false).write(true).read(true).mode(0o600).open(&path);
        let lock = open.map_err(|error| {
            let path = path.display();
            OpenError::new(format!(
                "{path}: the lock cannot be opened: {error}; allow this user to write it, or remove it"
            ))
        })?;
        let give_up = Instant::now() + timeout;
        let mut said = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Lock { _held: lock }),
                Err(TryLockError::Error(error)) => return Ok(Self::unsupported(lock, file, &error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= give_up => return Err(in_use(file, timeout)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut said, true) {
                let (path, timeout) = (file.path().display(), Span(timeout));
                tracing::warn!(%path, "another process uses this file; waiting up to {timeout} for it to end");
            }
            sleep(TRY_EVERY).await;
        }
    }

    /// Some network file systems have no locks. A state can still be kept there, without that protection.
    fn unsupported(lock: File, file: &StateFile, error: &io::Error) -> Self {
        let path = file.path().display();
        tracing::warn!(%path, "the state cannot be locked: {error}; make sure that no other process uses this file");
        Lock { _held: lock }
    }
}

fn in_use(file: &StateFile, timeout: Duration) -> OpenError {
    let (path, timeout) = (file.path().display(), Span(timeout));
    OpenError::new(format!(
        "{path} is in use by another process, which did not end within {timeout}; stop that process, or give this one a \
         file of its own"
    ))
}
