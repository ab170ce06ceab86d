//! Serves HTTP/1.1: accepts connections, guards every request with one row of checks, and shuts down in stages.

mod admission;
pub mod app;
pub(crate) mod browsers;
mod caching;
mod client;
mod count;
pub mod current;
mod document;
pub mod drain;
mod embedded;
mod form;
mod health;
mod host;
pub mod listen;
mod no_such_path;
mod observe;
mod one_format;
pub(crate) mod page;
pub mod pages;
mod panics;
mod pieces;
mod prices;
mod pricing;
pub mod problem;
mod questions;
mod readiness;
mod reload;
pub mod request_id;
mod request_log;
pub mod routes;
mod sources;
pub mod stack;
mod stream;
mod symbols;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::events::Events;
use crate::question::longest_form;
use crate::reload::Reloads;
use crate::service::Quotefold;
use crate::service::current::Current;
use crate::settings::access::{AccessSettings, HostName};
use crate::settings::socket_path;
use crate::watch::Watched;
use admission::keys::Keys;
use count::Counts;
use drain::Drain;
use pages::Pages;
use prices::ReadyPrices;
use pricing::Pricing;
use problem::Problem;
use readiness::Readiness;
use routes::Routes;
use stack::{Guards, METRICS, Stack, StackLimits};
use stream::Streams;

/// What the health pages need.
struct HealthState {
    readiness: Readiness,
    clock: Clock,
    drain: Drain,
    /// The keys that allow reading more than names and states.
    keys: Keys,
    /// How the configuration can be read again, if it can.
    reloads: Option<Reloads>,
}

/// Makes the stacks that serve a service. Pricing runs on a runtime of its own; serve the stacks on another one, so that
/// connections, health and metrics never wait for pricing.
pub struct Front {
    pricing: Pricing,
    events: Events,
    drain: Drain,
    reloads: Option<Reloads>,
}

impl Front {
    /// A front for a service whose pricing runs on `runtime`, and whose watch list is in the state that `watched` says.
    pub fn new(service: &Arc<Quotefold>, watched: Arc<Watched>, drain: &Drain, runtime: &Handle) -> Self {
        let events = Events::new(Current::new(Arc::clone(service)), runtime);
        Front { pricing: Pricing::new(service, watched, runtime), events, drain: drain.clone(), reloads: None }
    }

    /// The same with streams that go on from the fronts before it.
    #[must_use]
    pub fn streaming(self, events: &Events) -> Self {
        Front { events: events.clone(), ..self }
    }

    /// The same for a service whose configuration can be read again: the operator's address can ask for that, and health says
    /// how it went.
    #[must_use]
    pub fn reloading(self, reloads: &Reloads) -> Self {
        Front { reloads: Some(reloads.clone()), ..self }
    }

    /// All routes of the service and the `extra` ones, behind the guards. `/sources`, `/metrics` and the page are among them
    /// unless `access.admin_listen` gives them an address of their own.
    pub fn router(&self, extra: impl Into<Routes>) -> Stack {
        let access = &self.pricing.service.settings().access;
        let (app, pages) = match access.admin_listen {
            Some(_) => (self.price_routes(Some(access)), health_pages(&self.health(access))),
            None => self.with_the_page(access, Some(access)),
        };
        Stack::new(self.guards(app, extra.into(), pages, access))
    }

    /// `/sources`, `/metrics`, health, the description, the page and what it asks for, for a listener of their own. A client that
    /// can reach it needs no key.
    pub(crate) fn admin_router(&self) -> Stack {
        let access = &self.pricing.service.settings().access;
        let open = AccessSettings { trusted_proxies: access.trusted_proxies.clone(), ..AccessSettings::default() };
        let (app, pages) = self.with_the_page(&open, None);
        let reload = self
            .reloads
            .clone()
            .map(|reloads| Routes::new().route(reload::PATH, post(reload::reload)).with_state(reloads));
        let mut guards = self.guards(app, reload.unwrap_or_default(), pages, &open);
        guards.hosts = Some(admin_names(access));
        Stack::new(guards)
    }

