//! Decides which sources are on, and completes their descriptions from the catalogue and the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::LoadOptions;
use super::document::Document;
use super::inserted::Inserted;
use crate::provider::catalogue::catalogue;
use crate::provider::description::{Authority, InstrumentSettings, SourceSettings, SourceTable};
use crate::provider::secrets;
use crate::settings::OffSource;
use crate::settings::error::Report;
use crate::settings::symbols::SymbolRules;
use crate::symbol::Symbol;
use crate::text::near::nearest;

/// What the choice of sources depends on.
pub(super) struct Choice<'a> {
    pub(super) options: &'a LoadOptions,
    /// The file, with the environment laid over it.
    pub(super) document: &'a Document<'a>,
    /// The file's name; `None` for the built-in one.
    pub(super) file: Option<&'a str>,
    /// The sources' tables, with the environment laid over them.
    pub(super) stated: &'a BTreeMap<String, SourceTable>,
    /// The sources that the file itself switches on, without the environment.
    pub(super) named: BTreeSet<String>,
    /// The sources that variables name.
    pub(super) overridden: BTreeSet<String>,
    /// The texts that `${…}` inserted.
    pub(super) inserted: &'a [Inserted],
    /// The most time that a whole call may take.
    pub(super) longest: Duration,
}

/// What is wrong with a source's description: where, and what to do.
struct Fault {
    source: String,
    key: Option<&'static str>,
    message: String,
    /// Whether it follows from a value that could not be read, which is reported already.
    follows: bool,
}

/// The sources that a file switches on by their sections: not by one that only adds names to a provider, nor by one that takes a
/// source away.
pub(super) fn switched_on_by(file: &Document<'_>) -> BTreeSet<String> {
    let only_adds_names = |name: &str| {
        let keys = file.keys(&["sources", name]);
        catalogue().contains_key(name) && !keys.is_empty() && keys.iter().all(|key| SourceTable::is_name_key(key))
    };
    let names = file.keys(&["sources"]).into_iter();
    names.filter(|name| !only_adds_names(name) && !file.is_false(&["sources", name, "enabled"])).collect()
}

