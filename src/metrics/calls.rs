//! What happened to calls to sources, and what became of their quotes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Metrics, NO_REASON, seconds};
use crate::failure::SourceError;
use crate::fold::{Exclusion, Verdict};

/// How a call ends that no caller waits for any more.
pub(crate) const CANCELLED: &str = "cancelled";

/// The metrics of sources.
#[derive(Debug)]
pub(super) struct Calls {
    ended: Family<CallLabels, Counter>,
    seconds: Family<SourceLabels, Histogram>,
    quotes: Family<QuoteLabels, Counter>,
    retries: Family<SourceLabels, Counter>,
    circuits: Family<SourceLabels, Gauge>,
    coalesced: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    source: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuoteLabels {
    source: String,
    verdict: &'static str,
    reason: &'static str,
}

/// What counts the calls and quotes of one source. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct SourceCalls {
    metrics: Metrics,
    source: String,
    seconds: Histogram,
}

impl Calls {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let calls = Calls {
            ended: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            quotes: Family::default(),
            retries: Family::default(),
            circuits: Family::default(),
            coalesced: Counter::default(),
        };
        registry.register("source_calls", "Calls to sources over the wire, by how they ended", calls.ended.clone());
        registry.register(
            "source_seconds",
            "Time that calls to sources took, from the request to the last row of the reply",
            calls.seconds.clone(),
        );
        registry.register(
            "source_quotes",
            "What became of each source's quotes in answers, by verdict and reason",
            calls.quotes.clone(),
        );
        registry.register("source_retries", "Calls that were sent again", calls.retries.clone());
        registry.register(
            "source_circuit_open",
            "1 while a source is left alone because its calls keep failing, else 0",
            calls.circuits.clone(),
        );
        registry.register(
            "coalesced",
            "Quotes that somebody waited for while a call for them was in flight, so that no other was made",
            calls.coalesced.clone(),
        );
        calls
    }
}

impl Metrics {
    /// What counts the calls and quotes of a source. All of its series exist from now on.
    pub fn source(&self, source: &str) -> SourceCalls {
        let labels = SourceLabels { source: source.to_owned() };
        let seconds = self.0.calls.seconds.get_or_create(&labels).clone();
        drop(self.0.calls.retries.get_or_create(&labels));
        let calls = SourceCalls { metrics: self.clone(), source: labels.source, seconds };
        outcomes().for_each(|outcome| drop(calls.calls(outcome)));
        verdicts().for_each(|(verdict, reason)| drop(calls.quotes(verdict, Some(reason))));
        calls
    }

    /// Sets whether the circuit breaker of a source is open.
    pub fn circuit(&self, source: &str, is_open: bool) {
        self.0.calls.circuits.get_or_create(&SourceLabels { source: source.to_owned() }).set(i64::from(is_open));
    }

    /// Counts quotes that somebody waits for whose call is in flight already.
    pub fn coalesced(&self, quotes: usize) {
        self.0.calls.coalesced.inc_by(quotes as u64);
    }
}

/// How a call can end.
fn outcomes() -> impl Iterator<Item = &'static str> {
    let without_call = ["circuit_open", "not_awaited", "reconfigured"];
    let failures = SourceError::OURS.into_iter().chain(SourceError::NAMED_BY_FILTERS);
    ["ok", CANCELLED].into_iter().chain(failures.filter(move |reason| !without_call.contains(reason)))
}

/// What can become of a quote: the verdict and its reason.
fn verdicts() -> impl Iterator<Item = (Verdict, &'static str)> {
    let excluded = Exclusion::ALL.into_iter().map(|reason| (Verdict::Excluded(reason), reason.as_str()));
    let failures = SourceError::OURS.into_iter().chain(SourceError::NAMED_BY_FILTERS);
    [(Verdict::Used, NO_REASON)].into_iter().chain(excluded).chain(failures.map(|reason| (Verdict::Failed, reason)))
}

impl SourceCalls {
    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The counter of calls that ended so: `ok`, the reason of their failure, or `cancelled` if no caller waited for them any
    /// more.
    pub fn calls(&self, outcome: &'static str) -> Counter {
        self.metrics.0.calls.ended.get_or_create(&CallLabels { source: self.source.clone(), outcome }).clone()
    }

    /// Notes how long a call took.
    pub fn took(&self, time: Duration) {
        self.seconds.observe(time.as_secs_f64());
    }

    /// Counts a retry.
    pub fn retry(&self) {
        self.metrics.0.calls.retries.get_or_create(&SourceLabels { source: self.source.clone() }).inc();
    }

    /// Counts quotes that somebody waits for whose call is in flight already.
    pub fn coalesced(&self, quotes: usize) {
        self.metrics.coalesced(quotes);
    }

    /// The counter of a verdict on the source's quotes, with its reason.
    pub fn quotes(&self, verdict: Verdict, reason: Option<&'static str>) -> Counter {
        let labels =
            QuoteLabels { source: self.source.clone(), verdict: verdict.as_str(), reason: reason.unwrap_or(NO_REASON) };
        self.metrics.0.calls.quotes.get_or_create(&labels).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_a_call_can_end_is_counted_from_the_start() {
        let metrics = Metrics::default();
        let calls = metrics.source("alpha");
        let page = metrics.render().unwrap();
        let count = |page: &str, name: &str| page.matches(&format!("\nquotefold_{name}{{source=\"alpha\"")).count();
        assert_eq!(count(&page, "source_calls_total"), 2 + 9 + 10 - 3, "{page}");
        assert_eq!(count(&page, "source_quotes_total"), 1 + Exclusion::ALL.len() + 9 + 10, "{page}");
        assert!(page.contains("quotefold_source_retries_total{source=\"alpha\"} 0\n"), "{page}");
        assert!(page.contains("quotefold_source_seconds_count{source=\"alpha\"} 0\n"), "{page}");
        calls.calls("timeout").inc();
        calls.took(Duration::from_millis(30));
        calls.quotes(Verdict::Used, None).inc();
        let page = metrics.render().unwrap();
        assert!(page.contains("quotefold_source_calls_total{source=\"alpha\",outcome=\"timeout\"} 1\n"), "{page}");
        assert!(page.contains("quotefold_source_seconds_bucket{le=\"0.025\",source=\"alpha\"} 0\n"), "{page}");
        assert!(page.contains("quotefold_source_seconds_bucket{le=\"0.05\",source=\"alpha\"} 1\n"), "{page}");
        assert!(page.contains("{source=\"alpha\",verdict=\"used\",reason=\"none\"} 1\n"), "{page}");
        // a call that is counted with another outcome still has its line
        assert_eq!(count(&page, "source_calls_total"), 2 + 9 + 10 - 3, "{page}");
    }
}
