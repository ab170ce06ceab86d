//! What the fingerprints in a state file tell apart, and what they do not reveal.

use super::*;
use crate::settings::load::{LoadOptions, load};

fn settings(source: &str) -> Settings {
    let base = "[sources.desk]\nclasses = [\"equity\"]\njq = \".\"\nurl = \"http://desk.test/{symbol}\"\n";
    // a line replaces the base's line with the same key
    let key = |line: &str| line.split([' ', '=']).next().unwrap_or_default().to_owned();
    let stated: Vec<String> = source.lines().map(key).collect();
    let base: String =
        base.lines().filter(|line| !stated.contains(&key(line))).map(|line| format!("{line}\n")).collect();
    let text = format!("{base}{source}");
    let environment = [("OLD_KEY", "old-secret-key"), ("NEW_KEY", "new-secret-key")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = LoadOptions { text: Some(("test.toml".to_owned(), text)), environment, ..LoadOptions::default() };
    load(&options).unwrap_or_else(|errors| panic!("{errors}"))
}

fn meaning(source: &str) -> Fingerprint {
    let settings = settings(source);
    of_meaning(&settings.sources[0], &settings)
}

#[test]
fn a_description_whose_quotes_can_mean_something_else_has_another_mark() {
    let plain = meaning("");
    for source in [
        "url = \"http://desk.test/v2/{symbol}\"",
        "base_url = \"http://elsewhere.test\"",
        "body = \"{symbol}\"",
        "headers = { accept = \"text/plain\" }",
        "format = \"{symbol:lower}\"",
        "format = { dot = \"-\" }",
        "rename = { AAPL = \"APPLE\" }",
        "ids = { AAPL = \"apple\" }",
        "aliases = { APPLE = \"AAPL\" }",
        "spelled = { AAPL = \"APPLE\" }",
        "units = { L = \"GBp\" }",
        "multiplied = { PEPE = 1000 }",
        "reply = \"csv\"",
        "reply = \"csv\"\nseparator = \";\"",
        "charset = \"windows-1251\"",
        "decimal = \",\"",
        "decimal = \".\"",
        "jq = \".[0]\"",
        "\n[symbols.VTSAX]\nclass = \"fund\"",
    ] {
        assert_ne!(meaning(source), plain, "{source}");
    }
    for source in [
        "about = \"the desk\"",
        "timeout = \"500ms\"",
        "limits = [\"1/s\"]",
        "role = \"reserve\"",
        "lag = \"15m\"",
        "classes = [\"equity\", \"fx\"]\ncurrencies = [\"USD\"]",
        "account = \"other\"",
        "symbols = [\"A*\"]",
        "separator = \",\"",
    ] {
        assert_eq!(meaning(source), plain, "{source}");
    }
}

#[test]
fn an_isin_counts_at_the_sources_that_are_asked_by_it_and_at_no_other() {
    let with_isin = |isin: &str| format!("[symbols.\"VWCE.DE\"]\nisin = \"{isin}\"");
    let by_isin = |more: &str| meaning(&format!("url = \"http://desk.test/{{isin}}\"\n{more}"));
    let [one, other] = ["IE00BK5BQT80", "IE00B4L5Y983"].map(with_isin);
    assert!(by_isin(&one) != by_isin(&other) && by_isin(&one) != by_isin(""));
    assert_eq!(meaning(&format!("\n{one}")), meaning(""));
}

#[test]
fn a_new_key_changes_the_mark_of_the_keys_and_not_that_of_the_quotes() {
    for source in [
        "key = \"${KEY}\"\nurl = \"http://desk.test/{symbol}?token={key}\"",
        "url = \"http://desk.test/{symbol}?token=${KEY}\"",
        "url = \"http://me:${KEY}@desk.test/{symbol}\"",
        "headers = { authorization = \"Bearer ${KEY}\" }",
        "body = '{\"symbol\":\"{symbol}\",\"key\":\"${KEY}\"}'",
    ] {
        let [old, new] = ["OLD_KEY", "NEW_KEY"].map(|name| source.replace("KEY", name));
        assert_eq!(meaning(&old), meaning(&new), "{source}");
        let keys = |source: &str| of_keys(&settings(source), "desk");
        assert!(keys(&old).is_some() && keys(&old) != keys(&new), "{source}");
    }
    assert_eq!(of_keys(&settings(""), "desk"), None);
}

#[test]
fn a_keys_mark_is_too_short_to_reveal_the_key() {
    let mark = of_keys(&settings("key = \"${OLD_KEY}\"\nurl = \"http://desk.test/{symbol}?token={key}\""), "desk");
    let text = serde_json::to_string(&mark).unwrap();
    assert_eq!(text.len(), "\"sha256:0123\"".len(), "{text}");
}
