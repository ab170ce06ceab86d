//! Finds the configuration file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::LoadOptions;
use crate::settings::error::{ConfigError, ConfigErrors};

/// The annotated default, which is used if there is no file.
pub const DEFAULT: &str = include_str!("../../../config/quotefold.toml");

/// The longest file that is read, in bytes. It may be a pipe, as in `--config <(…)`, so its kind is not checked.
const LONGEST: u64 = 1 << 20;

/// What errors call the default.
const DEFAULT_NAME: &str = "the built-in configuration";

/// A file's name for people, and its text.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) is_default: bool,
    /// Where it was found; `None` if it is no file.
    pub(super) path: Option<PathBuf>,
}

/// Reads the file named by option, else by `$QUOTEFOLD_CONFIG`, else the first that exists in the usual places.
pub(super) fn find(options: &LoadOptions) -> Result<Found, ConfigErrors> {
    if let Some((name, text)) = options.text.clone() {
        return Ok(Found { name, text, is_default: false, path: None });
    }
    let variable = options.environment.get("QUOTEFOLD_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let named = match (&options.config, variable) {
        (Some(path), _) => Some((path.clone(), "named by --config")),
        (None, Some(path)) => Some((path, "named by $QUOTEFOLD_CONFIG")),
        (None, None) => {
            options.places.iter().find(|path| path.exists()).map(|path| (path.clone(), "found in a usual place"))
        }
    };
    let Some((path, by)) = named else {
        return Ok(Found { name: DEFAULT_NAME.to_owned(), text: DEFAULT.to_owned(), is_default: true, path: None });
    };
    let text = if options.is_again { read_again(&path) } else { read(&path) };
    let text = text.map_err(|reason| {
        let message = format!("{reason}; it was {by}; `quotefold config --default` prints one to start from");
        ConfigErrors(vec![ConfigError { file: path.display().to_string(), line: None, key: String::new(), message }])
    })?;
    Ok(Found { name: path.display().to_string(), text, is_default: false, path: Some(path) })
}

/// Reads a file that was read before. What is empty now is a pipe that was read to its end, or a file that is still being
/// written: it must not be taken for a configuration without keys and with the built-in sources.
fn read_again(path: &Path) -> Result<String, String> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err("it is no regular file, so it cannot be read a second time".to_owned());
    }
    let text = read(path)?;
    if text.trim().is_empty() { Err("it is empty now".to_owned()) } else { Ok(text) }
}

fn read(path: &Path) -> Result<String, String> {
    let text = read_up_to(LONGEST, path).map_err(|error| format!("this file cannot be read: {error}"))?;
    // some Windows editors begin a file with a byte order mark
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a text file of at most this many bytes. Works for pipes, too.
pub(super) fn read_up_to(most: u64, path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it is longer than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}