impl Choice<'_> {
    /// The sources that are on, and the providers that are off.
    pub(super) fn resolve(&self, report: &mut Report<'_>) -> (Vec<SourceSettings>, Vec<OffSource>) {
        let names = self.names();
        let mut on = Vec::new();
        for name in &names {
            match self.source(name) {
                Ok(source) => on.push(source),
                // what follows from a value that cannot be read is reported with that
                Err(fault) if fault.follows => {}
                Err(fault) => {
                    let mut path = vec!["sources", &fault.source];
                    path.extend(fault.key);
                    report.at(&path, fault.message);
                }
            }
        }
        for name in self.stated.keys().filter(|name| !names.contains(*name) && !catalogue().contains_key(*name)) {
            // one that is taken away must be one that there is
            let own = self.stated.get(name).filter(|own| own.settings().like.is_none());
            let fault = own.and_then(|own| self.complete(name, own).err()).filter(|fault| !fault.follows);
            if let Some(fault) = fault {
                report.at(&["sources", name], fault.message);
            }
        }
        let off = catalogue().keys().filter(|name| !names.contains(*name));
        let off = off.filter_map(|name| {
            let source = self.described_while_off(name)?;
            let switch_on = self.switch_on(&source);
            Some(OffSource::new(source, switch_on))
        });
        (on, off.collect())
    }

    /// A provider that is off, with the names that the user adds to it.
    fn described_while_off(&self, name: &str) -> Option<SourceSettings> {
        let provider = catalogue().get(name)?.clone();
        let own = self.stated.get(name).filter(|own| !own.settings().enabled || own.only_adds_names());
        let whole = match own {
            Some(own) => own.clone().over(provider).ok()?,
            None => provider,
        };
        whole.resolve(name).ok()
    }

    /// The variables that supplied keys, for people.
    pub(super) fn key_variables(&self, on: &[SourceSettings]) -> Vec<String> {
        let keyed = on.iter().filter(|source| self.stated.get(&source.name).is_none_or(|table| !table.states("key")));
        let variables = keyed.flat_map(|source| &source.key_from).filter(|variable| self.variable(variable).is_some());
        variables.map(|variable| format!("variable {variable}")).collect()
    }

    /// The sources that the file switches on by naming them. From then on, no other is on.
    fn switched_on(&self) -> BTreeSet<String> {
        self.named.iter().filter(|name| self.may_be_on(name)).cloned().collect()
    }

    /// Whether the official providers are on, since the file switches on none.
    pub(super) fn is_default(&self) -> bool {
        self.switched_on().is_empty()
    }

    /// Whether a source's section, in the file or made of variables, switches it on. Names that a user adds to a provider say
    /// nothing about whether it is on; a source of the user's own has nothing but its section.
    fn is_switched_on_by_its_section(&self, name: &str) -> bool {
        let only_adds_names = |own: &SourceTable| own.only_adds_names() && catalogue().contains_key(name);
        self.may_be_on(name) && !self.stated.get(name).is_some_and(only_adds_names)
    }

    fn may_be_on(&self, name: &str) -> bool {
        self.stated.get(name).is_none_or(|own| own.settings().enabled)
    }

    fn names(&self) -> BTreeSet<String> {
        let mut names = self.switched_on();
        names.extend(self.overridden.iter().filter(|name| self.is_switched_on_by_its_section(name)).cloned());
        if self.is_default() {
            let unofficial = self.options.wants_unofficial();
            let is_on = |table: &SourceTable| {
                let source = table.settings();
                (source.key_optional || source.key_from.iter().all(|variable| self.variable(variable).is_some()))
                    && (unofficial || !source.unofficial)
                    && !source.only_by_name
            };
            let by_default = catalogue().iter().filter(|(name, table)| self.may_be_on(name) && is_on(table));
            names.extend(by_default.map(|(name, _)| name.clone()));
        }
        names
    }

    /// A variable's value. An empty one counts as not set, since compose files pass unset variables that way.
    fn variable(&self, name: &str) -> Option<&String> {
        self.options.environment.get(name).filter(|value| !value.is_empty())
    }

    fn source(&self, name: &str) -> Result<SourceSettings, Fault> {
        let mut trail = vec![name.to_owned()];
        let mut table = self.describe(&mut trail)?;
        self.complete(name, &table)?;
        self.find_key(name, &mut table)?;
        let fault = |(key, message)| Fault { source: name.to_owned(), key: Some(key), message, follows: false };
        let mut source = table.resolve(name).map_err(&fault)?;
        let authority = source.ca_file.as_deref().map(read_authority).transpose();
        source.authority = authority.map_err(|message| fault(("ca_file", message)))?;
        // this shortens the catalogue's and the built-in timeout; a user's own that is too long is an error
        source.timeout = source.timeout.min(self.longest);
        // what is inserted into `proxy` is no key of the vendor, and its proxy knows what to hide
        let ours =
            |path: &[String]| path.len() > 2 && path[0] == "sources" && trail.contains(&path[1]) && path[2] != "proxy";
        let inserted = self.inserted.iter().filter(|inserted| ours(&inserted.path));
        source.hidden.extend(inserted.flat_map(|inserted| inserted.secrets.iter().cloned()));
        let of_list = source.instruments.iter().flat_map(InstrumentSettings::urls);
        let in_urls: Vec<_> = source.urls().chain(of_list).flat_map(secrets::in_url).collect();
        source.hidden.extend(in_urls);
        let headers = source.headers.iter().flat_map(|(name, value)| secrets::in_header(name, value));
        source.hidden.extend(headers.collect::<Vec<_>>());
        Ok(source)
    }

    /// The complete table of the trail's last source: its own keys over those of the source that it is `like`, or over
    /// its catalogue entry.
    fn describe(&self, trail: &mut Vec<String>) -> Result<SourceTable, Fault> {
        let name = trail.last().cloned().unwrap_or_default();
        let provider = catalogue().get(&name).cloned();
        let Some(own) = self.stated.get(&name).cloned() else { return Ok(provider.unwrap_or_default()) };
        let fault = |message| Fault { source: name.clone(), key: Some("like"), message, follows: false };
        let over = |own: SourceTable, base| {
            let whole = |error: toml::de::Error| {
                let message = error.to_string();
                Fault { source: name.clone(), key: None, message, follows: false }
            };
            own.over(base).map_err(whole)
        };
        let Some(like) = own.settings().like.clone() else { return over(own, provider.unwrap_or_default()) };
        if trail.contains(&like) {
            return Err(fault(format!("{} is `like` itself, in a circle; remove one `like`", quoted(&like))));
        }
        let known = || self.stated.keys().chain(catalogue().keys()).map(String::as_str).filter(|known| *known != name);
        let is_there = known().any(|known| known == like);
        if !is_there && !self.document.was_read(&["sources", &like]) {
            return Err(unread(&name, "like"));
        }
        if !is_there {
            return Err(fault(format!("there is no source {}{}", quoted(&like), suggestion(&like, known()))));
        }
        trail.push(like);
        // a second source of a vendor is a second account, unless it names one
        let base = self.describe(trail)?.without("account").without("enabled");
        over(own, base)
    }

    /// Checks that the description has the keys without which it cannot be a source.
    fn complete(&self, name: &str, table: &SourceTable) -> Result<(), Fault> {
        if !self.document.was_read(&["sources", name, "like"]) {
            return Err(unread(name, "like"));
        }
        let missing: Vec<&str> = ["url", "classes", "jq"].into_iter().filter(|key| !table.states(key)).collect();
        let message = match missing.len() {
            0 => return Ok(()),
            3 => {
                let names = catalogue().keys().map(String::as_str);
                format!(
                    "no provider in the catalogue is called {}; a source of your own needs url, classes and jq{}",
                    quoted(name),
                    suggestion(name, names)
                )
            }
            _ => format!("a source of your own needs url, classes and jq; it has no {}", missing.join(" and no ")),
        };
        Err(Fault { source: name.to_owned(), key: None, message, follows: false })
    }

    /// Takes the key and the secret from their variables if the file does not give them.
    fn find_key(&self, name: &str, table: &mut SourceTable) -> Result<(), Fault> {
        let source = table.settings();
        let mut found = [None, None];
        let given = [("key", &source.key), ("secret", &source.secret)];
        for ((variable, (key, given)), slot) in source.key_from.iter().zip(given).zip(&mut found) {
            if !secrets::is_not_set(given) {
                continue;
            }
            let Some(value) = self.variable(variable) else {
                if source.key_optional {
                    continue;
                }
                let where_from =
                    source.get_a_key.as_ref().map(|url| format!(" (get one at {url})")).unwrap_or_default();
                let message =
                    format!("{name} needs a {key}{where_from}: set the variable {variable}, or write {key} = \"…\"");
                return Err(Fault { source: name.to_owned(), key: Some(key), message, follows: false });
            };
            *slot = Some(value.clone().into());
        }
        let [key, secret] = found;
        table.set_secrets(key, secret);
        Ok(())
    }

    /// What switches a provider on, as half a sentence.
    fn switch_on(&self, source: &SourceSettings) -> String {
        let missing: Vec<&str> =
            source.key_from.iter().map(String::as_str).filter(|variable| self.variable(variable).is_none()).collect();
        let mut steps = Vec::new();
        let is_off_unless_named = source.only_by_name || self.file.is_some() && !self.is_default();
        if !source.enabled {
            steps.push(format!("remove enabled = false from [sources.{}]", source.name));
        } else if is_off_unless_named {
            // clients read this too, and need not know which file it is
            steps.push(format!("add [sources.{}] to the configuration", source.name));
        } else if source.unofficial && !self.options.wants_unofficial() {
            steps.push("set QUOTEFOLD_UNOFFICIAL=1".to_owned());
        }
        if !missing.is_empty() {
            let where_from = source.get_a_key.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
            steps.push(format!("set {}{where_from}", missing.join(" and ")));
        }
        steps.join(" and ")
    }
}

