//! Finds the configuration file.

use std::path::{Path, PathBuf};

use super::LoadOptions;
use crate::settings::error::{ConfigError, ConfigErrors};

/// The annotated default, which holds if there is no file.
pub const DEFAULT: &str = include_str!("../../../config/quotefold.toml");

/// What errors call the default.
const DEFAULT_NAME: &str = "the built-in configuration";

/// A file's name, as people know it, and its text.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) is_default: bool,
}

/// Reads the first file there is: the one that is named, the one `$QUOTEFOLD_CONFIG` names, then the usual places.
pub(super) fn find(options: &LoadOptions) -> Result<Found, ConfigErrors> {
    if let Some((name, text)) = options.text.clone() {
        return Ok(Found { name, text, is_default: false });
    }
    let variable = options.environment.get("QUOTEFOLD_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let named = match (&options.config, variable) {
        (Some(path), _) => Some((path.clone(), "--config")),
        (None, Some(path)) => Some((path, "$QUOTEFOLD_CONFIG")),
        (None, None) => options.places.iter().find(|path| path.exists()).map(|path| (path.clone(), "its place")),
    };
    let Some((path, by)) = named else {
        return Ok(Found { name: DEFAULT_NAME.to_owned(), text: DEFAULT.to_owned(), is_default: true });
    };
    let text = read(&path).map_err(|reason| {
        let message = format!("{reason}; it was chosen by {by}; `quotefold config --default` prints one to start from");
        ConfigErrors(vec![ConfigError { file: path.display().to_string(), line: None, key: String::new(), message }])
    })?;
    Ok(Found { name: path.display().to_string(), text, is_default: false })
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("this file cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "this file is not UTF-8 text".to_owned())?;
    // some editors of Windows put it there
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
