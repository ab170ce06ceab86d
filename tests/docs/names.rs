//! The names of problems, providers, variables and metrics.

use std::collections::BTreeSet;

use quotefold::metrics::Metrics;
use quotefold::provider::catalogue::catalogue;

use crate::support::pages::{ROOT, page};
use crate::tables::sources;

type Names = BTreeSet<String>;

#[test]
fn every_provider_and_its_variables_are_named() {
    let providers = page("docs/providers.md");
    let named = providers.first_column("## Built-in providers");
    assert_eq!(named, catalogue().keys().cloned().collect::<Names>());
    let files = std::fs::read_dir(format!("{ROOT}/config/sources")).unwrap();
    let files = files.map(|file| file.unwrap().path().with_extension(""));
    assert_eq!(named, files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Names>());
    for variable in catalogue().values().flat_map(|table| &table.settings().key_from) {
        assert!(providers.text.contains(&format!("`{variable}`")), "{variable}");
    }
}

#[test]
fn every_metric_is_named() {
    let deployment = page("docs/deployment.md").text;
    // families with labels are not rendered before they have a series
    let metrics = Metrics::default();
    metrics.request("/prices", 200);
    metrics.route("/prices", &[]);
    metrics.source("alpha");
    metrics.circuit("alpha", false);
    let metrics = metrics.render().unwrap();
    let families: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let written = [
        "Family::gauge(\"quotefold",
        "Family::gauge(\n    \"quotefold",
        "Family::counter(\n    \"quotefold",
        "registry.register(",
    ];
    let written: usize = written.into_iter().map(occurrences).sum();
    let own = families.iter().filter(|family| family.starts_with("quotefold_")).count();
    assert_eq!(own, written, "this test does not count every metric: {families:?}");
    for family in families {
        let name = match family.split_once(' ').unwrap() {
            (name, "counter") => format!("`{name}_total`"),
            (name, _) => format!("`{name}`"),
        };
        assert!(deployment.contains(&name), "{name}");
    }
}

/// How often these words are in the source.
fn occurrences(words: &str) -> usize {
    sources("src").iter().map(|text| text.matches(words).count()).sum()
}
