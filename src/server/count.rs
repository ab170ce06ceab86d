//! Counts every reply under its route's pattern, never under the path: symbols must not become labels.

use std::time::Duration;

use crate::metrics::{InFlight, Metrics, RouteRequests};

use super::routes::matches;

/// The pattern of a request that belongs to no route.
const NONE: &str = "none";

/// The statuses that a reply of any route can have: those of prices, health, and refusals.
const STATUSES: [u16; 15] = [200, 304, 400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 429, 500, 503];

/// The counters of all routes.
#[derive(Debug)]
pub(super) struct Counts {
    metrics: Metrics,
    /// The routes without parameters, which come first where another one fits as well.
    fixed: Vec<(&'static str, RouteRequests)>,
    with_parameters: Vec<(&'static str, RouteRequests)>,
    none: RouteRequests,
}

/// The route of a request, as far as counting is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    Fixed(usize),
    WithParameters(usize),
    Nowhere,
}

impl Counts {
    /// Counters for these patterns, and one for everything else.
    pub(super) fn new(metrics: &Metrics, patterns: impl IntoIterator<Item = &'static str>) -> Self {
        let routes = patterns.into_iter().map(|pattern| (pattern, metrics.route(pattern, &STATUSES)));
        let (with_parameters, fixed) = routes.partition(|(pattern, _)| pattern.contains('{'));
        Counts { metrics: metrics.clone(), fixed, with_parameters, none: metrics.route(NONE, &STATUSES) }
    }

    /// The route that a path belongs to.
    pub(super) fn route(&self, path: &str) -> Counted {
        if let Some(at) = self.fixed.iter().position(|(pattern, _)| *pattern == path) {
            return Counted::Fixed(at);
        }
        let found = self.with_parameters.iter().position(|(pattern, _)| matches(pattern, path));
        found.map_or(Counted::Nowhere, Counted::WithParameters)
    }

    /// Counts a request as being answered, until what this returns is dropped.
    pub(super) fn in_flight(&self) -> InFlight {
        self.metrics.in_flight()
    }

    /// Counts a request that was refused because the server is at one of its limits.
    pub(super) fn shed(&self) {
        self.metrics.shed();
    }

    /// Counts a reply that was there after some time.
    pub(super) fn count(&self, route: Counted, code: u16, after: Duration) {
        let found = match route {
            Counted::Fixed(at) => self.fixed.get(at),
            Counted::WithParameters(at) => self.with_parameters.get(at),
            Counted::Nowhere => None,
        };
        found.map_or(&self.none, |(_, requests)| requests).count(code, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_that_is_described_is_counted_from_the_start() {
        let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let operations =
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let statuses =
            operations.filter_map(|operation| operation["responses"].as_object()).flat_map(|replies| replies.keys());
        // a head that is too long is refused before it has a route
        let statuses: Vec<u16> =
            statuses.filter_map(|status| status.parse().ok()).filter(|code| *code != 431).collect();
        assert!(statuses.len() > 20, "{statuses:?}");
        let page = {
            let metrics = Metrics::default();
            Counts::new(&metrics, ["/prices"]);
            metrics.render().unwrap()
        };
        for status in statuses {
            let line = format!("quotefold_requests_total{{route=\"/prices\",code=\"{status}\"}} 0\n");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
    }

    #[test]
    fn replies_are_counted_under_patterns_and_unknown_paths_together() {
        let metrics = Metrics::default();
        let counts = Counts::new(&metrics, ["/prices/{symbol}", "/prices", "/prices/all"]);
        for path in ["/prices", "/prices/AAPL", "/prices/%41", "/prices/all", "/prices/", "/a/b", "", "*"] {
            counts.count(counts.route(path), 200, Duration::ZERO);
        }
        let page = metrics.render().unwrap();
        for (route, count) in [("/prices", 1), ("/prices/{symbol}", 2), ("/prices/all", 1), (NONE, 4)] {
            let line = format!("quotefold_requests_total{{route=\"{route}\",code=\"200\"}} {count}\n");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
    }
}
