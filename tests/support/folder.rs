//! A folder for the state file of a service.

use std::path::PathBuf;

use serde_json::Value;

use super::Configuration;

/// A temporary folder with the state file in it, removed with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("quotefold-restart-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }

    pub(crate) fn state(&self) -> Value {
        let bytes = std::fs::read(self.file()).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
    }

    /// The units that the account `a` has spent, according to the state.
    pub(crate) fn spent(&self) -> u64 {
        let state = self.state();
        let spent = state["accounts"]["a"]["spent"].as_array();
        spent.into_iter().flatten().map(|run| run[1].as_u64().unwrap()).sum()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The configuration of a service that keeps its state here.
    pub(crate) fn configuration(&self, more: &str) -> Configuration {
        let path = self.file().display().to_string();
        let server = "[server]\ndrain_delay = \"0s\"\n";
        Configuration::new(&format!("{server}[state]\npath = {path:?}\n{more}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
