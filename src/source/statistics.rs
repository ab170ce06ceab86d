//! Counts how a source has done: its calls, how long they took, and what became of its quotes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;

use super::batch::Reply;
use super::outlier_watch::{OutlierWatch, RecentQuotes};
use crate::clock::Moment;
use crate::failure::SourceError;
use crate::fold::Judged;
use crate::metrics::{Metrics, NO_REASON, SourceCalls};

/// How many calls the latencies are taken from.
const CALLS: usize = 128;

/// How one source has done since the process started.
#[derive(Debug)]
pub struct Statistics {
    metrics: SourceCalls,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How long the last calls took, in the order in which they ended.
    latencies: VecDeque<Duration>,
    /// The same, the shortest first.
    sorted: Vec<Duration>,
    /// Half of these took no longer.
    usual_latency: Duration,
    /// Nine in ten of these took no longer.
    long_latency: Duration,
    last_success: Option<Timestamp>,
    /// How old the newest quote was when it came, by its own time.
    lag: Option<SignedDuration>,
    last_error: Option<(Timestamp, SourceError)>,
    /// Counts calls by how they ended.
    calls: BTreeMap<&'static str, Counter>,
    verdicts: BTreeMap<(&'static str, &'static str), VerdictCounter>,
    outlier_watch: OutlierWatch,
}

/// Counts one verdict on the quotes of one source, without a lock. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub(crate) struct VerdictCounter {
    metric: Counter,
    count: Arc<AtomicU64>,
}

/// A source's statistics at one moment, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Half of the last 128 calls took no longer.
    pub latency_p50: Option<Duration>,
    /// 99 in 100 of them took no longer.
    pub latency_p99: Option<Duration>,
    /// When a call last brought a reply that was understood.
    pub last_success: Option<Timestamp>,
    /// When a call last failed, and why.
    pub last_error: Option<(Timestamp, SourceError)>,
    /// How often its quotes were used, excluded or failed, by verdict and reason.
    pub verdicts: BTreeMap<(&'static str, &'static str), u64>,
    /// How its latest quotes compared with the prices.
    pub recent: RecentQuotes,
}

impl Statistics {
    /// The statistics of a source that has not been called. They also count into the service's metrics.
    pub fn new(source: &str, metrics: &Metrics) -> Self {
        Statistics { metrics: metrics.source(source), state: Mutex::default() }
    }

    /// The source's name.
    pub(super) fn source(&self) -> &str {
        self.metrics.source()
    }

    /// Counts a call that has ended, and how long it took.
    pub(super) fn call(&self, result: &Result<Reply, SourceError>, latency: Duration, now: Moment) {
        let outcome = result.as_ref().err().map_or("ok", SourceError::reason);
        let mut state = self.state.lock();
        state.calls.entry(outcome).or_insert_with(|| self.metrics.calls(outcome)).inc();
        self.metrics.took(latency);
        state.note(latency);
        match result {
            Ok(reply) => {
                state.last_success = Some(now.wall);
                state.lag = reply.newest().map(|newest| now.wall.duration_since(newest)).or(state.lag);
            }
            Err(error) => {
                tracing::debug!(source = self.metrics.source(), reason = error.reason(), "call failed: {error}");
                state.last_error = Some((now.wall, error.clone()));
            }
        }
    }

    /// Counts a retry.
    pub(super) fn retried(&self) {
        self.metrics.retry();
    }

    /// Counts a call that ended without an outcome: its last caller left, or it panicked.
    pub(super) fn lost(&self, how: &'static str) {
        self.metrics.calls(how).inc();
    }

    /// Counts a quote that somebody waits for whose call is in flight already.
    pub(super) fn coalesced(&self) {
        self.metrics.coalesced(1);
    }

