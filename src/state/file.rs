//! Reads the state file and writes it: whole or not at all, whenever the process or the machine dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
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

    /// A new file beside the state file. Two processes never have the same.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        let path = self.beside(&format!(".tmp-{}-{:08x}", std::process::id(), fastrand::u32(..)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((path, file))
    }

    fn try_out(&self) -> io::Result<()> {
        let (path, _) = self.temporary()?;
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

    /// Removes what processes that were killed have left half written.
    fn sweep(&self) {
        let prefix = self.beside(".tmp-");
        let Some(prefix) = prefix.file_name().and_then(|name| name.to_str()) else { return };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let left = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)));
        // one that cannot be removed does no harm
        left.for_each(|entry| drop(fs::remove_file(entry.path())));
    }

    fn read(&self) -> Result<Found, OpenError> {
        let why = match self.read_bytes() {
            Ok(bytes) => match State::parse(&bytes) {
                Ok(state) => return Ok(Found::State(Box::new(state))),
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::state::VERSION;

    /// A folder that exists as long as a test needs it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("quotefold-state-{:016x}", fastrand::u64(..)));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn path(&self) -> PathBuf {
            self.0.join("state.json")
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap().flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn open(folder: &Folder) -> (StateFile, Found) {
        StateFile::open(&folder.path()).unwrap()
    }

    fn content() -> Vec<u8> {
        format!(r#"{{"version":{VERSION},"saved_at":"2026-11-20T14:31:00Z","accounts":{{}},"quotes":[]}}"#).into_bytes()
    }

    #[test]
    fn what_is_written_is_found_again_readable_for_its_owner_alone() {
        let folder = Folder::new();
        let (file, found) = open(&folder);
        assert!(matches!(found, Found::Nothing), "{found:?}");
        file.write(b"{").unwrap();
        file.write(&content()).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(open(&folder).1, Found::State(_)));
        assert_eq!(folder.names(), ["state.json"]);
    }

    #[test]
    fn what_is_no_state_is_set_aside_whatever_was_set_aside_before() {
        let folder = Folder::new();
        for (content, why) in [("", "EOF"), ("{\"version\":1", "EOF"), ("[]", "invalid"), ("{\"version\":7}", "7")] {
            fs::write(folder.path(), content).unwrap();
            let found = open(&folder).1;
            let Found::SetAside(said, aside) = &found else { panic!("{found:?}") };
            assert!(said.contains(why), "{said}");
            assert_eq!(fs::read_to_string(aside).unwrap(), content);
            assert_eq!(folder.names(), ["state.json.unreadable"]);
        }
    }

    #[test]
    fn what_killed_processes_left_is_cleaned_away_and_nothing_else() {
        let folder = Folder::new();
        for name in ["state.json.tmp-7-0000beef", "state.json.tmp-8-0000cafe", "state.json.old", "other.tmp-1"] {
            fs::write(folder.0.join(name), "x").unwrap();
        }
        open(&folder);
        assert_eq!(folder.names(), ["other.tmp-1", "state.json.old"]);
    }

    #[test]
    fn a_path_at_which_nothing_can_be_written_is_refused_with_the_way_out() {
        let folder = Folder::new();
        let error = |path: PathBuf| StateFile::open(&path).unwrap_err().to_string();
        assert!(error(folder.0.join("no/state.json")).contains("create it"));
        assert!(error(folder.0.clone()).contains("is no file"));
        fs::create_dir(folder.0.join("state.json.unreadable")).unwrap();
        fs::write(folder.path(), "junk").unwrap();
        assert!(error(folder.path()).contains("move it away"));
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "junk");
    }

    #[test]
    fn a_write_that_fails_leaves_the_state_before_and_nothing_half_written() {
        let folder = Folder::new();
        let (file, _) = open(&folder);
        fs::create_dir(folder.path()).unwrap();
        assert!(file.write(&content()).is_err(), "no file takes the place of a folder");
        assert_eq!(folder.names(), ["state.json"]);
    }
}
