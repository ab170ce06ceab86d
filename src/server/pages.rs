//! Pages that need no route, no body and no waiting: health.

use std::fmt;

use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The methods of every page.
const READING: HeaderValue = HeaderValue::from_static("GET,HEAD");

/// Pages that answer at once from what is in memory, each at one path: health.
#[derive(Default)]
pub struct Pages(Vec<(&'static str, Page)>);

/// Makes the reply to a request's headers.
pub(super) struct Page(Box<dyn Fn(&HeaderMap) -> Response + Send + Sync>);

impl Pages {
    /// Adds the page at `path`, which `answer` makes for the headers of a request.
    #[must_use]
    pub fn page(mut self, path: &'static str, answer: impl Fn(&HeaderMap) -> Response + Send + Sync + 'static) -> Self {
        self.0.push((path, Page(Box::new(answer))));
        self
    }

    /// The paths of all pages.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(path, _)| *path)
    }

    /// The page at a path.
    pub(super) fn at(&self, path: &str) -> Option<&Page> {
        self.0.iter().find_map(|(own, page)| (*own == path).then_some(page))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths()).finish()
    }
}

impl Page {
    /// The reply to a request.
    pub(super) fn read(&self, request: &Request) -> Response {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return (self.0)(request.headers());
        }
        let mut refusal = Problem::WrongMethod.into_response();
        refusal.headers_mut().insert(ALLOW, READING);
        refusal
    }
}
