//! Checks `[sources.NAME]` against the other settings: names, times that fit into a request, ages that fit a class.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Settings;
use super::error::Report;
use crate::provider::description::{SourceSettings, SourceTable};
use crate::units::Span;

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
        if table.states("timeout") && timeout > whole {
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
    for source in &settings.sources {
        for fault in source.faults() {
            let inner = fault.path.iter().map(String::as_str);
            let path: Vec<&str> = ["sources", &source.name].into_iter().chain(inner).collect();
            report.at(&path, fault.message);
        }
        if let Some(table) = stated.get(&source.name) {
            check_ages(source, table, settings, report);
        }
    }
}

/// Checks that quotes are refreshed before they expire: otherwise the source would be stale most of the time.
fn check_ages(source: &SourceSettings, stated: &SourceTable, settings: &Settings, report: &mut Report<'_>) {
    let longest = source.classes.iter().map(|class| settings.of_class(*class).usable_for).max();
    let usable = source.usable_for.or(longest).unwrap_or(Duration::MAX).saturating_add(source.lag);
    let Some(key) = ["refresh_after", "usable_for"].into_iter().find(|key| stated.states(key)) else { return };
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
