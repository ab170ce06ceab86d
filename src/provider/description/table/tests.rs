//! How tables are laid over each other.

use super::*;

/// A table as a file states it.
pub(in crate::provider::description) fn table(text: &str) -> SourceTable {
    toml::from_str(text).unwrap()
}

#[test]
fn a_key_that_a_table_leaves_out_comes_from_the_table_below() {
    let user: SourceTable = toml::from_str("timeout = \"800ms\"\nlimits = [\"1/s\"]").unwrap();
    let catalogue: SourceTable =
        toml::from_str("classes = [\"crypto\"]\nurl = \"https://x/{symbols}\"\njq = \".\"\ntimeout = \"2s\"").unwrap();
    let source = user.over(catalogue).unwrap().resolve("x").unwrap();
    assert_eq!((source.timeout, source.batch, source.limits.len()), (Duration::from_millis(800), 1, 1));
    assert_eq!(SourceTable::default().resolve("x").unwrap_err().0, "url");
}

#[test]
fn adding_a_name_removes_no_other() {
    let user: SourceTable = toml::from_str("ids = { PEPE = \"pepe\", ETH = \"ether\" }").unwrap();
    let catalogue: SourceTable = toml::from_str("ids = { BTC = \"bitcoin\", ETH = \"ethereum\" }").unwrap();
    let ids = user.over(catalogue).unwrap().settings.ids;
    assert_eq!(ids.into_values().collect::<Vec<_>>(), ["bitcoin", "ether", "pepe"]);
}

#[test]
fn adding_a_multiple_removes_no_other() {
    let multiplied = table("multiplied = { PEPE = 1000 }").over(table("multiplied = { BONK = 1000, PEPE = 10 }"));
    let multiplied = multiplied.unwrap().settings.multiplied;
    assert_eq!(multiplied.into_iter().collect::<Vec<_>>(), [("BONK".to_owned(), 1000), ("PEPE".to_owned(), 1000)]);
}

#[test]
fn a_call_is_a_post_where_a_body_is_given_and_a_post_is_not_sent_again_unless_stated() {
    let needed = "classes = [\"crypto\"]\nurl = \"https://x/{symbols}\"\njq = \".\"\n";
    let method = ["", "method = \"GET\"\n", "method = \"POST\"\n"];
    let stated = [(None, ""), (Some(true), "idempotent = true\n"), (Some(false), "idempotent = false\n")];
    for (method, body) in method.iter().flat_map(|method| [(method, ""), (method, "body = \"{}\"\n")]) {
        for (idempotent, line) in stated {
            let text = format!("{needed}{method}{body}{line}");
            let source = table(&text).resolve("x").unwrap();
            let is_post = method.contains("POST") || (method.is_empty() && !body.is_empty());
            assert_eq!(source.method == Method::Post, is_post, "{text}");
            assert_eq!(source.idempotent, idempotent.unwrap_or(!is_post), "{text}");
        }
    }
}

#[test]
fn a_list_is_not_asked_for_at_another_vendors_address() {
    let list_of = |own: &str| {
        let base = "url = \"https://a.test/{symbol}\"\ninstruments = { url = \"https://a.test/list\", filter = \".\" }";
        table(own).over(table(base)).unwrap().settings.instruments.map(|list| list.url)
    };
    assert_eq!(list_of("timeout = \"1s\"").as_deref(), Some("https://a.test/list"));
    assert_eq!(list_of("instruments = { every = \"48h\" }").as_deref(), Some("https://a.test/list"));
    assert_eq!(list_of("url = \"https://b.test/{symbol}\""), None);
    assert_eq!(list_of("url = \"https://b.test/{symbol}\"\ninstruments = { every = \"48h\" }").as_deref(), Some(""));
    let own = "url = \"https://b.test/{symbol}\"\ninstruments = { url = \"https://b.test/list\" }";
    assert_eq!(list_of(own).as_deref(), Some("https://b.test/list"));
}

#[test]
fn a_base_url_goes_before_the_address_of_the_list_as_well() {
    let needed =
        "classes = [\"crypto\"]\nurl = \"https://v.test/q?s={symbols}\"\njq = \".\"\nbase_url = \"https://a.test\"\n";
    let source = table(&format!("{needed}instruments = {{ url = \"https://v.test/list\", filter = \".\" }}"))
        .resolve("x")
        .unwrap();
    assert_eq!(
        (source.url.as_str(), &*source.instruments.unwrap().url),
        ("https://a.test/q?s={symbols}", "https://a.test/list")
    );
    let without = table(needed).resolve("x").unwrap();
    assert!(without.instruments.is_none());
}

#[test]
fn a_table_that_only_says_what_things_are_called_is_told_from_others() {
    assert!(table("spelled = { \"BTC-USD\" = \"x\" }").only_adds_names());
    assert!(table("rename = { BTC = \"XBT\" }\nids = { BTC = \"bitcoin\" }").only_adds_names());
    assert!(!table("rename = { BTC = \"XBT\" }\ntimeout = \"1s\"").only_adds_names());
    assert!(!table("").only_adds_names());
}
