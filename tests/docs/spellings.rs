//! The spellings that the page about symbols shows are those that the grammar is tested with.

use quotefold::symbol::Symbol;

use crate::support::pages::page;

/// The spellings, by groups: what is typed, what it becomes (or `?` and words of the sentence), where it is written so.
const SPELLINGS: &str = include_str!("spellings.tsv");

/// The groups: heading and rows, as the page shows them.
fn groups() -> Vec<(String, Vec<Vec<String>>)> {
    let mut groups: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for line in SPELLINGS.lines().skip(1).filter(|line| !line.is_empty()) {
        match (line.strip_prefix("# "), groups.last_mut()) {
            (Some(heading), _) => groups.push((heading.to_owned(), Vec::new())),
            (None, Some((_, rows))) => {
                let [typed, becomes, at] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
                let becomes = becomes.strip_prefix("? ").map_or(format!("`{becomes}`"), |words| format!("*{words}*"));
                rows.push(vec![format!("`{typed}`"), becomes, at.to_owned()]);
            }
            (None, None) => panic!("{line:?} is in no group"),
        }
    }
    groups
}

#[test]
fn the_page_shows_every_spelling_that_is_tested_and_no_other() {
    let symbols = page("docs/symbols.md");
    let groups = groups();
    for (heading, rows) in &groups {
        let shown: Vec<Vec<String>> = symbols.rows(&format!("### {heading}"));
        assert_eq!(&shown, rows, "{heading}");
    }
    let (_, below) = symbols.text.split_once("## What people paste").unwrap();
    assert_eq!(below.matches("\n### ").count(), groups.len());
}

#[test]
fn every_spelling_in_the_table_above_is_canonical_or_becomes_it() {
    let symbols = page("docs/symbols.md");
    for row in symbols.rows("## Spelling") {
        let spelled = |cell: &str| -> Vec<String> {
            let codes = cell.split('`').skip(1).step_by(2);
            codes
                .map(|text| Symbol::parse(text).map_or_else(|error| error.to_string(), |symbol| symbol.to_string()))
                .collect()
        };
        let canonical: Vec<&str> = row[0].split('`').skip(1).step_by(2).collect();
        assert_eq!(spelled(&row[0]), canonical);
        for also in spelled(&row[2]) {
            assert!(canonical.contains(&also.as_str()), "{also} is not among {canonical:?}");
        }
    }
}
