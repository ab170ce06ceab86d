//! The page about performance: it lists every bench, and every row and option of the comparison.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use crate::support::pages::{ROOT, page};

type Names = BTreeSet<String>;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands in quotes after a word, wherever the word occurs.
fn after(text: &str, word: &str) -> Names {
    text.split(word).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
}

/// The options that a struct of clap's has, by its fields; hidden ones are for the program itself.
fn options(source: &str) -> Names {
    let fields = source.split("#[arg(long").skip(1).filter(|rest| !rest.split(']').next().unwrap().contains("hide"));
    let named = |rest: &str| match rest.strip_prefix(" = \"") {
        Some(name) => name.split('"').next().unwrap().to_owned(),
        None => {
            let field = rest.split(")]").nth(1).unwrap().split(':').next().unwrap();
            field.split_whitespace().last().unwrap().replace('_', "-")
        }
    };
    fields.map(|rest| format!("--{}", named(rest))).collect()
}

/// The first words of the codes in the first column.
fn first_words(heading: &str) -> Names {
    let column = page("docs/performance.md").first_column(heading);
    column.iter().map(|code| code.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_lists_every_row_of_the_comparison() {
    let rows = after(&text("benches/compare/rows.rs"), "name: \"");
    assert_eq!(page("docs/performance.md").first_column("## Targets"), rows);
}

#[test]
fn the_page_lists_every_option_of_the_benches() {
    let compare = text("benches/compare/arguments.rs");
    let (compare, _) = compare.split_once("pub(crate) enum Peer").unwrap();
    assert_eq!(first_words("## How to repeat it"), options(compare));
    assert_eq!(first_words("## Where the time goes"), options(&text("benches/instructions/main.rs")));
}

#[test]
fn the_page_names_every_bench() {
    let manifest: Table = text("Cargo.toml").parse().unwrap();
    let shown = page("docs/performance.md").text;
    let benches = manifest.get("bench").and_then(Value::as_array).unwrap();
    for name in benches.iter().filter_map(|bench| bench.get("name")?.as_str()) {
        assert!(shown.contains(&format!("cargo bench --bench {name}")), "{name} is not shown");
    }
}
