//! Lays variables such as `QUOTEFOLD_SERVER__LISTEN` over the file.

use std::borrow::Cow;
use std::collections::BTreeSet;

use toml::de::DeValue;
use toml::{Table, Value};

use super::document::Document;
use super::{Environment, File, LoadOptions};
use crate::provider::catalogue::catalogue;
use crate::settings::error::ConfigError;

/// What variables and options changed.
#[derive(Default)]
pub(super) struct Overridden {
    /// The sources that they name.
    pub(super) sources: BTreeSet<String>,
    /// The variables and options that were read, for people.
    pub(super) read: Vec<String>,
    /// Errors about variables that match no key.
    pub(super) errors: Vec<ConfigError>,
}

/// Sets the values that the environment and the command line state.
pub(super) fn apply<'t>(document: &mut Document<'t>, options: &'t LoadOptions) -> Overridden {
    let mut done = Overridden::default();
    for (variable, value) in overrides(&options.environment) {
        let path = path(document, variable);
        let fits = path.len() >= 2 && path.iter().all(|part| !part.is_empty());
        if !fits || document.set(variable, &path, read(&path, value)).is_none() {
            done.errors.push(ConfigError {
                file: variable.to_owned(),
                line: None,
                key: path.join("."),
                message: format!(
                    "{variable} matches no key; write QUOTEFOLD_SECTION__KEY, such as QUOTEFOLD_SERVER__LISTEN"
                ),
            });
            continue;
        }
        done.read.push(format!("variable {variable}"));
        if path[0] == "sources" {
            done.sources.insert(path[1].clone());
        }
    }
    done.errors.extend(check_unofficial(&options.environment));
    let level = "QUOTEFOLD_LOG__LEVEL";
    if let Some(filter) = options.environment.get("RUST_LOG").filter(|filter| !filter.is_empty())
        && !options.environment.contains_key(level)
    {
        set_text(document, &mut done, "variable", "RUST_LOG", ["log", "level"], filter);
    }
    if let Some(listen) = &options.listen {
        set_text(document, &mut done, "option", "--listen", ["server", "listen"], listen);
    }
    done
}

/// Checks the only switch that is a variable but not a key.
fn check_unofficial(environment: &Environment) -> Option<ConfigError> {
    let value = environment.get("QUOTEFOLD_UNOFFICIAL").filter(|value| !matches!(value.as_str(), "" | "0" | "1"))?;
    Some(ConfigError {
        file: "QUOTEFOLD_UNOFFICIAL".to_owned(),
        line: None,
        key: String::new(),
        message: format!("QUOTEFOLD_UNOFFICIAL is {value:?}; write 1 or 0"),
    })
}

fn set_text<'t>(
    document: &mut Document<'t>,
    done: &mut Overridden,
    what: &str,
    setter: &str,
    path: [&str; 2],
    value: &'t str,
) {
    if document.set(setter, &path.map(str::to_owned), DeValue::String(Cow::Borrowed(value))).is_some() {
        done.read.push(format!("{what} {setter}"));
    }
}

/// The variables that set keys. Their names have two underscores in a row, so those that Kubernetes adds do no harm.
fn overrides(environment: &Environment) -> impl Iterator<Item = (&str, &str)> {
    let ours = |name: &str| name.strip_prefix("QUOTEFOLD_").is_some_and(|rest| rest.contains("__"));
    environment.iter().filter(move |(name, _)| ours(name)).map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The path that a variable's name means. A part that matches a key in the file, or a provider, takes its spelling,
/// because names of variables have neither hyphens nor lower case.
fn path(document: &Document<'_>, variable: &str) -> Vec<String> {
    let parts = variable.strip_prefix("QUOTEFOLD_").unwrap_or(variable).split("__");
    parts.fold(Vec::new(), |mut path: Vec<String>, part| {
        let mut known = document.keys(&path.iter().map(String::as_str).collect::<Vec<_>>());
        if path == ["sources"] {
            known.extend(catalogue().keys().cloned());
        }
        let spelled = |key: &str| key.to_ascii_uppercase().replace('-', "_");
        let found = known.into_iter().find(|key| spelled(key) == part);
        path.push(found.unwrap_or_else(|| part.to_ascii_lowercase()));
        path
    })
}

/// A variable's value in the type that its key takes: text, or else a number, a boolean or a list in TOML. A value that
/// the key does not take stays text, so that reading the key reports the error.
fn read<'t>(path: &[String], value: &'t str) -> DeValue<'t> {
    let text = || DeValue::String(Cow::Borrowed(value));
    let is_list = value.trim_start().starts_with('[') && takes_lists(path);
    if takes_text(path) && !is_list {
        return text();
    }
    match DeValue::parse(value.trim()).map(toml::Spanned::into_inner) {
        // a variable cannot hold a table
        Ok(value) if !has_table(&value) => value,
        _ => text(),
    }
}

