//! Marks by two bytes what must not be written down: enough to see that it has changed, too short to tell anything of it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use secrecy::ExposeSecret;

use crate::settings::Settings;
use crate::settings::source::SourceSettings;

/// A mark of the secrets that an account's sources send; `None` if they send none.
pub(super) fn of_keys(settings: &Settings, account: &str) -> Option<u16> {
    let secrets = settings.sources.iter().filter(|source| source.account == account).flat_map(|source| &source.hidden);
    let secrets: BTreeSet<&str> = secrets.map(ExposeSecret::expose_secret).collect();
    (!secrets.is_empty()).then(|| mark(secrets))
}

/// A mark of all that decides what a source's quotes are about: where and how it is asked, what symbols are called there, and
/// what is made of its replies. Keys that are filled in are not among it: another key gets the same quotes.
pub(super) fn of_meaning(source: &SourceSettings, settings: &Settings) -> u16 {
    let asked = (&source.url, source.method, &source.body, &source.headers);
    let called =
        (&source.format, &source.rename, &source.ids, &source.aliases, &source.spelled, settings.symbols.classes());
    let read = (&source.units, source.reply, &source.jq);
    mark(format!("{asked:?}{called:?}{read:?}"))
}

fn mark(value: impl Hash) -> u16 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    u16::try_from(hasher.finish() & 0xffff).unwrap_or_default()
}
