//! `[state]`: what outlives a restart.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Report;

/// The section `[state]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// The file that keeps it; `None` if nothing is kept.
    pub path: Option<PathBuf>,
}

impl StateSettings {
    pub(super) fn check(&self, report: &mut Report<'_>) {
        let is_file = |path: &Path| path.file_name().is_some() && !path.to_string_lossy().ends_with('/');
        if let Some(path) = self.path.as_deref().filter(|path| !is_file(path)) {
            let path = path.display().to_string();
            let cure = "set the path of a file, such as \"/var/lib/quotefold/state.json\"";
            report.at(&["state", "path"], format!("{path:?} is not a file; {cure}"));
        }
    }
}
