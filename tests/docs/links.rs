//! Links between pages lead to files and headings that exist.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::support::pages::{Page, ROOT, pages};

/// The targets of links within the repository: a path and, after a #, a heading.
fn relative_links(page: &Page) -> Vec<String> {
    let mut links = Vec::new();
    for (_, line) in page.lines().filter(|(is_code, _)| !is_code) {
        // brackets within `code` are not a link
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("");
        links.extend(prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()));
    }
    links.retain(|link| !link.starts_with("https://") && !link.starts_with("http://") && !link.starts_with("mailto:"));
    links
}

/// The anchors of a page, derived from its headings as GitHub does.
fn anchors(page: &Page) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in page.headings() {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// The path that a link on a page leads to, from the root.
fn target(page: &Page, link: &str) -> PathBuf {
    let from = Path::new(&page.path).parent().unwrap();
    let mut path = PathBuf::new();
    for part in from.join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {link} leads out of the repository", page.path),
            part => path.push(part),
        }
    }
    path
}

/// What is wrong with the links of these pages.
fn broken(pages: &[Page]) -> Vec<String> {
    let mut broken = Vec::new();
    for page in pages {
        for link in relative_links(page) {
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let path = if file.is_empty() { PathBuf::from(&page.path) } else { target(page, file) };
            let linked = pages.iter().find(|page| Path::new(&page.path) == path);
            let holds = match (linked, anchor) {
                (Some(linked), Some(anchor)) => anchors(linked).contains(anchor),
                (Some(_), None) => true,
                (None, None) => Path::new(ROOT).join(&path).exists(),
                (None, Some(_)) => false,
            };
            if !holds {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    broken
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    assert_eq!(broken(&pages()), Vec::<String>::new());
}

#[test]
fn every_page_of_the_documentation_can_be_reached_from_the_readme() {
    let pages = pages();
    let readme = pages.iter().find(|page| page.path == "README.md").unwrap();
    let linked: BTreeSet<PathBuf> = relative_links(readme).iter().map(|link| target(readme, link)).collect();
    for page in pages.iter().filter(|page| page.path.starts_with("docs/")) {
        assert!(linked.contains(Path::new(&page.path)), "{} is not linked", page.path);
    }
}

#[test]
fn a_link_to_a_missing_heading_is_noticed() {
    let page = |path: &str, text: &str| Page { path: path.to_owned(), text: text.to_owned() };
    let pages = [
        page("README.md", "[right](docs/a.md#what-it-does-yet) [wrong](docs/a.md#what) `[no link](x)`\n"),
        page(
            "docs/a.md",
            "# A\n## What it does (yet)\n```\n# no heading\n```\n[up](../README.md) [gone](b.md) [x](#a)\n",
        ),
    ];
    assert_eq!(broken(&pages), ["README.md: docs/a.md#what", "docs/a.md: b.md"]);
}
