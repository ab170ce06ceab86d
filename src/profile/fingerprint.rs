//! Decides what the fingerprints in a state file cover: an account's secrets, and what a source's quotes are about.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;
use serde::Serialize;

use crate::decimal::DecimalMark;
use crate::fingerprint::Fingerprint;
use crate::provider::charset::Charset;
use crate::provider::description::{Format, Separator, SourceSettings};
use crate::provider::scrub::Scrub;
use crate::settings::Settings;

/// The length of a key's fingerprint in bytes: two tell a new key from the old one in all but one of 65,536 cases, and
/// are far too few to recognise a key by.
const OF_A_KEY: usize = 2;

/// The length of a description's fingerprint in bytes: a description is not secret, and two must not be taken for one.
const OF_A_DESCRIPTION: usize = 8;

/// The fingerprint of the secrets that an account's sources send; `None` if they send none.
pub(crate) fn of_keys(settings: &Settings, account: &str) -> Option<Fingerprint> {
    let secrets = settings.sources.iter().filter(|source| source.account == account).flat_map(|source| &source.hidden);
    let secrets: BTreeSet<&str> = secrets.map(ExposeSecret::expose_secret).collect();
    (!secrets.is_empty()).then(|| Fingerprint::of(secrets, OF_A_KEY))
}

/// The settings that decide what a source's quotes are about.
#[derive(Serialize)]
struct Meaning<'a> {
    url: &'a str,
    method: &'a str,
    body: &'a Option<String>,
    headers: &'a BTreeMap<String, String>,
    format: &'a Format,
    rename: &'a BTreeMap<String, String>,
    ids: &'a BTreeMap<String, String>,
    aliases: &'a BTreeMap<String, String>,
    spelled: &'a BTreeMap<String, String>,
    classes: BTreeMap<String, &'a str>,
    units: &'a BTreeMap<String, String>,
    // a key that is not stated does not count, so that descriptions from before there was such a key keep their quotes
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multiplied: &'a BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    isins: BTreeMap<String, &'a str>,
    reply: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<Separator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<Charset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decimal: Option<DecimalMark>,
    jq: &'a str,
}

/// The fingerprint of everything that decides what a source's quotes are about: where and how it is asked, how it
/// spells symbols, and how its replies are read. Secrets are masked first: another key gets the same quotes, and the
/// fingerprint must not reveal anything about it.
pub(crate) fn of_meaning(source: &SourceSettings, settings: &Settings) -> Fingerprint {
    // every key is named, so that the compiler asks of each new one whether it belongs to the meaning
    let SourceSettings {
        url,
        method,
        body,
        headers,
        format,
        rename,
        ids,
        aliases,
        spelled,
        units,
        multiplied,
        isins,
        reply,
        separator,
        charset,
        decimal,
        jq,
        hidden,
        // how and how often it is asked, and how its quotes are weighed: a reply gives the same quotes in any case
        name: _,
        about: _,
        like: _,
        enabled: _,
        classes: _,
        currencies: _,
        fiat: _,
        symbols: _,
        role: _,
        account: _,
        base_url: _,
        proxy: _,
        proxies: _,
        ca_file: _,
        mirrors: _,
        authority: _,
        excluded_symbols: _,
        batch: _,
        join: _,
        unknown: _,
        not_found: _,
        limits: _,
        limits_without_key: _,
        cost: _,
        timeout: _,
        concurrency: _,
        retries: _,
        reuse: _,
        idempotent: _,
        propagate: _,
        shared: _,
        max_body: _,
        refresh_after: _,
        usable_for: _,
        lag: _,
        key: _,
        secret: _,
        key_from: _,
        key_optional: _,
        paid: _,
        get_a_key: _,
        unofficial: _,
        only_by_name: _,
        terms: _,
        checked: _,
        // what a vendor lists decides what is asked for, and not what a quote is about
        instruments: _,
        examples: _,
    } = source;
    let classes = settings.symbols.classes().by_name();
    let meaning = Meaning {
        url,
        method: method.as_str(),
        body,
        headers,
        format,
        rename,
        ids,
        aliases,
        spelled,
        classes,
        units,
        multiplied,
        isins: isins.iter().map(|(symbol, isin)| (symbol.to_string(), isin.as_str())).collect(),
        reply: reply.to_string(),
        separator: Some(*separator).filter(|separator| *separator != Separator::default()),
        charset: *charset,
        decimal: *decimal,
        jq,
    };
    // texts and maps of texts can always be serialised
    let text = serde_json::to_string(&meaning).unwrap_or_default();
    Fingerprint::of([Scrub::new(hidden).hide(&text).as_str()], OF_A_DESCRIPTION)
}

#[cfg(test)]
mod tests;
