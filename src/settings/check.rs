//! Checks what a configuration says after it was read, so that everything that is wrong is reported at once.

mod access;
mod rules;
pub(super) mod server;
mod sources;
mod standing;
pub(super) mod symbols;

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::Settings;
use super::error::{ConfigError, ConfigErrors};
use super::load::document::Document;
use crate::provider::description::SourceTable;
use crate::provider::filter::Filter;
use crate::provider::secrets;

/// What is wrong so far, and where in the file.
pub(super) struct Report<'d> {
    document: &'d Document<'d>,
    errors: Vec<ConfigError>,
}

/// Checks the whole; `stated` is what the user's file and variables say of the sources.
pub(super) fn check(settings: &Settings, stated: &BTreeMap<String, SourceTable>, report: &mut Report<'_>) {
    server::check(settings, report);
    access::check(settings, report);
    rules::check(settings, report);
    standing::check(settings, report);
    sources::check(settings, stated, report);
}

/// Compiles a filter, and says why it cannot be one.
fn compile(jq: &str) -> Result<(), String> {
    Filter::compile(jq).map(drop).map_err(|error| error.to_string())
}

impl<'d> Report<'d> {
    /// Nothing is wrong with the document yet.
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Report { document, errors: Vec::new() }
    }

    /// Takes errors over that know their place.
    pub(super) fn add(&mut self, errors: impl IntoIterator<Item = ConfigError>) {
        for error in errors {
            self.keep(error);
        }
    }

    /// Something is wrong with a key.
    pub(super) fn at(&mut self, path: &[&str], message: impl Into<String>) {
        self.keep(self.document.error(path, message));
    }

    /// Something is wrong with a key unless the condition holds.
    pub(super) fn unless(&mut self, holds: bool, path: &[&str], message: impl Into<String>) {
        if !holds {
            self.at(path, message);
        }
    }

    /// Whether nothing is wrong yet.
    pub(super) fn is_fine(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether the file or the environment says something at a path.
    pub(super) fn states(&self, path: &[&str]) -> bool {
        self.document.states(path)
    }

    /// Whether a path's value comes from this variable.
    pub(super) fn is_set_by(&self, variable: &str, path: &[&str]) -> bool {
        self.document.error(path, "").file == variable
    }

    /// A second error of one key mostly follows from the first.
    fn keep(&mut self, error: ConfigError) {
        let same = |known: &ConfigError| known.key == error.key && known.file == error.file && !error.key.is_empty();
        if !self.errors.iter().any(same) {
            self.errors.push(error);
        }
    }

    /// All errors, in the order of the file and without the given secrets; `None` if there are none.
    pub(super) fn errors(mut self, hidden: &[SecretString]) -> Option<ConfigErrors> {
        for error in &mut self.errors {
            error.message = secrets::scrub(&error.message, hidden);
        }
        let place = |error: &ConfigError| (error.file != self.document.file(), error.line);
        self.errors.sort_by_key(place);
        (!self.errors.is_empty()).then_some(ConfigErrors(self.errors))
    }
}
