//! Counts every reply under its route's pattern, never under the path: symbols must not become labels.

use crate::metrics::{Metrics, RouteRequests};

use super::routes::matches;

/// The pattern of a request that belongs to no route.
const NONE: &str = "none";

/// The counters of all routes.
#[derive(Debug)]
pub(super) struct Counts {
    /// A pattern without parameters stands before one with parameters that fits the same paths.
    routes: Vec<(&'static str, RouteRequests)>,
    none: RouteRequests,
}

/// The route of a request, as far as counting is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted(Option<usize>);

impl Counts {
    /// Counters for these patterns, and one for everything else.
    pub(super) fn new(metrics: &Metrics, mut patterns: Vec<&'static str>) -> Self {
        patterns.sort_by_key(|pattern| pattern.contains('{'));
        let routes = patterns.into_iter().map(|pattern| (pattern, metrics.route(pattern))).collect();
        Counts { routes, none: metrics.route(NONE) }
    }

    /// The route that a path belongs to.
    pub(super) fn route(&self, path: &str) -> Counted {
        Counted(self.routes.iter().position(|(pattern, _)| matches(pattern, path)))
    }

    /// Counts a reply.
    pub(super) fn count(&self, Counted(route): Counted, code: u16) {
        route.and_then(|at| self.routes.get(at)).map_or(&self.none, |(_, requests)| requests).count(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_under_patterns_and_unknown_paths_together() {
        let metrics = Metrics::default();
        let counts = Counts::new(&metrics, vec!["/prices/{symbol}", "/prices", "/prices/all"]);
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
