//! Keeps a configuration file as a tree that knows, for every key, its line or the variable that set it.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::inserted::Masked;
use super::wording;
use crate::settings::error::ConfigError;

/// A file's keys and values, with those that variables and options have set.
pub(crate) struct Document<'t> {
    file: String,
    text: &'t str,
    pub(super) root: Spanned<DeTable<'t>>,
    /// The variables and options that set values. The values of the n-th have their own span, past the end of the text.
    setters: Vec<String>,
    /// The values with something inserted, and how to show them masked.
    pub(super) masked: Vec<Masked>,
    /// The paths of the keys and values that could not be read.
    pub(super) unread: Vec<Vec<String>>,
}

impl<'t> Document<'t> {
    /// Reads a file's text, and returns an error for each line that is not TOML by itself.
    ///
    /// # Errors
    /// A line that leaves open what the following ones belong to, and those before it that are not TOML either.
    pub(crate) fn parse(file: &str, text: &'t str) -> Result<(Self, Vec<ConfigError>), Vec<ConfigError>> {
        let (root, mut errors) = DeTable::parse_recoverable(text);
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        errors.sort_by_key(place);
        let open = errors.iter().position(|error| wording::leaves_lines_open(error.message()));
        errors.truncate(open.map_or(errors.len(), |open| open + 1));
        let mut wrong: Vec<ConfigError> = Vec::new();
        for error in errors {
            let line = line(text, place(&error));
            // what follows a mistake in its line mostly follows from it
            if wrong.last().is_none_or(|known| known.line != Some(line)) {
                let written = text.lines().nth(line - 1).unwrap_or_default();
                let message = wording::not_toml(error.message(), written);
                wrong.push(ConfigError { file: file.to_owned(), line: Some(line), key: String::new(), message });
            }
        }
        let (setters, masked, unread) = (Vec::new(), Vec::new(), Vec::new());
        let document = Document { file: file.to_owned(), text, root, setters, masked, unread };
        if open.is_some() { Err(wrong) } else { Ok((document, wrong)) }
    }

    /// The file's name.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The tree, for changes.
    pub(crate) fn root_mut(&mut self) -> &mut DeTable<'t> {
        self.root.get_mut()
    }

    /// Remembers how to show values with something inserted.
    pub(super) fn mask(&mut self, masked: Vec<Masked>) {
        self.masked = masked;
    }

    /// The names of a table's keys; empty if there is no such table.
    pub(crate) fn keys(&self, path: &[&str]) -> Vec<String> {
        let table = path.iter().try_fold(self.root.get_ref(), |table, name| table.get(*name)?.get_ref().as_table());
        table.map(|table| table.keys().map(|key| key.get_ref().to_string()).collect()).unwrap_or_default()
    }

    /// Whether there is a value at a path.
    pub(crate) fn states(&self, path: &[&str]) -> bool {
        let Some((last, tables)) = path.split_last() else { return true };
        self.keys(tables).iter().any(|key| key == last)
    }

    /// Whether the value at a path is `false`.
    pub(crate) fn is_false(&self, path: &[&str]) -> bool {
        let Some((last, tables)) = path.split_last() else { return false };
        let table = tables.iter().try_fold(self.root.get_ref(), |table, name| table.get(*name)?.get_ref().as_table());
        table.and_then(|table| table.get(*last)?.get_ref().as_bool()) == Some(false)
    }

    /// Whether nothing at a path, or in the table there, was set aside because it could not be read.
    pub(crate) fn was_read(&self, path: &[&str]) -> bool {
        let is_around = |unread: &Vec<String>| unread.iter().zip(path).all(|(one, other)| one == other);
        !self.unread.iter().any(is_around)
    }

    /// The keys of a table that were set aside, or parts of whose values were.
    pub(crate) fn unread_in(&self, table: &[&str]) -> Vec<String> {
        let within = self.unread.iter().filter(|unread| unread.iter().zip(table).all(|(one, other)| one == other));
        within.filter_map(|unread| unread.get(table.len()).cloned()).collect()
    }

    /// The text at a path, if there is one.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        let (last, tables) = path.split_last()?;
        let table =
            tables.iter().try_fold(self.root.get_ref(), |table, name| table.get(*name)?.get_ref().as_table())?;
        table.get(*last)?.get_ref().as_str()
    }

    /// Sets a value on behalf of a variable or an option, and makes the tables it needs.
    ///
    /// `None` if a key on the way is not a table.
    pub(crate) fn set(&mut self, setter: &str, path: &[String], mut value: DeValue<'t>) -> Option<()> {
        let start = self.text.len() + 1 + self.setters.len();
        let span = start..start + 1;
        let (last, tables) = path.split_last()?;
        let mut table = self.root.get_mut();
        for name in tables {
            let key = Spanned::new(span.clone(), Cow::Owned(name.clone()));
            let empty = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
            table = match table.entry(key).or_insert(empty).get_mut() {
                DeValue::Table(table) => table,
                _ => return None,
            };
        }
        give_span(&mut value, &span);
        // remove first: inserting over a key would keep the old key and its line
        table.remove(last.as_str());
        table.insert(Spanned::new(span.clone(), Cow::Owned(last.clone())), Spanned::new(span, value));
        self.setters.push(setter.to_owned());
        Some(())
    }

    /// Whether the value with this span was set by a variable or an option.
    pub(crate) fn was_set(&self, span: &Range<usize>) -> bool {
        span.start > self.text.len()
    }

    /// An error about a key. Its place is that of the key, or else that of the nearest enclosing table in the file.
    pub(crate) fn error(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        let mut span = None;
        let mut table = Some(self.root.get_ref());
        for name in path {
            let Some((key, value)) = table.and_then(|table| table.get_key_value(*name)) else { break };
            span = Some(key.span());
            table = value.get_ref().as_table();
        }
        let (file, line) = span.map_or_else(|| (self.file.clone(), None), |span| self.setter_or_line(&span));
        ConfigError { file, line, key: joined(path), message: message.into() }
    }

    pub(super) fn setter_or_line(&self, span: &Range<usize>) -> (String, Option<usize>) {
        match span.start.checked_sub(self.text.len() + 1).and_then(|index| self.setters.get(index)) {
            Some(setter) => (setter.clone(), None),
            None => (self.file.clone(), Some(line(self.text, span.start))),
        }
    }
}

/// Gives the items of a variable's list the span of the list, since they are in no file.
fn give_span(value: &mut DeValue<'_>, span: &Range<usize>) {
    let DeValue::Array(items) = value else { return };
    for item in items.iter_mut() {
        let mut part = std::mem::replace(item.get_mut(), DeValue::Boolean(false));
        give_span(&mut part, span);
        *item = Spanned::new(span.clone(), part);
    }
}

/// A path as a file would spell it.
pub(crate) fn joined(path: &[impl AsRef<str>]) -> String {
    let is_bare = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) && !key.is_empty();
    let quoted = |key: &str| if is_bare(key) { key.to_owned() } else { format!("{key:?}") };
    path.iter().map(|key| quoted(key.as_ref())).collect::<Vec<_>>().join(".")
}

fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
