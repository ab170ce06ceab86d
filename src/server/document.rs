//! Serves the description of the interface, `/openapi.json`, and `/docs`, which shows it to people.
//!
//! The description is kept by hand in `openapi.json`. The tests compare every reply that they get with it.

use super::embedded::{Embedded, PAGE, SCRIPT, STYLE};
use super::pages::Pages;

const FILES: [Embedded; 4] = [
    Embedded { path: "/openapi.json", kind: "application/json", text: include_str!("openapi.json") },
    Embedded { path: "/docs", kind: PAGE, text: include_str!("docs/page.html") },
    Embedded { path: "/docs/page.js", kind: SCRIPT, text: include_str!("docs/page.js") },
    Embedded { path: "/docs/page.css", kind: STYLE, text: include_str!("docs/page.css") },
];

/// Adds the description and its page, which need no key: they hold no prices.
pub(super) fn add_to(pages: Pages) -> Pages {
    FILES.into_iter().fold(pages, |pages, file| pages.page(file.path, move |_| file.reply()))
}
