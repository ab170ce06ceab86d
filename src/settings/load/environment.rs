//! Lays variables such as `QUOTEFOLD_SERVER__LISTEN` over what the file says.

use std::borrow::Cow;
use std::collections::BTreeSet;

use toml::de::DeValue;

use super::document::Document;
use super::{Environment, LoadOptions};
use crate::provider::catalogue::catalogue;
use crate::settings::error::ConfigError;

/// The keys whose values are no texts: numbers, booleans and lists, written as TOML writes them.
const NOT_TEXT: [&str; 26] = [
    "max_symbols",
    "max_connections",
    "max_connections_per_client",
    "max_requests",
    "max_weight",
    "required",
    "hours",
    "batch",
    "concurrency",
    "retries",
    "reuse",
    "idempotent",
    "unofficial",
    "symbols",
    "classes",
    "currencies",
    "fiat",
    "limits",
    "key_from",
    "key_optional",
    "paid",
    "keys",
    "rate",
    "trusted_proxies",
    "cors",
    "hosts",
];

/// The key that is a text or a list.
const TEXT_OR_LIST: &str = "base_url";

/// What variables and options changed.
#[derive(Default)]
pub(super) struct Overridden {
    /// The sources they name.
    pub(super) sources: BTreeSet<String>,
    /// What was read, for people.
    pub(super) read: Vec<String>,
    /// Variables that fit no key.
    pub(super) errors: Vec<ConfigError>,
}

/// Sets what the environment and the command line say.
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
                    "{variable} fits no key; write QUOTEFOLD_SECTION__KEY, such as QUOTEFOLD_SERVER__LISTEN"
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

/// The one switch that is a variable without being a key.
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

/// The variables that stand for keys: only names with two underscores in a row, so what Kubernetes adds does no harm.
fn overrides(environment: &Environment) -> impl Iterator<Item = (&str, &str)> {
    let ours = |name: &str| name.strip_prefix("QUOTEFOLD_").is_some_and(|rest| rest.contains("__"));
    environment.iter().filter(move |(name, _)| ours(name)).map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The path a variable's name stands for. A part that names a key the file has, or a provider, is spelled like it:
/// variables know neither hyphens nor small letters.
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

/// A variable's value as the key wants it. What is no such value stays text, and the key then refuses it in its own words.
fn read<'t>(path: &[String], value: &'t str) -> DeValue<'t> {
    let text = || DeValue::String(Cow::Borrowed(value));
    let is_list = |key: &str| NOT_TEXT.contains(&key) || key == TEXT_OR_LIST && value.trim_start().starts_with('[');
    if !path.last().is_some_and(|key| is_list(key)) {
        return text();
    }
    DeValue::parse(value.trim()).map_or_else(|_| text(), toml::Spanned::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_spells_a_path_with_what_names_allow() {
        let document = Document::parse("x.toml", "[sources.kraken-eu]\nlike = \"kraken\"").unwrap();
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
    fn every_key_that_is_no_text_is_known() {
        for line in super::super::find::DEFAULT.lines() {
            let Some((key, value)) = line.strip_prefix('#').and_then(|line| line.split_once(" = ")) else { continue };
            let is_text = value.starts_with(['"', '\'', '{']);
            // lists of tables are nothing for a variable
            let is_listed = NOT_TEXT.contains(&key) || key == "examples" || key == TEXT_OR_LIST && !is_text;
            assert!(key.contains(' ') || is_text != is_listed, "{key}");
        }
    }
}