fn has_table(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(items) => items.iter().any(|item| has_table(item.get_ref())),
        _ => false,
    }
}

/// Whether the key at a path takes text, whether the text is valid or not.
fn takes_text(path: &[String]) -> bool {
    !refusal(path, Value::String(String::new())).is_some_and(|why| why.starts_with("invalid type: string"))
}

/// Whether the key at a path takes lists, perhaps besides text.
fn takes_lists(path: &[String]) -> bool {
    refusal(path, Value::Array(Vec::new())).is_none()
}

/// Whether there is a key at a path, whatever its values may be.
pub(super) fn is_key(path: &[&str]) -> bool {
    let path: Vec<String> = path.iter().map(ToString::to_string).collect();
    !refusal(&path, Value::Boolean(true)).is_some_and(|why| why.starts_with("unknown "))
}

/// Why a file that contains only this value would be refused.
fn refusal(path: &[String], value: Value) -> Option<String> {
    let within = |value, key: &String| Value::Table(Table::from_iter([(key.clone(), value)]));
    let refused = path.iter().rev().fold(value, within).try_into::<File>().err()?;
    Some(refused.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variables_name_finds_keys_with_hyphens_and_lower_case() {
        let (document, _) = Document::parse("x.toml", "[sources.kraken-eu]\nlike = \"kraken\"").unwrap();
        assert_eq!(path(&document, "QUOTEFOLD_SERVER__MAX_SYMBOLS"), ["server", "max_symbols"]);
        assert_eq!(path(&document, "QUOTEFOLD_SOURCES__KRAKEN_EU__BASE_URL"), ["sources", "kraken-eu", "base_url"]);
        assert_eq!(path(&document, "QUOTEFOLD_SOURCES__KRAKEN__TIMEOUT"), ["sources", "kraken", "timeout"]);
    }

    #[test]
    fn only_names_with_two_underscores_are_read() {
        let names = ["QUOTEFOLD_PORT", "QUOTEFOLD_SERVICE_HOST", "QUOTEFOLD_SERVER__LISTEN", "HOME"];
        let environment = names.into_iter().map(|name| (name.to_owned(), "x".to_owned())).collect();
        assert_eq!(overrides(&environment).map(|(name, _)| name).collect::<Vec<_>>(), ["QUOTEFOLD_SERVER__LISTEN"]);
    }

    #[test]
    fn a_key_of_digits_stays_text() {
        let path = |key: &str| vec!["sources".to_owned(), "x".to_owned(), key.to_owned()];
        assert!(read(&path("key"), "12345").is_str());
        assert!(!read(&path("batch"), "12345").is_str());
        assert!(!read(&path("limits"), "[\"1/s\"]").is_str());
        assert!(read(&path("base_url"), "http://a.test").is_str());
        assert!(!read(&path("base_url"), "[\"http://a.test\", \"http://b.test\"]").is_str());
    }

    #[test]
    fn every_annotated_value_can_be_given_by_a_variable() {
        let mut section = Vec::new();
        let lines = super::super::find::DEFAULT.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
        for (line, stated) in lines.filter_map(|line| Some((line, toml::from_str::<Table>(line).ok()?))) {
            let Some((name, value)) = stated.iter().next() else { continue };
            if line.starts_with('[') {
                section = path_of(&stated);
                continue;
            }
            let path = [section.clone(), vec![name.clone()]].concat();
            let is_table = value.is_table() || value.as_array().is_some_and(|items| items.iter().any(Value::is_table));
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(read(&path, &text).is_str(), value.is_str() || is_table, "{line}");
        }
        assert_eq!(section, ["sources", "desk"]);
    }

    /// The names in a section's header.
    fn path_of(header: &Table) -> Vec<String> {
        let Some((name, inner)) = header.iter().next() else { return Vec::new() };
        [vec![name.clone()], inner.as_table().map(path_of).unwrap_or_default()].concat()
    }
}
