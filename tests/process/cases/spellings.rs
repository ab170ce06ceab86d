//! What people type: understood, or answered by an entry of its own, and never at the cost of the others.

use serde_json::{Value, json};

use super::{Case, assert_priced, own, verdict};

/// Two own sources of a class that quote everything at one price and state a currency.
fn case(class: &str, more: &str, body: &'static str) -> Case {
    Case::new(&format!("{}{}{more}", own("a", class), own("b", class)), move |call| call.json(body))
}

fn detail(entry: &Value) -> &str {
    entry["detail"].as_str().unwrap_or_default()
}

/// The entry of the only symbol in a query, and how it was renamed.
fn asked(case: &Case, written: &str) -> (Value, Value) {
    let answer = case.get(&format!("/prices?symbols={written}")).json();
    (answer["prices"][0].clone(), answer["renamed"].clone())
}

#[test]
fn listings_abroad_are_understood_in_the_spellings_of_other_places() {
    let case = case("equity", "", r#"{"p":"12.5","c":"CAD"}"#);
    let canadian = [
        ("AP-UN.TO", "AP-UN.TO"),
        ("ALA-PA.TO", "ALA-PA.TO"),
        ("RY-PR-Z.TO", "RY-PZ.TO"),
        ("RCI.B.TO", "RCI-B.TO"),
        ("TSX:RY", "RY.TO"),
        ("TSE:RY", "RY.TO"),
    ];
    for (written, canonical) in canadian {
        let (entry, renamed) = asked(&case, written);
        assert_priced(&entry, Some("12.5"), Some("CAD"), "ok");
        assert_eq!(entry["symbol"], canonical, "{written}");
        assert_eq!(renamed, if written == canonical { Value::Null } else { json!({ written: canonical }) });
    }
    let in_rupees = self::case("equity", "", r#"{"p":"3100","c":"INR"}"#);
    let (entry, _) = asked(&in_rupees, "M%26M.NS");
    assert_eq!((&entry["symbol"], &entry["price"]), (&"M&M.NS".into(), &"3100".into()), "{entry:#}");
    let heads = in_rupees.vendors.heads();
    assert!(heads.iter().all(|head| head.contains("/M%26M.NS ") || head.contains("/M&M.NS ")), "{heads:?}");
}

#[test]
fn preferred_shares_warrants_and_units_have_one_spelling_each() {
    let case = case("equity", "", r#"{"p":"24.1","c":"USD"}"#);
    let spellings = [
        ("BAC-PL", "BAC-PL"),
        ("WFC.PRN", "WFC-PN"),
        ("BAC%5EL", "BAC-PL"),
        ("BACpL", "BAC-PL"),
        ("CCIV%2B", "CCIV-WT"),
        ("CCIV+", "CCIV-WT"),
        ("CCIV-UN", "CCIV.U"),
    ];
    for (written, canonical) in spellings {
        let (entry, _) = asked(&case, written);
        assert_priced(&entry, Some("24.1"), Some("USD"), "ok");
        assert_eq!(entry["symbol"], canonical, "{written}");
    }
}

#[test]
fn a_future_is_asked_only_of_sources_that_say_how_they_spell_it() {
    let more = "format = { future = \"{symbol:lower}\" }\n";
    let case = case("equity", more, r#"{"p":"4061.2","c":"USD"}"#);
    let entry = case.entry("GC=F");
    assert_eq!(entry["sources"]["asked"], 1, "{entry:#}");
    assert_priced(&entry, Some("4061.2"), Some("USD"), "degraded / few_sources");
    assert!(case.vendors.heads()[0].to_lowercase().contains("/b/gc"), "{:?}", case.vendors.heads());
    let none = self::case("equity", "", r#"{"p":"4061.2"}"#);
    let entry = none.entry("GC=F");
    assert_eq!(entry["reason"], "not_covered");
    assert!(detail(&entry).contains("covers futures") && detail(&entry).contains("yahoo"), "{entry:#}");
    assert_eq!(none.vendors.calls(), 0);
}

#[test]
fn four_texts_are_four_entries_and_two_prices() {
    let sources = [own("a", "equity"), own("b", "equity"), own("c", "crypto"), own("d", "crypto")].concat();
    let case = Case::new(&sources, |call| call.json(r#"{"p":"100"}"#));
    let reply = case.get("/prices?symbols=AAPL,GC=F,not a symbol,BTC-USD".replace(' ', "%20").as_str());
    assert_eq!((reply.status, reply.header("prices-status")), (200, Some("partial")));
    let answer = reply.json();
    let said = |entry: &Value| (entry["symbol"].clone(), entry["status"].clone(), entry["price"].clone());
    let entries: Vec<_> = answer["prices"].as_array().unwrap().iter().map(said).collect();
    let expected = [
        ("AAPL", "ok", json!("100")),
        ("GC=F", "unavailable", Value::Null),
        ("not a symbol", "unknown", Value::Null),
        ("BTC-USD", "ok", json!("100")),
    ];
    assert_eq!(entries, expected.map(|(symbol, status, price)| (symbol.into(), status.into(), price)));
}

#[test]
fn money_that_is_gone_is_no_coin_and_says_what_followed_it() {
    let restricted = |name: &str, class: &str, symbols: &str| format!("{}symbols = [{symbols}]\n", own(name, class));
    let sources = [
        restricted("a", "fx", "\"EUR-USD\", \"USD-CNH\""),
        restricted("b", "fx", "\"EUR-USD\", \"USD-CNH\""),
        restricted("c", "equity", "\"AAPL\""),
        restricted("d", "equity", "\"AAPL\""),
    ];
    let case = Case::new(&sources.concat(), |call| call.json(r#"{"p":"7.1"}"#));
    assert_priced(&case.entry("USD-CNH"), Some("7.1"), Some("CNH"), "ok");
    for (pair, followed) in
        [("EUR-HRK", "HRK is gone since 2023-01, and EUR followed it"), ("USD-VEF", "VES followed it")]
    {
        let entry = case.entry(pair);
        assert_eq!(entry["reason"], "not_covered", "{entry:#}");
        assert!(detail(&entry).contains(followed), "{entry:#}");
    }
    let converted = case.get("/prices?symbols=AAPL&currency=CNH").entry("AAPL");
    assert_priced(&converted, Some("50.41"), Some("CNH"), "ok");
    let gone = case.get("/prices?symbols=AAPL&currency=BGN");
    assert_eq!(gone.entry("AAPL")["reason"], "no_conversion");
    assert!(detail(&gone.entry("AAPL")).contains("BGN is gone since 2026-01"), "{:?}", gone.json());
}

#[test]
fn a_name_of_ones_own_comes_before_what_it_looks_like() {
    let names = "[symbols.600519]\ncurrency = \"CNY\"\nspelled = { a = \"A1\", b = \"B1\" }\n\
                 [symbols.BTC-PERP]\ncurrency = \"USD\"\nspelled = { a = \"A2\", b = \"B2\" }\n\
                 [watch]\nsymbols = [\"600519\"]\n";
    let case = case("equity", names, r#"{"p":"1400"}"#);
    assert_priced(&case.entry("600519"), Some("1400"), Some("CNY"), "ok");
    let (entry, renamed) = asked(&case, "btc-perp");
    assert_priced(&entry, Some("1400"), Some("USD"), "ok");
    assert_eq!((&entry["symbol"], renamed), (&"BTC-PERP".into(), json!({"btc-perp": "BTC-PERP"})));
    assert_eq!((verdict(&entry, "a"), verdict(&entry, "b")), ("used".to_owned(), "used".to_owned()));
    let (other, _) = asked(&case, "600518");
    assert_eq!((&other["reason"], detail(&other).contains("600518.SS")), (&"not_a_symbol".into(), true), "{other:#}");
}
