//! Reads the configuration: finds the file, puts in variables, lays the environment over it, and checks the whole.

pub(crate) mod document;
mod environment;
mod file;
pub mod find;
mod inserted;
mod names;
mod sources;
mod variables;

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use super::check::{self, Report};
use super::error::ConfigErrors;
use super::symbols::SymbolRules;
use super::{ClassSettings, OffSource, Settings};
use crate::symbol::{Class, Symbol};
use crate::units::Glob;
use document::Document;
use file::FileTable;
use variables::Substituted;

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
    let file: FileTable = match document.read() {
        Ok(file) => file,
        Err(error) => {
            report.add([error]);
            return Err(wrong(report, &substituted, &[]).unwrap_or(ConfigErrors(Vec::new())));
        }
    };

    let server = file.server.resolve();
    let chosen = sources::Choice {
        options,
        file: (!found.is_default).then_some(found.name.as_str()),
        stated: &file.sources,
        named: named.into_iter().collect(),
        overridden: overridden.sources,
        inserted: &substituted.inserted,
        longest: server.timeout,
    };
    let (mut on, mut off) = chosen.resolve(&mut report);
    let symbols = symbols(&file, &mut report);
    names::apply(&symbols, &mut on, &mut off, &mut report);
    off.iter_mut().for_each(OffSource::read_spelling);
    let mut read = vec![found.name.clone()];
    read.extend(overridden.read);
    read.extend(substituted.read.iter().cloned());
    read.extend(chosen.key_variables(&on));
    let settings = Settings {
        access: file.access.resolve(),
        classes: classes(&file),
        symbols,
        state: file.state.resolve(),
        watch: file.watch.resolve(watched(&file, &mut report)),
        log: file.log.resolve(),
        spellings: super::spellings(&on),
        sources: on,
        off,
        read: distinct(read),
        server,
    };
    check::check(&settings, &file.sources, &mut report);
    let mut secrets = settings.access.keys.clone();
    secrets.extend(settings.sources.iter().flat_map(|source| source.hidden.iter().cloned()));
    match wrong(report, &substituted, &secrets) {
        Some(errors) => Err(errors),
        None => Ok(settings),
    }
}

/// A class's own value in the file wins, then the class's built-in one, then the file's sections for all classes.
fn classes(file: &FileTable) -> BTreeMap<Class, ClassSettings> {
    let of_class = |class: Class| {
        let general = ClassSettings::general().with(&file.freshness.rule()).with(&file.fold.rule());
        let own = file.class.get(&class).copied().unwrap_or_default();
        (class, general.with(&ClassSettings::own(class)).with(&own))
    };
    Class::ALL.into_iter().map(of_class).collect()
}

fn symbols(file: &FileTable, report: &mut Report<'_>) -> SymbolRules {
    let mut single = BTreeMap::new();
    let mut patterns = Vec::new();
    for (text, table) in &file.symbols {
        let set = table.resolve();
        check::symbols::check(text, table.currency.as_deref(), &set, report);
        if text.contains('*') {
            match Glob::parse(text) {
                Ok(glob) => patterns.push((glob, set)),
                Err(error) => report.at(&["symbols", text], error),
            }
            continue;
        }
        match Symbol::parse(text) {
            Ok(symbol) => {
                if single.insert(symbol.clone(), set).is_some() {
                    report
                        .at(&["symbols", text], format!("{symbol} has a second section, spelled otherwise; keep one"));
                }
            }
            Err(error) => report.at(&["symbols", text], error.to_string()),
        }
    }
    SymbolRules::new(single, patterns)
}

/// The symbols to watch, each once.
fn watched(file: &FileTable, report: &mut Report<'_>) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for text in file.watch.symbols.iter().flatten() {
        match Symbol::parse(text) {
            Ok(symbol) if symbols.contains(&symbol) => {}
            Ok(symbol) => symbols.push(symbol),
            Err(error) => report.at(&["watch", "symbols"], error.to_string()),
        }
    }
    symbols
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
