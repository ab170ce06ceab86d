//! Reads the state file and writes it: whole or not at all, whenever the process or the machine dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::State;

/// Nothing that was written here is longer than this.
const LONGEST: u64 = 64 * 1024 * 1024;

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
    /// Something else, why, and where it is now.
    SetAside(String, PathBuf),
}

/// Why the state cannot be kept there, with the way out.
#[derive(Debug, thiserror::Error)]
#[error("state.path: {0}")]
pub struct OpenError(String);

impl StateFile {
    /// Makes sure that the state can be kept at a path, and reads what is there. What earlier processes left half written is
    /// cleaned away; what is no state is set aside, never overwritten.
    ///
    /// # Errors
    /// A path at which nothing can be written.
    pub fn open(path: &Path) -> Result<(Self, Found), OpenError> {
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
        file.sweep();
        file.try_out().map_err(|error| file.unwritable(&error))?;
        let found = file.read()?;
        Ok((file, found))
    }

    /// Where the state is kept.
    pub fn path(&self) -> &Path {
        &self.path
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

    fn read(&self) -> Result<Found, OpenError> {
        let why = match self.read_bytes() {
            Ok(bytes) => match State::parse(&bytes) {
                Ok(state) => return Ok(Found::State(Box::new(state))),
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            // what it holds may be right: starting without it would spend a day's calls twice
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let path = self.path.display();
                return Err(OpenError(format!(
                    "{path}: this process may not read it ({error}); let it, or write another path"
                )));
            }
            Err(error) => format!("it cannot be read: {error}"),
        };
        let aside = self.beside(".unreadable");
        fs::rename(&self.path, &aside).map_err(|error| {
            let (path, aside) = (self.path.display(), aside.display());
            OpenError(format!("{path}: {why}, and it cannot be renamed to {aside}: {error}; move it away"))
        })?;
        Ok(Found::SetAside(why, aside))
    }

    fn read_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
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
