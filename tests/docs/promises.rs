//! Every promise is held by tests that exist.

use std::path::Path;

use crate::support::pages::{ROOT, page};

/// Whether there is a test with a name such as `process::busy::health_is_answered`: the program, the file, the function.
fn exists(test: &str) -> bool {
    let Some((path, name)) = test.rsplit_once("::") else { return false };
    let path = path.replace("::", "/");
    let files = ["tests/{}.rs", "tests/{}/main.rs", "tests/{}/mod.rs"].map(|file| file.replace("{}", &path));
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(Path::new(ROOT).join(file)).ok());
    texts.into_iter().any(|text| text.contains(&format!("fn {name}(")))
}

/// The tests that a page names.
fn tests_named(text: &str) -> impl Iterator<Item = &str> {
    let programs =
        ["process::", "http::", "source::", "network::", "pricing::", "fold_laws::", "configuration::", "soak::"];
    text.split('`').skip(1).step_by(2).filter(move |code| programs.iter().any(|program| code.starts_with(program)))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = page("docs/reliability.md");
    let missing: Vec<&str> = tests_named(&page.text).filter(|test| !exists(test)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(!exists("process::busy::nobody_wrote_this"));
    let rows = page.rows("## What is promised");
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        assert!(tests_named(&row[2]).next().is_some(), "{row:?}");
    }
}
