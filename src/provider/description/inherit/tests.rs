//! Which examples a source inherits from the description that it starts from.

use crate::provider::description::table::tests::table;

const BASE: &str = r#"
classes = ["crypto", "fx"]
url = "https://x.test/{symbols}"
jq = ".rows[]"
batch = 2
rename = { BTC = "XBT" }
units = { L = "GBp" }
examples = [
    { about = "one", asked = ["BTC-USD"], body = '{"XBTUSD":1}' },
    { about = "two", asked = ["ETH-USD", "EUR-USD"], body = '{"ETHUSD":2}' },
    { about = "404", asked = ["LTC-USD"], status = 404, body = "", error = "http_status" },
]
"#;

/// The examples that are left, without the one about a 404.
fn left(own: &str) -> Vec<String> {
    let source = table(own).over(table(BASE)).unwrap();
    let left = source.settings().examples.iter().map(|example| example.about.clone());
    left.filter(|about| about != "404").collect()
}

#[test]
fn a_different_account_or_address_leaves_every_example_as_it_is() {
    for own in [
        "",
        "account = \"mine\"\nkey = \"abcdef\"\nlimits = [\"1/s\"]\nbase_url = \"http://127.0.0.1:9\"",
        "timeout = \"1s\"\nrole = \"reserve\"\nheaders = { accept = \"text/plain\" }\nbatch = 2",
        "jq = \".rows[]\"\nreply = \"json\"\nformat = \"{symbol}\"\nrename = { BTC = \"XBT\" }",
        "rename = { DOGE = \"XDG\" }\nids = { PEPE = \"pepe\" }\nunits = { JO = \"ZAc\" }",
        "multiplied = { PEPE = 1000 }\ncharset = \"latin1\"",
        "classes = [\"crypto\", \"fx\", \"equity\"]\nsymbols = [\"*-USD\"]\ncurrencies = [\"usd\", \"EUR\"]",
    ] {
        assert_eq!(left(own), ["one", "two"], "{own}");
    }
}

#[test]
fn a_table_that_reads_bodies_differently_inherits_no_example() {
    for own in [
        "jq = \".data[]\"",
        "reply = \"csv\"",
        "separator = \";\"",
        "decimal = \",\"",
        "format = \"{base}/{quote}\"",
        "format = { dot = \"-\" }",
    ] {
        assert_eq!(left(own), [] as [&str; 0], "{own}");
    }
}

#[test]
fn an_example_about_a_symbol_that_is_renamed_or_not_asked_for_is_dropped() {
    for (own, stays) in [
        ("rename = { BTC = \"BTC\" }", "two"),
        ("multiplied = { BTC = 1000 }", "two"),
        ("rename = { FOO = \"XBT\" }", "two"),
        ("ids = { ETH = \"ethereum\" }", "one"),
        ("spelled = { \"BTC-USD\" = \"bitcoin\" }", "two"),
        ("aliases = { XBTUSD = \"BTCUSD\" }", "two"),
        ("aliases = { ETHUSD = \"ETHEUR\" }", "one"),
        ("classes = [\"crypto\"]", "one"),
        ("symbols = [\"BTC-*\"]", "one"),
        ("batch = 1", "one"),
    ] {
        assert_eq!(left(own), [stays], "{own}");
    }
    assert_eq!(left("currencies = [\"EUR\"]"), [] as [&str; 0]);
}

#[test]
fn an_example_with_a_404_is_dropped_where_a_404_means_something_else() {
    let examples = |own: &str| table(own).over(table(BASE)).unwrap().settings().examples.len();
    assert_eq!((examples(""), examples("not_found = \"unknown_symbol\"")), (3, 2));
}

#[test]
fn own_examples_replace_all_others() {
    let own = "examples = [{ about = \"mine\", asked = [\"BTC-USD\"], body = \"{}\" }]";
    assert_eq!(left(own), ["mine"]);
    assert_eq!(left(&format!("jq = \".data[]\"\n{own}")), ["mine"]);
}
