//! Which sources a section switches on, and which it switches off.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use quotefold::provider::catalogue::catalogue;
use quotefold::settings::Settings;

use crate::{errors, load_text, names};

/// Sections that add names to a provider, and state nothing else.
const NAMES: [&str; 6] = [
    "ids = { FOO = \"foo\" }",
    "spelled = { \"FOO-USD\" = \"foo\" }",
    "rename = { FOO = \"FOOCOIN\" }",
    "aliases = { XFOO = \"FOO\" }",
    "ids = { FOO = \"foo\" }\nrename = { FOO = \"FOOCOIN\" }",
    "[sources.NAME.ids]\nFOO = \"foo\"",
];

/// What is on without a file.
static BARE: LazyLock<Vec<String>> = LazyLock::new(|| named(""));

fn named(text: &str) -> Vec<String> {
    let settings = load_text(text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    names(&settings).into_iter().map(str::to_owned).collect()
}

/// The names of a catalogue's providers.
fn providers() -> impl Strategy<Value = BTreeSet<String>> {
    let all: Vec<String> = catalogue().keys().cloned().collect();
    prop::sample::subsequence(all, 0..6).prop_map(|names| names.into_iter().collect())
}

fn switch_on(settings: &Settings, name: &str) -> String {
    settings.off.iter().find(|off| off.source.name == name).unwrap().switch_on.clone()
}

proptest! {
    // each case reads the whole catalogue twice
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn names_switch_nothing_on_or_off_and_enabled_false_takes_one_away(
        adding in providers(), disabled in providers(), what in 0..NAMES.len(),
    ) {
        let header = |name: &String| format!("[sources.{name}]\n");
        let names = |name: &String| format!("{}{}\n", header(name), NAMES[what].replace("NAME", name));
        let adding: String = adding.difference(&disabled).map(names).collect();
        let disabling: String = disabled.iter().map(|name| header(name) + "enabled = false\n").collect();
        let mut expected = BARE.clone();
        expected.retain(|name| !disabled.contains(name));
        prop_assert_eq!(named(&format!("{disabling}{adding}")), expected);
        // beside a source that is named, they are as if they were not there
        let own = "[sources.desk]\nclasses = [\"equity\"]\nurl = \"http://desk.test/{symbol}\"\njq = '.'\n";
        prop_assert_eq!(named(&format!("{own}{disabling}{adding}")), ["desk"]);
    }
}

#[test]
fn added_names_are_known_to_the_source_whether_it_is_on_or_off() {
    let text = "[sources.coingecko.ids]\nFOO = \"foo\"\n[sources.finnhub.rename]\nFOO = \"BAR\"\n";
    let settings = load_text(text, &[]).unwrap();
    let on = settings.sources.iter().find(|source| source.name == "coingecko").unwrap();
    assert_eq!((on.ids["FOO"].as_str(), on.ids["BTC"].as_str()), ("foo", "bitcoin"));
    let off = settings.off.iter().find(|off| off.source.name == "finnhub").unwrap();
    assert_eq!(off.source.rename["FOO"], "BAR");
    assert!(switch_on(&settings, "finnhub").starts_with("set FINNHUB_API_KEY"));
}

#[test]
fn a_section_with_another_key_or_none_switches_its_source_on_alone() {
    for text in [
        "[sources.kraken]",
        "[sources.kraken]\nids = { FOO = \"foo\" }\ntimeout = \"300ms\"",
        "[sources.kraken]\nenabled = true",
    ] {
        assert_eq!(named(text), ["kraken"], "{text}");
    }
}

#[test]
fn a_source_that_is_switched_off_can_be_like_another_and_says_how_it_comes_back() {
    let text = "[sources.kraken]\nenabled = false\nlimits = [\"1/min\"]\n[sources.second]\nlike = \"kraken\"\n";
    let settings = load_text(text, &[]).unwrap();
    assert_eq!((names(&settings), settings.sources[0].limits[0].to_string()), (vec!["second"], "1/min".to_owned()));
    assert_eq!(switch_on(&settings, "kraken"), "remove enabled = false from [sources.kraken]");
    let by_variable = load_text("", &[("QUOTEFOLD_SOURCES__KRAKEN__ENABLED", "false")]).unwrap();
    assert!(!names(&by_variable).contains(&"kraken") && names(&by_variable).contains(&"coinbase"));
}

#[test]
fn names_alone_are_no_source_of_ones_own() {
    let error = errors("[sources.krakne]\nids = { FOO = \"foo\" }", &[]).remove(0);
    assert!(error.to_string().contains("did you mean kraken?"), "{error}");
}

#[test]
fn a_variable_of_a_provider_does_not_let_its_names_switch_the_others_off() {
    let file = "[sources.coingecko.ids]\nFOO = \"foo\"\n";
    let on = |text: &str, variable: (&str, &str)| {
        let settings = load_text(text, &[variable]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        names(&settings).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(on(file, ("QUOTEFOLD_SOURCES__COINGECKO__TIMEOUT", "1s")), *BARE);
    let away = "[sources.kraken]\nenabled = false\n";
    assert_eq!(on(away, ("QUOTEFOLD_SOURCES__KRAKEN__ENABLED", "true")), *BARE);
}

#[test]
fn a_source_that_is_taken_away_must_be_one_that_there_is() {
    let error = errors("[sources.krakn]\nenabled = false\n", &[]).remove(0).to_string();
    assert!(error.contains("krakn") && error.contains("kraken"), "{error}");
}
