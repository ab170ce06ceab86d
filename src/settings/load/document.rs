//! Keeps a configuration file as a tree that knows, for every key, its line or the variable that set it.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::inserted::Masked;
use crate::settings::error::ConfigError;
use crate::text::near::nearest;

/// A file's keys and values, with those that variables and options have set.
pub(crate) struct Document<'t> {
    file: String,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    /// The variables and options that set values. The values of the n-th have their own span, past the end of the text.
    setters: Vec<String>,
    /// The values with something inserted, and how to show them masked.
    masked: Vec<Masked>,
}

impl<'t> Document<'t> {
    /// Reads a file's text.
    pub(crate) fn parse(file: &str, text: &'t str) -> Result<Self, ConfigError> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Document { file: file.to_owned(), text, root, setters: Vec::new(), masked: Vec::new() }),
            Err(error) => Err(ConfigError {
                file: file.to_owned(),
                line: error.span().map(|span| line(text, span.start)),
                key: String::new(),
                // only the message: the whole error would quote the line, and a line may hold a key
                message: format!("this is not TOML: {}", error.message().replace('\n', "; ")),
            }),
        }
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

    /// Reads the tree into a type. An error about a value with something inserted shows a mask in its place.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.read_tree::<T>(&self.root).map_err(|mut error| {
            let is_around = |one: &[String], other: &[String]| other.starts_with(one) || one.starts_with(other);
            let masked: Vec<_> = self.masked.iter().filter(|masked| is_around(&masked.path, &error.path)).collect();
            if !masked.is_empty() {
                let mut tree = self.root.clone();
                masked.into_iter().for_each(|masked| show(tree.get_mut(), masked, &masked.path));
                // with a mask, the value usually fails in the same way
                error.message = match self.read_tree::<T>(&tree) {
                    Err(same) if same.path == error.path => same.message,
                    _ => "the value that was inserted here has the wrong form".to_owned(),
                };
            }
            let (file, line) = self.setter_or_line(&error.span);
            ConfigError { file, line, key: joined(&error.path), message: error.message }
        })
    }

    fn read_tree<T: DeserializeOwned>(&self, tree: &Spanned<DeTable<'t>>) -> Result<T, ReadError> {
        T::deserialize(toml::de::Deserializer::from(tree.clone())).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let path = path_at(tree.get_ref(), &span).unwrap_or_default();
            ReadError { message: explain(error.message(), &path), path, span }
        })
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

    fn setter_or_line(&self, span: &Range<usize>) -> (String, Option<usize>) {
        match span.start.checked_sub(self.text.len() + 1).and_then(|index| self.setters.get(index)) {
            Some(setter) => (setter.clone(), None),
            None => (self.file.clone(), Some(line(self.text, span.start))),
        }
    }
}

/// Why a tree cannot be read.
struct ReadError {
    path: Vec<String>,
    span: Range<usize>,
    message: String,
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
        _ => {}
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
                let holds = span.start <= wanted.start && wanted.end <= span.end && !span.is_empty();
                if holds && best.as_ref().is_none_or(|(size, _)| span.len() <= *size) {
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

/// Rephrases the parser's message so that an operator can act on it. A value that may be a secret is not repeated.
fn explain(message: &str, path: &[String]) -> String {
    if message.contains("untagged enum Format") {
        return "not a spelling; write a template such as \"{base}{quote}\", or one per class: { crypto = \"{base}\" }"
            .into();
    }
    let expected = message.rsplit_once("expected ").map_or("text", |(_, expected)| expected);
    let is_secret = path.last().is_some_and(|key| crate::provider::secrets::is_secret_name(key));
    // a text in place of a source or of its headers is usually a key
    let is_source = path.first().is_some_and(|section| section == "sources");
    let is_table = expected == "a map" || expected.starts_with("struct ");
    if message.starts_with("invalid type") && (is_secret || is_source && is_table) {
        return format!("a value of the wrong type; write {}", kind(expected));
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if message.starts_with("invalid ") => format!("{found}; write {}", kind(expected)),
        _ => did_you_mean_one_of(message),
    }
}

/// serde's name of a type, in plain words.
fn kind(expected: &str) -> String {
    match expected {
        "a string" | "a borrowed string" | "path string" => "text in quotes".to_owned(),
        "usize" | "u16" | "u32" | "u64" => "a whole number, 0 or more, without quotes".to_owned(),
        "a boolean" => "true or false, without quotes".to_owned(),
        "a sequence" => "a list, such as [\"a\", \"b\"]".to_owned(),
        "a map" => "a table, such as { a = \"b\" }".to_owned(),
        struct_name if struct_name.starts_with("struct ") => "a section with keys of its own".to_owned(),
        other => other.to_owned(),
    }
}

/// Adds the nearest name to a message such as "unknown field `tmeout`, expected one of `timeout`, `listen`".
fn did_you_mean_one_of(message: &str) -> String {
    let Some((found, allowed)) = message.split_once(", expected ") else { return message.replace('\n', "; ") };
    let allowed: Vec<&str> = allowed.split('`').skip(1).step_by(2).collect();
    let wrong = found.split('`').nth(1).unwrap_or_default();
    let found = found.replace("unknown field", "unknown key").replace("unknown variant", "unknown value");
    with_allowed(&found, wrong, &allowed)
}

/// The message about a key that a section does not have.
pub(crate) fn unknown_key(wrong: &str, allowed: &[&str]) -> String {
    with_allowed(&format!("unknown key `{wrong}`"), wrong, allowed)
}

fn with_allowed(found: &str, wrong: &str, allowed: &[&str]) -> String {
    let names = allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(wrong, allowed.iter().copied()) {
        Some(near) => format!("{found}; did you mean `{near}`? Allowed: {names}"),
        None => format!("{found}; allowed: {names}"),
    }
}
