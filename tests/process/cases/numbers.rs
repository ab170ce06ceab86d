//! Numbers and bodies of the world: decimal commas, foreign charsets, prices for several units, and multiples of coins.

use serde_json::Value;

use super::{Case, assert_priced, own, source_of, verdict};
use crate::support::{After, Configuration, Program, start};

/// A case with one source that sends these headers and bytes.
fn case(source: &str, headers: &'static str, body: &'static [u8]) -> Case {
    Case::new(source, move |call| {
        call.raw(&format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()));
        call.bytes(body);
        After::Keep
    })
}

/// An own source with these keys and this filter.
fn filtered(class: &str, keys: &str, jq: &str) -> String {
    format!("\n[sources.a]\nclasses = [\"{class}\"]\nurl = \"http://VENDORS/a/{{symbol}}\"\njq = '{jq}'\n{keys}\n")
}

/// The last price that the first source states.
fn last(entry: &Value) -> &str {
    entry["quotes"][0]["last"].as_str().unwrap_or_default()
}

#[test]
fn a_source_with_decimal_commas_is_read_to_the_digit() {
    for (body, expected) in [
        (&b"{\"p\":\"2.050\"}"[..], "2050"),
        (b"{\"p\":\"1.213,03\"}", "1213.03"),
        (b"{\"p\":\"48,7\"}", "48.7"),
        (b"{\"p\":\"1 205,5\"}", "1205.5"),
        (b"{\"p\":\"1,084\"}", "1.084"),
    ] {
        let entry = case(&format!("{}decimal = \",\"\n", own("a", "equity")), "", body).entry("AAPL");
        assert_eq!(last(&entry), expected, "{entry:#}");
    }
    let entry = case(&own("a", "equity"), "", b"{\"p\":\"1,084\"}").entry("AAPL");
    assert_eq!(verdict(&entry, "a"), "failed / malformed");
    let detail = entry["quotes"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("decimal = \",\"") && detail.contains("\"1,084\""), "{detail}");
}

#[test]
fn a_table_in_another_charset_is_read_if_it_is_stated_or_declared() {
    const WESTERN: &[u8] = b"Name;Preis\nM\xfcnchen;1.213,03\n";
    const CYRILLIC: &[u8] = b"Name;Preis\n\xc4\xee\xeb\xeb\xe0\xf0;48,7\n";
    const CHINESE: &[u8] = b"Name;Preis\n\xc6\xd6\xb7\xa2\xd2\xf8\xd0\xd0;1.213,03\n";
    const TABLE: &str = "reply = \"csv\"\nseparator = \";\"\ndecimal = \",\"\n";
    let source = |charset: &str| filtered("equity", &format!("{TABLE}{charset}"), ".[] | {price: .Preis}");
    for (charset, headers, body, expected) in [
        ("charset = \"latin-1\"", "", WESTERN, "1213.03"),
        ("charset = \"windows-1251\"", "Content-Type: text/csv; charset=utf-8\r\n", CYRILLIC, "48.7"),
        ("charset = \"gbk\"", "", CHINESE, "1213.03"),
        ("", "Content-Type: text/csv; charset=ISO-8859-1\r\n", WESTERN, "1213.03"),
        ("", "Content-Type: text/csv; charset=windows-1251\r\n", CYRILLIC, "48.7"),
    ] {
        let entry = case(&source(charset), headers, body).entry("AAPL");
        assert_eq!(last(&entry), expected, "{charset} {headers} {entry:#}");
    }
    // without either, nothing says what the bytes mean
    let entry = case(&source(""), "", WESTERN).entry("AAPL");
    assert_eq!(verdict(&entry, "a"), "failed / malformed");
    assert!(entry["quotes"][0]["detail"].as_str().unwrap().contains("`charset`"), "{entry:#}");
}

#[test]
fn a_price_for_several_units_is_the_price_of_one() {
    let per = filtered("crypto", "", "{price: .v, per: .units}");
    assert_eq!(last(&case(&per, "", b"{\"v\":\"250.0\",\"units\":100}").entry("BTC-USD")), "2.5");
    let scale = filtered("crypto", "", "{price, scale: .expo}");
    let entry = case(&scale, "", b"{\"price\":\"6140993501000\",\"expo\":-8}").entry("BTC-USD");
    assert_eq!(last(&entry), "61409.93501");
    for body in
        [&b"{\"v\":\"250.0\",\"units\":0}"[..], b"{\"v\":\"250.0\",\"units\":-100}", b"{\"v\":1,\"units\":1e30}"]
    {
        assert_eq!(verdict(&case(&per, "", body).entry("BTC-USD"), "a"), "failed / malformed");
    }
}

#[test]
fn a_check_shows_what_a_figure_is_read_as_and_why() {
    let source = filtered("crypto", "decimal = \",\"", "{price: .v, per: .units}");
    let case = case(&source, "", b"{\"v\":\"1.213,03\",\"units\":100}");
    let configuration = Configuration::new(&source.replace("VENDORS", &case.vendors.address.to_string()));
    let arguments = ["check", "a", "BTC-USD", "--live", "--config", configuration.path()];
    let ended = Program::new(&mut start(&arguments, &[])).ended();
    for words in ["\n  `price` \"1.213,03\" is read as 12.1303: decimal = \",\", per 100\n", "BTC-USD: price 12.1303"] {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}\n{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn a_coin_that_two_venues_list_differently_has_one_price() {
    let sources = format!("{}{}multiplied = {{ PEPE = 1000 }}\n", own("a", "crypto"), own("b", "crypto"));
    let case = Case::new(&sources, |call| match source_of(call) {
        "a" => call.json(r#"{"p":"0.0000099105"}"#),
        _ => call.json(r#"{"p":"0.0099105","b":"0.0099100","a":"0.0099110","v":"12.5"}"#),
    });
    let entry = case.entry("PEPE-USD");
    assert_priced(&entry, Some("0.0000099105"), Some("USD"), "ok");
    let heads = case.vendors.heads().join("\n");
    assert!(heads.contains("/b/1000PEPE-USD") && heads.contains("/a/PEPE-USD"), "{heads}");
    let of_b = entry["quotes"].as_array().unwrap().iter().find(|quote| quote["source"] == "b").unwrap();
    let stated = ["bid", "ask", "volume"].map(|name| of_b[name].as_str().unwrap_or_default());
    assert_eq!(stated, ["0.00000991", "0.000009911", "12500"], "{entry:#}");
}
