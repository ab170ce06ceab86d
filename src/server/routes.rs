//! Routes that know their patterns, so that a request can be counted under its route's pattern even if it is refused before it
//! reaches the route.

use axum::Router;
use axum::routing::MethodRouter;

/// A router, and the patterns of its routes, such as `/prices/{symbol}`.
#[derive(Debug)]
pub struct Routes<S = ()> {
    pub(super) router: Router<S>,
    pub(super) patterns: Vec<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub fn new() -> Self {
        Routes { router: Router::new(), patterns: Vec::new() }
    }

    /// Adds a route. Its pattern has whole segments in braces, and no other parameters.
    #[must_use]
    pub fn route(mut self, pattern: &'static str, methods: MethodRouter<S>) -> Self {
        self.patterns.push(pattern);
        Routes { router: self.router.route(pattern, methods), patterns: self.patterns }
    }

    /// Adds all routes of another.
    #[must_use]
    pub fn merge(mut self, other: Routes<S>) -> Self {
        self.patterns.extend(other.patterns);
        Routes { router: self.router.merge(other.router), patterns: self.patterns }
    }

    /// Gives the handlers what they need.
    #[must_use]
    pub fn with_state<S2>(self, state: S) -> Routes<S2> {
        Routes { router: self.router.with_state(state), patterns: self.patterns }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Routes::new()
    }
}

/// Routes without known patterns: their requests are counted as if there were no route.
impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Routes { router, patterns: Vec::new() }
    }
}

/// Whether a path belongs to a route's pattern: segment by segment, where a parameter is any segment, but not an empty one at the
/// end.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (mut segments, mut parts) = (path.split('/').peekable(), pattern.split('/'));
    loop {
        match (segments.next(), parts.next()) {
            (None, None) => return true,
            (Some(segment), Some(part)) if segment == part => {}
            (Some(segment), Some(part))
                if part.starts_with('{') && !(segment.is_empty() && segments.peek().is_none()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{MatchedPath, Request};
    use axum::routing::get;
    use proptest::prelude::*;
    use tower::ServiceExt;

    use super::*;

    /// Patterns of every kind that there is.
    const PATTERNS: [&str; 6] =
        ["/prices", "/prices/{symbol}", "/health", "/health/live", "/demo/configuration", "/demo/{venue}/{mood}"];

    /// The route that axum finds.
    fn found_by_axum(path: &str) -> String {
        let answer = |request: Request| async move {
            request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default()
        };
        let routes = PATTERNS.into_iter().fold(Routes::new(), |routes, pattern| routes.route(pattern, get(answer)));
        let asked = routes.router.oneshot(Request::get(path).body(axum::body::Body::empty()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let reply = asked.await.unwrap();
            let is_found = reply.status().is_success();
            let body = axum::body::to_bytes(reply.into_body(), 1024).await.unwrap();
            if is_found { String::from_utf8(body.into()).unwrap() } else { String::new() }
        })
    }

    proptest! {
        #[test]
        fn a_path_belongs_to_the_pattern_that_axum_finds(
            segments in proptest::collection::vec("|prices|health|live|demo|configuration|\\{symbol\\}|%2F|[a-z.]{1,3}", 0..5),
        ) {
            let path = format!("/{}", segments.join("/"));
            prop_assume!(path.parse::<axum::http::Uri>().is_ok_and(|uri| uri.path() == path));
            let found = PATTERNS.into_iter().find(|pattern| matches(pattern, &path)).unwrap_or_default();
            prop_assert_eq!(found, found_by_axum(&path), "{}", path);
        }
    }
}
