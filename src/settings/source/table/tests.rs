//! How tables are laid over each other.

use super::*;

#[test]
fn a_base_url_stands_for_scheme_host_and_port() {
    let replaced = |base| replace_origin("https://api.kraken.com/0/public/Ticker?pair={symbols}", base);
    assert_eq!(replaced("http://127.0.0.1:9001/k/").unwrap(), "http://127.0.0.1:9001/k/0/public/Ticker?pair={symbols}");
    assert!(replaced("127.0.0.1:9001").is_err());
    let without_path = replace_origin("https://x.test?day=1/2&ids={symbols}", "http://127.0.0.1:9001");
    assert_eq!(without_path.unwrap(), "http://127.0.0.1:9001?day=1/2&ids={symbols}");
}

#[test]
fn what_a_table_leaves_out_is_the_one_below() {
    let user: SourceTable = toml::from_str("timeout = \"800ms\"\nlimits = [\"1/s\"]").unwrap();
    let catalogue: SourceTable =
        toml::from_str("classes = [\"crypto\"]\nurl = \"https://x/{symbols}\"\njq = \".\"\ntimeout = \"2s\"").unwrap();
    let source = user.over(catalogue).resolve("x").unwrap();
    assert_eq!((source.timeout, source.batch, source.limits.len()), (Duration::from_millis(800), 1, 1));
    assert_eq!(SourceTable::default().resolve("x").unwrap_err().0, "url");
}

#[test]
fn a_name_that_is_added_takes_no_other_away() {
    let user: SourceTable = toml::from_str("ids = { PEPE = \"pepe\", ETH = \"ether\" }").unwrap();
    let catalogue: SourceTable = toml::from_str("ids = { BTC = \"bitcoin\", ETH = \"ethereum\" }").unwrap();
    let ids = user.over(catalogue).ids.unwrap();
    assert_eq!(ids.into_values().collect::<Vec<_>>(), ["bitcoin", "ether", "pepe"]);
}
