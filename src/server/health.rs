//! Serves health: whether the process is alive, and whether the service is ready for requests, condition by condition.
//!
//! One vendor's outage is a warning: it must never take all replicas out of service. Readiness fails only while the service
//! shuts down, or if it can ask no source and has no quote to show.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::HealthState;
use super::readiness::{OLD, Snapshot};
use super::stack::OWN_HEADERS;
use crate::clock::Moment;

/// How well a condition is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Pass,
    Warn,
    Fail,
}

/// One condition.
#[derive(Clone, Debug, Serialize)]
struct Check {
    status: Health,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// The report, in the format `application/health+json`: each check is a list of one.
#[derive(Debug, Serialize)]
struct Report {
    status: Health,
    version: &'static str,
    checks: BTreeMap<String, [Check; 1]>,
}

/// The report of a process that is alive. It never differs.
const ALIVE: &str = concat!(r#"{"status":"pass","version":""#, env!("CARGO_PKG_VERSION"), r#"","checks":{}}"#);

/// `GET /health/live`: the process is alive.
pub(super) fn live() -> Response {
    document(StatusCode::OK, Body::from(ALIVE))
}

/// `GET /health/ready` and `GET /health`: whether the service is ready for requests.
pub(super) fn ready(server: &HealthState, headers: &HeaderMap) -> Response {
    let mut report = full_report(server);
    if !server.keys.shown(headers).is_admitted() {
        report.leave_out_details();
    }
    let code = if report.status == Health::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    document(code, Body::from(serde_json::to_vec(&report).unwrap_or_default()))
}

/// The checks of readiness, each with its status.
pub(super) fn checks(server: &HealthState) -> Vec<(String, &'static str)> {
    let checks = full_report(server).checks.into_iter();
    checks.map(|(name, [check])| (name, check.status.as_str())).collect()
}

/// The report as things are now.
fn full_report(server: &HealthState) -> Report {
    let mut report = report(&server.readiness.latest(), server.drain.has_begun(), server.clock.now());
    if let Some(reloads) = &server.reloads {
        report.add("configuration", Check::warning(reloads.standing().in_words()));
    }
    report
}

impl Health {
    /// Its name, as in the report.
    fn as_str(self) -> &'static str {
        match self {
            Health::Pass => "pass",
            Health::Warn => "warn",
            Health::Fail => "fail",
        }
    }
}

impl Check {
    /// A condition that is met unless there is an output.
    fn warning(output: Option<String>) -> Self {
        Check { status: if output.is_some() { Health::Warn } else { Health::Pass }, output }
    }
}

impl Report {
    /// Adds a condition.
    fn add(&mut self, name: &str, check: Check) {
        self.status = self.status.max(check.status);
        self.checks.insert(name.to_owned(), [check]);
    }

    /// Names and states are public. What vendors say, what is watched, and how long a source is paused is only for clients that
    /// may ask for prices, where they read the same beside each quote.
    fn leave_out_details(&mut self) {
        for [check] in self.checks.values_mut() {
            check.output = None;
        }
    }
}

/// The report as of the snapshot.
fn report(snapshot: &Snapshot, draining: bool, now: Moment) -> Report {
    let mut checks: BTreeMap<String, [Check; 1]> = BTreeMap::new();
    let output = draining.then(|| "the service is shutting down".to_owned());
    checks
        .insert("draining".to_owned(), [Check { status: if draining { Health::Fail } else { Health::Pass }, output }]);
    let age = now.monotonic.saturating_duration_since(snapshot.made);
    let output = (age > OLD).then(|| {
        let seconds = age.as_secs();
        format!("the rest of this report is {seconds} s old: the pricing threads are too busy to make a new one")
    });
    checks.insert("report".to_owned(), [Check::warning(output)]);
    let mut able = false;
    for (name, rest) in &snapshot.sources {
        let rest = rest.as_ref().filter(|rest| rest.until > now.monotonic);
        able |= rest.is_none();
        let output = rest.map(|rest| {
            format!("{}, not asked until {:.0}: {}", rest.error.reason(), now.wall_at(rest.until), rest.error)
        });
        checks.insert(format!("source:{name}"), [Check::warning(output)]);
    }
    let nothing_to_show = !able && !snapshot.has_quote;
    let output = nothing_to_show.then(|| "no source can be asked, and no cached quote is young enough".to_owned());
    checks.insert(
        "prices".to_owned(),
        [Check { status: if nothing_to_show { Health::Fail } else { Health::Pass }, output }],
    );
    checks.insert("clock".to_owned(), [Check::warning(snapshot.skew.clone())]);
    if snapshot.watches {
        checks.insert("watch".to_owned(), [Check::warning(snapshot.lacking.clone())]);
    }
    if let Some(shared) = &snapshot.shared {
        let is_fine = shared.limits == "shared" && shared.remarks.is_empty();
        let output = [shared.limits].into_iter().chain(shared.remarks.iter().map(String::as_str)).collect::<Vec<_>>();
        let status = if is_fine { Health::Pass } else { Health::Warn };
        checks.insert("limits".to_owned(), [Check { status, output: Some(output.join("; ")) }]);
    }
    let status = checks.values().map(|[check]| check.status).max().unwrap_or(Health::Pass);
    Report { status, version: env!("CARGO_PKG_VERSION"), checks }
}

fn document(code: StatusCode, report: Body) -> Response {
    let mut reply = Response::new(report);
    *reply.status_mut() = code;
    let headers = reply.headers_mut();
    // these two, and those that every reply gets
    headers.reserve(2 + OWN_HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/health+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_a_living_process_has_the_format_of_all_reports() {
        let report = Report { status: Health::Pass, version: env!("CARGO_PKG_VERSION"), checks: BTreeMap::new() };
        assert_eq!(ALIVE, serde_json::to_string(&report).unwrap());
    }
}
