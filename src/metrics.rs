//! Counts requests, calls and quotes, and shows how things stand, for Prometheus.
//!
//! What happens is counted where it happens. How things stand is [observed](Observed) when somebody
//! asks. Every series that can occur is there from the start, at 0: a counter that appears only with its first event hides that
//! event from `rate` and `increase`.

mod calls;
mod observed;
mod plain;
mod process;
mod requests;
mod streams;
mod written;

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(crate) use calls::CANCELLED;
use calls::Calls;
pub use calls::SourceCalls;
use observed::Latest;
pub use observed::{Observed, ObservedLimit, ObservedPrice, ObservedSharing, ObservedSource};
use requests::Requests;
pub use requests::{InFlight, PriceCounter, RouteRequests};
use streams::Streams;

/// The metrics of one service. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    requests: Requests,
    calls: Calls,
    streams: Streams,
    reload_succeeded: Gauge,
    reload_succeeded_at: Gauge,
    latest: Latest,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The reason of what needs none: a price that is `ok`, a quote that was used.
pub(crate) const NO_REASON: &str = "none";

/// The upper bounds of the buckets of everything that takes time, in seconds. What is on the board is answered within the first;
/// the last is the longest time that callers may wait unless the configuration allows more.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The log lines dropped since the process started because stderr did not take them in time. All services of a process
/// share one log, and therefore this counter.
pub(crate) fn log_lines_dropped() -> Counter {
    static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);
    DROPPED.clone()
}

/// A histogram of how long something takes.
fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("quotefold");
        let (requests, calls) = (Requests::registered(&mut registry), Calls::registered(&mut registry));
        let streams = Streams::registered(&mut registry);
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
        let latest = Latest::default();
        Metrics(Arc::new(Families {
            registry,
            requests,
            calls,
            streams,
            reload_succeeded,
            reload_succeeded_at,
            latest,
        }))
    }
}

impl Metrics {
    /// Notes that the configuration was read, and whether it was right.
    pub(crate) fn reloaded(&self, succeeded: bool, at: Timestamp) {
        self.0.reload_succeeded.set(i64::from(succeeded));
        if succeeded {
            self.0.reload_succeeded_at.set(at.as_second());
        }
    }

    /// Shows how the service stands, and nothing of how it stood before.
    pub fn show(&self, observed: Observed) {
        self.0.latest.show(observed);
    }

    /// Shows the checks of readiness: the name of each, and `pass`, `warn` or `fail`.
    pub fn show_checks(&self, checks: Vec<(String, &'static str)>) {
        self.0.latest.show_checks(checks);
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
        text::encode_registry(&mut page, &self.0.registry)?;
        self.0.latest.write(&mut page);
        process::write(&mut page);
        text::encode_eof(&mut page)?;
        Ok(page)
    }
}
