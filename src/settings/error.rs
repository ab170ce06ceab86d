//! Reports what is wrong with a configuration: where, what was found, and what is allowed.

use std::fmt;

use secrecy::SecretString;

use super::load::document::Document;
use crate::provider::secrets;

/// One error in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, variable or option that the value comes from.
    pub file: String,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
    /// The key's path: `sources.kraken.timeout`; empty if the error concerns the whole file.
    pub key: String,
    /// What was found, and what is allowed or what to do.
    pub message: String,
}

/// All errors, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigError {
    /// Whether both are about one key.
    fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.key == other.key && self.file == other.file && !self.key.is_empty()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ": line {line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
impl std::error::Error for ConfigErrors {}

/// Collects errors, each with its place in the file.
pub(super) struct Report<'d> {
    document: &'d Document<'d>,
    errors: Vec<ConfigError>,
    remarks: Vec<ConfigError>,
}

impl<'d> Report<'d> {
    /// A report without errors so far.
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Report { document, errors: Vec::new(), remarks: Vec::new() }
    }

    /// Adds errors that already state their place.
    pub(super) fn add(&mut self, errors: impl IntoIterator<Item = ConfigError>) {
        for error in errors {
            self.keep(error);
        }
    }

    /// Adds what could not be read. Several values of one list can be wrong, but a key that is known to be wrong is not reported
    /// again.
    pub(super) fn add_unreadable(&mut self, errors: Vec<ConfigError>) {
        let known = self.errors.len();
        for error in errors {
            if !self.errors[..known].iter().any(|known| known.is_about_the_same_as(&error)) {
                self.errors.push(error);
            }
        }
    }

    /// Adds an error about a key.
    pub(super) fn at(&mut self, path: &[&str], message: impl Into<String>) {
        self.keep(self.document.error(path, message));
    }

    /// Adds an error about a key unless the condition holds.
    pub(super) fn unless(&mut self, holds: bool, path: &[&str], message: impl Into<String>) {
        if !holds {
            self.at(path, message);
        }
    }

    /// Whether there is no error so far.
    pub(super) fn is_fine(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether the file or the environment sets the value at a path.
    pub(super) fn states(&self, path: &[&str]) -> bool {
        self.document.states(path)
    }

    /// Whether everything that is stated at a path could be read. If not, its built-in value says nothing about the file.
    pub(super) fn was_read(&self, path: &[&str]) -> bool {
        self.document.was_read(path)
    }

    /// The keys of a section that could not be read.
    pub(super) fn unread_in(&self, path: &[&str]) -> Vec<String> {
        self.document.unread_in(path)
    }

    /// The keys that the file and the environment set in a section.
    pub(super) fn keys(&self, path: &[&str]) -> Vec<String> {
        self.document.keys(path)
    }

    /// The text at a path, exactly as the file or the environment spells it.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        self.document.text(path)
    }

    /// Whether a path's value comes from this variable.
    pub(super) fn is_set_by(&self, variable: &str, path: &[&str]) -> bool {
        self.document.error(path, "").file == variable
    }

    /// Adds a remark: something that is allowed, and probably not meant.
    pub(super) fn remark(&mut self, path: &[&str], message: impl Into<String>) {
        self.remarks.push(self.document.error(path, message));
    }

    /// Adds a remark about a variable.
    pub(super) fn remark_about(&mut self, variable: &str, message: &str) {
        let (file, message) = (variable.to_owned(), message.to_owned());
        self.remarks.push(ConfigError { file, line: None, key: String::new(), message });
    }

    /// Keeps only the first error of each key: a second one mostly follows from it.
    fn keep(&mut self, error: ConfigError) {
        if !self.errors.iter().any(|known| known.is_about_the_same_as(&error)) {
            self.errors.push(error);
        }
    }

    /// All remarks, in the order of the file and with the given secrets hidden.
    pub(super) fn remarks(&self, hidden: &[SecretString]) -> Vec<ConfigError> {
        let mut remarks = self.remarks.clone();
        remarks.iter_mut().for_each(|remark| remark.message = secrets::scrub(&remark.message, hidden));
        remarks.sort_by_key(|remark| self.place(remark));
        remarks
    }

    fn place(&self, error: &ConfigError) -> (bool, Option<usize>) {
        (error.file != self.document.file(), error.line)
    }

    /// All errors, in the order of the file and with the given secrets hidden; `None` if there are no errors.
    pub(super) fn errors(mut self, hidden: &[SecretString]) -> Option<ConfigErrors> {
        for error in &mut self.errors {
            error.message = secrets::scrub(&error.message, hidden);
        }
        let mut errors = std::mem::take(&mut self.errors);
        errors.sort_by_key(|error| self.place(error));
        (!errors.is_empty()).then_some(ConfigErrors(errors))
    }
}