    /// Counts what became of one of its quotes in an answer.
    pub fn verdict(&self, judged: &Judged) {
        let mut state = self.state.lock();
        self.counter(&mut state, judged).count();
        if state.outlier_watch.remember(judged) {
            let RecentQuotes { compared, outliers, mean_deviation_bps } = state.outlier_watch.recent();
            let (source, mean) = (&judged.outcome.origin.source, mean_deviation_bps.unwrap_or_default());
            tracing::warn!(
                source,
                "outlier in {outliers} of its last {compared} quotes, {mean} bps from the price on average"
            );
        }
    }

    /// What counts the verdict on one of its quotes.
    pub(crate) fn verdict_counter(&self, judged: &Judged) -> VerdictCounter {
        self.counter(&mut self.state.lock(), judged).clone()
    }

    fn counter<'s>(&self, state: &'s mut State, judged: &Judged) -> &'s VerdictCounter {
        let (verdict, reason) = (judged.verdict, judged.reason());
        state.verdicts.entry((verdict.as_str(), reason.unwrap_or(NO_REASON))).or_insert_with(|| {
            let metric = self.metrics.quotes(verdict, reason);
            VerdictCounter { metric, count: Arc::default() }
        })
    }

    /// How long a call usually takes: half of the last 128 took no longer. Zero before the first one.
    pub(crate) fn usual_latency(&self) -> Duration {
        self.state.lock().usual_latency
    }

    /// How long a slow call takes: nine in ten of the last 128 took no longer. Zero before the first one.
    pub(crate) fn long_latency(&self) -> Duration {
        self.state.lock().long_latency
    }

    /// When a call last brought a reply that was understood.
    pub(crate) fn last_success(&self) -> Option<Timestamp> {
        self.state.lock().last_success
    }

    /// How old the newest quote of the last reply was when it came, by the time that it states; `None` before the first that
    /// states one.
    pub(crate) fn lag(&self) -> Option<SignedDuration> {
        self.state.lock().lag
    }

    /// How its latest quotes compared with the prices.
    pub(crate) fn recent(&self) -> RecentQuotes {
        self.state.lock().outlier_watch.recent()
    }

    /// The statistics so far.
    pub(crate) fn summary(&self) -> Summary {
        let state = self.state.lock();
        Summary {
            latency_p50: percentile(&state.sorted, 50),
            latency_p99: percentile(&state.sorted, 99),
            last_success: state.last_success,
            last_error: state.last_error.clone(),
            verdicts: state.verdicts.iter().map(|(verdict, counter)| (*verdict, counter.counted())).collect(),
            recent: state.outlier_watch.recent(),
        }
    }
}

impl State {
    /// Notes how long a call took. Percentiles are taken here and not where they are read: that happens several times for each
    /// symbol of a request.
    fn note(&mut self, latency: Duration) {
        if self.latencies.len() == CALLS
            && let Some(oldest) = self.latencies.pop_front()
            && let Ok(place) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(place);
        }
        self.latencies.push_back(latency);
        self.sorted.insert(self.sorted.partition_point(|other| *other < latency), latency);
        self.usual_latency = percentile(&self.sorted, 50).unwrap_or_default();
        self.long_latency = percentile(&self.sorted, 90).unwrap_or_default();
    }
}

impl VerdictCounter {
    /// Counts one more quote.
    pub(crate) fn count(&self) {
        self.metric.inc();
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn counted(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The nearest-rank percentile.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_usual_latency_is_that_of_the_last_calls(calls in proptest::collection::vec(0_u64..50, 1..3 * CALLS)) {
            let mut state = State::default();
            let calls: Vec<Duration> = calls.into_iter().map(Duration::from_millis).collect();
            for (place, latency) in calls.iter().enumerate() {
                state.note(*latency);
                let mut last = calls[(place + 1).saturating_sub(CALLS)..=place].to_vec();
                last.sort_unstable();
                prop_assert_eq!(Some(state.usual_latency), percentile(&last, 50));
                prop_assert_eq!(Some(state.long_latency), percentile(&last, 90));
            }
        }
    }
}
