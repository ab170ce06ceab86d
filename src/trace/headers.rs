//! The headers by which services tell each other which request and which trace something is done for.

use reqwest::header::HeaderName;

/// A request's id: in requests, in replies, and in calls to sources of ours.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The span that a request comes from, and its trace.
pub(super) const PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What only tracing systems understand of a trace. It goes with [`PARENT`].
pub(super) const STATE: HeaderName = HeaderName::from_static("tracestate");
