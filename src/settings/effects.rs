//! Finds what a user wrote about a source and what has no effect: a key that no call carries, symbols that the source never quotes,
//! a limit beside a stricter one.

use std::collections::BTreeMap;

use super::Settings;
use super::error::Report;
use crate::provider::catalogue::catalogue;
use crate::provider::description::{SourceSettings, SourceTable};
use crate::provider::secrets;
use crate::symbol::{Class, Currency, Symbol};
use crate::units::{Glob, Limit};

/// What stands for a `*` of a pattern when it is tried which symbols the pattern can match.
const SAMPLES: [&str; 10] = ["", "A", "USD", "BTC", "L", "-USD", "BTC-", "BTC-USD", "^A", ".L"];

/// Checks what the user's own table says about a source that is on.
pub(super) fn check(source: &SourceSettings, own: &SourceTable, settings: &Settings, report: &mut Report<'_>) {
    let of_limits = [("limits", own.settings().limits.as_slice()), ("limits_without_key", own_limits(own))];
    let without_effect = of_limits.into_iter().filter_map(|(key, limits)| Some((key, idle(limits)?)));
    let wrong = [without_a_place(source, own), beside_others(source, own), wrong_currencies(source, own)].concat();
    for (key, message) in wrong.into_iter().chain(without_effect) {
        report.at(&["sources", &source.name, key], message);
    }
    check_symbols(source, own, settings, report);
}

/// Remarks on names in a list of symbols that are read as shares, and by which pairs were perhaps meant: `BTCUSD`.
pub(super) fn remark_on_names<'a>(names: impl Iterator<Item = &'a str>, path: &[&str], report: &mut Report<'_>) {
    for name in names {
        let pair = Symbol::parse(name).ok().and_then(|symbol| symbol.coin_meant());
        if let Some(pair) = pair {
            report.remark(
                path,
                format!("{name:?} is read as a share or a fund of that name; write {pair} if you mean the pair"),
            );
        }
    }
}

/// The limits of a table that hold without a key.
fn own_limits(own: &SourceTable) -> &[Limit] {
    own.settings().limits_without_key.as_deref().unwrap_or_default()
}

/// Keys and secrets that no part of a call has a place for.
fn without_a_place(source: &SourceSettings, own: &SourceTable) -> Vec<(&'static str, String)> {
    let has_key = source.fills_in("{key}") || source.fills_in("{secret}");
    let mut found = Vec::new();
    for (key, given) in [("key", &own.settings().key), ("secret", &own.settings().secret)] {
        // a source whose description asks for a key gets one, even if its address is a stand-in that takes none
        let is_keyless = source.key_from.is_empty();
        if is_keyless && own.states(key) && !secrets::is_not_set(given) && !source.fills_in(&format!("{{{key}}}")) {
            let place = format!("write {{{key}}} where it belongs, in url, headers or body, or remove this line");
            found.push((key, format!("no call of {} carries a {key}; {place}", source.name)));
        }
    }
    if own.states("key_from") && !own.settings().key_from.is_empty() && !has_key {
        found.push(("key_from", format!("no call of {} carries a key; write {{key}} where it belongs", source.name)));
    }
    found
}

/// Keys that have no effect because of another key.
fn beside_others(source: &SourceSettings, own: &SourceTable) -> Vec<(&'static str, String)> {
    let has_pairs = source.classes.iter().any(|class| matches!(class, Class::Crypto | Class::Fx));
    let states = |key: &str| own.states(key);
    let cases = [
        (
            "limits_without_key",
            !source.key_optional,
            "these hold while no key is set, but the source is not asked then; add key_optional = true, or write limits",
        ),
        ("currencies", !has_pairs && !source.currencies.is_empty(), NO_PAIRS),
        ("fiat", !has_pairs && source.fiat.as_ref().is_some_and(|codes| !codes.is_empty()), NO_PAIRS),
    ];
    let wrong = cases.into_iter().filter(|(key, is_idle, _)| *is_idle && states(key));
    wrong.map(|(key, _, message)| (key, message.to_owned())).collect()
}

const NO_PAIRS: &str =
    "only pairs have currencies, and classes has neither crypto nor fx; remove this line, or add the class";

/// Why one of several limits never decides; `None` if each does.
pub(super) fn idle(limits: &[Limit]) -> Option<String> {
    let twice = limits.iter().enumerate().find(|(at, limit)| limits[..*at].contains(limit));
    if let Some((_, limit)) = twice {
        return Some(format!("{limit} is listed twice; keep one"));
    }
    let pair = limits.iter().find_map(|one| Some((one, limits.iter().find(|other| is_idle(one, other))?)));
    pair.map(|(one, other)| format!("{one} has no effect beside {other}, which is stricter; keep {other}"))
}

