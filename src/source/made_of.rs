//! Tells whether a configuration that is read later describes the same source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::fingerprint::Fingerprint;
use crate::provider::description::{Authority, SourceSettings};
use crate::provider::proxy::Proxies;
use crate::provider::scrub::Scrub;
use crate::settings::Settings;
use crate::symbol::Symbol;
use crate::units::Limit;

/// The keys that say how often a source is asked and how its quotes count, and not what they are. A source for which only these
/// have changed is the same source.
const SCALARS: [&str; 9] =
    ["limits", "timeout", "concurrency", "retries", "role", "symbols", "refresh_after", "usable_for", "lag"];

/// The keys that hold secrets. A vendor sends the same quotes with another key, or without one.
const SECRETS: [&str; 2] = ["key", "secret"];

/// The length of the fingerprints in bytes.
const LENGTH: usize = 16;

/// What a source was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MadeOf {
    description: Description,
    /// The scalars, the secrets, and what sources take from the rest of the configuration.
    rest: Fingerprint,
    /// The contents of `ca_file`, which are renewed now and then.
    authority: Option<Authority>,
    /// The proxies with their passwords.
    proxies: Arc<Proxies>,
}

/// What a source is, secrets apart: with another key the same vendor sends the same quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Description {
    keys: Fingerprint,
    isins: BTreeMap<Symbol, String>,
    excluded_symbols: BTreeSet<Symbol>,
}

impl MadeOf {
    /// What a source is made of whose account has this name and these limits.
    pub(super) fn of(source: &SourceSettings, account: &str, limits: &[Limit], settings: &Settings) -> Self {
        let mut keys = serde_json::to_value(source).unwrap_or_default();
        let scalars: Vec<Option<Value>> =
            SCALARS.iter().chain(&SECRETS).map(|key| keys.as_object_mut()?.shift_remove(*key)).collect();
        let classes = settings.symbols.classes().by_name();
        let keys = Scrub::new(&source.hidden).hide(&format!("{keys} {classes:?}"));
        let server = (&settings.server.timeout, &settings.server.max_reply_memory);
        let rest = format!("{scalars:?} {account} {limits:?} {:?} {server:?}", settings.classes);
        let secrets = source.hidden.iter().map(ExposeSecret::expose_secret);
        MadeOf {
            authority: source.authority.clone(),
            proxies: Arc::clone(&source.proxies),
            rest: Fingerprint::of([rest.as_str()].into_iter().chain(secrets), LENGTH),
            description: Description {
                keys: Fingerprint::of([keys.as_str()], LENGTH),
                isins: source.isins.clone(),
                excluded_symbols: source.excluded_symbols.clone(),
            },
        }
    }

    /// What tells a source from one of the same name that another process describes differently, secrets apart.
    pub(super) fn identity(&self) -> String {
        let Description { keys, isins, excluded_symbols } = &self.description;
        let symbols = format!("{isins:?} {excluded_symbols:?}");
        Fingerprint::of([keys.digits(), &symbols], LENGTH).digits().to_owned()
    }

    /// Whether another configuration describes the same source, perhaps with other scalars or another key.
    pub(super) fn describes_the_same_as(&self, other: &MadeOf) -> bool {
        self.description == other.description
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{LoadOptions, load};

    fn made_of(text: &str) -> MadeOf {
        let text = text.replace("KEY", "a-key-of-some-length");
        let options = LoadOptions { text: Some(("test".to_owned(), text)), ..LoadOptions::default() };
        let settings = load(&options).unwrap();
        let source = &settings.sources[0];
        MadeOf::of(source, &source.account, &source.limits, &settings)
    }

    const PLAIN: &str = "[sources.own]\nlike = \"finnhub\"\nkey = \"KEY\"\n";

    #[test]
    fn a_scalar_or_another_key_makes_a_change_of_the_same_source() {
        let plain = made_of(PLAIN);
        assert_eq!(plain, made_of(PLAIN));
        let scalars = [
            "limits = [\"3/s\"]",
            "timeout = \"1500ms\"",
            "concurrency = 3",
            "retries = 0",
            "role = \"reserve\"",
            "symbols = [\"AAPL\"]",
            "refresh_after = \"2s\"",
            "usable_for = \"2h\"",
            "lag = \"1m\"",
        ];
        assert_eq!(scalars.map(|line| line.split(' ').next().unwrap()), SCALARS);
        for line in scalars {
            let other = made_of(&format!("{PLAIN}{line}\n"));
            assert!(other != plain && other.describes_the_same_as(&plain), "{line}");
        }
        let other = made_of(&PLAIN.replace("KEY", "another-key-of-theirs"));
        assert!(other != plain && other.describes_the_same_as(&plain));
    }

    #[test]
    fn whatever_decides_what_its_quotes_are_about_makes_another_source() {
        let plain = made_of(PLAIN);
        for line in [
            "base_url = \"https://example.com\"",
            "account = \"other\"",
            "proxy = \"none\"",
            "rename = { BRK = \"B\" }",
            "headers = { x-finnhub-token = \"{key}\", accept = \"text/plain\" }",
            "max_body = \"1MiB\"",
            "unknown = \"kills\"",
            "jq = '.x'",
        ] {
            assert!(!made_of(&format!("{PLAIN}{line}\n")).describes_the_same_as(&plain), "{line}");
        }
        let with_isin = format!("{PLAIN}[symbols.AAPL]\nclass = \"crypto\"\n");
        assert!(!made_of(&with_isin).describes_the_same_as(&plain));
    }

    #[test]
    fn the_settings_of_a_class_change_every_source_a_little() {
        let plain = made_of(PLAIN);
        for section in ["[server]\ntimeout = \"3s\"\n", "[class.equity]\nusable_for = \"3m\"\n"] {
            let other = made_of(&format!("{PLAIN}{section}"));
            assert!(other != plain && other.describes_the_same_as(&plain), "{section}");
        }
    }

    #[test]
    fn what_a_source_is_made_of_shows_no_secret() {
        assert!(!format!("{:?}", made_of(PLAIN)).contains("a-key-of-some-length"));
    }

    #[test]
    fn a_span_that_is_written_differently_changes_nothing() {
        let at = |timeout: &str| made_of(&format!("{PLAIN}timeout = \"{timeout}\"\n"));
        assert_eq!(at("1s"), at("1000ms"));
    }
}