/// A fault that follows from a value that could not be read, which is reported already.
fn unread(source: &str, key: &'static str) -> Fault {
    Fault { source: source.to_owned(), key: Some(key), message: String::new(), follows: true }
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

/// "; did you mean kraken?", or the names to choose from.
fn suggestion<'a>(wrong: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(wrong, names.clone()) {
        Some(near) => format!("; did you mean {near}?"),
        None => format!("; choose from {}", names.collect::<Vec<_>>().join(", ")),
    }
}

/// Reads the file that `ca_file` names.
fn read_authority(file: &str) -> Result<Authority, String> {
    let cure = Authority::CURE;
    let pem = std::fs::read(file).map_err(|error| format!("the file {file:?} cannot be read: {error}; {cure}"))?;
    Authority::parse(file, &pem)
}

/// Tells the sources that are asked by ISIN which symbols the user has given one: `[symbols."VWCE.DE"] isin = "IE00BK5BQT80"`.
/// What such a source calls the ISIN is what it calls the symbol.
pub(super) fn give_isins(symbols: &SymbolRules, on: &mut [SourceSettings], off: &mut [OffSource]) {
    let isins = symbols.isins();
    for source in on.iter_mut().chain(off.iter_mut().map(|off| &mut off.source)).filter(|source| source.speaks_isin()) {
        for (isin, symbol) in &isins {
            source.isins.insert(symbol.clone(), isin.to_string());
            if let Some(theirs) = source.spelled.get(isin.as_str()).cloned() {
                source.spelled.entry(symbol.to_string()).or_insert(theirs);
            }
        }
    }
}

