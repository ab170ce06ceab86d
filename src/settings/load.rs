//! Reads the configuration: finds the file, puts in variables, lays the environment over it, and checks the whole.

pub(crate) mod document;
mod environment;
pub mod find;
mod inserted;
mod sources;
mod variables;

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use serde::Deserialize;
use toml::Table;

use super::access::AccessSettings;
use super::class::{self, ClassSettings};
use super::error::{ConfigErrors, Report};
use super::log::LogSettings;
use super::server::ServerSettings;
use super::state::StateSettings;
use super::symbols::{SymbolRules, SymbolSettings};
use super::watch::WatchSettings;
use super::{OffSource, Settings};
use crate::provider::description::{SourceSettings, SourceTable};
use crate::symbol::Class;
use document::Document;
use variables::Substituted;

/// A whole file. Reading it as this finds wrong keys and types with their lines.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    server: ServerSettings,
    access: AccessSettings,
    freshness: ClassSettings,
    fold: ClassSettings,
    class: BTreeMap<Class, ClassSettings>,
    symbols: BTreeMap<String, SymbolSettings>,
    state: StateSettings,
    watch: WatchSettings,
    log: LogSettings,
    sources: BTreeMap<String, SourceSettings>,
}

/// Variables and their values.
pub type Environment = BTreeMap<String, String>;

/// What the configuration is made from. The default is that of a machine without variables and files.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The file to read, whatever else there is.
    pub config: Option<PathBuf>,
    /// The text to read instead of any file, and what to call it: how the demo brings its own.
    pub text: Option<(String, String)>,
    /// Whether providers that are not meant for programs are switched on too.
    pub unofficial: bool,
    /// Stands for `server.listen`.
    pub listen: Option<String>,
    /// The process's variables.
    pub environment: Environment,
    /// Where to look for a file that nobody named, in this order.
    pub places: Vec<PathBuf>,
}

impl LoadOptions {
    /// The variables of this process, and the usual places.
    pub fn of_this_process() -> Self {
        // what is no UTF-8 cannot be meant for us
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        LoadOptions {
            environment: variables.collect(),
            places: ["quotefold.toml", "/etc/quotefold/quotefold.toml"].map(PathBuf::from).into(),
            ..LoadOptions::default()
        }
    }

    /// Whether the unofficial providers are wanted, by option or by variable.
    fn wants_unofficial(&self) -> bool {
        self.unofficial || self.environment.get("QUOTEFOLD_UNOFFICIAL").is_some_and(|value| value == "1")
    }
}

/// Reads, completes and checks the configuration.
///
/// # Errors
/// A file that does not parse, or has unknown keys or wrong types: the first such error. Everything that is found after
/// that: all of it together. No error shows a secret.
pub fn load(options: &LoadOptions) -> Result<Settings, ConfigErrors> {
    let found = find::find(options)?;
    let mut document = Document::parse(&found.name, &found.text).map_err(|error| ConfigErrors(vec![error]))?;
    // before the environment is laid over it: a variable for one source does not say that the others are off
    let named = document.keys(&["sources"]);
    let overridden = environment::apply(&mut document, options);
    let mut substituted = variables::substitute(&mut document, &options.environment);

    let mut report = Report::new(&document);
    report.add(overridden.errors);
    report.add(std::mem::take(&mut substituted.errors));
    class::check_keys(&mut report);
    // the same once more as it stands there: values are laid over each other key by key
    let read = document.read::<File>().and_then(|file| Ok((file, document.read::<Table>()?)));
    let (file, table) = match read {
        Ok(read) => read,
        Err(error) => {
            report.add([error]);
            return Err(wrong(report, &substituted, &[]).unwrap_or(ConfigErrors(Vec::new())));
        }
    };

    let stated = stated_sources(&table, &mut report);
    let chosen = sources::Choice {
        options,
        file: (!found.is_default).then_some(found.name.as_str()),
        stated: &stated,
        named: named.into_iter().collect(),
        overridden: overridden.sources,
        inserted: &substituted.inserted,
        longest: file.server.timeout,
    };
    let (mut on, mut off) = chosen.resolve(&mut report);
    let symbols = SymbolRules::read(&file.symbols, &mut report);
    sources::name_symbols(&symbols, &mut on, &mut off, &mut report);
    off.iter_mut().for_each(OffSource::read_spelling);
    let mut read = vec![found.name.clone()];
    read.extend(overridden.read);
    read.extend(substituted.read.iter().cloned());
    read.extend(chosen.key_variables(&on));
    let settings = Settings {
        server: file.server,
        access: file.access,
        classes: ClassSettings::of_all_classes(&table, &mut report),
        symbols,
        state: file.state,
        watch: file.watch,
        log: file.log,
        spellings: super::spellings(&on),
        sources: on,
        off,
        read: distinct(read),
    };
    settings.check(&stated, &mut report);
    let mut secrets = settings.access.keys.clone();
    secrets.extend(settings.sources.iter().flat_map(|source| source.hidden.iter().cloned()));
    match wrong(report, &substituted, &secrets) {
        Some(errors) => Err(errors),
        None => Ok(settings),
    }
}

/// What the file and the environment state of each source.
fn stated_sources(table: &Table, report: &mut Report<'_>) -> BTreeMap<String, SourceTable> {
    let sections = table.get("sources").and_then(toml::Value::as_table).into_iter().flatten();
    let mut stated = BTreeMap::new();
    for (name, section) in sections {
        match section.as_table().cloned().unwrap_or_default().try_into() {
            Ok(section) => drop(stated.insert(name.clone(), section)),
            // it has been read before, as a part of the whole file
            Err(error) => report.at(&["sources", name], toml::de::Error::message(&error)),
        }
    }
    stated
}

/// What is wrong, without secrets and without what was put in.
fn wrong(report: Report<'_>, put_in: &Substituted, secrets: &[SecretString]) -> Option<ConfigErrors> {
    let mut errors = report.errors(secrets)?;
    errors.0.iter_mut().for_each(|error| inserted::hide(error, &put_in.inserted, &put_in.masked));
    Some(errors)
}

/// The first of every entry, in their order.
fn distinct(entries: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    entries.into_iter().filter(|entry| seen.insert(entry.clone())).collect()
}
