//! Counts requests, calls and quotes, and shows how things stand, for Prometheus.

mod observed;
mod plain;

use std::sync::{Arc, LazyLock, OnceLock};

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use observed::Gauges;
pub use observed::{Observed, ObservedSource};

/// The metrics of one service. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    quotes: Family<QuoteLabels, Counter>,
    retries: Family<SourceLabels, Counter>,
    circuits: Family<SourceLabels, Gauge>,
    reload_succeeded: Gauge,
    reload_succeeded_at: Gauge,
    gauges: Gauges,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    code: u16,
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
struct BuildLabels {
    version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuoteLabels {
    source: String,
    verdict: &'static str,
    reason: &'static str,
}

/// The lowest status, and how many there are from it on that a reply of ours can have.
const LOWEST_CODE: usize = 100;
const CODES: usize = 500;

/// The requests of one route. A counter is looked up when its status first occurs; from then on counting takes neither a lock nor
/// a label. A status that has not occurred has no counter, and so no line among the metrics.
#[derive(Debug)]
pub struct RouteRequests {
    metrics: Metrics,
    route: String,
    by_code: [OnceLock<Counter>; CODES],
}

/// The log lines dropped since the process started because stderr did not take them in time. All services of a process
/// share one log, and therefore this counter.
pub(crate) fn log_lines_dropped() -> Counter {
    static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);
    DROPPED.clone()
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("quotefold");
        let (requests, calls, quotes) = (Family::default(), Family::default(), Family::default());
        let (retries, circuits) = (Family::default(), Family::default());
        registry.register("requests", "Requests answered, by route and status code", Family::clone(&requests));
        registry.register("source_calls", "Calls to sources over the wire, by how they ended", Family::clone(&calls));
        registry.register(
            "source_quotes",
            "What became of each source's quotes in answers, by verdict and reason",
            Family::clone(&quotes),
        );
        registry.register("source_retries", "Calls that were sent again", Family::clone(&retries));
        registry.register(
            "source_circuit_open",
            "1 while a source is left alone because its calls keep failing, else 0",
            Family::clone(&circuits),
        );
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        let build: Family<BuildLabels, Gauge> = Family::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "1, with the version of the program", build);
        let (reload_succeeded, reload_succeeded_at) = (Gauge::default(), Gauge::default());
        registry.register(
            "config_last_reload_successful",
            "1 if the configuration was right when it was last read, else 0",
            reload_succeeded.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When a configuration that was right was last read, as a Unix time",
            reload_succeeded_at.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines dropped because stderr did not take them in time",
            log_lines_dropped(),
        );
        Metrics(Arc::new(Families {
            registry,
            requests,
            calls,
            quotes,
            retries,
            circuits,
            reload_succeeded,
            reload_succeeded_at,
            gauges,
        }))
    }
}

impl RouteRequests {
    /// Counts a request that was answered.
    pub fn count(&self, code: u16) {
        match usize::from(code).checked_sub(LOWEST_CODE).and_then(|at| self.by_code.get(at)) {
            Some(counter) => counter.get_or_init(|| self.metrics.requests(&self.route, code)).inc(),
            None => self.metrics.requests(&self.route, code).inc(),
        };
    }
}

impl Metrics {
    /// Counts a request that was answered.
    pub fn request(&self, route: &str, code: u16) {
        self.requests(route, code).inc();
    }

    fn requests(&self, route: &str, code: u16) -> Counter {
        self.0.requests.get_or_create(&RequestLabels { route: route.to_owned(), code }).clone()
    }

    /// The requests of one route, counted by status.
    pub fn route(&self, route: &str) -> RouteRequests {
        RouteRequests { metrics: self.clone(), route: route.to_owned(), by_code: [const { OnceLock::new() }; CODES] }
    }

    /// Counts a call to a source. Its outcome is `ok`, the reason of its failure, or `cancelled` if no caller waited
    /// for it any more.
    pub fn call(&self, source: &str, outcome: &'static str) {
        self.calls(source, outcome).inc();
    }

    /// The counter of the calls to a source that ended so.
    pub(crate) fn calls(&self, source: &str, outcome: &'static str) -> Counter {
        self.0.calls.get_or_create(&CallLabels { source: source.to_owned(), outcome }).clone()
    }

    /// Counts a retry.
    pub fn retry(&self, source: &str) {
        self.0.retries.get_or_create(&SourceLabels { source: source.to_owned() }).inc();
    }

    /// Sets whether the circuit breaker of a source is open.
    pub fn circuit(&self, source: &str, is_open: bool) {
        self.0.circuits.get_or_create(&SourceLabels { source: source.to_owned() }).set(i64::from(is_open));
    }

    /// Notes that the configuration was read, and whether it was right.
    pub(crate) fn reloaded(&self, succeeded: bool, at: Timestamp) {
        self.0.reload_succeeded.set(i64::from(succeeded));
        if succeeded {
            self.0.reload_succeeded_at.set(at.as_second());
        }
    }

    /// The counter of a verdict on a source's quotes.
    pub fn quote(&self, source: &str, verdict: &'static str, reason: &'static str) -> Counter {
        self.0.quotes.get_or_create(&QuoteLabels { source: source.to_owned(), verdict, reason }).clone()
    }

    /// Shows how the service stands.
    pub fn show(&self, observed: &Observed) {
        self.0.gauges.show(observed);
    }

    /// The same as [`Metrics::render`] in Prometheus' older text format, version 0.0.4.
    ///
    /// # Errors
    /// As [`Metrics::render`].
    pub fn render_plain(&self) -> Result<String, std::fmt::Error> {
        self.render().map(|page| plain::plain(&page))
    }

    /// All metrics, in the OpenMetrics text format.
    ///
    /// # Errors
    /// A label cannot be written. None of ours causes that.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0.registry)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_counts_by_status_and_a_status_that_never_occurred_has_no_line() {
        let metrics = Metrics::default();
        let (route, again) = (metrics.route("/prices"), metrics.route("/prices"));
        let page = metrics.render().unwrap();
        assert!(!page.contains("quotefold_requests_total{"), "{page}");
        // the highest that HTTP allows, and the first that is not looked up in advance
        for code in [100, 200, 200, 599, 600, 999] {
            route.count(code);
            again.count(code);
        }
        metrics.request("/prices", 200);
        let page = metrics.render().unwrap();
        for (code, count) in [(100, 2), (200, 5), (599, 2), (600, 2), (999, 2)] {
            let line = format!("quotefold_requests_total{{route=\"/prices\",code=\"{code}\"}} {count}\n");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
        assert_eq!(page.matches("quotefold_requests_total{").count(), 5, "{page}");
    }
}