    /// Everything that is served to someone who may see all of it. Where a key is required, the page is among what needs none,
    /// and has no prices in it. `public` is what the settings say of the public address, if this is it.
    fn with_the_page(&self, access: &AccessSettings, public: Option<&AccessSettings>) -> (Routes<Pricing>, Pages) {
        let health = self.health(access);
        let app = self.price_routes(public).merge(admin_pages(&health));
        let pages = page::with_files(health_pages(&health));
        if access.keys.is_empty() {
            (app.route(page::PATH, get(page::with_prices)), pages)
        } else {
            (app, pages.page(page::PATH, page::for_keys(&self.pricing.service)))
        }
    }

    /// Everything that has prices in it.
    fn price_routes(&self, public: Option<&AccessSettings>) -> Routes<Pricing> {
        let keys = public.map(|access| access.keys.clone());
        let streams = Streams { events: self.events.clone(), drain: self.drain.clone(), keys };
        Routes::new()
            .route(form::PATH, get(prices::many).post(prices::form))
            .route("/prices/{symbol}", get(prices::one))
            .route("/symbols", get(symbols::search))
            .merge(Routes::new().route(stream::PATH, get(stream::open)).with_state(streams))
    }

    fn health(&self, access: &AccessSettings) -> Arc<HealthState> {
        Arc::new(HealthState {
            readiness: self.pricing.readiness.clone(),
            clock: self.pricing.service.clock().clone(),
            drain: self.drain.clone(),
            keys: Keys::new(access.keys.clone()),
            reloads: self.reloads.clone(),
        })
    }

    fn guards(&self, app: Routes<Pricing>, extra: Routes, pages: Pages, access: &AccessSettings) -> Guards {
        let service = &self.pricing.service;
        let limits = StackLimits {
            max_requests: service.settings().server.max_requests,
            max_timeout: service.settings().server.max_timeout,
            longest_form: longest_form(service.settings().server.max_symbols),
            requests: service.settings().log.requests,
        };
        let served = app.patterns.clone();
        let (app, pages) = (app.with_state(self.pricing.clone()).merge(extra), document::add_to(pages));
        let counts = Counts::new(service.metrics(), app.patterns.into_iter().chain(pages.patterns()));
        let mut guards = Guards::new(app.router, pages, limits, access, self.drain.clone());
        guards.counts = Some(counts);
        guards.served = served;
        guards.is_demo = service.is_simulated();
        guards.ready = Some(ReadyPrices::of(&self.pricing));
        guards
    }
}

/// The host names that requests to the admin address may use: those that are set, and the one that it listens on.
fn admin_names(access: &AccessSettings) -> Vec<HostName> {
    let listen = access.admin_listen.as_deref().filter(|address| socket_path(address).is_none());
    let own = listen.and_then(|address| HostName::parse(address.rsplit_once(':')?.0).ok());
    let hosts = access.hosts.iter().cloned();
    hosts.chain(own).collect()
}

fn health_pages(health: &Arc<HealthState>) -> Pages {
    let (state, ready) = (Arc::clone(health), Arc::clone(health));
    Pages::default()
        .page("/health", move |headers| health::ready(&state, headers))
        .page("/health/ready", move |headers| health::ready(&ready, headers))
        .page("/health/live", |_| health::live())
}

fn admin_pages(health: &Arc<HealthState>) -> Routes<Pricing> {
    let health = Arc::clone(health);
    let metrics = move |state, headers| metrics(state, headers, Arc::clone(&health));
    Routes::new().route("/sources", get(sources::overview)).route(METRICS, get(metrics))
}

/// `GET /metrics`, for Prometheus: in its older text format for a scraper that asks for that and not for OpenMetrics.
async fn metrics(
    State(pricing): State<Pricing>,
    headers: HeaderMap,
    health: Arc<HealthState>,
) -> Result<Response, Problem> {
    observe::observe(&pricing, health::checks(&health)).await;
    let metrics = pricing.service.metrics();
    let accepts =
        |kind: &str| headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|it| it.contains(kind)));
    let (kind, page) = if accepts("text/plain") && !accepts("application/openmetrics-text") {
        ("text/plain; version=0.0.4; charset=utf-8", metrics.render_plain())
    } else {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics.render())
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store"), (VARY, "Accept")];
    Ok((headers, page.map_err(|_| Problem::Internal)?).into_response())
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
        assert_eq!(names("unix:/run/quotefold.sock"), ["*.example.com"]);
    }
}
