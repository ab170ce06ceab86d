//! Counts every reply under its route's pattern, never under the path: symbols must not become labels.

use crate::metrics::{Metrics, RouteRequests};

use super::routes::matches;

/// The pattern of a request that belongs to no route.
const NONE: &str = "none";

/// The counters of all routes.
#[derive(Debug)]
pub(super) struct Counts {
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
        let routes = patterns.into_iter().map(|pattern| (pattern, metrics.route(pattern)));
        let (with_parameters, fixed) = routes.partition(|(pattern, _)| pattern.contains('{'));
        Counts { fixed, with_parameters, none: metrics.route(NONE) }
    }

    /// The route that a path belongs to.
    pub(super) fn route(&self, path: &str) -> Counted {
        if let Some(at) = self.fixed.iter().position(|(pattern, _)| *pattern == path) {
            return Counted::Fixed(at);
        }
        let found = self.with_parameters.iter().position(|(pattern, _)| matches(pattern, path));
        found.map_or(Counted::Nowhere, Counted::WithParameters)
    }

    /// Counts a reply.
    pub(super) fn count(&self, route: Counted, code: u16) {
        let found = match route {
            Counted::Fixed(at) => self.fixed.get(at),
            Counted::WithParameters(at) => self.with_parameters.get(at),
            Counted::Nowhere => None,
        };
        found.map_or(&self.none, |(_, requests)| requests).count(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_under_patterns_and_unknown_paths_together() {
        let metrics = Metrics::default();
        let counts = Counts::new(&metrics, ["/prices/{symbol}", "/prices", "/prices/all"]);
        for path in ["/prices", "/prices/AAPL", "/prices/%41", "/prices/all", "/prices/", "/a/b", "", "*"] {
            counts.count(counts.route(path), 200);
        }
        let page = metrics.render().unwrap();
        for (route, count) in [("/prices", 1), ("/prices/{symbol}", 2), ("/prices/all", 1), (NONE, 4)] {
            let line = format!("quotefold_requests_total{{route=\"{route}\",code=\"200\"}} {count}\n");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
    }
}
