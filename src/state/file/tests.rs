//! What is found at the path of a state file, and what is done about it.

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
    let others = ["other.tmp-1", "state.json.old", "state.json.tmp-7-note.txt", "state.json.tmp-of-mine"];
    for name in ["state.json.tmp-7-0000beef", "state.json.tmp-8-0000cafe"].into_iter().chain(others) {
        fs::write(folder.0.join(name), "x").unwrap();
    }
    open(&folder);
    assert_eq!(folder.names(), others);
}

#[test]
fn what_a_process_that_lives_is_writing_is_left_alone_until_its_lock_is_gone() {
    let folder = Folder::new();
    let (first, _) = open(&folder);
    let (temporary, mut writing) = first.temporary().unwrap();
    writing.write_all(&content()).unwrap();
    open(&folder);
    assert!(temporary.exists(), "it was swept away under the hands of its owner");
    fs::rename(&temporary, folder.path()).unwrap();
    assert!(matches!(open(&folder).1, Found::State(_)));
    let (temporary, writing) = first.temporary().unwrap();
    // the end of a process takes its locks along
    drop(writing);
    open(&folder);
    assert!(!temporary.exists());
}

#[test]
fn however_often_processes_start_beside_it_no_write_fails() {
    let folder = Folder::new();
    let (file, _) = open(&folder);
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| (0..200).for_each(|_| drop(open(&folder))));
        while !starting.is_finished() {
            file.write(&content()).unwrap();
        }
    });
    assert_eq!(folder.names(), ["state.json"]);
}

#[test]
fn a_link_is_refused_whether_or_not_it_leads_anywhere_for_it_would_not_stay_one() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    std::os::unix::fs::symlink(elsewhere.path(), folder.path()).unwrap();
    for _ in 0..2 {
        let error = StateFile::open(&folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "is a link, which would be replaced; write where it leads: {}",
                elsewhere.path().display()
            )),
            "{error}"
        );
        fs::write(elsewhere.path(), content()).unwrap();
    }
    assert_eq!(fs::read_link(folder.path()).unwrap(), elsewhere.path());
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
