//! The table of faults is complete, and names tests that exist.

use std::path::Path;

/// The numbers of the table, and all the tests in it.
fn table() -> (Vec<usize>, Vec<&'static str>) {
    let rows = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    let numbers = rows.iter().filter_map(|row| row.first()?.parse().ok());
    let tests = rows.iter().filter_map(|row| row.last().copied()).filter(|name| name.contains("::"));
    (numbers.collect(), tests.collect())
}

/// Whether a test exists, given its path: a file under `tests` or `src`, then the function's name.
fn exists(test: &str) -> bool {
    let Some((path, name)) = test.rsplit_once("::") else { return false };
    let path = path.replace("::", "/");
    let files =
        ["tests/{}.rs", "tests/{}/mod.rs", "src/{}.rs", "src/{}/tests.rs"].map(|file| file.replace("{}", &path));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(root.join(file)).ok());
    let starts = format!("fn {name}(");
    texts.into_iter().any(|text| {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| {
            let is_test = pair[0] == "#[test]" || pair[0].starts_with("#[tokio::test");
            is_test && pair[1].trim_start_matches("async ").starts_with(&starts)
        })
    })
}

#[test]
fn every_fault_has_its_tests_and_they_exist() {
    let (numbers, tests) = table();
    let expected: Vec<usize> = (1..=49).filter(|number| !matches!(number, 31 | 32)).collect();
    assert_eq!(numbers, expected);
    let missing: Vec<&str> = tests.iter().copied().filter(|test| !exists(test)).collect();
    assert!(missing.is_empty() && tests.len() >= numbers.len(), "there is no test {missing:#?}");
    assert!(!exists("process::faults::table::nobody_wrote_this"));
}
