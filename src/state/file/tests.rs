//! What is found at the path of a state file, and what is done about it.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

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
    let file = StateFile::at(&folder.path()).unwrap();
    let found = file.open().unwrap();
    (file, found)
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
fn a_state_that_cannot_be_used_is_set_aside_and_earlier_ones_stay_up_to_five() {
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
    fn what_does_not_begin_like_a_state_stays_as_it_is_and_nothing_of_it_is_told(
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
    fn nothing_of_a_state_is_told_wherever_it_is_broken(
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
fn files_of_other_programs_that_begin_with_a_version_are_no_states() {
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
fn a_state_that_was_changed_by_hand_is_one_however_it_is_laid_out() {
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
        let error = StateFile::at(&folder.path()).unwrap_err().to_string();
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
    let error = |path: PathBuf| StateFile::at(&path).unwrap_err().to_string();
    assert!(error(folder.0.join("no/state.json")).contains("create it"));
    assert!(error(folder.0.clone()).contains("is no file"));
    for number in ["", ".2", ".3", ".4", ".5"] {
        fs::create_dir(folder.0.join(format!("state.json.unreadable{number}"))).unwrap();
    }
    fs::write(folder.path(), "{\"version\":2}").unwrap();
    let error = StateFile::at(&folder.path()).unwrap().open().unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
    assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{\"version\":2}");
}

#[test]
fn a_write_that_fails_leaves_the_state_before_and_nothing_half_written() {
    let folder = Folder::new();
    let (file, _) = open(&folder);
    fs::create_dir(folder.path()).unwrap();
    assert!(file.write(&content()).is_err(), "no file takes the place of a folder");
    assert_eq!(folder.names(), ["state.json"]);
}
