//! Remembers how a source has done: its calls, how long they took, and what became of its quotes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::agreement::{Agreement, Lately};
use super::batch::Reply;
use crate::clock::Moment;
use crate::failure::SourceError;
use crate::fold::Judged;
use crate::metrics::Metrics;
use jiff::Timestamp;

/// How many calls the latencies are taken from.
const CALLS: usize = 128;

/// What is remembered of one source.
#[derive(Debug)]
pub struct Record {
    /// Whose it is.
    source: String,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    latencies: VecDeque<Duration>,
    /// Half of these were at least as quick.
    usual_latency: Duration,
    /// Nine of ten of these were.
    long_latency: Duration,
    last_success: Option<Timestamp>,
    last_error: Option<(Timestamp, SourceError)>,
    verdicts: BTreeMap<(&'static str, &'static str), u64>,
    agreement: Agreement,
}

/// A source's record, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Half of the last 128 calls were at least as quick.
    pub latency_p50: Option<Duration>,
    /// 99 of 100 were.
    pub latency_p99: Option<Duration>,
    /// When a call last brought a reply that was understood.
    pub last_success: Option<Timestamp>,
    /// When one last failed, and why.
    pub last_error: Option<(Timestamp, SourceError)>,
    /// How often its quotes were used, excluded or failed, by reason.
    pub verdicts: BTreeMap<(&'static str, &'static str), u64>,
    /// How its latest quotes lay to the prices they were compared with.
    pub lately: Lately,
}

impl Record {
    /// An empty record of a source that counts into the service's metrics.
    pub fn new(source: &str, metrics: Metrics) -> Self {
        Record { source: source.to_owned(), metrics, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how a call ended, and how long it took.
    pub fn call(&self, result: &Result<Reply, SourceError>, latency: Duration, now: Moment) {
        let outcome = result.as_ref().err().map_or("ok", SourceError::reason);
        self.metrics.call(&self.source, outcome);
        let mut state = self.lock();
        if state.latencies.len() == CALLS {
            state.latencies.pop_front();
        }
        state.latencies.push_back(latency);
        // here and not where they are asked for: that is several times for each symbol of a request
        let sorted = state.sorted_latencies();
        state.usual_latency = percentile(&sorted, 50).unwrap_or_default();
        state.long_latency = percentile(&sorted, 90).unwrap_or_default();
        match result {
            Ok(_) => state.last_success = Some(now.wall),
            Err(error) => {
                tracing::debug!(source = self.source, reason = error.reason(), "call failed: {error}");
                state.last_error = Some((now.wall, error.clone()));
            }
        }
    }

    /// Counts a call that is sent again.
    pub fn again(&self) {
        self.metrics.retry(&self.source);
    }

    /// Remembers a call that ended without an outcome: everybody left, or it panicked.
    pub fn lost(&self, how: &'static str) {
        self.metrics.call(&self.source, how);
    }

    /// Remembers what became of one of its quotes in an answer.
    pub fn verdict(&self, judged: &Judged) {
        let (verdict, reason) = (judged.verdict.as_str(), judged.reason().unwrap_or("none"));
        self.metrics.quote(&judged.outcome.origin.source, verdict, reason);
        let mut state = self.lock();
        *state.verdicts.entry((verdict, reason)).or_default() += 1;
        if state.agreement.remember(judged) {
            let Lately { compared, outliers, mean_deviation_bps } = state.agreement.lately();
            let (source, mean) = (&judged.outcome.origin.source, mean_deviation_bps.unwrap_or_default());
            tracing::warn!(
                source,
                "outlier in {outliers} of its last {compared} quotes, {mean} bps from the price on average"
            );
        }
    }

    /// How long a call usually takes: half of the last 128 were at least as quick. Zero before the first one.
    pub fn usual_latency(&self) -> Duration {
        self.lock().usual_latency
    }

    /// How long a call takes at worst, short of mishaps: nine of ten were at least as quick. Zero before the first one.
    pub fn long_latency(&self) -> Duration {
        self.lock().long_latency
    }

    /// The record so far.
    pub fn summary(&self) -> Summary {
        let state = self.lock();
        let latencies = state.sorted_latencies();
        Summary {
            latency_p50: percentile(&latencies, 50),
            latency_p99: percentile(&latencies, 99),
            last_success: state.last_success,
            last_error: state.last_error.clone(),
            verdicts: state.verdicts.clone(),
            lately: state.agreement.lately(),
        }
    }
}

impl State {
    fn sorted_latencies(&self) -> Vec<Duration> {
        let mut latencies: Vec<Duration> = self.latencies.iter().copied().collect();
        latencies.sort_unstable();
        latencies
    }
}

/// The nearest-rank percentile.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}
