//! Gauges that say how things stand, as they were observed last.

use std::collections::BTreeSet;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::SourceLabels;

/// How a service stood at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How many outcomes are on the board.
    pub board_entries: usize,
    /// The sources that are on.
    pub sources: Vec<ObservedSource>,
    /// What is left of each limit: the account, the limit's period as text, and how many units.
    pub limits: Vec<(String, String, usize)>,
}

/// How a source stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSource {
    /// Its name.
    pub name: String,
    /// The state of its circuit breaker, `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// When a call of it last brought a reply that was understood.
    pub last_success: Option<Timestamp>,
}

/// The states of a circuit breaker.
pub(super) const BREAKER_STATES: [&str; 3] = ["closed", "open", "half_open"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct LimitLabels {
    account: String,
    window: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct BreakerLabels {
    source: String,
    state: &'static str,
}

/// The gauges.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    board_entries: Gauge,
    limits: Family<LimitLabels, Gauge>,
    breakers: Family<BreakerLabels, Gauge>,
    last_success: Family<SourceLabels, Gauge>,
    shown: Mutex<Shown>,
}

/// The series that exist. One that is no longer observed must not stay as it was.
#[derive(Debug, Default)]
struct Shown {
    limits: BTreeSet<LimitLabels>,
    sources: BTreeSet<String>,
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Gauges { board_entries, limits, breakers, last_success, shown: _ } = self;
        registry.register(
            "board_entries",
            "Outcomes in memory: quotes, and failures without one",
            board_entries.clone(),
        );
        registry.register(
            "limit_remaining",
            "Calls, or units of a limit that counts symbols, that an account may spend at once",
            limits.clone(),
        );
        registry.register(
            "source_breaker",
            "1 for the state in which a source's circuit breaker is, else 0",
            breakers.clone(),
        );
        registry.register(
            "source_last_success_timestamp_seconds",
            "When a call of a source last brought a reply that was understood, as a Unix time; 0 before the first",
            last_success.clone(),
        );
    }

    /// Shows how things stand, and nothing of what is gone.
    pub(super) fn show(&self, observed: &Observed) {
        self.board_entries.set(i64::try_from(observed.board_entries).unwrap_or(i64::MAX));
        let mut shown = self.shown.lock();
        let mut now = Shown::default();
        for (account, window, left) in &observed.limits {
            let labels = LimitLabels { account: account.clone(), window: window.clone() };
            self.limits.get_or_create(&labels).set(i64::try_from(*left).unwrap_or(i64::MAX));
            now.limits.insert(labels);
        }
        for ObservedSource { name, breaker, last_success } in &observed.sources {
            for state in BREAKER_STATES {
                let labels = BreakerLabels { source: name.clone(), state };
                self.breakers.get_or_create(&labels).set(i64::from(state == *breaker));
            }
            let labels = SourceLabels { source: name.clone() };
            self.last_success.get_or_create(&labels).set(last_success.map_or(0, Timestamp::as_second));
            now.sources.insert(name.clone());
        }
        for gone in shown.limits.difference(&now.limits) {
            self.limits.remove(gone);
        }
        for gone in shown.sources.difference(&now.sources) {
            for state in BREAKER_STATES {
                self.breakers.remove(&BreakerLabels { source: gone.clone(), state });
            }
            self.last_success.remove(&SourceLabels { source: gone.clone() });
        }
        *shown = now;
    }
}
