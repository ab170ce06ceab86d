//! Stops asking a source whose calls keep failing, and probes now and then whether it is back.
//!
//! An open breaker refuses before a call waits for anything, so that a source that is down costs no time. Every attempt passes
//! it, so every attempt counts.

pub mod circuit;
mod outage;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::ServiceExt;

use super::batch::{Batch, Reply};
use super::guard::{Guard, Next};
use crate::failure::SourceError;
use crate::metrics::Metrics;
use crate::profile::waits::SPREAD;
use circuit::{Change, Circuit, Signal, Ticket};
use outage::{Outage, Over};

/// Whether one source is asked at all, judging by its last calls.
#[derive(Debug)]
pub struct Breaker {
    /// The source's name in log lines and metrics.
    source: String,
    metrics: Metrics,
    state: Mutex<State>,
    /// Whether it is open, for calls that wait to be sent.
    is_open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    circuit: Circuit,
    outage: Outage,
    /// What the last failure was.
    last: String,
}

/// The state of a breaker, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// No call goes through until then.
    Open(Instant),
    /// The next call, or the probe in flight, decides.
    HalfOpen,
}

impl BreakerState {
    /// Its name in the list of sources and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open(_) => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// A call that was let through. Whatever ends it, the breaker is told: a probe whose last caller left lets the next call probe.
struct Permit {
    breaker: Arc<Breaker>,
    ticket: Option<Ticket>,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(source: &str, metrics: Metrics) -> Self {
        metrics.circuit(source, false);
        Breaker { source: source.to_owned(), metrics, state: Mutex::default(), is_open: watch::Sender::new(false) }
    }

    /// Whether calls go through freely.
    pub fn is_closed(&self) -> bool {
        self.state.lock().circuit.is_closed()
    }

    /// Its state.
    pub fn state(&self, now: Instant) -> BreakerState {
        let state = self.state.lock();
        match state.circuit.closed_until(now) {
            _ if state.circuit.is_closed() => BreakerState::Closed,
            Some(until) if !state.circuit.is_probed() => BreakerState::Open(until),
            _ => BreakerState::HalfOpen,
        }
    }

    /// The refusal that a call would get now; `None` if it would go through.
    pub fn refusal(&self, now: Instant) -> Option<SourceError> {
        let state = self.state.lock();
        state.circuit.closed_until(now).map(|until| state.refusal(until, now))
    }

    fn admit(self: &Arc<Self>, now: Instant) -> Result<Permit, SourceError> {
        let mut state = self.state.lock();
        match state.circuit.admit(now) {
            Ok(ticket) => Ok(Permit { breaker: Arc::clone(self), ticket: Some(ticket) }),
            Err(until) => Err(state.refusal(until, now)),
        }
    }

    fn settle(&self, ticket: Ticket, signal: Signal, error: Option<&SourceError>) {
        let mut state = self.state.lock();
        if let (Signal::Failure, Some(error)) = (signal, error) {
            state.last = error.to_string();
        }
        let (now, was_closed) = (Instant::now(), state.circuit.is_closed());
        let change = state.circuit.settle(ticket, signal, now, fastrand::u32(SPREAD));
        if let Some(change) = change {
            self.metrics.circuit(&self.source, change != Change::Closed);
            self.is_open.send_replace(change != Change::Closed);
        }
        // a success from before the breaker opened says nothing of the present
        let answers = signal == Signal::Success && (was_closed || change == Some(Change::Closed));
        self.log(&mut state, change, error.filter(|error| is_failure(signal, error)), answers, now);
    }

    /// Logs when an outage begins and when it ends. What happens in between is a matter of the level `debug`.
    fn log(
        &self,
        state: &mut State,
        change: Option<Change>,
        failure: Option<&SourceError>,
        answers: bool,
        now: Instant,
    ) {
        let source = &self.source;
        if failure.is_some() {
            state.outage.note(now);
        }
        let is_news = state.outage.is_news(matches!(change, Some(Change::Opened(_))));
        match (change, failure) {
            (Some(Change::Opened(wait)), _) if is_news => {
                tracing::warn!(source, "its calls keep failing; no call for {} ms: {}", wait.as_millis(), state.last);
            }
            (Some(Change::Opened(wait) | Change::StaysOpen(wait)), _) => {
                tracing::debug!(source, "it still fails; no call for {} ms: {}", wait.as_millis(), state.last);
            }
            (_, Some(failure)) if is_news => tracing::warn!(source, "its calls keep failing: {failure}"),
            _ => {}
        }
        if answers && let Some(Over { lasted, failed }) = state.outage.end(now) {
            let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(source, lasted_ms, failed, "it answers again");
        }
    }
}

/// Whether the end of a call is a failure of the source as far as the log is concerned: also one for which it is not left alone,
/// as a proxy's.
fn is_failure(signal: Signal, error: &SourceError) -> bool {
    let is_apart = matches!(error, SourceError::Proxy { .. } | SourceError::HttpStatus { is_client_error: true, .. });
    signal == Signal::Failure || signal == Signal::Nothing && is_apart
}

impl State {
    fn refusal(&self, until: Instant, now: Instant) -> SourceError {
        let detail = format!("its calls keep failing, so it is left alone for a while; the last one: {}", self.last);
        SourceError::CircuitOpen { detail, retry_after: until.saturating_duration_since(now) }
    }
}

impl Permit {
    fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.is_probe)
    }

    fn settle(mut self, result: &Result<Reply, SourceError>) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.settle(ticket, signal(result), result.as_ref().err());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        if std::thread::panicking() {
            let panicked = SourceError::Internal("the call panicked".to_owned());
            self.breaker.settle(ticket, Signal::Failure, Some(&panicked));
        } else {
            self.breaker.settle(ticket, Signal::Nothing, None);
        }
    }
}

