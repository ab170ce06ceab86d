//! Reads the configuration: finds the file, inserts variables, lays the environment over it, and checks the result.

pub(crate) mod document;
mod environment;
pub mod find;
mod inserted;
mod look_alikes;
mod proxies;
mod reading;
mod sources;
mod variables;
pub(crate) mod wording;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use serde::Deserialize;
use toml::Table;

use super::access::AccessSettings;
use super::class::{self, ClassSettings};
use super::error::{ConfigErrors, Report};
use super::identity::Identity;
use super::log::LogSettings;
use super::server::ServerSettings;
use super::shared::SharedSettings;
use super::state::StateSettings;
use super::symbols::{SymbolRules, SymbolSettings};
use super::watch::WatchSettings;
use super::{OffSource, Settings};
use crate::fingerprint::Fingerprint;
use crate::provider::description::{SourceSettings, SourceTable};
use crate::symbol::Class;
use document::Document;
use variables::Substituted;

/// A whole configuration file. Reading a file into this finds wrong keys and types, with their lines.
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
    shared: SharedSettings,
    watch: WatchSettings,
    log: LogSettings,
    sources: BTreeMap<String, SourceSettings>,
}

/// Environment variables and their values.
pub type Environment = BTreeMap<String, String>;

/// What the configuration is made from. The default has no variables and no files.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The file to read; it comes before `$QUOTEFOLD_CONFIG` and `places`.
    pub config: Option<PathBuf>,
    /// A name and a text to read instead of any file; the demo uses this for its own settings.
    pub text: Option<(String, String)>,
    /// Whether to switch on unofficial providers too: those that are not meant for programs.
    pub unofficial: bool,
    /// Replaces `server.listen`.
    pub listen: Option<String>,
    /// The environment variables of the process.
    pub environment: Environment,
    /// Where to look for a file if none is named, in this order.
    pub places: Vec<PathBuf>,
    /// Whether the service's certificate is left unread: a command that only asks the service needs none, and may not be allowed to read
    /// its key.
    pub without_identity: bool,
    /// Whether it was read before, so that it must still be where it was.
    pub is_again: bool,
}

impl LoadOptions {
    /// The same for reading the configuration again that was found in this file, or in none.
    pub(crate) fn again(self, file: Option<&Path>) -> Self {
        LoadOptions { config: file.map(Path::to_owned).or(self.config), is_again: true, ..self }
    }

    /// The variables of this process, and the usual places.
    pub(crate) fn of_this_process() -> Self {
        // a variable that is not UTF-8 cannot be meant for us
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        LoadOptions {
            environment: variables.collect(),
            places: ["quotefold.toml", "/etc/quotefold/quotefold.toml"].map(PathBuf::from).into(),
            ..LoadOptions::default()
        }
    }

    /// Whether the unofficial providers are switched on, by option or by variable.
    fn wants_unofficial(&self) -> bool {
        self.unofficial || self.environment.get("QUOTEFOLD_UNOFFICIAL").is_some_and(|value| value == "1")
    }
}

