//! Checks each source: its name, its URL and templates, its filter, and that it fits into the time of a request.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Report, compile};
use crate::failure::SourceError;
use crate::provider::description::{ANY, Bases, SourceSettings, SourceTable};
use crate::provider::secrets;
use crate::provider::spelling::Spelling;
use crate::settings::Settings;
use crate::symbol::Currency;
use crate::units::{Bytes, Span};

/// The longest reply that may be read.
const MOST_BODY: usize = 64 << 20;

/// So often a call may be sent again: what has failed four times within one attempt is not about to heal.
const MOST_RETRIES: usize = 3;

pub(super) fn check(settings: &Settings, stated: &BTreeMap<String, SourceTable>, report: &mut Report<'_>) {
    for (name, table) in stated {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        report.unless(
            !name.is_empty() && name.len() <= 64 && name.bytes().all(is_name),
            &["sources", name],
            format!(
                "{name:?} is no name for a source; write small letters, digits, hyphens and underscores, at most 64"
            ),
        );
        if let Some(timeout) = table.timeout.filter(|timeout| timeout.0 > settings.server.timeout) {
            let whole = Span(settings.server.timeout);
            let message = format!(
                "one attempt of {timeout} does not fit into server.timeout = {whole}; \
                 write {whole} or less, or raise server.timeout"
            );
            report.at(&["sources", name, "timeout"], message);
        }
    }
    report.unless(
        !settings.sources.is_empty() || !report.is_fine(),
        &["sources"],
        "no source is switched on; name one, such as [sources.coinbase]",
    );
    for source in &settings.sources {
        let mut report = OfSource { name: &source.name, report };
        urls(source, stated.get(&source.name).and_then(|table| table.base_url.as_ref()), &mut report);
        templates(source, &mut report);
        numbers(source, &mut report);
        if let Some(table) = stated.get(&source.name) {
            ages(source, table, settings, &mut report);
        }
        if let Err(error) = compile(&source.jq) {
            report.at("jq", format!("this filter does not compile: {error}"));
        }
        examples(source, &mut report);
    }
}

/// A report about one source.
struct OfSource<'r, 'd> {
    name: &'r str,
    report: &'r mut Report<'d>,
}

impl OfSource<'_, '_> {
    fn at(&mut self, key: &str, message: impl Into<String>) {
        self.report.at(&["sources", self.name, key], message);
    }

    fn unless(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        self.report.unless(holds, &["sources", self.name, key], message);
    }
}

fn urls(source: &SourceSettings, bases: Option<&Bases>, report: &mut OfSource<'_, '_>) {
    let key = if bases.is_some() { "base_url" } else { "url" };
    let cure = "write one that starts with https:// or http://";
    let (mut is_secure, mut is_plain) = (false, false);
    for (index, url) in source.urls().enumerate() {
        let stated = secrets::mask_url(bases.and_then(|bases| bases.0.get(index)).map_or(url, String::as_str));
        // a placeholder is no host, a word in its place is
        match reqwest::Url::parse(&url.replace(['{', '}'], "x")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                is_secure |= url.scheme() == "https";
                is_plain |= url.scheme() == "http";
            }
            Ok(_) => report.at(key, format!("{stated:?} is not a URL for HTTP; {cure}")),
            Err(error) => report.at(key, format!("{stated:?} is not a URL ({error}); {cure}")),
        }
    }
    // whoever keeps us from the one address could read the key on its way to the other
    report.unless(
        !(is_secure && is_plain) || source.hidden.is_empty(),
        key,
        "some of these addresses are https:// and some http://, and what is secret would travel in the clear; \
         write https:// in all of them",
    );
    report.unless(
        is_secure || source.authority.is_none(),
        "ca_file",
        "it is for https, and no URL of this source is; write https:// there, or take this line out",
    );
    let uses = |placeholder: &str| {
        source.urls().any(|url| url.contains(placeholder)) || source.body.iter().any(|body| body.contains(placeholder))
    };
    report.unless(
        source.asks_by_name() || source.batch > 1,
        "url",
        "neither the URL nor a body says which symbols are asked for; write {symbols}, or {symbol} for one; \
         where every reply holds all there are, say so with batch = 100",
    );
    for (key, given) in [("key", source.key.is_some()), ("secret", source.secret.is_some())] {
        let placeholder = format!("{{{key}}}");
        report.unless(
            given || !uses(&placeholder),
            "url",
            format!("{placeholder} is filled in here, but there is none; write {key} = \"…\" for this source"),
        );
    }
}

