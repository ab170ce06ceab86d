//! What must be true after every scenario, whatever happened in it: nothing is left behind, and nothing was overdone.

use std::time::Duration;

use quotefold::Quotefold;
use quotefold::source::Source;

/// What of a service is not at rest yet, if anything.
pub(crate) fn unsettled(service: &Quotefold) -> Option<String> {
    let busy = service.sources().iter().find(|source| !source.is_at_rest());
    let busy = busy.map(|source| format!("{} is not at rest", source.profile.name()));
    busy.or_else(|| (!service.tasks().is_empty()).then(|| format!("{} tasks run", service.tasks().len())))
}

/// Asserts that a scenario that took so long has left nothing behind and has not asked its vendors too much.
pub(crate) fn assert_settled(service: &Quotefold, took: Duration) {
    assert_eq!(unsettled(service), None);
    let page = service.metrics().render().expect("metrics can be written");
    for source in service.sources() {
        assert_asked_in_measure(source, &page, took);
    }
}

/// No more calls for each batch than may be sent again, and that within the budget: a tenth, one a second, and ten at once.
fn assert_asked_in_measure(source: &Source, page: &str, took: Duration) {
    let name = source.profile.name();
    let sum = |metric: &str| -> u64 {
        let start = format!("quotefold_{metric}_total{{source=\"{name}\"");
        let lines = page.lines().filter(|line| line.starts_with(&start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let (calls, retries, batches) = (sum("source_calls"), sum("source_retries"), source.coalescer.dispatched());
    let most = source.profile.settings.retries as u64 + 1;
    assert!(calls <= most * batches, "{name}: {calls} calls for {batches} batches");
    assert!(retries <= calls / 10 + took.as_secs() + 10, "{name}: {retries} second tries of {calls} calls in {took:?}");
}
