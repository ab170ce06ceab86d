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
use crate::Quotefold;
use crate::clock::Moment;
use crate::plan::is_usable;

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
    let now = server.service.clock.now();
    let mut report = report(&server.service, server.drain.has_begun(), now);
    if !server.keys.shown(&headers).lets_in() {
        report.leave_out_words();
    }
    let code = if report.status == Health::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    document(code, &report)
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

fn report(service: &Quotefold, draining: bool, now: Moment) -> Report {
    let mut checks: BTreeMap<String, [Check; 1]> = BTreeMap::new();
    let output = draining.then(|| "the service is ending".to_owned());
    checks
        .insert("draining".to_owned(), [Check { status: if draining { Health::Fail } else { Health::Pass }, output }]);
    let mut able = false;
    for source in &service.sources {
        let rest = source.rest(now.monotonic);
        able |= rest.is_none();
        let status = if rest.is_some() { Health::Warn } else { Health::Pass };
        let output = rest.map(|rest| {
            format!("{}, not asked until {:.0}: {}", rest.error.reason(), now.wall_at(rest.until), rest.error)
        });
        checks.insert(format!("source:{}", source.profile.name()), [Check { status, output }]);
    }
    let nothing_to_show = !able && !has_usable_quote(service, now);
    let output =
        nothing_to_show.then(|| "no source can be asked, and no quote on the board is young enough".to_owned());
    checks.insert(
        "prices".to_owned(),
        [Check { status: if nothing_to_show { Health::Fail } else { Health::Pass }, output }],
    );
    let skew = service.clock.skew(now);
    let status = if skew.is_some() { Health::Warn } else { Health::Pass };
    let output = skew.map(|skew| format!("{skew}: {}", skew.witnesses()));
    checks.insert("clock".to_owned(), [Check { status, output }]);
    if !service.settings.watch.symbols.is_empty() {
        let output = service.watched.lacking();
        let status = if output.is_some() { Health::Warn } else { Health::Pass };
        checks.insert("watch".to_owned(), [Check { status, output }]);
    }
    let status = checks.values().map(|[check]| check.status).max().unwrap_or(Health::Pass);
    Report { status, version: env!("CARGO_PKG_VERSION"), checks }
}

fn has_usable_quote(service: &Quotefold, now: Moment) -> bool {
    service.board.any_quote(|outcome, quote| {
        let class = service.settings.class(&outcome.symbol);
        is_usable(quote, &outcome.origin, service.settings.of_class(class).usable_for, now)
    })
}

fn document(code: StatusCode, report: &Report) -> Response {
    let mut reply = (code, serde_json::to_vec(report).unwrap_or_default()).into_response();
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/health+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
