//! What may be at the path of a state file, and what is done about it.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::state::VERSION;

/// A temporary folder, removed with the test.
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
    let file = StateFile::at(&folder.path()).unwrap();
    let found = file.open().unwrap();
    (file, found)
}

fn content() -> Vec<u8> {
    format!(r#"{{"version":{VERSION},"saved_at":"2026-11-20T14:31:00Z","accounts":{{}},"quotes":[]}}"#).into_bytes()
}

#[test]
fn a_state_is_found_again_and_only_its_owner_can_read_it() {
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
fn unusable_states_are_set_aside_and_up_to_five_are_kept() {
    let folder = Folder::new();
    let contents = [
        ("{\"version\":", "it ends too early at line 1, column 11"),
        ("{\"version\":1", "it ends too early at line 1, column 12"),
        ("{\"version\":1,\"sav", "it ends too early"),
        ("{\"version\":7}", "its version is 7"),
        ("{\"version\":2,\"saved_at\":{}}", "its version is 2"),
        ("{\"version\":1,\"saved_at\":\"once\"}", "it is JSON, but not a state at line 1, column 31"),
        ("{\"version\":1,\"saved_at\":\0", "it is not JSON"),
    ];
    for (at, (content, why)) in contents.into_iter().enumerate() {
        fs::write(folder.path(), content).unwrap();
        // file systems may keep times by hundredths of a second
        let second = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at as u64);
        File::options().write(true).open(folder.path()).unwrap().set_modified(second).unwrap();
        let found = open(&folder).1;
        let Found::SetAside(said, aside) = &found else { panic!("{found:?}") };
        assert!(said.contains(why), "{said}");
        assert_eq!(fs::read_to_string(aside).unwrap(), content);
        let kept: Vec<_> = folder.names().iter().map(|name| fs::read_to_string(folder.0.join(name)).unwrap()).collect();
        let latest = &contents[(at + 1).saturating_sub(5)..=at];
        assert_eq!(kept.len(), latest.len(), "{:?}", folder.names());
        assert!(latest.iter().all(|(content, _)| kept.iter().any(|kept| kept == content)), "{kept:?}");
    }
    let numbered = (2..=5).map(|number| format!("state.json.unreadable.{number}"));
    assert_eq!(folder.names(), [vec!["state.json.unreadable".to_owned()], numbered.collect()].concat());
}

proptest! {
    #[test]
    fn another_programs_file_is_left_as_it_is_and_not_revealed(
        content in prop_oneof![
            "\\PC{0,200}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..200),
            // what other programs begin their files with
            "[\\[{]\"(version|saved_at|a)\"[:,] ?[0-9]{0,2}[,}](\"(name|file|terraform_version)\":\"xyzzy\")?".prop_map(String::into_bytes),
        ],
        secret in "[g-z]{12}",
        place in any::<proptest::sample::Index>(),
    ) {
        let mut content = content;
        let place = place.index(content.len() + 1);
        content.splice(place..place, secret.bytes());
        prop_assume!(!begins_like_a_state(&content));
        let folder = Folder::new();
        fs::write(folder.path(), &content).unwrap();
        let error = StateFile::at(&folder.path()).unwrap_err().to_string();
        prop_assert!(!error.contains(&secret) && error.contains("line "), "{error}");
        prop_assert_eq!(fs::read(folder.path()).unwrap(), content);
        prop_assert_eq!(folder.names(), ["state.json"]);
    }

    #[test]
    fn nothing_of_a_broken_state_is_revealed(
        place in any::<proptest::sample::Index>(),
        secret in "[g-z]{12}",
        kind in 0_usize..4,
    ) {
        let mut whole = content();
        let value = match kind {
            0 => format!("\"{secret}\""),
            1 => format!("{{\"{secret}\":\"{secret}\"}}"),
            2 => secret.clone(),
            _ => format!("\"{secret}"),
        };
        let place = place.index(whole.len() + 1);
        whole.splice(place..place, value.bytes());
        let folder = Folder::new();
        fs::write(folder.path(), &whole).unwrap();
        let said = match StateFile::at(&folder.path()) {
            Err(error) => error.to_string(),
            Ok(file) => format!("{:?}", file.open()),
        };
        prop_assert!(!said.contains(&secret), "{said}");
    }
}

#[test]
fn files_of_other_programs_that_begin_with_a_version_are_not_states() {
    for content in [
        "{\n  \"version\": 4,\n  \"terraform_version\": \"1.9.0\"}",
        "{\"version\":3,\"file\":\"app.js\",\"sources\":[]}",
        "{\"version\":3,\"saved\":1}",
        "{\"version\":\"1\",\"saved_at\":\"now\"}",
        "{\"version\":2}}",
    ] {
        assert!(!begins_like_a_state(content.as_bytes()), "{content}");
    }
    assert!(begins_like_a_state(&content()) && begins_like_a_state(b"{\"version\":2}\n"));
}

#[test]
fn a_state_that_was_edited_by_hand_is_read_however_it_is_laid_out() {
    let folder = Folder::new();
    let text = String::from_utf8(content())
        .unwrap()
        .replace(',', ",\n  ")
        .replace(':', ": ")
        .replace("14: 31: 00", "14:31:00");
    fs::write(folder.path(), text).unwrap();
    assert!(matches!(open(&folder).1, Found::State(_)));
}

#[test]
fn only_files_that_killed_processes_left_are_removed() {
    let folder = Folder::new();
    let others = ["other.tmp-1", "state.json.old", "state.json.tmp-7-note.txt", "state.json.tmp-of-mine"];
    for name in ["state.json.tmp-7-0000beef", "state.json.tmp-8-0000cafe"].into_iter().chain(others) {
        fs::write(folder.0.join(name), "x").unwrap();
    }
    open(&folder);
    assert_eq!(folder.names(), others);
}

#[test]
fn a_temporary_file_of_a_live_process_is_kept_until_its_lock_is_gone() {
    let folder = Folder::new();
    let (first, _) = open(&folder);
    let (temporary, mut writing) = first.temporary().unwrap();
    writing.write_all(&content()).unwrap();
    open(&folder);
    assert!(temporary.exists(), "it was removed while its owner was writing it");
    fs::rename(&temporary, folder.path()).unwrap();
    assert!(matches!(open(&folder).1, Found::State(_)));
    let (temporary, writing) = first.temporary().unwrap();
    // the end of a process releases its locks
    drop(writing);
    open(&folder);
    assert!(!temporary.exists());
}

#[test]
fn no_write_fails_however_often_processes_start_beside_it() {
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
fn a_symbolic_link_is_refused_whether_or_not_its_target_exists() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    std::os::unix::fs::symlink(elsewhere.path(), folder.path()).unwrap();
    for _ in 0..2 {
        let error = StateFile::at(&folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "is a symbolic link, which would be replaced; set its target instead: {}",
                elsewhere.path().display()
            )),
            "{error}"
        );
        fs::write(elsewhere.path(), content()).unwrap();
    }
    assert_eq!(fs::read_link(folder.path()).unwrap(), elsewhere.path());
}

#[test]
fn an_unwritable_path_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let error = |path: PathBuf| StateFile::at(&path).unwrap_err().to_string();
    assert!(error(folder.0.join("no/state.json")).contains("create it"));
    assert!(error(folder.0.clone()).contains("is not a file"));
    for number in ["", ".2", ".3", ".4", ".5"] {
        fs::create_dir(folder.0.join(format!("state.json.unreadable{number}"))).unwrap();
    }
    fs::write(folder.path(), "{\"version\":2}").unwrap();
    let error = StateFile::at(&folder.path()).unwrap().open().unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
    assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{\"version\":2}");
}

#[test]
fn a_failed_write_leaves_the_previous_state_and_no_temporary_file() {
    let folder = Folder::new();
    let (file, _) = open(&folder);
    fs::create_dir(folder.path()).unwrap();
    assert!(file.write(&content()).is_err(), "a file cannot replace a folder");
    assert_eq!(folder.names(), ["state.json"]);
}
