//! Bounds how many spans wait to be sent, counts those that are lost, and says once what loses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use parking_lot::Mutex;

use super::conventions::by_convention;

/// The spans that wait to be sent, and those that never were.
#[derive(Debug, Default)]
pub(super) struct Losses {
    waiting: AtomicUsize,
    /// Those for which there was no room.
    crowded_out: AtomicU64,
    /// Whether that was said.
    is_crowd_told: AtomicBool,
    /// Those that were lost on their way, since the process began.
    unsent: AtomicU64,
    outage: Mutex<Option<Outage>>,
}

/// A time in which the collector takes nothing.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    lost: u64,
}

impl Losses {
    /// Whether there is room for one more among `most`.
    fn has_room(&self, most: usize) -> bool {
        let room = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| (waiting < most).then_some(waiting + 1));
        if room.is_err() {
            self.crowded_out.fetch_add(1, Ordering::Relaxed);
        }
        room.is_ok()
    }

    /// Notes how sending a batch of this many spans has ended.
    fn note(&self, spans: usize, sent: &OTelSdkResult) {
        let spans = spans as u64;
        let mut outage = self.outage.lock();
        match (sent, &mut *outage) {
            (Ok(()), None) => {}
            (Ok(()), over @ Some(_)) => {
                let Outage { since, lost } = over.take().unwrap_or(Outage { since: Instant::now(), lost: 0 });
                let lasted_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(lost, lasted_ms, "spans can be exported again");
            }
            (Err(_), Some(Outage { lost, .. })) => *lost += spans,
            (Err(error), begins @ None) => {
                *begins = Some(Outage { since: Instant::now(), lost: spans });
                tracing::warn!("spans cannot be exported and are lost until that changes: {error}");
            }
        }
        if sent.is_err() {
            self.unsent.fetch_add(spans, Ordering::Relaxed);
        }
        drop(outage);
        if self.crowded_out.load(Ordering::Relaxed) > 0 && !self.is_crowd_told.swap(true, Ordering::Relaxed) {
            tracing::warn!("spans come faster than they can be exported; some are lost, and counted at the end");
        }
    }

    /// Says at the end how many spans were lost, if any were.
    pub(super) fn sum_up(&self, all_sent: bool) {
        let left = if all_sent { 0 } else { self.waiting.load(Ordering::Relaxed) as u64 };
        let lost = self.crowded_out.load(Ordering::Relaxed) + self.unsent.load(Ordering::Relaxed) + left;
        if lost > 0 {
            tracing::warn!(lost, "spans were lost because they could not be exported in time");
        }
    }
}

/// Bounds how many spans wait to be sent.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    next: P,
    most: usize,
    losses: Arc<Losses>,
}

impl<P> Bounded<P> {
    pub(super) fn new(next: P, most: usize, losses: Arc<Losses>) -> Self {
        Bounded { next, most, losses }
    }
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.losses.has_room(self.most) {
            self.next.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Sends batches of spans with another exporter.
#[derive(Debug)]
pub(super) struct Exporter<E> {
    next: E,
    losses: Arc<Losses>,
}

impl<E> Exporter<E> {
    pub(super) fn new(next: E, losses: Arc<Losses>) -> Self {
        Exporter { next, losses }
    }
}

impl<E: SpanExporter> SpanExporter for Exporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.losses.waiting.fetch_sub(spans, Ordering::Relaxed);
        let sent = self.next.export(batch.into_iter().map(by_convention).collect()).await;
        self.losses.note(spans, &sent);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    #[test]
    fn so_many_spans_wait_and_the_others_are_counted() {
        let losses = Losses::default();
        let found: Vec<bool> = (0..5).map(|_| losses.has_room(3)).collect();
        assert_eq!(found, [true, true, true, false, false]);
        assert_eq!(losses.crowded_out.load(Ordering::Relaxed), 2);
        losses.waiting.fetch_sub(3, Ordering::Relaxed);
        assert!(losses.has_room(3));
    }

    #[test]
    fn what_an_outage_loses_is_counted_until_it_is_over() {
        let (losses, failed) = (Losses::default(), Err(OTelSdkError::InternalFailure("refused".into())));
        losses.note(5, &failed);
        losses.note(7, &failed);
        assert_eq!(losses.outage.lock().unwrap().lost, 12);
        losses.note(1, &Ok(()));
        assert!(losses.outage.lock().is_none());
        losses.note(3, &failed);
        assert_eq!((losses.outage.lock().unwrap().lost, losses.unsent.load(Ordering::Relaxed)), (3, 15));
    }
}
