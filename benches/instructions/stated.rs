//! The figures as they were last stated, one per profile and path.

use std::path::{Path as File, PathBuf};

use anyhow::Context;
use toml::{Table, Value};

use crate::counted::Path;

/// What `stated.toml` begins with.
const HEAD: &str =
    "# Instructions per request, by the profile of the build: cargo bench --bench instructions -- --state\n";

/// The stated figures, and which profile this program was built with.
pub(crate) struct Stated {
    figures: Table,
    profile: String,
}

impl Stated {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file()).with_context(|| file().display().to_string())?;
        Ok(Stated { figures: text.parse()?, profile: profile()? })
    }

    fn figure(&self, path: Path) -> Option<u64> {
        let figure = self.figures.get(&self.profile)?.get(path.name())?.as_integer()?;
        u64::try_from(figure).ok()
    }

    /// Whether a count is at most a tenth above the stated figure. Without a figure, nothing is allowed: the bound would bind
    /// nothing.
    pub(crate) fn allows(&self, path: Path, count: u64) -> bool {
        self.figure(path).is_some_and(|stated| count * 10 <= stated * 11)
    }

    /// How a count compares with the stated figure, in words.
    pub(crate) fn compared(&self, path: Path, count: u64) -> String {
        let profile = &self.profile;
        match self.figure(path) {
            None => format!("no figure is stated for the profile {profile}"),
            Some(stated) if count * 10 > stated * 11 => {
                format!(
                    "more than a tenth above the {stated} stated for {profile}; find out why, or state it with --state"
                )
            }
            Some(stated) if count * 11 < stated * 10 => {
                format!("far less than the {stated} stated for {profile}; state it with --state")
            }
            Some(stated) => format!("{stated} stated for {profile}"),
        }
    }

    pub(crate) fn set(&mut self, path: Path, count: u64) {
        let profile = self.figures.entry(self.profile.clone()).or_insert_with(|| Value::Table(Table::new()));
        if let (Some(table), Ok(count)) = (profile.as_table_mut(), i64::try_from(count)) {
            table.insert(path.name().to_owned(), Value::Integer(count));
        }
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(file(), format!("{HEAD}\n{}", self.figures))?)
    }
}

fn file() -> PathBuf {
    File::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/stated.toml")
}

/// The profile's folder, in which cargo puts programs: `debug` for dev.
fn profile() -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let folder = program.parent().and_then(File::parent).and_then(File::file_name);
    Ok(folder.context("this program is not where cargo puts benches")?.to_string_lossy().into_owned())
}
