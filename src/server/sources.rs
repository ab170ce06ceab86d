//! Serves `/sources`: the state of each source, and how to switch on those that are off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::pricing::Pricing;
use super::problem::Problem;
use crate::clock::Moment;
use crate::service::Quotefold;
use crate::settings::OffSource;
use crate::source::Source;
use crate::source::breaker::BreakerState;
use crate::source::cooldown::Cooldown;
use crate::source::statistics::Summary;
use crate::symbol::Class;

#[derive(Serialize)]
struct Overview<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    sources: Vec<On<'a>>,
    off: Vec<Off<'a>>,
}

/// A source that is switched on.
#[derive(Serialize)]
struct On<'a> {
    name: &'a str,
    about: &'a str,
    role: &'static str,
    classes: &'a [Class],
    account: &'a str,
    hosts: Vec<String>,
    proxy: Option<String>,
    limits: Vec<Left>,
    cooldown: Option<Cooling>,
    breaker: Circuit,
    failing: Option<Cooling>,
    in_flight: usize,
    latency_p50_ms: Option<u64>,
    latency_p99_ms: Option<u64>,
    last_success: Option<String>,
    last_error: Option<LastError>,
    used: u64,
    excluded: BTreeMap<&'static str, u64>,
    failed: BTreeMap<&'static str, u64>,
    mean_deviation_bps: Option<String>,
    lately: Lately,
    instruments: Option<Listed>,
}

/// Its latest quotes that could be compared with a price.
#[derive(Serialize)]
struct Lately {
    compared: usize,
    outliers: usize,
    persistent_outlier: bool,
}

/// The newest list of what its vendor trades.
#[derive(Serialize)]
struct Listed {
    names: usize,
    at: String,
}

#[derive(Serialize)]
struct Left {
    limit: String,
    left: usize,
}

#[derive(Serialize)]
struct Cooling {
    reason: &'static str,
    until: String,
    detail: String,
}

/// Its circuit breaker: `closed`, `open` until a time, or `half_open` while one call decides.
#[derive(Serialize)]
struct Circuit {
    state: &'static str,
    until: Option<String>,
}

#[derive(Serialize)]
struct LastError {
    at: String,
    reason: &'static str,
    detail: String,
}

/// A provider that is switched off.
#[derive(Serialize)]
struct Off<'a> {
    name: &'a str,
    about: &'a str,
    classes: &'a [Class],
    switch_on: &'a str,
}

/// `GET /sources`
pub(super) async fn overview(State(pricing): State<Pricing>) -> Result<Response, Problem> {
    let service = Arc::clone(&pricing.service);
    // it takes many locks that calls and requests hold, so it must not run on the thread of the connections
    let body = pricing.run(async move { body(&service) }).await.map_err(|_| Problem::Internal)?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response())
}

fn body(service: &Quotefold) -> serde_json::Result<Vec<u8>> {
    let now = service.clock().now();
    let overview = Overview {
        simulated: service.is_simulated(),
        sources: service.sources().iter().map(|source| on(source, now)).collect(),
        off: service.settings().off.iter().map(off).collect(),
    };
    serde_json::to_vec(&overview)
}

fn on(source: &Source, now: Moment) -> On<'_> {
    let settings = &source.profile.settings;
    let Summary { latency_p50, latency_p99, last_success, last_error, verdicts, recent } = source.statistics.summary();
    let of = |verdict| {
        verdicts.iter().filter(move |((kind, _), _)| *kind == verdict).map(|((_, reason), count)| (*reason, *count))
    };
    On {
        name: &settings.name,
        about: &settings.about,
        role: settings.role.as_str(),
        classes: &settings.classes,
        account: &settings.account,
        hosts: source.hosts(),
        proxy: settings.proxy_in_use().map(ToString::to_string),
        limits: source
            .account
            .allowance()
            .left(now.monotonic)
            .iter()
            .map(|left| Left { limit: left.limit.to_string(), left: left.left })
            .collect(),
        cooldown: source.account.cooldown(now.monotonic).map(|cooldown| cooling(&cooldown, now)),
        breaker: circuit(source.breaker.state(now.monotonic), now),
        failing: source.backoff.rest(now.monotonic).map(|rest| cooling(&rest, now)),
        in_flight: source.coalescer.in_flight(),
        latency_p50_ms: latency_p50.map(milliseconds),
        latency_p99_ms: latency_p99.map(milliseconds),
        last_success: last_success.map(time),
        last_error: last_error.map(|(at, error)| LastError {
            at: time(at),
            reason: error.reason(),
            detail: error.to_string(),
        }),
        used: of("used").map(|(_, count)| count).sum(),
        excluded: of("excluded").collect(),
        failed: of("failed").collect(),
        mean_deviation_bps: recent.mean_deviation_bps.map(|mean| mean.to_string()),
        lately: Lately {
            compared: recent.compared,
            outliers: recent.outliers,
            persistent_outlier: recent.is_persistent(),
        },
        instruments: source.list_summary().map(|(names, at)| Listed { names, at: time(at) }),
    }
}

fn cooling(cooldown: &Cooldown, now: Moment) -> Cooling {
    Cooling {
        reason: cooldown.error.reason(),
        until: time(now.wall_at(cooldown.until)),
        detail: cooldown.error.to_string(),
    }
}

fn circuit(state: BreakerState, now: Moment) -> Circuit {
    let until = match state {
        BreakerState::Open(until) => Some(time(now.wall_at(until))),
        BreakerState::Closed | BreakerState::HalfOpen => None,
    };
    Circuit { state: state.as_str(), until }
}

fn off(off: &OffSource) -> Off<'_> {
    Off { name: &off.source.name, about: &off.source.about, classes: &off.source.classes, switch_on: &off.switch_on }
}

fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
