//! Checks `[sources.NAME]` against the other settings: names, times that fit into a request, ages that fit a class.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::Report;
use super::{Settings, effects};
use crate::provider::description::{Fault, SourceSettings, SourceTable};
use crate::units::Span;

/// The keys that a fault of a key that the user has not written may come from, the likeliest first.
const CAUSES: [&str; 10] =
    ["base_url", "url", "body", "headers", "method", "format", "batch", "classes", "ca_file", "instruments"];

/// Checks every source; `stated` holds what the user's file and variables say about them.
pub(super) fn check(settings: &Settings, stated: &BTreeMap<String, SourceTable>, report: &mut Report<'_>) {
    for (name, table) in stated {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        report.unless(
            !name.is_empty() && name.len() <= 64 && name.bytes().all(is_name),
            &["sources", name],
            format!("{name:?} is not a source name; use up to 64 lower-case letters, digits, hyphens and underscores"),
        );
        let (timeout, whole) = (table.settings().timeout, settings.server.timeout);
        if table.states("timeout") && timeout > whole && report.was_read(&["server", "timeout"]) {
            let (timeout, whole) = (Span(timeout), Span(whole));
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
    let empty = SourceTable::default();
    for source in &settings.sources {
        let own = stated.get(&source.name).unwrap_or(&empty);
        let mut faults = source.faults();
        faults.retain(|fault| is_news(fault, source, own, settings, report));
        for fault in faults {
            let Fault { path, message } = place(fault, own);
            let inner = path.iter().map(String::as_str);
            let path: Vec<&str> = ["sources", &source.name].into_iter().chain(inner).collect();
            report.at(&path, message);
        }
        if let Some(table) = stated.get(&source.name) {
            check_ages(source, table, settings, report);
            effects::check(source, table, settings, report);
        }
    }
    effects::check_accounts(settings, report);
}

/// Whether a fault does not merely repeat another error: that of the source whose description this one takes over, or that of a
/// key that could not be read.
fn is_news(
    fault: &Fault,
    source: &SourceSettings,
    own: &SourceTable,
    settings: &Settings,
    report: &Report<'_>,
) -> bool {
    let key = fault.path.first().map_or("", String::as_str);
    let like = own.settings().like.as_ref().filter(|_| !own.states(key));
    let like = like.and_then(|like| settings.sources.iter().find(|other| other.name == *like));
    if like.is_some_and(|like| like.faults().contains(fault)) {
        return false;
    }
    let names =
        |unread: &String| fault.message.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == unread);
    !report.unread_in(&["sources", &source.name]).iter().any(names)
}

/// The fault of a key that the user has written: if its own key is not, that of the key that it probably comes from, or of the
/// section.
fn place(fault: Fault, own: &SourceTable) -> Fault {
    let Some(key) = fault.path.first().filter(|key| !own.states(key)).cloned() else { return fault };
    let cause = CAUSES.into_iter().find(|cause| own.states(cause)).map(str::to_owned);
    Fault { path: cause.into_iter().collect(), message: format!("{key}: {}", fault.message) }
}

/// Checks that quotes are refreshed before they expire: otherwise the source would be stale most of the time.
fn check_ages(source: &SourceSettings, stated: &SourceTable, settings: &Settings, report: &mut Report<'_>) {
    let longest = source.classes.iter().map(|class| settings.of_class(*class).usable_for).max();
    let usable = source.usable_for.or(longest).unwrap_or(Duration::MAX).saturating_add(source.lag);
    let Some(key) = ["refresh_after", "usable_for"].into_iter().find(|key| stated.states(key)) else { return };
    let name = source.name.as_str();
    let read = [&["freshness"][..], &["class"], &["sources", name, "classes"], &["sources", name, "lag"]];
    if !read.iter().all(|path| report.was_read(path)) {
        return;
    }
    let (floor, whole) = (Span(source.refresh_after), Span(usable));
    report.unless(
        source.refresh_after <= usable,
        &["sources", &source.name, key],
        format!(
            "refresh_after = {floor} is longer than its quotes are usable ({whole}, lag included); \
            lower refresh_after, or raise usable_for"
        ),
    );
}