/// What the end of a call says of the source's health. A reply that was understood is a success: "no such symbol" and "wrong
/// key" come from a source that works. A reply without anything for the symbols in the call says neither.
pub(super) fn signal(result: &Result<Reply, SourceError>) -> Signal {
    use SourceError as E;
    let says_something = |reply: &Reply| {
        reply.rows.iter().any(|(_, row)| row.as_ref().err().is_none_or(|error| error.scope().is_some()))
    };
    match result {
        Ok(reply) if !says_something(reply) => Signal::Nothing,
        Ok(_) => Signal::Success,
        Err(E::Missing(_) | E::Overlooked(_)) => Signal::Nothing,
        Err(E::Unauthorized(_) | E::Forbidden(_) | E::NotInPlan(_) | E::UnknownSymbol(_)) => Signal::Success,
        Err(E::RateLimited { .. } | E::QuotaExhausted { .. } | E::Blocked { .. }) => Signal::Refusal,
        // what a proxy does says nothing about the vendor behind it
        Err(E::Proxy { .. }) => Signal::Nothing,
        // a 4xx finds fault with the call, not with the source
        Err(E::Throttled { .. } | E::CircuitOpen { .. } | E::HttpStatus { is_client_error: true, .. }) => {
            Signal::Nothing
        }
        // it is said of a caller, and no call ends so
        Err(E::NotAwaited | E::Reconfigured) => Signal::Nothing,
        Err(
            E::Timeout(_)
            | E::Connection(_)
            | E::Tls(_)
            | E::HttpStatus { .. }
            | E::Unavailable { .. }
            | E::Malformed(_)
            | E::TooLarge { .. }
            | E::Internal(_),
        ) => Signal::Failure,
    }
}

impl Guard for Arc<Breaker> {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        let mut is_open = self.is_open.subscribe();
        let sent_before = batch.sent();
        let permit = self.admit(Instant::now())?;
        let mut call = std::pin::pin!(next.oneshot(batch.clone()));
        loop {
            tokio::select! {
                // a call that waits for a slot must learn that the breaker opened before it is given one
                biased;
                // a call that waits to be sent when the breaker opens would only fail as well
                Ok(()) = is_open.changed(), if !permit.is_probe() => {
                    let refusal = self.refusal(Instant::now()).filter(|_| batch.sent() == sent_before);
                    if let Some(refusal) = refusal {
                        return Err(refusal);
                    }
                }
                result = &mut call => {
                    permit.settle(&result);
                    return result;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that calls to one source lead to which end like this, two minutes apart.
    async fn lines(ends: &[Result<Reply, SourceError>]) -> Vec<String> {
        let page = Page::default();
        let writer = page.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
        let _log = tracing::subscriber::set_default(log.with_writer(move || writer.clone()).finish());
        let breaker = Arc::new(Breaker::new("a", Metrics::default()));
        for end in ends {
            tokio::time::advance(Duration::from_secs(120)).await;
            breaker.admit(Instant::now()).unwrap().settle(end);
        }
        let text = String::from_utf8(page.0.lock().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn answer() -> Result<Reply, SourceError> {
        Err(SourceError::UnknownSymbol("there is none".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_has_one_line_when_it_begins_and_one_when_it_ends() {
        let fails = || Err(SourceError::Connection("it is down".to_owned()));
        let ends: Vec<_> = (0..9).map(|_| fails()).chain([answer(), answer(), fails(), answer()]).collect();
        let said = lines(&ends).await;
        let [begins, ends] = &said[..] else { panic!("{said:?}") };
        assert!(
            begins.starts_with("WARN its calls keep failing; no call for ") && begins.contains("it is down"),
            "{begins}"
        );
        assert!(ends.starts_with("INFO it answers again"), "{ends}");
        assert!(ends.contains("lasted_ms=1080000") && ends.contains("failed=9"), "{ends}");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_for_which_a_source_is_not_left_alone_are_told_once_as_well_and_so_is_their_end() {
        let proxy = || Err(SourceError::Proxy { detail: "the proxy refuses".to_owned(), passing: false });
        let said = lines(&[proxy(), proxy(), proxy(), proxy(), proxy(), proxy(), answer(), proxy(), answer()]).await;
        let [begins, ends] = &said[..] else { panic!("{said:?}") };
        assert!(
            begins.starts_with("WARN its calls keep failing: ") && begins.contains("the proxy refuses"),
            "{begins}"
        );
        assert!(ends.starts_with("INFO it answers again") && ends.contains("failed=6"), "{ends}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_of_the_source_neither_begins_an_outage_nor_ends_one() {
        let missing = || Err(SourceError::Missing("the reply leaves it out".to_owned()));
        assert_eq!(lines(&[missing(), missing(), missing(), missing(), missing(), missing()]).await, [""; 0]);
    }
}
