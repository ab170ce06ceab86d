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