/// Tells sources the names that the user gives for symbols: `[symbols.WORLD] spelled = { yahoo = "0P0000X.F" }`.
///
/// A source that is not named there is not asked for the symbol: it would not know it, or take it for something else. A source
/// that is asked by ISIN is, if the symbol has been given one.
pub(super) fn name_symbols(
    symbols: &SymbolRules,
    stated: &BTreeMap<String, SourceTable>,
    on: &mut [SourceSettings],
    off: &mut [OffSource],
    report: &mut Report<'_>,
) {
    for (symbol, set) in symbols.iter().filter(|(_, set)| !set.spelled.is_empty()) {
        let known: Vec<String> = stated.keys().chain(catalogue().keys()).cloned().collect();
        for name in set.spelled.keys().filter(|name| !known.contains(name)) {
            if !report.was_read(&["sources", name]) {
                continue;
            }
            let near = nearest(name, known.iter().map(String::as_str));
            let cure =
                near.map_or("`quotefold sources` lists all sources".to_owned(), |near| format!("did you mean {near}?"));
            let is_it = |written: &String| Symbol::named(written).as_ref() == Ok(symbol);
            let written = report.keys(&["symbols"]).into_iter().find(is_it).unwrap_or_else(|| symbol.to_string());
            report.at(&["symbols", &written, "spelled"], format!("there is no source {name:?}; {cure}"));
        }
        for source in on.iter_mut().chain(off.iter_mut().map(|off| &mut off.source)) {
            source.drop_examples_of(symbol);
            match set.spelled.get(&source.name) {
                Some(theirs) => {
                    source.spelled.insert(symbol.to_string(), theirs.clone());
                }
                None if source.isins.contains_key(symbol) => {}
                None => {
                    source.excluded_symbols.insert(symbol.clone());
                }
            }
        }
    }
}
