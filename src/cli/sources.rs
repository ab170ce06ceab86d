//! `quotefold sources`: lists the sources, and what would switch on those that are off.

use serde_json::{Value, json};
use std::io;

use super::print::{print, print_json, table};
use super::{Exit, Sources, options, settings};
use crate::provider::description::SourceSettings;
use crate::settings::Settings;

pub(super) fn run(arguments: &Sources) -> io::Result<Exit> {
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    if arguments.json {
        print_json(&as_json(&settings))?;
    } else {
        print(&as_table(&settings))?;
    }
    Ok(Exit::Done)
}

/// Every source by name, with what would switch it on if it is off.
fn all(settings: &Settings) -> Vec<(&SourceSettings, Option<&str>)> {
    let on = settings.sources.iter().map(|source| (source, None));
    let off = settings.off.iter().map(|off| (&off.source, Some(off.switch_on.as_str())));
    let mut all: Vec<_> = on.chain(off).collect();
    all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    all
}

/// What switches a source on, without the address for a key, which has its own column.
fn to_do(step: &str, source: &SourceSettings) -> String {
    let address = source.get_a_key.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    let plan = if source.paid { " (of a paid plan)" } else { "" };
    step.replace(&address, plan)
}

/// Why a source is on.
fn reason(source: &SourceSettings) -> &'static str {
    match (source.key.is_some(), source.unofficial) {
        (_, true) => "unofficial",
        (true, false) => "has a key",
        (false, false) if source.key_from.is_empty() => "needs no key",
        (false, false) if source.key_optional => "needs no key, but would use one",
        (false, false) => "",
    }
}

fn as_table(settings: &Settings) -> String {
    let head = [
        "SOURCE",
        "STATE",
        "ROLE",
        "CLASSES",
        "LIMITS",
        "KEY",
        "GET A KEY",
        "WHY, OR WHAT TO DO",
        "REPLY LAST SEEN",
        "TERMS",
    ];
    let head = head.map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for (source, switch_on) in all(settings) {
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        rows.push(vec![
            source.name.clone(),
            if switch_on.is_some() { "off" } else { "on" }.to_owned(),
            source.role.as_str().to_owned(),
            joined(&source.classes),
            or_dash(joined(&source.limits)),
            or_dash(source.key_from.join(" ")),
            or_dash(source.get_a_key.clone().unwrap_or_default()),
            or_dash(switch_on.map_or_else(|| reason(source).to_owned(), |step| to_do(step, source))),
            or_dash(source.checked.clone().unwrap_or_default()),
            or_dash(source.terms.clone().unwrap_or_default()),
        ]);
    }
    table(&rows)
}

fn as_json(settings: &Settings) -> Value {
    let entry = |(source, switch_on): (&SourceSettings, Option<&str>)| -> Value {
        json!({
            "name": source.name,
            "about": source.about,
            "on": switch_on.is_none(),
            "why": if switch_on.is_none() { Some(reason(source)) } else { None },
            "switch_on": switch_on,
            "role": source.role,
            "classes": source.classes,
            "currencies": source.currencies,
            "symbols": source.symbols.texts(),
            "limits": texts(&source.limits),
            "batch": source.batch,
            "key_from": source.key_from,
            "key_optional": source.key_optional,
            "paid": source.paid,
            "get_a_key": source.get_a_key,
            "unofficial": source.unofficial,
            "only_by_name": source.only_by_name,
            "terms": source.terms,
            "checked": source.checked,
        })
    };
    let sources: Vec<Value> = all(settings).into_iter().map(entry).collect();
    json!({ "sources": sources })
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn joined(items: &[impl ToString]) -> String {
    texts(items).join(" ")
}
