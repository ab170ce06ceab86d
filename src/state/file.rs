//! Reads the state file and writes it: whole or not at all, whenever the process or the machine dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{NoState, State};

/// Nothing that was written here is longer than this.
const LONGEST: u64 = 64 * 1024 * 1024;

/// How many states that could not be used are kept beside the one in use.
const MOST_SET_ASIDE: usize = 5;

/// Where the state is kept.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
    folder: PathBuf,
}

/// What was found there.
#[derive(Debug)]
pub enum Found {
    /// Nothing yet.
    Nothing,
    /// A state.
    State(Box<State>),
    /// A state that cannot be used, why, and where it is now.
    SetAside(String, PathBuf),
}

/// What is there.
enum Content {
    Nothing,
    State(Box<State>),
    /// A state of another version, or one that is not whole.
    Unusable(NoState),
}

/// Why the state cannot be kept there, with the way out.
#[derive(Debug, thiserror::Error)]
#[error("state.path: {0}")]
pub struct OpenError(String);

impl OpenError {
    pub(super) fn new(what: String) -> Self {
        OpenError(what)
    }
}

impl StateFile {
    /// A path at which a state can be kept: files can be written there, and nothing is there yet, or a state. Changes nothing.
    ///
    /// # Errors
    /// A path where something else is, or where nothing can be written.
    pub fn at(path: &Path) -> Result<Self, OpenError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = StateFile { path: path.to_owned(), folder: folder.to_owned() };
        if !folder.is_dir() {
            let (path, folder) = (path.display(), folder.display());
            return Err(OpenError(format!("{path}: there is no folder {folder}; create it, or write another path")));
        }
        if let Ok(target) = fs::read_link(path) {
            let (path, target) = (path.display(), target.display());
            return Err(OpenError(format!(
                "{path} is a link, which would be replaced; write where it leads: {target}"
            )));
        }
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let path = path.display();
            return Err(OpenError(format!("{path} is no file; write the path of one, such as {path}/state.json")));
        }
        file.read()?;
        file.try_out().map_err(|error| file.unwritable(&error))?;
        Ok(file)
    }

    /// Reads what is there. What earlier processes left half written is cleaned away; a state that cannot be used is set
    /// aside, never overwritten. The caller holds the [`Lock`](super::lock::Lock).
    ///
    /// # Errors
    /// A file that has meanwhile become no state, or one that cannot be set aside.
    pub fn open(&self) -> Result<Found, OpenError> {
        self.sweep();
        match self.read()? {
            Content::Nothing => Ok(Found::Nothing),
            Content::State(state) => Ok(Found::State(state)),
            Content::Unusable(why) => self.set_aside(&why),
        }
    }

    /// Where the state is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file whose lock says which process keeps the state.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.beside(".lock")
    }

    /// Writes a state so that at any time either the one before or this one is there, whole.
    ///
    /// # Errors
    /// What the disk says; then the one before is still there.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = self.temporary()?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, &self.path))
            // the new name is safe only once the folder is
            .and_then(|()| File::open(&self.folder)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// A new file beside the state file. Two processes never have the same one. It is locked for as long as it is open, and the
    /// system drops the locks of a process that dies, so that others can tell which files are left over. The process id in the
    /// name could not tell them: in containers, every process is number 1.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        loop {
            let path = self.beside(&format!(".tmp-{}-{:08x}", std::process::id(), fastrand::u32(..)));
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            // another process may be sweeping it, or have swept it, before it is locked; where the file system knows no locks,
            // nothing is swept
            let is_being_swept = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            if !is_being_swept && file.metadata()?.nlink() > 0 {
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
            "{path}: {folder} cannot be written: {error}; let this user write there, or write another path"
        ))
    }

    fn beside(&self, more: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(more);
        path.into()
    }

    /// Removes what processes that were killed have left half written, and nothing that a process which lives is writing.
    fn sweep(&self) {
        let prefix = self.beside(".tmp-");
        let Some(prefix) = prefix.file_name().and_then(|name| name.to_str()) else { return };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_ours = |name: &str| name.strip_prefix(prefix).is_some_and(is_temporary);
        let left = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
        // one that cannot be opened or removed does no harm
        left.for_each(|entry| drop(remove_if_left(&entry.path())));
    }

    /// Reads what is there, and refuses what this program has not written.
    fn read(&self) -> Result<Content, OpenError> {
        let path = self.path.display();
        let bytes = match self.read_bytes() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Nothing),
            // what it holds may be right: starting without it would spend a day's calls twice
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(OpenError(format!(
                    "{path}: this process may not read it ({error}); let it, or write another path"
                )));
            }
            Err(error) => return Err(OpenError(format!("{path} cannot be read: {error}; write another path"))),
        };
        match State::parse(&bytes) {
            Ok(state) => Ok(Content::State(Box::new(state))),
            Err(why) if begins_like_a_state(&bytes) => Ok(Content::Unusable(why)),
            Err(why) => Err(OpenError(format!(
                "{path} is no state of this program ({why}) and stays as it is; write the path of a file of its own, or \
                 move that file away"
            ))),
        }
    }

    /// Renames the state, so that it can be looked at later. Earlier ones stay, up to [`MOST_SET_ASIDE`]; then the oldest is
    /// replaced.
    fn set_aside(&self, why: &NoState) -> Result<Found, OpenError> {
        let names = (1..=MOST_SET_ASIDE).map(|number| match number {
            1 => self.beside(".unreadable"),
            _ => self.beside(&format!(".unreadable.{number}")),
        });
        let changed = |path: &PathBuf| fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
        // a name without a file is older than all
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
/// a version, so the next key has to fit too.
fn begins_like_a_state(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(br#"{"version":"#) else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &rest[digits..];
    let next = br#","saved_at":"#;
    rest.trim_ascii_end() == b"}" || rest.starts_with(next) || next.starts_with(rest)
}

/// Removes a temporary file that no process holds. Its owner cannot lock it meanwhile, and looks afterwards.
fn remove_if_left(path: &Path) -> io::Result<()> {
    // opening a pipe would wait for its reader
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.try_lock()?;
    fs::remove_file(path)
}

/// Whether a temporary file's name ends so: a process's number and eight digits of chance.
fn is_temporary(end: &str) -> bool {
    end.split_once('-').is_some_and(|(process, chance)| {
        process.parse::<u32>().is_ok() && chance.len() == 8 && chance.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests;
