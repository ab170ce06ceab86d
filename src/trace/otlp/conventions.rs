//! Gives exported spans the names that OpenTelemetry has for what the log has shorter words for.

use std::borrow::Cow;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// The names of fields that OpenTelemetry has names for.
const NAMES: [(&str, &str); 3] =
    [("method", "http.request.method"), ("route", "http.route"), ("status", "http.response.status_code")];

/// The same for the fields that are the service's own.
const OWN: [(&str, &str); 5] = [
    ("id", "quotefold.request_id"),
    ("source", "quotefold.source"),
    ("symbols", "quotefold.symbols"),
    ("attempt", "quotefold.attempt"),
    ("outcome", "quotefold.outcome"),
];

/// The field that only the log needs: a span knows its trace.
const OF_THE_LOG: &str = "trace_id";

/// The same span, as tools for traces expect it: `GET /prices` of kind server, the call to `source kraken`, an `attempt` of kind
/// client. A 5xx and a failure are errors.
pub(super) fn by_convention(mut span: SpanData) -> SpanData {
    let value = |name: &str| span.attributes.iter().find(|field| field.key.as_str() == name).map(|field| &field.value);
    let word = |name: &str| value(name).map(|value| value.as_str().into_owned()).unwrap_or_default();
    let (name, kind): (Cow<'static, str>, _) = match &*span.name {
        "request" => (format!("{} {}", word("method"), word("route")).into(), SpanKind::Server),
        "source" => (format!("source {}", word("source")).into(), SpanKind::Internal),
        _ => (span.name.clone(), SpanKind::Client),
    };
    let failed = match (&*span.name, value("status"), value("outcome")) {
        ("request", Some(Value::I64(500..)), _) => Some(Cow::default()),
        ("request", _, _) => None,
        (_, _, Some(outcome)) if outcome.as_str() != "ok" => Some(Cow::from(outcome.as_str().into_owned())),
        _ => None,
    };
    if let Some(description) = failed {
        span.status = Status::Error { description };
    }
    (span.name, span.span_kind) = (name, kind);
    span.attributes.retain(|field| field.key.as_str() != OF_THE_LOG);
    for field in &mut span.attributes {
        if let Some((_, name)) = NAMES.iter().chain(&OWN).find(|(own, _)| field.key.as_str() == *own) {
            *field = KeyValue::new(*name, field.value.clone());
        }
    }
    span
}
