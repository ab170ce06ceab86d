//! Keeps a state file to one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::file::{OpenError, StateFile};
use crate::units::Span;

/// A process that waits looks again so often.
const LOOK: Duration = Duration::from_millis(50);

/// The right to keep a state, for as long as this lives. The system takes it back when the process ends, however it ends.
///
/// It is a lock on a file of its own beside the state, because the state file is replaced at every write. That file is never
/// removed: a process could otherwise hold the lock on a removed file while another one locks a new file of the same name.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the lock. If another process has it, waits for that process to end.
    ///
    /// # Errors
    /// A lock file that cannot be opened, or a process that still has the lock after `patience`.
    pub async fn take(file: &StateFile, patience: Duration) -> Result<Self, OpenError> {
        let path = file.lock_path();
        let open = OpenOptions::new().create(true).truncate(false).write(true).read(true).mode(0o600).open(&path);
        let lock = open.map_err(|error| {
            let path = path.display();
            OpenError::new(format!("{path}: the lock cannot be opened: {error}; let this user write it, or remove it"))
        })?;
        let give_up = Instant::now() + patience;
        let mut said = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Lock { _held: lock }),
                Err(TryLockError::Error(error)) => return Ok(Self::unsupported(lock, file, &error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= give_up => return Err(in_use(file, patience)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut said, true) {
                let (path, patience) = (file.path().display(), Span(patience));
                tracing::warn!(%path, "another process keeps its state there; waiting up to {patience} for it to end");
            }
            sleep(LOOK).await;
        }
    }

    /// Some network file systems have no locks. A state can be kept there, without that protection.
    fn unsupported(lock: File, file: &StateFile, error: &io::Error) -> Self {
        let path = file.path().display();
        tracing::warn!(%path, "the state cannot be locked: {error}; make sure that no other process keeps its state there");
        Lock { _held: lock }
    }
}

fn in_use(file: &StateFile, patience: Duration) -> OpenError {
    let (path, patience) = (file.path().display(), Span(patience));
    OpenError::new(format!(
        "{path} is in use by another process, which did not end within {patience}; end that process, or give this one a \
         file of its own"
    ))
}