/// Codes in `currencies` that no pair of the source can be quoted in.
fn wrong_currencies(source: &SourceSettings, own: &SourceTable) -> Vec<(&'static str, String)> {
    if !own.states("currencies") {
        return Vec::new();
    }
    let only_money = source.classes.contains(&Class::Fx) && !source.classes.contains(&Class::Crypto);
    let is_word = |code: &str| (2..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_wrong = |code: &&String| !is_word(code) || only_money && !Currency::new(code).is_fx();
    let wrong = source.currencies.iter().filter(is_wrong);
    wrong
        .map(|code| ("currencies", format!("{code:?} is not a currency; write a code such as \"USD\" or \"EUR\"")))
        .collect()
}

/// Checks that the source quotes what `symbols` and `spelled` name.
fn check_symbols(source: &SourceSettings, own: &SourceTable, settings: &Settings, report: &mut Report<'_>) {
    let name = source.name.as_str();
    if !["classes", "currencies"].iter().all(|key| report.was_read(&["sources", name, key])) {
        return;
    }
    let classes = list(source.classes.iter().map(|class| class.as_str()));
    let of_currencies = if source.currencies.is_empty() {
        String::new()
    } else {
        format!(", with pairs in {}", list(source.currencies.iter().map(String::as_str)))
    };
    let why = |text: &String| {
        (!may_quote(source, text, settings)).then(|| {
            format!(
                "{text:?} is nothing that this source quotes, since its classes are {classes}{of_currencies}; remove it, \
                 or add what is missing there"
            )
        })
    };
    if own.states("symbols") {
        let wanted = source.symbols.texts();
        let names = wanted.iter().map(String::as_str);
        if source.classes.contains(&Class::Crypto) {
            remark_on_names(names, &["sources", name, "symbols"], report);
        }
        if let Some(message) = wanted.iter().filter(|text| !text.starts_with('!')).find_map(why) {
            report.at(&["sources", name, "symbols"], message);
        }
    }
    // names that a user adds to a provider of the catalogue say nothing about what it quotes
    for text in own.settings().spelled.keys().filter(|_| !catalogue().contains_key(name)) {
        if let Some(message) = why(text) {
            report.at(&["sources", name, "spelled", text], message);
        }
    }
}

/// Whether a source may quote a symbol, or one that a pattern matches. What is no known symbol may be a name of the user's own.
fn may_quote(source: &SourceSettings, text: &str, settings: &Settings) -> bool {
    let is_pattern = text.contains('*');
    let symbols = matched(text);
    let has = |class: Class| source.classes.contains(&class);
    let has_pairs = has(Class::Crypto) || has(Class::Fx);
    let trades = |quote: &str| source.currencies.is_empty() || source.currencies.iter().any(|code| code == quote);
    let fits = |symbol: &Symbol| match symbol.legs() {
        // the stars of a pattern stand for many codes and classes
        Some(_) if is_pattern => has_pairs,
        None if is_pattern => has(Class::Equity) || has(Class::Index) || has(Class::Fund),
        Some((_, quote)) => has(settings.class(symbol)) && trades(quote),
        // no spelling says whether something listed is a share or a fund
        None => has(settings.class(symbol)) || has(Class::Fund) && settings.class(symbol) == Class::Equity,
    };
    symbols.is_empty() || symbols.iter().any(fits)
}

/// Symbols that a pattern can match: itself, or with other texts in place of each `*`.
fn matched(pattern: &str) -> Vec<Symbol> {
    let mut texts = vec![String::new()];
    for (index, part) in pattern.split('*').enumerate() {
        let samples: &[&str] = if index == 0 { &[""] } else { &SAMPLES };
        let with = |text: &String| samples.iter().map(|sample| format!("{text}{sample}{part}")).collect::<Vec<_>>();
        // two stars are enough to tell what a pattern is about
        texts = texts.iter().flat_map(with).take(SAMPLES.len() * SAMPLES.len()).collect();
    }
    let symbols = texts.iter().filter_map(|text| Symbol::parse(text).ok());
    match Glob::parse(pattern) {
        // the canonical spelling of a text that fits may not fit
        Ok(glob) if pattern.contains('*') => symbols.filter(|symbol| glob.matches(symbol.as_str())).collect(),
        _ => symbols.collect(),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Remarks on accounts whose sources state different limits: all of them hold for all of its sources.
pub(super) fn check_accounts(settings: &Settings, report: &mut Report<'_>) {
    let mut accounts: BTreeMap<&str, Vec<&SourceSettings>> = BTreeMap::new();
    for source in &settings.sources {
        accounts.entry(&source.account).or_default().push(source);
    }
    for (account, sources) in accounts {
        let Some(first) = sources.first() else { continue };
        let Some(other) = sources.iter().find(|other| other.limits != first.limits) else { continue };
        // what the catalogue says of its own accounts is nothing that the user could mend
        let stated = [first, other].into_iter().flat_map(|source| [(source, "limits"), (source, "account")]);
        let is_stated = |(source, key): &(&&SourceSettings, &str)| report.states(&["sources", &source.name, key]);
        let Some((place, key)) = stated.into_iter().find(is_stated) else { continue };
        let said = |source: &SourceSettings| {
            let limits = if source.limits.is_empty() { "none".to_owned() } else { texts(&source.limits) };
            format!("{} states {limits}", source.name)
        };
        let all: Vec<Limit> = sources.iter().flat_map(|source| source.limits.iter().copied()).collect();
        let message = format!(
            "the account {account:?} has two sets of limits: {}, and {}; all of its calls together keep {}",
            said(first),
            said(other),
            texts(&strictest(&all))
        );
        report.remark(&["sources", &place.name, key], message);
    }
}

/// The limits that can decide.
fn strictest(all: &[Limit]) -> Vec<Limit> {
    let mut kept: Vec<Limit> = Vec::new();
    for limit in all {
        if !kept.contains(limit) && !all.iter().any(|other| is_idle(limit, other)) {
            kept.push(*limit);
        }
    }
    kept
}

/// Whether a limit never decides, because another one always does first.
fn is_idle(limit: &Limit, other: &Limit) -> bool {
    limit != other && other.calls <= limit.calls && other.period >= limit.period
}

fn texts(limits: &[Limit]) -> String {
    limits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
