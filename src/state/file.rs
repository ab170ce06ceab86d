//! Reads and writes the state file atomically, whenever the process or the machine dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{NoState, State};

/// The most bytes that are read; no state is longer.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The most unusable states that are kept beside the one in use.
const MOST_SET_ASIDE: usize = 5;

/// A state file, by its path.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    folder: PathBuf,
}

/// What was found at the path.
#[derive(Debug)]
pub enum Found {
    /// Nothing yet.
    Nothing,
    /// A state.
    State(Box<State>),
    /// A state that cannot be used: why, and where it was moved.
    SetAside(String, PathBuf),
}

/// What the file holds.
enum Content {
    Nothing,
    State(Box<State>),
    /// A state of another version, or an incomplete one.
    Unusable(NoState),
}

/// Why the state cannot be kept at the path, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("state.path: {0}")]
pub struct OpenError(String);

impl OpenError {
    pub(super) fn new(what: String) -> Self {
        OpenError(what)
    }
}

impl StateFile {
    /// Checks that a state can be kept at a path: files can be written there, and the path holds nothing yet, or a state. Changes
    /// nothing.
    ///
    /// # Errors
    /// If something else is at the path, or nothing can be written there.
    pub(crate) fn at(path: &Path) -> Result<Self, OpenError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = StateFile { path: path.to_owned(), folder: folder.to_owned() };
        if !folder.is_dir() {
            let (path, folder) = (path.display(), folder.display());
            return Err(OpenError(format!("{path}: there is no folder {folder}; create it, or set another path")));
        }
        if let Ok(target) = fs::read_link(path) {
            let (path, target) = (path.display(), target.display());
            return Err(OpenError(format!(
                "{path} is a symbolic link, which would be replaced; set its target instead: {target}"
            )));
        }
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let path = path.display();
            return Err(OpenError(format!("{path} is not a file; set the path of a file, such as {path}/state.json")));
        }
        file.read()?;
        file.try_out().map_err(|error| file.unwritable(&error))?;
        Ok(file)
    }

    /// Reads the state. Removes temporary files that earlier processes left behind, and sets aside a state that cannot be used
    /// instead of overwriting it. The caller must hold the [`Lock`](super::lock::Lock).
    ///
    /// # Errors
    /// If the file has meanwhile been replaced by something else, or cannot be set aside.
    pub(crate) fn open(&self) -> Result<Found, OpenError> {
        self.sweep();
        match self.read()? {
            Content::Nothing => Ok(Found::Nothing),
            Content::State(state) => Ok(Found::State(state)),
            Content::Unusable(why) => self.set_aside(&why),
        }
    }

    /// The path of the state file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file whose lock shows which process keeps the state.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.beside(".lock")
    }

    /// Writes a state atomically: at any time, either the previous one or this one is there, complete.
    ///
    /// # Errors
    /// If writing fails; the previous state is then still there.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = self.temporary()?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, &self.path))
            // the new name is durable only once the folder is
            .and_then(|()| File::open(&self.folder)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Creates a temporary file beside the state file, with a unique name. It is locked while it is open, and the system releases
    /// the locks of a process that dies, so that other processes can tell which files are left over. The process id in the name
    /// could not tell: in containers, every process has id 1.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        loop {
            let path = self.beside(&format!(".tmp-{}-{:08x}", std::process::id(), fastrand::u32(..)));
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            // another process may be removing it, or have removed it, before it is locked; without file locks, nothing is removed
            let is_being_removed = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            if !is_being_removed && file.metadata()?.nlink() > 0 {
                return Ok((path, file));
            }
        }
    }

    fn try_out(&self) -> io::Result<()> {
        let (path, _locked) = self.temporary()?;
        fs::remove_file(path)
    }

    fn unwritable(&self, error: &io::Error) -> OpenError {
        let (path, folder) = (self.path.display(), self.folder.display());
        OpenError(format!(
            "{path}: cannot write to {folder}: {error}; allow this user to write there, or set another path"
        ))
    }

    fn beside(&self, more: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(more);
        path.into()
    }

    /// Removes temporary files that killed processes left behind, and none that a live process is writing.
    fn sweep(&self) {
        let prefix = self.beside(".tmp-");
        let Some(prefix) = prefix.file_name().and_then(|name| name.to_str()) else { return };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_ours = |name: &str| name.strip_prefix(prefix).is_some_and(is_temporary);
        let left = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
        // one that cannot be opened or removed does no harm
        left.for_each(|entry| drop(remove_if_left(&entry.path())));
    }

    /// Reads the file, and refuses one that this program did not write.
    fn read(&self) -> Result<Content, OpenError> {
        let path = self.path.display();
        let bytes = match self.read_bytes() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Nothing),
            // it may be a valid state: starting without it could spend a day's limit twice
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(OpenError(format!(
                    "{path}: this process may not read it ({error}); allow that, or set another path"
                )));
            }
            Err(error) => return Err(OpenError(format!("{path} cannot be read: {error}; set another path"))),
        };
        match State::parse(&bytes) {
            Ok(state) => Ok(Content::State(Box::new(state))),
            Err(why) if begins_like_a_state(&bytes) => Ok(Content::Unusable(why)),
            Err(why) => Err(OpenError(format!(
                "{path} is not a state of this program ({why}) and was left as it is; set another path, or move that file \
                 away"
            ))),
        }
    }

    /// Renames an unusable state, so that it can be inspected later. Keeps up to [`MOST_SET_ASIDE`] of them; after that, the
    /// oldest is replaced.
    fn set_aside(&self, why: &NoState) -> Result<Found, OpenError> {
        let names = (1..=MOST_SET_ASIDE).map(|number| match number {
            1 => self.beside(".unreadable"),
            _ => self.beside(&format!(".unreadable.{number}")),
        });
        let changed = |path: &PathBuf| fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
        // a name without a file sorts before all others
        let oldest = names.min_by_key(changed).unwrap_or_else(|| self.beside(".unreadable"));
        fs::rename(&self.path, &oldest).map_err(|error| {
            let (path, aside) = (self.path.display(), oldest.display());
            OpenError(format!("{path}: {why}, and it cannot be renamed to {aside}: {error}; move it away"))
        })?;
        Ok(Found::SetAside(why.to_string(), oldest))
    }

    fn read_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether a file begins as every version of this program begins a state, as far as the file goes. Many other files begin with
/// a version, so the next key must match, too.
fn begins_like_a_state(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(br#"{"version":"#) else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &rest[digits..];
    let next = br#","saved_at":"#;
    rest.trim_ascii_end() == b"}" || rest.starts_with(next) || next.starts_with(rest)
}

/// Removes a temporary file that no process holds. While this function holds its lock, the owner cannot lock it, and checks
/// afterwards whether it is still there.
fn remove_if_left(path: &Path) -> io::Result<()> {
    // opening a named pipe would wait for a reader
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.try_lock()?;
    fs::remove_file(path)
}

/// Whether a temporary file's name ends like this: a process id and eight random hexadecimal digits.
fn is_temporary(end: &str) -> bool {
    end.split_once('-').is_some_and(|(process, chance)| {
        process.parse::<u32>().is_ok() && chance.len() == 8 && chance.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests;
