//! Exports spans over OTLP, as the variables of OpenTelemetry say. Nothing else in this crate knows its libraries.
//!
//! A thread of its own sends the spans in batches. What waits for it is bounded, and nothing ever waits for that thread but the end
//! of the process, for [`LAST_SPANS`] at most.

mod client;
mod conventions;
mod exporter;
mod variables;

use std::num::{NonZeroU64, NonZeroU128};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::{SPANS, TraceParent};
use client::Client;
use exporter::{Bounded, Exporter, Losses};
use variables::Variables;

/// How long the process waits at its end for spans to be sent.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// What makes spans and sends them, once it has been started.
static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    provider: SdkTracerProvider,
    losses: Arc<Losses>,
}

/// Starts the exporter, if the variables switch it on. A second call changes nothing.
///
/// # Errors
/// A variable has a value that cannot be used.
pub(crate) fn start() -> Result<Option<String>, String> {
    let Some(variables) = Variables::of_the_process()?.filter(|_| EXPORT.get().is_none()) else { return Ok(None) };
    let cannot = |why: String| format!("spans cannot be exported as the variables OTEL_… say: {why}");
    let client = Client::new(variables.timeout).map_err(cannot)?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_timeout(variables.timeout)
        .with_http_client(client)
        .build()
        .map_err(|error| cannot(error.to_string()))?;
    let losses = Arc::new(Losses::default());
    let exporter = Exporter::new(exporter, Arc::clone(&losses));
    let processor = Bounded::new(BatchSpanProcessor::builder(exporter).build(), variables.queue, Arc::clone(&losses));
    let provider = SdkTracerProvider::builder().with_resource(resource(&variables)).with_span_processor(processor);
    let _ = EXPORT.set(Export { provider: provider.build(), losses });
    Ok(None)
}

/// What is said of the whole process.
fn resource(variables: &Variables) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if variables.names_the_service { resource } else { resource.with_service_name(env!("CARGO_PKG_NAME")) }.build()
}

/// Whether spans are exported.
pub(crate) fn is_exporting() -> bool {
    EXPORT.get().is_some()
}

/// What takes the spans from the log, if they are exported.
pub(crate) fn layer<S>() -> Option<impl Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let tracer = EXPORT.get()?.provider.tracer(env!("CARGO_PKG_NAME"));
    let layer = OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    // lines of the log are no part of a span: they may be long, and there is a log for them
    Some(layer.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS)))
}

/// Makes a span the child of another, which may be another process's.
pub(super) fn continue_trace(span: &Span, parent: Option<TraceParent>) {
    let Some(TraceParent { trace, span: parent, flags }) = parent.filter(|_| is_exporting()) else { return };
    let (trace, parent) = (TraceId::from(trace.get()), SpanId::from(parent.get()));
    let parent = SpanContext::new(trace, parent, TraceFlags::new(flags), true, TraceState::NONE);
    // it fails only for a span that no one takes
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// The place of a span in its trace, if it is exported or was left out by the sampler.
pub(super) fn place_of(span: &Span) -> Option<TraceParent> {
    if !is_exporting() || span.is_disabled() {
        return None;
    }
    let context = span.context();
    let (span, of_trace) = (context.span(), |id: TraceId| NonZeroU128::new(u128::from_be_bytes(id.to_bytes())));
    let place = span.span_context();
    let id = NonZeroU64::new(u64::from_be_bytes(place.span_id().to_bytes()))?;
    Some(TraceParent { trace: of_trace(place.trace_id())?, span: id, flags: place.trace_flags().to_u8() })
}

/// Sends what waits to be sent, for as long as the end of a process may take, and says how many spans were lost.
pub(crate) fn finish() {
    let Some(Export { provider, losses }) = EXPORT.get() else { return };
    let ended = provider.shutdown_with_timeout(LAST_SPANS);
    losses.sum_up(ended.is_ok());
}
