//! What happened to streams of prices.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// The metrics of streams.
#[derive(Debug)]
pub(super) struct Streams {
    open: Gauge,
    events: Counter,
    folds: Counter,
}

impl Streams {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let streams = Streams { open: Gauge::default(), events: Counter::default(), folds: Counter::default() };
        registry.register("streams", "Streams of prices that are open", streams.open.clone());
        registry.register("stream_events", "Price events written to streams", streams.events.clone());
        registry.register(
            "stream_folds",
            "Prices folded for streams, each once for all streams with its symbol",
            streams.folds.clone(),
        );
        streams
    }
}

impl Metrics {
    /// Counts a stream as open.
    pub(crate) fn stream_opened(&self) {
        self.0.streams.open.inc();
    }

    /// Counts a stream as ended.
    pub(crate) fn stream_closed(&self) {
        self.0.streams.open.dec();
    }

    /// Counts price events that were written to a stream.
    pub(crate) fn stream_events(&self, count: usize) {
        self.0.streams.events.inc_by(count as u64);
    }

    /// Counts prices that were folded for streams.
    pub(crate) fn stream_folds(&self, count: usize) {
        self.0.streams.folds.inc_by(count as u64);
    }

    /// How many prices were folded for streams so far.
    pub fn folds_for_streams(&self) -> u64 {
        self.0.streams.folds.get()
    }
}
