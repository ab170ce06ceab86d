//! Pages that need no route, no body, no key and no waiting: health, the description of the interface, and what makes up the
//! page for people.

use std::fmt;

use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The methods of every page.
const READING: HeaderValue = HeaderValue::from_static("GET,HEAD");

/// The folder of files, of which there are too many to look through them for every request.
const FOLDER: &str = "/page/";

/// The pattern of all paths in that folder, under which their requests are counted.
const IN_FOLDER: &str = "/page/{file}";

/// Pages that answer at once from what is in memory, each at one path.
#[derive(Default)]
pub struct Pages {
    pages: Vec<(&'static str, Page)>,
    files: Vec<(&'static str, Page)>,
}

/// Makes the reply to a request's headers.
pub(super) struct Page(Box<dyn Fn(&HeaderMap) -> Response + Send + Sync>);

impl Pages {
    /// Adds the page at `path`, which `answer` makes for the headers of a request.
    #[must_use]
    pub fn page(mut self, path: &'static str, answer: impl Fn(&HeaderMap) -> Response + Send + Sync + 'static) -> Self {
        self.pages.push((path, Page(Box::new(answer))));
        self
    }

    /// Adds a file in [`FOLDER`].
    #[must_use]
    pub(super) fn file(
        mut self,
        path: &'static str,
        answer: impl Fn(&HeaderMap) -> Response + Send + Sync + 'static,
    ) -> Self {
        debug_assert!(path.starts_with(FOLDER), "{path} would not be found");
        self.files.push((path, Page(Box::new(answer))));
        self
    }

    /// The patterns of the paths of all pages.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &'static str> {
        let files = (!self.files.is_empty()).then_some(IN_FOLDER);
        self.pages.iter().map(|(path, _)| *path).chain(files)
    }

    /// The page at a path.
    pub(super) fn at(&self, path: &str) -> Option<&Page> {
        let among = if path.starts_with(FOLDER) { &self.files } else { &self.pages };
        among.iter().find_map(|(own, page)| (*own == path).then_some(page))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.patterns()).finish()
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