/// The templates are read by the same code that fills them.
fn templates(source: &SourceSettings, report: &mut OfSource<'_, '_>) {
    if let Err(error) = Spelling::new(source) {
        let (key, inner) = error.key.split_once('.').unwrap_or((&error.key, ""));
        let inner = inner.trim_matches('"');
        let path = ["sources", report.name, key, inner];
        let path = if inner.is_empty() { &path[..3] } else { &path[..] };
        report.report.at(path, error.message.clone());
    }
}

fn numbers(source: &SourceSettings, report: &mut OfSource<'_, '_>) {
    for (key, number) in [("batch", source.batch), ("concurrency", source.concurrency)] {
        report.unless((1..=10_000).contains(&number), key, format!("{number} is out of range; write 1 to 10000"));
    }
    report.unless(
        source.retries <= MOST_RETRIES,
        "retries",
        format!("{} is out of range; write 1 to {MOST_RETRIES}, or 0 for none", source.retries),
    );
    report.unless(
        source.max_body <= MOST_BODY,
        "max_body",
        format!("{} is out of range; write {} or less", Bytes(source.max_body), Bytes(MOST_BODY)),
    );
    report.unless(!source.timeout.is_zero(), "timeout", "0s leaves no time for an answer; write one such as \"800ms\"");
    let is_money = |code: &&String| Currency::of_code(code).is_money() || *code == ANY;
    for code in source.fiat.iter().flatten().filter(|code| !is_money(code)) {
        let message = format!("{code:?} is no money of ISO 4217; take it out, or write \"*\" for all there are");
        report.at("fiat", message);
    }
    for code in source.currencies.iter().filter(|code| **code != code.to_ascii_uppercase()) {
        let capitals = code.to_ascii_uppercase();
        report.at("currencies", format!("{code:?} is a part of {capitals} or written like one; write {capitals}"));
    }
    for (suffix, unit) in source.units.iter().filter(|(_, unit)| !Currency::of_unit(unit).0.is_code()) {
        let message = format!("{unit:?} is no currency and no part of one; write its code, such as \"EUR\" or \"GBp\"");
        report.report.at(&["sources", report.name, "units", suffix], message);
    }
    report.unless(!source.account.is_empty(), "account", "an empty name is none; write one, or take the line out");
}

/// A source that is asked more seldom than its quotes may be used would be stale most of the time.
fn ages(source: &SourceSettings, stated: &SourceTable, settings: &Settings, report: &mut OfSource<'_, '_>) {
    let longest = source.classes.iter().map(|class| settings.of_class(*class).usable_for).max();
    let usable = source.usable_for.or(longest).unwrap_or(Duration::MAX).saturating_add(source.lag);
    let key = match (stated.refresh_after, stated.usable_for) {
        (Some(_), _) => "refresh_after",
        (_, Some(_)) => "usable_for",
        _ => return,
    };
    let (floor, whole) = (Span(source.refresh_after), Span(usable));
    let message = format!(
        "refresh_after = {floor} is longer than its quotes may be used ({whole}, lag included); \
         the order is refresh_after, usable_for"
    );
    report.unless(source.refresh_after <= usable, key, message);
}

fn examples(source: &SourceSettings, report: &mut OfSource<'_, '_>) {
    for example in &source.examples {
        let symbols = example.asked.iter().chain(example.expect.iter().map(|expected| &expected.symbol));
        for error in symbols.filter_map(|symbol| crate::symbol::Symbol::parse(symbol).err()) {
            report.at("examples", format!("{}: {error}", example.about));
        }
        let reasons = example.error.iter().chain(example.expect.iter().filter_map(|expected| expected.error.as_ref()));
        for reason in reasons {
            let known = SourceError::from_reason(reason, String::new(), None).is_some();
            report.unless(
                known,
                "examples",
                format!("{}: {reason:?} is no reason that a source can fail for", example.about),
            );
        }
    }
}
