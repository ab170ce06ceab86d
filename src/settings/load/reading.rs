//! Reads the tree of a configuration file into a type. What cannot be read is reported and set aside, so that one mistake does not
//! hide the others.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::document::{Document, joined};
use super::inserted::Masked;
use super::wording::explain;
use crate::settings::error::ConfigError;

/// The most mistakes that are reported of one file.
const MOST: usize = 100;

/// What takes the place of a value that a source cannot do without, so that its other keys can still be checked.
const STAND_INS: [(&str, &str); 3] = [
    ("url", "\"http://unread.invalid/{symbols}\""),
    ("classes", "[\"equity\", \"index\", \"crypto\", \"fx\", \"fund\"]"),
    ("jq", "\".\""),
];

/// Why a tree cannot be read.
struct ReadError {
    path: Vec<String>,
    span: Range<usize>,
    message: String,
}

impl Document<'_> {
    /// Reads the tree into a type. Keys and values that cannot be read are taken out of the tree, and an error is returned for
    /// each. An error about a value with something inserted shows a mask in its place.
    ///
    /// There is no result if there are too many errors.
    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> (Option<T>, Vec<ConfigError>) {
        let mut errors = Vec::new();
        loop {
            let error = match read_tree::<T>(&self.root) {
                Ok(read) => return (Some(read), errors),
                Err(error) => error,
            };
            errors.push(self.located::<T>(&error));
            if errors.len() == MOST || !self.set_aside(&error) {
                return (None, errors);
            }
        }
    }

    /// Takes lists out of the tree that stand in place of sections, and returns an error for each: serde would take the items for the
    /// values of a section's keys, in their order.
    pub(crate) fn read_sections(&mut self) -> Vec<ConfigError> {
        let mut wrong = Vec::new();
        lists_for_sections(self.root.get_ref(), &mut Vec::new(), &mut wrong);
        wrong.into_iter().filter_map(|path| self.not_a_section(path)).collect()
    }

    /// Sets a list aside that stands in place of a section.
    fn not_a_section(&mut self, path: Vec<String>) -> Option<ConfigError> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let key = joined(&path);
        let message = match names[..] {
            ["sources"] | ["sources", "enabled"] => {
                "this is a list; each source is a section of its own, such as [sources.kraken]".to_owned()
            }
            _ => format!("this is a list; write a section, [{key}], with keys of its own"),
        };
        let error = self.error(&names, message);
        let span = self.root.span();
        self.set_aside(&ReadError { path, span, message: String::new() }).then_some(error)
    }

    /// The error with its place, and without inserted values.
    fn located<T: DeserializeOwned>(&self, error: &ReadError) -> ConfigError {
        let is_around = |one: &[String], other: &[String]| other.starts_with(one) || one.starts_with(other);
        let masked: Vec<_> = self.masked.iter().filter(|masked| is_around(&masked.path, &error.path)).collect();
        let mut message = error.message.clone();
        if !masked.is_empty() {
            let mut tree = self.root.clone();
            masked.into_iter().for_each(|masked| show(tree.get_mut(), masked, &masked.path));
            // with a mask, the value usually fails in the same way
            message = match read_tree::<T>(&tree) {
                Err(same) if same.path == error.path => same.message,
                _ => "the value that was inserted here has the wrong form".to_owned(),
            };
        }
        let (file, line) = self.setter_or_line(&error.span);
        ConfigError { file, line, key: joined(&error.path), message }
    }

    /// Takes the key or the value that an error is about out of the tree. Returns whether there was one.
    fn set_aside(&mut self, error: &ReadError) -> bool {
        let was_set = self.was_set(&error.span);
        // a variable that sets a key of an unknown section is named as a whole, but it is the section that has to go
        let unknown = error.message.strip_prefix("unknown key `").and_then(|rest| rest.split('`').next());
        let end = error.path.iter().position(|name| Some(name.as_str()) == unknown);
        let path = &error.path[..end.map_or(error.path.len(), |at| at + 1)];
        let Some((name, tables)) = path.split_last() else { return false };
        let mut table = self.root.get_mut();
        for name in tables {
            table = match table.get_mut(name.as_str()).map(Spanned::get_mut) {
                Some(DeValue::Table(table)) => table,
                _ => return false,
            };
        }
        let Some(value) = table.get_mut(name.as_str()) else { return false };
        self.unread.push(path.to_vec());
        if let Some(stand_in) = stand_in(path) {
            *value.get_mut() = stand_in;
            return true;
        }
        // the items of a variable's list have no places of their own
        if let Some(DeValue::Array(items)) = Some(value.get_mut()).filter(|_| !was_set) {
            let is_wrong = |item: &Spanned<DeValue<'_>>| holds(&item.span(), &error.span);
            if items.iter().any(is_wrong) {
                let all = std::mem::replace(items, DeArray::new());
                *items = all.into_iter().filter(|item| !is_wrong(item)).collect();
                return true;
            }
        }
        table.remove(name.as_str()).is_some()
    }
}

