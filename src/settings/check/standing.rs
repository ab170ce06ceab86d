//! Checks what the service does without being asked: what it watches, and where it keeps its state.

use std::path::Path;
use std::time::Duration;

use super::Report;
use crate::settings::Settings;
use crate::units::Span;

/// Whoever needs prices more often than this needs a stream.
const SHORTEST: Duration = Duration::from_secs(1);

/// What is looked at less than once a day is not kept fresh.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The board holds some forty sources' word on so many symbols, and on no more.
const MOST: usize = 1_000;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let watch = &settings.watch;
    report.unless(
        (SHORTEST..=LONGEST).contains(&watch.every),
        &["watch", "every"],
        format!("{} is out of range; write {} to {}", Span(watch.every), Span(SHORTEST), Span(LONGEST)),
    );
    let count = watch.symbols.len();
    report.unless(
        count <= MOST,
        &["watch", "symbols"],
        format!("{count} symbols are too many to watch; write {MOST} or fewer"),
    );
    let refused: Vec<&str> =
        watch.symbols.iter().filter(|symbol| !settings.allows(symbol)).map(crate::symbol::Symbol::as_str).collect();
    report.unless(
        refused.is_empty(),
        &["watch", "symbols"],
        format!(
            "server.symbols does not allow {}; add a pattern for it there, or take it out here",
            refused.join(", ")
        ),
    );
    let is_file = |path: &Path| path.file_name().is_some() && !path.to_string_lossy().ends_with('/');
    if let Some(path) = settings.state.path.as_deref().filter(|path| !is_file(path)) {
        report.at(
            &["state", "path"],
            format!(
                "{:?} is no file; write the path of one, such as \"/var/lib/quotefold/state.json\"",
                path.display().to_string()
            ),
        );
    }
}
