//! Inserts the values of variables and files where a configuration says `${NAME}` or `${file:/path}`.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::document::Document;
use super::find;
use super::inserted::{Inserted, Masked};
use crate::provider::secrets::MASK;
use crate::settings::error::ConfigError;

/// The longest file that is inserted, in bytes: room for a key or a certificate, but not for a log.
const LONGEST_FILE: u64 = 64 << 10;

/// What was inserted, and what could not be.
#[derive(Default)]
pub(super) struct Substituted {
    /// Each text that was inserted.
    pub(super) inserted: Vec<Inserted>,
    /// The variables and files that were read, for people.
    pub(super) read: Vec<String>,
    /// Errors about variables and files that cannot be read.
    pub(super) errors: Vec<ConfigError>,
    /// The values with something inserted.
    pub(super) masked: Vec<Masked>,
    failed: Vec<(Vec<String>, String)>,
}

/// Substitutes in every text of the file. Values that a variable or an option set are taken literally.
pub(super) fn substitute(document: &mut Document<'_>, environment: &Environment) -> Substituted {
    let mut done = Substituted::default();
    let mut root = std::mem::take(document.root_mut());
    done.table(&mut root, document, environment, &mut Vec::new());
    *document.root_mut() = root;
    document.mask(done.masked.clone());
    let failed = std::mem::take(&mut done.failed);
    let located = failed.into_iter().map(|(path, message)| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        document.error(&path, message)
    });
    done.errors = located.collect();
    done
}

impl Substituted {
    /// Every text into which something was inserted.
    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        self.masked.iter().map(|masked| masked.whole.clone())
    }

    fn table(&mut self, table: &mut DeTable<'_>, document: &Document<'_>, from: &Environment, path: &mut Vec<String>) {
        for (key, value) in table.iter_mut() {
            path.push(key.get_ref().to_string());
            self.value(value, document, from, path);
            path.pop();
        }
    }

    fn value(
        &mut self,
        value: &mut Spanned<DeValue<'_>>,
        document: &Document<'_>,
        from: &Environment,
        path: &mut Vec<String>,
    ) {
        let was_set = document.was_set(&value.span());
        match value.get_mut() {
            DeValue::Table(inner) => self.table(inner, document, from, path),
            DeValue::Array(items) => items.iter_mut().for_each(|item| self.value(item, document, from, path)),
            DeValue::String(text) if is_variable_without_braces(text) && !was_set => {
                let message = "a variable is inserted with braces; write ${NAME} for the value of NAME";
                self.failed.push((path.clone(), message.to_owned()));
            }
            DeValue::String(text) if text.contains("${") && !was_set => {
                *text = Cow::Owned(self.text(text, from, path));
            }
            _ => {}
        }
    }

    /// One text with everything inserted. A missing value becomes an error, and an empty text here.
    fn text(&mut self, text: &str, from: &Environment, path: &[String]) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        let mut shown = whole.clone();
        let mut places = Vec::new();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                self.failed.push((path.to_vec(), "a \"${\" has no \"}\"; write ${NAME} or ${file:/path}".into()));
                continue;
            };
            match look_up(name, from) {
                Ok(found) => {
                    places.push((whole.len()..whole.len() + found.len(), name.starts_with("file:")));
                    whole.push_str(&found);
                    shown.push_str(MASK);
                    self.read.push(match name.strip_prefix("file:") {
                        Some(file) => format!("file {file}"),
                        None => format!("variable {name}"),
                    });
                }
                Err(message) => self.failed.push((path.to_vec(), message)),
            }
            whole.push_str(rest);
            shown.push_str(rest);
        }
        self.inserted.extend(places.into_iter().map(|(place, is_file)| Inserted::new(path, &whole, place, is_file)));
        self.masked.push(Masked { path: path.to_vec(), whole: whole.clone(), shown });
        whole
    }
}

/// Whether a whole text is a variable's name as shells write it: `$FINNHUB_API_KEY`.
fn is_variable_without_braces(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let name = text.strip_prefix('$').unwrap_or_default();
    name.len() > 2 && name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase()) && name.bytes().all(is_part)
}

/// Reads a file that holds a value. It must be a regular file: a device may be endless, and a pipe may block forever.
fn read(file: &Path) -> Result<String, String> {
    let is_file = std::fs::metadata(file).map_err(|error| error.to_string())?.is_file();
    if !is_file {
        return Err("it is not a regular file".to_owned());
    }
    find::read_up_to(LONGEST_FILE, file)
}

fn look_up(name: &str, from: &Environment) -> Result<String, String> {
    if let Some(file) = name.strip_prefix("file:") {
        let text = read(Path::new(file))
            .map_err(|error| format!("${{file:{file}}} cannot be read: {error}; write the value into that file"))?;
        // editors and `echo` end a file with a line break that does not belong to the value
        let text = text.trim_end_matches(['\r', '\n']);
        return if text.is_empty() { Err(format!("the file {file} is empty")) } else { Ok(text.to_owned()) };
    }
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(format!("${{{name}}} is not the name of a variable; write ${{NAME}} or ${{file:/path}}"));
    }
    match from.get(name) {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        Some(_) => Err(format!("the variable {name} is empty; give it a value, or remove ${{{name}}}")),
        None => Err(format!("the variable {name} is not set; set it, or remove ${{{name}}}")),
    }
}