/// The paths at which a list stands in place of a section.
fn lists_for_sections(table: &DeTable<'_>, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for (name, value) in table {
        path.push(name.get_ref().to_string());
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let (is_section, has_sections) = match names[..] {
            ["class" | "symbols" | "sources"] | ["sources", _] => (true, true),
            [_] | ["class" | "symbols", _] | ["sources", _, "instruments" | "format"] => (true, false),
            _ => (false, false),
        };
        match value.get_ref() {
            DeValue::Array(_) if is_section => found.push(path.clone()),
            DeValue::Table(inner) if has_sections => lists_for_sections(inner, path, found),
            _ => {}
        }
        path.pop();
    }
}

fn read_tree<T: DeserializeOwned>(tree: &Spanned<DeTable<'_>>) -> Result<T, ReadError> {
    T::deserialize(toml::de::Deserializer::from(tree.clone())).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let path = path_at(tree.get_ref(), &span).unwrap_or_default();
        ReadError { message: explain(error.message(), &path), path, span }
    })
}

fn stand_in(path: &[String]) -> Option<DeValue<'static>> {
    let [section, _, key] = path else { return None };
    let (_, text) = STAND_INS.iter().find(|(name, _)| section == "sources" && key == name)?;
    DeValue::parse(text).ok().map(Spanned::into_inner)
}

/// Replaces a value in the tree by its masked form.
fn show(table: &mut DeTable<'_>, masked: &Masked, path: &[String]) {
    let Some((name, rest)) = path.split_first() else { return };
    match table.get_mut(name.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(table)) => show(table, masked, rest),
        Some(value) => show_value(value, masked),
        None => {}
    }
}

fn show_value(value: &mut DeValue<'_>, masked: &Masked) {
    match value {
        DeValue::String(text) if *text == masked.whole => *text = Cow::Owned(masked.shown.clone()),
        DeValue::Array(items) => items.iter_mut().for_each(|item| show_value(item.get_mut(), masked)),
        // a table within a list, such as an example
        DeValue::Table(table) => table.iter_mut().for_each(|(_, value)| show_value(value.get_mut(), masked)),
        _ => {}
    }
}

/// Whether a span lies within another.
fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && !outer.is_empty()
}

/// The path of the smallest key or value around a span.
fn path_at(table: &DeTable<'_>, wanted: &Range<usize>) -> Option<Vec<String>> {
    fn visit(
        table: &DeTable<'_>,
        wanted: &Range<usize>,
        path: &mut Vec<String>,
        best: &mut Option<(usize, Vec<String>)>,
    ) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            for span in [key.span(), value.span()] {
                if holds(&span, wanted) && best.as_ref().is_none_or(|(size, _)| span.len() <= *size) {
                    *best = Some((span.len(), path.clone()));
                }
            }
            if let Some(inner) = value.get_ref().as_table() {
                visit(inner, wanted, path, best);
            }
            path.pop();
        }
    }
    let mut best = None;
    visit(table, wanted, &mut Vec::new(), &mut best);
    best.map(|(_, path)| path)
}
