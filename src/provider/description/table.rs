//! Lays tables of source settings over each other, and fills in the values that no table states.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use toml::{Table, Value};

use super::{Example, Method, SourceSettings};

/// The keys that one file states about a source.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "Table")]
pub struct SourceTable {
    /// The keys, as the file states them.
    stated: Table,
    /// The same, with the built-in value of every key that is not stated.
    settings: SourceSettings,
}

/// Keys whose entries add up when one table is laid over another: adding a name must not remove the others.
const ADDED_UP: [&str; 6] = ["rename", "ids", "aliases", "spelled", "units", "multiplied"];

/// The key whose table is completed by one that is laid over it, key by key.
const LIST: &str = "instruments";

/// Keys that only say what a source calls something. A section with no other keys does not say whether the source is on.
const NAMES: [&str; 4] = ["rename", "ids", "aliases", "spelled"];

/// Limits over a period of at least this length leave no calls for retries: with 25 calls a day, a second failure costs
/// too much.
const DAY: Duration = Duration::from_secs(86_400);

impl TryFrom<Table> for SourceTable {
    type Error = toml::de::Error;

    fn try_from(stated: Table) -> Result<Self, Self::Error> {
        Ok(SourceTable { settings: stated.clone().try_into()?, stated })
    }
}

impl SourceTable {
    /// Whether the file states a key.
    pub fn states(&self, key: &str) -> bool {
        self.stated.contains_key(key)
    }

    /// Whether the file states what the source calls something, and nothing else.
    pub(crate) fn only_adds_names(&self) -> bool {
        !self.stated.is_empty() && self.stated.keys().all(|key| SourceTable::is_name_key(key))
    }

    /// Whether a key only says what a source calls something.
    pub(crate) fn is_name_key(key: &str) -> bool {
        NAMES.contains(&key)
    }

    /// The keys that are stated, and the built-in values of the others. Values that depend on other keys are not filled
    /// in.
    pub fn settings(&self) -> &SourceSettings {
        &self.settings
    }

    /// Sets the key and the secret, where no file states them.
    pub(crate) fn set_secrets(&mut self, key: Option<SecretString>, secret: Option<SecretString>) {
        let settings = &mut self.settings;
        settings.key = key.or_else(|| settings.key.take());
        settings.secret = secret.or_else(|| settings.secret.take());
    }

    /// The table without one of its keys.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.stated.remove(key);
        self
    }

    /// This table laid over another: what it states wins, and names add up. Unless it states examples, it inherits
    /// those of the other table that hold for it too.
    ///
    /// # Errors
    /// The tables do not fit together. Each has been read on its own before, so that does not happen.
    pub fn over(self, base: SourceTable) -> Result<SourceTable, toml::de::Error> {
        let examples = self.examples_over(&base);
        let mut stated = base.stated;
        if self.states("limits") {
            // limits that a user sets hold with and without a key
            stated.remove("limits_without_key");
        }
        if self.states("url") {
            // another address may be another vendor's: then the list would not be its own, nor the key that it is asked with
            match (stated.get_mut(LIST), self.states(LIST)) {
                (Some(Value::Table(list)), true) => _ = list.remove("url"),
                _ => _ = stated.remove(LIST),
            }
        }
        for (key, value) in self.stated {
            match (stated.get_mut(&key), value) {
                (Some(Value::Table(names)), Value::Table(own)) if ADDED_UP.contains(&key.as_str()) => names.extend(own),
                (Some(Value::Table(list)), Value::Table(own)) if key == LIST => {
                    if own.contains_key("filter") {
                        list.remove("examples");
                    }
                    list.extend(own);
                }
                (_, value) => {
                    stated.insert(key, value);
                }
            }
        }
        let mut table = SourceTable::try_from(stated)?;
        table.settings.examples = examples;
        Ok(table)
    }

    fn examples_over(&self, base: &SourceTable) -> Vec<Example> {
        if self.states("examples") { self.settings.examples.clone() } else { self.inherited(base) }
    }

    /// The source that this table describes.
    ///
    /// # Errors
    /// The first key that is missing or has a value that cannot be used, and what to write.
    pub fn resolve(self, name: &str) -> Result<SourceSettings, (&'static str, String)> {
        let needed = |key: &'static str| (key, format!("a source needs `{key}`"));
        let states = |key| self.stated.contains_key(key);
        let mut source = self.settings;
        if !states("url") {
            return Err(needed("url"));
        }
        if let Some(bases) = &source.base_url {
            let mut urls = bases.before(&source.url)?.into_iter();
            source.url = urls.next().unwrap_or_default();
            source.mirrors = urls.collect();
            if let Some(list) = source.instruments.as_mut().filter(|list| !list.url.is_empty()) {
                let mut urls = bases.before(&list.url)?.into_iter();
                list.url = urls.next().unwrap_or_default();
                list.mirrors = urls.collect();
            }
        }
        if source.classes.is_empty() {
            return Err(needed("classes"));
        }
        if !states("jq") {
            return Err(needed("jq"));
        }
        name.clone_into(&mut source.name);
        if !states("account") {
            name.clone_into(&mut source.account);
        }
        if !states("method") && source.body.is_some() {
            source.method = Method::Post;
        }
        if !states("idempotent") {
            source.idempotent = source.method == Method::Get;
        }
        if source.key.is_none()
            && let Some(limits) = &source.limits_without_key
        {
            source.limits.clone_from(limits);
        }
        if !states("retries") {
            source.retries = usize::from(!source.limits.iter().any(|limit| limit.period >= DAY));
        }
        source.hidden = source.key.iter().chain(&source.secret).cloned().collect();
        Ok(source)
    }
}

#[cfg(test)]
pub(super) mod tests;
