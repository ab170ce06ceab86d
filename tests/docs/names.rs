//! The names of problems, providers, variables and metrics.

use std::collections::BTreeSet;

use quotefold::metrics::{Metrics, Observed, ObservedSource};
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
    // metrics with labels are not rendered before something has been counted
    let metrics = Metrics::default();
    metrics.request("/prices", 200);
    metrics.call("alpha", "ok");
    metrics.retry("alpha");
    metrics.circuit("alpha", false);
    metrics.quote("alpha", "used", "");
    let alpha = ObservedSource { name: "alpha".to_owned(), breaker: "closed", last_success: None };
    let limits = vec![("alpha".to_owned(), "1s".to_owned(), 1)];
    metrics.show(&Observed { board_entries: 0, sources: vec![alpha], limits });
    let metrics = metrics.render().unwrap();
    let families: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(
        families.len(),
        occurrences("registry.register("),
        "this test does not count every metric: {families:?}"
    );
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
