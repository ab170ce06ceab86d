//! Serves HTTP/1.1: accepts connections, guards every request with one stack of layers, and shuts down in stages.

mod admission;
mod browsers;
mod client;
pub mod drain;
mod form;
mod health;
mod host;
pub mod listen;
mod pieces;
mod prices;
mod pricing;
pub mod problem;
mod questions;
mod readiness;
pub mod request_id;
mod request_log;
mod sources;
pub mod stack;
mod symbols;

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::question::longest_form;
use crate::service::Quotefold;
use crate::settings::access::{AccessSettings, HostName};
use crate::watch::Watched;
use admission::keys::Keys;
use drain::Drain;
use pricing::Pricing;
use problem::Problem;
use readiness::Readiness;
use stack::{METRICS, StackLimits, wrap};

const DEMO: HeaderName = HeaderName::from_static("quotefold-demo");

/// What the health routes need.
struct HealthState {
    readiness: Readiness,
    clock: Clock,
    drain: Drain,
    /// The keys that allow reading more than names and states.
    keys: Keys,
}

/// Makes the routers that serve a service. Pricing runs on a runtime of its own; serve the routers on another one, so that
/// connections, health and metrics never wait for pricing.
pub struct Front {
    pricing: Pricing,
    drain: Drain,
}

impl Front {
    /// A front for a service whose pricing runs on `runtime`, and whose watch list is in the state that `watched` says.
    pub fn new(service: &Arc<Quotefold>, watched: Arc<Watched>, drain: &Drain, runtime: &Handle) -> Self {
        Front { pricing: Pricing::new(service, watched, runtime), drain: drain.clone() }
    }

    /// All routes of the service and the `extra` ones, inside the stack that guards them. `/sources` and `/metrics` are among
    /// them unless `access.admin_listen` gives them an address of their own.
    pub fn router(&self, extra: Router) -> Router {
        let access = &self.pricing.service.settings().access;
        let prices = Router::new()
            .route(form::PATH, get(prices::many).post(prices::form))
            .route("/prices/{symbol}", get(prices::one))
            .route("/symbols", get(symbols::search));
        let app = if access.admin_listen.is_some() { prices } else { prices.merge(admin_pages()) };
        self.guarded(app.with_state(self.pricing.clone()).merge(extra), self.health(access), access)
    }

    /// `/sources`, `/metrics` and health, for a listener of their own. A client that can reach it needs no key.
    pub(crate) fn admin_router(&self) -> Router {
        let access = &self.pricing.service.settings().access;
        let open = AccessSettings { trusted_proxies: access.trusted_proxies.clone(), ..AccessSettings::default() };
        let names: Arc<[HostName]> = admin_names(access).into();
        let refuse_foreign_hosts = from_fn_with_state(names, host::refuse_foreign_hosts);
        let pages = admin_pages().with_state(self.pricing.clone()).layer(refuse_foreign_hosts.clone());
        self.guarded(pages, self.health(&open).layer(refuse_foreign_hosts), &open)
    }

    fn health(&self, access: &AccessSettings) -> Router {
        Router::new()
            .route("/health", get(health::ready))
            .route("/health/ready", get(health::ready))
            .route("/health/live", get(health::live))
            .with_state(Arc::new(HealthState {
                readiness: self.pricing.readiness.clone(),
                clock: self.pricing.service.clock().clone(),
                drain: self.drain.clone(),
                keys: Keys::new(access.keys.clone()),
            }))
    }

    fn guarded(&self, app: Router, health: Router, access: &AccessSettings) -> Router {
        let service = &self.pricing.service;
        let limits = StackLimits {
            max_requests: service.settings().server.max_requests,
            max_timeout: service.settings().server.max_timeout,
            longest_form: longest_form(service.settings().server.max_symbols),
            requests: service.settings().log.requests,
        };
        let router = wrap(app, health, limits, access, self.drain.clone());
        let router = router.layer(from_fn_with_state(service.metrics().clone(), count));
        // no reply of a simulation may be mistaken for a real one
        if service.is_simulated() { router.layer(map_response(label_as_demo)) } else { router }
    }
}

/// The host names that requests to the admin address may use: those that are set, and the one that it listens on.
fn admin_names(access: &AccessSettings) -> Vec<HostName> {
    let (listen, hosts) = (access.admin_listen.as_deref(), access.hosts.iter().cloned());
    let own = listen.and_then(|address| HostName::parse(address.rsplit_once(':')?.0).ok());
    hosts.chain(own).collect()
}

fn admin_pages() -> Router<Pricing> {
    Router::new().route("/sources", get(sources::overview)).route(METRICS, get(metrics))
}

async fn label_as_demo(mut reply: Response) -> Response {
    reply.headers_mut().insert(DEMO, HeaderValue::from_static("true"));
    reply
}

/// `GET /metrics`, for Prometheus.
async fn metrics(State(pricing): State<Pricing>) -> Result<Response, Problem> {
    let page = pricing.service.metrics().render().map_err(|_| Problem::Internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], page).into_response())
}

/// Counts every reply under the route's pattern, never under the path: symbols must not become labels.
async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let reply = next.run(request).await;
    metrics.request(&route, reply.status().as_u16());
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_the_admin_address_listens_on_is_allowed() {
        let names = |listen: &str| {
            let hosts = vec![HostName::parse("*.example.com").unwrap()];
            let access = AccessSettings { admin_listen: Some(listen.to_owned()), hosts, ..AccessSettings::default() };
            admin_names(&access).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("Metrics.Example.org:9090"), ["*.example.com", "metrics.example.org"]);
        assert_eq!(names("[::1]:9090"), ["*.example.com"]);
    }
}
