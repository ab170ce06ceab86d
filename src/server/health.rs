//! Says whether the service lives, and whether it is ready for requests, with every condition spelled out.
//!
//! One vendor's outage is a warning: it must never empty a service of replicas. Only draining, or having nobody to ask and
//! nothing to show, is a failure.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Server;
use super::readiness::{OLD, Snapshot};
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

/// The whole, in the form of `application/health+json`: each check is a list, of one.
#[derive(Debug, Serialize)]
struct Report {
    status: Health,
    version: &'static str,
    checks: BTreeMap<String, [Check; 1]>,
}

/// `GET /health/live`: the process runs.
pub(super) async fn live() -> Response {
    document(
        StatusCode::OK,
        &Report { status: Health::Pass, version: env!("CARGO_PKG_VERSION"), checks: BTreeMap::new() },
    )
}

/// `GET /health/ready` and `GET /health`: requests are welcome.
pub(super) async fn ready(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let mut report = report(&server.readiness.latest(), server.drain.has_begun(), server.clock.now());
    if !server.keys.shown(&headers).lets_in() {
        report.leave_out_words();
    }
    let code = if report.status == Health::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    document(code, &report)
}

impl Check {
    /// A condition that is met unless there is something to say.
    fn warning(output: Option<String>) -> Self {
        Check { status: if output.is_some() { Health::Warn } else { Health::Pass }, output }
    }
}

impl Report {
    /// Names and states are for everybody. What vendors say, what is watched and how long a source is left alone is for those
    /// who may ask for prices, and read it there beside each quote.
    fn leave_out_words(&mut self) {
        for [check] in self.checks.values_mut() {
            check.output = None;
        }
    }
}

/// The report by what was so when the snapshot was made.
fn report(snapshot: &Snapshot, draining: bool, now: Moment) -> Report {
    let mut checks: BTreeMap<String, [Check; 1]> = BTreeMap::new();
    let output = draining.then(|| "the service is ending".to_owned());
    checks
        .insert("draining".to_owned(), [Check { status: if draining { Health::Fail } else { Health::Pass }, output }]);
    let age = now.monotonic.saturating_duration_since(snapshot.made);
    let output = (age > OLD).then(|| {
        let seconds = age.as_secs();
        format!(
            "the rest of this report is {seconds} s old: the threads that work on prices are too busy for a new one"
        )
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
    let output =
        nothing_to_show.then(|| "no source can be asked, and no quote on the board is young enough".to_owned());
    checks.insert(
        "prices".to_owned(),
        [Check { status: if nothing_to_show { Health::Fail } else { Health::Pass }, output }],
    );
    checks.insert("clock".to_owned(), [Check::warning(snapshot.skew.clone())]);
    if snapshot.watches {
        checks.insert("watch".to_owned(), [Check::warning(snapshot.lacking.clone())]);
    }
    let status = checks.values().map(|[check]| check.status).max().unwrap_or(Health::Pass);
    Report { status, version: env!("CARGO_PKG_VERSION"), checks }
}

fn document(code: StatusCode, report: &Report) -> Response {
    let mut reply = (code, serde_json::to_vec(report).unwrap_or_default()).into_response();
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/health+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
