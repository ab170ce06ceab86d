//! Where the work of a request stands in a trace: what its client says of that, what sources of ours are told, and the spans of
//! requests, of sources and of attempts to call them.
//!
//! A span is only made if someone takes it: the exporter, or a log with level `debug`. Else nothing is measured or kept here, and a
//! trace that a client has begun is passed on.
//!
//! A call belongs to the request that began it, although others may join it. It may outlive that request, so its span is no
//! child of the request's as far as the log is concerned: there, a span stays open as long as a child of it does.

#[cfg_attr(not(feature = "otlp"), path = "trace/no_otlp.rs")]
mod otlp;
mod parent;

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Span, debug_span, field};

use crate::failure::SourceError;
pub(crate) use otlp::{finish, is_exporting, layer, start};
pub use parent::TraceParent;

/// The header with a request's id: in requests, in replies, and in calls to sources of ours.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header with the span that a request comes from, and its trace.
const PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header with what only tracing systems understand of a trace. It goes with [`PARENT`].
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest `tracestate` that is passed on, which is what everyone has to accept.
const LONGEST_STATE: usize = 512;

/// The target of the spans. No module has it, so it has no events.
pub(crate) const SPANS: &str = "quotefold::spans";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The request on whose behalf something is done, and where that stands in a trace. Empty for what the service does by itself.
/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TraceContext(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    request_id: Option<HeaderValue>,
    parent: Option<TraceParent>,
    /// What came with `parent`.
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// The context of a request's work, which has this place in a trace.
    pub(crate) fn of(request_id: Option<HeaderValue>, headers: &HeaderMap, place: Option<TraceParent>) -> Self {
        // it is of the trace that the client has begun, and of no other
        let state = TraceParent::of(headers).and_then(|_| state(headers));
        TraceContext(Some(Arc::new(Known { request_id, parent: place, state })))
    }

    /// The context of the work that this task does.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `work` in this context.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), work)
    }

    /// The span that what follows is done for.
    pub(crate) fn parent(&self) -> Option<TraceParent> {
        self.0.as_ref()?.parent
    }

    /// What a source of ours is told with a call. No trace is begun here for its sake: it would belong to no one, and would keep
    /// the source from recording one of its own.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let known = self.0.as_deref();
        let parent = otlp::place_of(&Span::current()).or_else(|| self.parent().map(TraceParent::child));
        let request_id = known.and_then(|known| known.request_id.clone()).map(|id| (REQUEST_ID, id));
        let state = known.and_then(|known| known.state.clone()).map(|state| (STATE, state));
        let parent = parent.and_then(TraceParent::header).map(|parent| (PARENT, parent));
        request_id.into_iter().chain(parent).chain(state).collect()
    }

    /// The span of a call to a source.
    pub(crate) fn call(&self, source: &str) -> Span {
        let span = debug_span!(
            target: SPANS, parent: None, "source",
            id = self.request_id(), source, symbols = field::Empty, outcome = field::Empty, trace_id = field::Empty
        );
        if !span.is_disabled() {
            otlp::continue_trace(&span, self.parent());
            note_trace(&span, otlp::place_of(&span).or(self.parent()));
        }
        span
    }

    /// The span of one attempt of a call, within that of the call.
    pub(crate) fn attempt(&self, source: &str, number: usize) -> Span {
        debug_span!(
            target: SPANS, "attempt",
            id = self.request_id(), source, attempt = signed(number),
            symbols = field::Empty, status = field::Empty, outcome = field::Empty
        )
    }

    fn request_id(&self) -> Option<&str> {
        self.0.as_ref()?.request_id.as_ref()?.to_str().ok()
    }
}

/// The span of a request, and the place of its work in a trace: that of this span if it is exported, else that of the span that
/// the request comes from.
pub(crate) fn request<'r>(
    id: &str,
    method: &Method,
    route: impl FnOnce() -> &'r str,
    parent: Option<TraceParent>,
) -> (Span, Option<TraceParent>) {
    let span = debug_span!(
        target: SPANS, parent: None, "request",
        id, method = method.as_str(), route = route(), status = field::Empty, trace_id = field::Empty
    );
    if span.is_disabled() {
        return (span, parent);
    }
    otlp::continue_trace(&span, parent);
    let place = otlp::place_of(&span).or(parent);
    note_trace(&span, place);
    (span, place)
}

/// Notes the trace in which what a span stands for has this place.
fn note_trace(span: &Span, place: Option<TraceParent>) {
    if let Some(place) = place {
        span.record("trace_id", field::display(place.trace_id()));
    }
}