/// Reads, completes and checks the configuration.
///
/// # Errors
/// Everything that is wrong, in the order of the file. Beside lines that are not TOML, only unknown keys and wrong types are
/// reported; if such a line leaves open what the following ones belong to, nothing is. No error shows a secret.
pub fn load(options: &LoadOptions) -> Result<Settings, ConfigErrors> {
    let found = find::find(options)?;
    let (mut document, not_toml) = Document::parse(&found.name, &found.text).map_err(ConfigErrors)?;
    // read before the environment is applied: a variable for one source does not switch the others off
    let mut named = sources::switched_on_by(&document);
    let mut overridden = environment::apply(&mut document, options);
    let mut substituted = variables::substitute(&mut document, &options.environment);

    let of_sections = [document.read_sections(), class::wrong_keys(&document)].concat();
    let (file, mut unreadable) = document.read::<File>();
    look_alikes::say_where_keys_belong(&mut unreadable);
    // a section that cannot be read names no source
    named.retain(|name| document.states(&["sources", name]));
    overridden.sources.retain(|name| document.states(&["sources", name]));
    // read a second time, as a plain table: classes are merged key by key
    let (table, _) = document.read::<Table>();
    let mut report = Report::new(&document);
    unreadable.retain(|error| not_toml.iter().all(|other| (&other.file, other.line) != (&error.file, error.line)));
    let is_toml = not_toml.is_empty();
    report.add(not_toml);
    report.add(overridden.errors);
    report.add(std::mem::take(&mut substituted.errors));
    report.add(of_sections);
    report.add_unreadable(unreadable);
    // what a line that is not TOML was meant to set is not known, so nothing is checked that may depend on it
    let (Some(file), Some(table), true) = (file, table, is_toml) else {
        return Err(wrong(report, &substituted, &[]).unwrap_or(ConfigErrors(Vec::new())));
    };

    let stated = stated_sources(&table, &mut report);
    let chosen = sources::Choice {
        options,
        document: &document,
        file: (!found.is_default).then_some(found.name.as_str()),
        stated: &stated,
        named,
        overridden: overridden.sources,
        inserted: &substituted.inserted,
        longest: file.server.timeout,
    };
    let (mut on, mut off) = chosen.resolve(&mut report);
    let mut proxies = proxies::Choice::new(file.server.proxy.as_ref(), &options.environment);
    on.iter_mut().for_each(|source| proxies.complete(source));
    let read_for_proxies = proxies.read(&mut report);
    off.iter_mut().for_each(|off| proxies.complete(&mut off.source));
    let symbols = SymbolRules::read(&file.symbols, &mut report);
    sources::give_isins(&symbols, &mut on, &mut off);
    sources::name_symbols(&symbols, &stated, &mut on, &mut off, &mut report);
    off.iter_mut().for_each(OffSource::read_spelling);
    let mut read = vec![found.name.clone()];
    read.extend(overridden.read);
    read.extend(substituted.read.iter().cloned());
    read.extend(chosen.key_variables(&on));
    read.extend(read_for_proxies);
    let certificates =
        on.iter().filter_map(|source| source.authority.as_ref()).map(|authority| format!("{authority:?}"));
    let identity = if options.without_identity { None } else { Identity::read(&file.server, &mut report) };
    let own = identity.as_ref().map(|identity| identity.contents().to_owned());
    let contents =
        [found.text.clone()].into_iter().chain(substituted.texts()).chain(certificates).chain(own).collect::<Vec<_>>();
    let contents = Fingerprint::of(contents.iter().map(String::as_str), 16);
    look_alikes::check(&document, options, &read, &mut report);
    let mut settings = Settings {
        server: file.server,
        access: file.access,
        identity,
        classes: ClassSettings::of_all_classes(&table, &mut report),
        symbols,
        state: file.state,
        shared: file.shared,
        watch: file.watch,
        log: file.log,
        spellings: super::spellings(&on),
        sources: on,
        off,
        has_default_sources: chosen.is_default(),
        read: distinct(read),
        contents,
        file: found.path.clone(),
        remarks: Vec::new(),
    };
    settings.watch.resolve(&settings.names());
    settings.rank_keys();
    settings.check(&stated, &mut report);
    let mut secrets = settings.access.keys.clone();
    secrets.extend(settings.sources.iter().flat_map(|source| source.hidden.iter().cloned()));
    secrets.extend(settings.shared.password.clone());
    settings.remarks = report.remarks(&secrets);
    settings.remarks.iter_mut().for_each(|remark| inserted::hide(remark, &substituted.inserted, &substituted.masked));
    match wrong(report, &substituted, &secrets) {
        Some(errors) => Err(errors),
        None => Ok(settings),
    }
}

/// What the file and the environment say about each source.
fn stated_sources(table: &Table, report: &mut Report<'_>) -> BTreeMap<String, SourceTable> {
    let sections = table.get("sources").and_then(toml::Value::as_table).into_iter().flatten();
    let mut stated = BTreeMap::new();
    for (name, section) in sections {
        match section.as_table().cloned().unwrap_or_default().try_into() {
            Ok(section) => drop(stated.insert(name.clone(), section)),
            // cannot fail in practice: the section was already read as a part of the whole file
            Err(error) => report.at(&["sources", name], toml::de::Error::message(&error)),
        }
    }
    stated
}

/// All errors, without secrets and without inserted values.
fn wrong(report: Report<'_>, put_in: &Substituted, secrets: &[SecretString]) -> Option<ConfigErrors> {
    let mut errors = report.errors(secrets)?;
    errors.0.iter_mut().for_each(|error| inserted::hide(error, &put_in.inserted, &put_in.masked));
    Some(errors)
}

/// The entries without repetitions, in their order.
fn distinct(entries: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    entries.into_iter().filter(|entry| seen.insert(entry.clone())).collect()
}