/// Notes how what a span stands for has ended. An error has no words here, since these may be the vendor's.
pub(crate) fn ended<T>(span: &Span, result: &Result<T, SourceError>) {
    note(span, "outcome", result.as_ref().err().map_or("ok", SourceError::reason));
}

/// Notes a word about what a span stands for.
pub(crate) fn note(span: &Span, field: &str, word: &str) {
    // looking for the field costs time
    if !span.is_disabled() {
        span.record(field, word);
    }
}

/// Notes a number about what a span stands for.
pub(crate) fn note_number(span: &Span, field: &str, number: usize) {
    if !span.is_disabled() {
        span.record(field, signed(number));
    }
}

/// A number as the exporter takes it: it makes texts of those without a sign.
fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// All that a request says in `tracestate`, in its order, if that is not too long.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let all: Vec<&[u8]> = headers.get_all(&STATE).iter().map(HeaderValue::as_bytes).collect();
    let all = all.join(&b","[..]);
    HeaderValue::from_bytes(&all).ok().filter(|_| (1..=LONGEST_STATE).contains(&all.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn told(sent: &[(HeaderName, &str)]) -> Vec<(String, String)> {
        let sent = sent.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name, value);
        }
        let id = HeaderValue::from_static("an-id");
        let context = TraceContext::of(Some(id), &headers, TraceParent::of(&headers));
        let text = |(name, value): (HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        context.headers().into_iter().map(text).collect()
    }

    #[test]
    fn a_source_of_ours_is_told_the_request_and_another_span_of_its_trace() {
        let told = told(&[(PARENT, SENT), (STATE, "a=1,b=2"), (STATE, "c=3")]);
        let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-request-id", "traceparent", "tracestate"]);
        let [id, parent, state] = [0, 1, 2].map(|place| told[place].1.as_str());
        assert_eq!((id, state), ("an-id", "a=1,b=2,c=3"));
        assert_eq!((&parent[..36], &parent[52..]), (&SENT[..36], &SENT[52..]));
        assert_ne!(parent, SENT);
    }

    #[test]
    fn no_trace_is_begun_for_it() {
        let id = [("x-request-id".to_owned(), "an-id".to_owned())];
        assert_eq!(told(&[]), id);
        assert_eq!(told(&[(STATE, "a=1")]), id, "what goes with a trace is nothing without one");
        assert_eq!(told(&[(PARENT, "00-0-0-0"), (STATE, "a=1")]), id);
        assert_eq!(TraceContext::default().headers(), []);
    }

    #[test]
    fn a_state_that_is_too_long_is_left_out_and_the_trace_goes_on() {
        assert_eq!(told(&[(PARENT, SENT), (STATE, &"x".repeat(513))]).len(), 2);
        assert_eq!(told(&[(PARENT, SENT), (STATE, &"x".repeat(512))]).len(), 3);
    }

    #[tokio::test]
    async fn work_knows_its_context_and_other_work_has_none() {
        let headers = HeaderMap::from_iter([(PARENT, HeaderValue::from_static(SENT))]);
        let parent = TraceParent::of(&headers);
        let context = TraceContext::of(None, &headers, parent);
        assert_eq!(context.scope(async { TraceContext::current().parent() }).await, parent);
        assert_eq!(TraceContext::current().parent(), None);
    }

    #[test]
    fn no_span_is_made_unless_someone_takes_it() {
        let quiet = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).finish();
        tracing::subscriber::with_default(quiet, || {
            assert!(request("an-id", &Method::GET, || panic!("it is not needed"), None).0.is_disabled());
            assert!(TraceContext::default().call("kraken").is_disabled());
            assert!(TraceContext::default().attempt("kraken", 1).is_disabled());
        });
    }

    #[test]
    fn a_log_line_about_a_call_names_the_trace_of_the_request_that_began_it() {
        let headers = HeaderMap::from_iter([(PARENT, HeaderValue::from_static(SENT))]);
        let context = TraceContext::of(None, &headers, TraceParent::of(&headers));
        let file = std::env::temp_dir().join(format!("quotefold-spans-{}.log", std::process::id()));
        let log = std::fs::File::create(&file).unwrap();
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false).with_writer(log);
        tracing::subscriber::with_default(log.finish(), || {
            context.call("kraken").in_scope(|| {
                context.attempt("kraken", 1).in_scope(|| tracing::info!("refused"));
            });
        });
        let line = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        assert!(line.contains("trace_id=4bf92f3577b34da6a3ce929d0e0e4736"), "{line}");
    }
}
