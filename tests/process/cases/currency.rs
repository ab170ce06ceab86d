//! The currency of a price: a stated currency never overrules the symbol, and nothing is guessed.

use serde_json::Value;

use super::{Case, assert_priced, own, verdict};

/// A case over own sources of shares with these replies, and with a configuration.
fn case(configuration: &str, says: &'static [(&'static str, &'static str)]) -> Case {
    let sources: String = says.iter().map(|(name, _)| own(name, "equity")).collect();
    Case::new(&format!("{configuration}{sources}"), |call| {
        let source = super::source_of(call);
        call.json(says.iter().find(|(name, _)| *name == source).map_or("{}", |(_, body)| body))
    })
}

fn detail(entry: &Value) -> &str {
    entry["detail"].as_str().unwrap_or_default()
}

#[test]
fn a_wrong_label_costs_its_own_quote_and_not_those_that_agree() {
    let case = case("", &[("a", r#"{"p":"40.1"}"#), ("b", r#"{"p":"40.2"}"#), ("c", r#"{"p":"40.3","c":"SEK"}"#)]);
    let entry = case.entry("ZZZ");
    assert_priced(&entry, Some("40.15"), Some("USD"), "ok");
    assert_eq!(verdict(&entry, "c"), "excluded / currency_mismatch");
}

#[test]
fn a_ticker_that_a_vendor_has_in_india_stays_the_american_one() {
    let says = &[
        ("finn", r#"{"p":"2.11"}"#),
        ("tiing", r#"{"p":"2.12"}"#),
        ("alpa", r#"{"p":"2.115"}"#),
        ("twelve", r#"{"p":"3120.50","c":"INR"}"#),
    ];
    let case = Case::of_own("equity", says);
    let entry = case.entry("TCS");
    assert_priced(&entry, Some("2.115"), Some("USD"), "ok");
    assert_eq!(verdict(&entry, "twelve"), "excluded / currency_mismatch");
    assert!(entry["detail"].is_null());
}

#[test]
fn where_most_labels_are_contrary_the_sentence_says_what_was_perhaps_meant() {
    let says = &[("a", r#"{"p":"3120.5","c":"INR"}"#), ("b", r#"{"p":"3121","c":"INR"}"#), ("c", r#"{"p":"2.11"}"#)];
    let indian = case("", says);
    let entry = indian.entry("TCS");
    assert_priced(&entry, Some("2.11"), Some("USD"), "degraded / few_sources");
    let said = detail(&entry);
    assert!(said.contains("most sources state INR") && said.contains("did you mean TCS.NS?"), "{said}");
    assert!(said.contains("[symbols.TCS] currency = \"INR\""), "{said}");
    // and this is what the detail suggests
    let indian = case("[symbols.TCS]\ncurrency = \"INR\"\n", says);
    let entry = indian.entry("TCS");
    assert_priced(&entry, Some("3120.75"), Some("INR"), "ok");
}

#[test]
fn an_index_is_in_points_and_its_stated_currency_excludes_no_quote() {
    let says = &[("a", r#"{"p":"500","c":"EUR"}"#), ("b", r#"{"p":"610"}"#), ("c", r#"{"p":"610.2"}"#)];
    let case = Case::of_own("index", says);
    let entry = case.entry("^ZZZ");
    assert_eq!((entry["price"].as_str(), entry["status"].as_str()), (Some("610.1"), Some("ok")), "{entry:#}");
    assert_eq!(verdict(&entry, "a"), "excluded / outlier");
    let reply = case.get("/prices?symbols=%5EZZZ&currency=GBP");
    let entry = reply.entry("^ZZZ");
    assert_eq!((entry["price"].as_str(), entry["reason"].as_str()), (None, Some("no_conversion")));
    assert!(detail(&entry).contains("in points") && detail(&entry).contains("without a currency"), "{entry:#}");
}

#[test]
fn a_label_scales_no_index() {
    let case = Case::of_own("index", &[("a", r#"{"p":"8412.5","c":"GBp"}"#), ("b", r#"{"p":"8412.7","c":"GBP"}"#)]);
    let entry = case.entry("^FTSE");
    assert_priced(&entry, Some("8412.6"), Some("GBP"), "ok");
}

#[test]
fn a_suffix_that_is_in_no_table_implies_no_currency() {
    let says = &[("a", r#"{"p":"31.2"}"#), ("b", r#"{"p":"31.2"}"#)];
    let silent = case("", says);
    let entry = silent.entry("QQQQ.RO");
    assert_priced(&entry, None, None, "unavailable / no_quorum");
    assert_eq!(verdict(&entry, "a"), "excluded / currency_unknown");
    assert!(detail(&entry).contains("[symbols.\"QQQQ.RO\"] currency = "), "{entry:#}");
    // a pattern applies to the whole exchange
    let told = case("[symbols.\"*.RO\"]\ncurrency = \"RON\"\n", says);
    let entry = told.entry("QQQQ.RO");
    assert_priced(&entry, Some("31.2"), Some("RON"), "ok");
}

#[test]
fn an_isin_a_numeric_code_and_an_own_symbol_imply_no_currency() {
    let says = &[("a", r#"{"p":"31.2"}"#), ("b", r#"{"p":"31.2"}"#)];
    let names = "[symbols.WORLD]\nspelled = { a = \"W1\", b = \"W2\" }\n\
                 [symbols.600519]\nspelled = { a = \"N1\", b = \"N2\" }\n\
                 [symbols.SEKFUND]\ncurrency = \"SEK\"\nspelled = { a = \"S1\", b = \"S2\" }\n";
    let silent = case(names, says);
    for symbol in ["US0378331005", "600519", "WORLD"] {
        let entry = silent.entry(symbol);
        assert_priced(&entry, None, None, "unavailable / no_quorum");
        assert_eq!(verdict(&entry, "a"), "excluded / currency_unknown", "{symbol}");
    }
    let entry = silent.entry("SEKFUND");
    assert_priced(&entry, Some("31.2"), Some("SEK"), "ok");
}

#[test]
fn silence_about_a_listing_in_pounds_or_pence_stays_unknown_whatever_is_set() {
    let says = &[("a", r#"{"p":"72.1"}"#), ("b", r#"{"p":"72.1"}"#)];
    let set = "[symbols.\"*.L\"]\ncurrency = \"GBP\"\n";
    let silent = case(set, says);
    let entry = silent.entry("VOD.L");
    assert_priced(&entry, None, Some("GBP"), "unavailable / no_quorum");
    assert_eq!(verdict(&entry, "a"), "excluded / currency_unknown");
    assert!(detail(&entry).contains("units = { L = "), "{entry:#}");
    let pence = |name: &str| format!("{}units = {{ L = \"GBp\" }}\n", own(name, "equity"));
    let told = Case::new(&[set.to_owned(), pence("a"), pence("b")].concat(), |call| call.json(r#"{"p":"72.1"}"#));
    let entry = told.entry("VOD.L");
    assert_priced(&entry, Some("0.721"), Some("GBP"), "ok");
}

#[test]
fn every_part_of_a_currency_is_turned_into_whole_units() {
    let cents = case("", &[("a", r#"{"p":"430.25","c":"USX"}"#), ("b", r#"{"p":"4.3025","c":"USD"}"#)]);
    let entry = cents.entry("CORN");
    assert_priced(&entry, Some("4.3025"), Some("USD"), "ok");
    let parts = [
        ("VOD.L", "GBX", "4.3025", "GBP"),
        ("VOD.L", "GBp", "4.3025", "GBP"),
        ("NPN.JO", "ZAc", "4.3025", "ZAR"),
        ("NPN.JO", "ZAr", "4.3025", "ZAR"),
        ("TEVA.TA", "ILA", "4.3025", "ILS"),
        ("NBK.KW", "KWF", "0.43025", "KWD"),
        ("CORN", "USc", "4.3025", "USD"),
        ("EEX1.DE", "EUX", "4.3025", "EUR"),
    ];
    for (symbol, unit, price, currency) in parts {
        let sources = [own("a", "equity"), own("b", "equity")].concat();
        let body = format!(r#"{{"p":"430.25","b":"430.2","c":"{unit}"}}"#);
        let case = Case::new(&sources, move |call| call.json(&body));
        let entry = case.entry(symbol);
        assert_priced(&entry, Some(price), Some(currency), "ok");
    }
}

#[test]
fn a_word_that_is_no_code_says_nothing_of_the_currency() {
    for word in ["PENCE", "P", "JPY100", "US$", "CHf"] {
        let sources = [own("a", "equity"), own("b", "equity"), own("c", "equity")].concat();
        let body = format!(r#"{{"p":"430.25","c":"{word}"}}"#);
        let case = Case::new(&sources, move |call| match super::source_of(call) {
            "c" => call.json(&body),
            _ => call.json(r#"{"p":"4.3"}"#),
        });
        let entry = case.entry("CORN");
        assert_priced(&entry, Some("4.3"), Some("USD"), "ok");
        assert_eq!(verdict(&entry, "c"), "excluded / currency_unknown", "{word}");
    }
}

/// An exchange that trades Mantle, and banks that quote the euro, with or without the tögrög.
fn mantle(bank_has_it: bool) -> Case {
    let bank = |name: &str| {
        format!(
            "[sources.{name}]\nclasses = [\"fx\"]\nurl = \"http://VENDORS/{name}/{{symbol}}\"\njq = \"{{price: .p}}\"\n\
             symbols = [\"EUR-USD\", \"{}\"]\n",
            if bank_has_it { "USD-MNT" } else { "USD-CHF" }
        )
    };
    let base = |name: &str| format!("[sources.{name}]\nbase_url = \"http://VENDORS/{name}\"\n");
    let markets = format!("{}{}{}", base("bybit"), base("kraken"), base("coinbase"));
    Case::new(&format!("{markets}{}{}", bank("central"), bank("savings")), |call| {
        let target = call.target().to_owned();
        let bybit = |symbol: &str, price: &str| {
            format!(
                r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"spot","list":[{{"symbol":"{symbol}","bid1Price":"{price}","ask1Price":"{price}","lastPrice":"{price}","volume24h":"5"}}]}},"time":{}}}"#,
                jiff::Timestamp::now().as_millisecond()
            )
        };
        // the vendor prices all symbols of the call, or none
        let kraken = || {
            let row = |pair: &str| {
                let (replied, price) = match pair {
                    "XBTUSDT" => (pair, "60000"),
                    "USDTUSD" => ("USDTZUSD", "1"),
                    "MNTUSD" => (pair, "1.02"),
                    _ => return None,
                };
                let sides = format!(r#""a":["{price}","1","1"],"b":["{price}","1","1"],"c":["{price}","1"]"#);
                Some(format!(r#""{replied}":{{{sides},"v":["5","5"]}}"#))
            };
            let pairs = target.split("pair=").nth(1).unwrap_or_default();
            let rows: Option<Vec<String>> = pairs.split(',').map(row).collect();
            match rows {
                Some(rows) => format!(r#"{{"error":[],"result":{{{}}}}}"#, rows.join(",")),
                None => r#"{"error":["EQuery:Unknown asset pair"]}"#.to_owned(),
            }
        };
        let is = |part: &str| target.contains(part);
        let coinbase = |price: &str| {
            format!(
                r#"{{"price":"{price}","bid":"{price}","ask":"{price}","volume":"5","time":"{}"}}"#,
                jiff::Timestamp::now()
            )
        };
        let body = match super::source_of(call) {
            "bybit" if is("BTCUSDT") => bybit("BTCUSDT", "60000"),
            "bybit" if is("MNTUSDT") => bybit("MNTUSDT", "1.02"),
            "kraken" => kraken(),
            "coinbase" if is("BTC-USDT") => coinbase("60000"),
            "coinbase" if is("USDT-USD") => coinbase("1"),
            "coinbase" if is("MNT") => coinbase("1.02"),
            "central" | "savings" if is("USD-MNT") => r#"{"p":"3580"}"#.to_owned(),
            "central" | "savings" if is("EUR-USD") => r#"{"p":"1.08"}"#.to_owned(),
            "bybit" => r#"{"retCode":10001,"retMsg":"Not supported symbols","result":{},"time":1}"#.to_owned(),
            _ => r#"{"message":"NotFound"}"#.to_owned(),
        };
        call.json(&body)
    })
}

#[test]
fn a_coin_that_is_called_like_money_is_not_that_money() {
    let entry = |case: &Case, query: &str, symbol: &str| case.get(&format!("/prices?symbols={query}")).entry(symbol);
    let with_rate = mantle(true);
    let converted = entry(&with_rate, "BTC-USDT&currency=MNT", "BTC-USDT");
    assert_priced(&converted, Some("214800000"), Some("MNT"), "ok");
    // the coin itself can be asked for by its pair there
    let coin = entry(&with_rate, "MNT-USDT", "MNT-USDT");
    assert_eq!(coin["price"].as_str(), Some("1.02"), "{coin:#}");
    let without = mantle(false);
    let refused = entry(&without, "BTC-USDT&currency=MNT", "BTC-USDT");
    assert_priced(&refused, None, Some("MNT"), "unavailable / no_conversion");
    let pair = entry(&without, "EUR-MNT", "EUR-MNT");
    assert_priced(&pair, None, Some("MNT"), "unavailable / not_covered");
    assert!(detail(&pair).contains("no source that is switched on covers currency pairs in MNT"), "{pair:#}");
}

#[test]
fn a_coin_without_an_id_or_under_another_name_is_said_to_lack_just_that() {
    let base = "[sources.coingecko]\nkey = \"k\"\nbase_url = \"http://VENDORS/coingecko\"\n";
    let no_id = Case::new(base, |call| call.json("{}"));
    let entry = no_id.entry("NEWCOIN-USD");
    assert_priced(&entry, None, Some("USD"), "unavailable / not_covered");
    assert!(detail(&entry).contains("coingecko has no id for NEWCOIN"), "{entry:#}");
    assert!(detail(&entry).contains("set NEWCOIN = \"…\" in [sources.coingecko.ids]"), "{entry:#}");
    let renamed = format!("{}rename = {{ MATIC = \"POL\" }}\n", own("a", "crypto"));
    let renamed = Case::new(&renamed, |call| call.json(r#"{"p":"0.5"}"#));
    let entry = renamed.entry("POL-USD");
    assert_priced(&entry, None, Some("USD"), "unavailable / not_covered");
    assert!(detail(&entry).contains("what a calls POL is called MATIC here (rename)"), "{entry:#}");
    assert!(detail(&entry).contains("ask for MATIC-USD"), "{entry:#}");
}

#[test]
fn no_path_of_the_server_stands_in_a_reply() {
    let case = Case::of_own("equity", &[("a", r#"{"p":"40.1"}"#), ("b", r#"{"p":"40.2"}"#)]);
    for symbol in ["BTC-USD", "EUR-USD", "^GSPC", "BTCUSD", "VOD.L", "EUR-KPW"] {
        let entry = case.entry(symbol);
        let said = detail(&entry);
        assert!(!said.is_empty() && !said.contains(".toml") && !said.contains("/tmp"), "{symbol}: {said}");
        assert!(!said.contains('/') || said.contains("https://"), "{symbol}: {said}");
    }
    let covered = case.entry("BTC-USD");
    assert!(detail(&covered).contains("add [sources."), "{covered:#}");
}

#[test]
fn what_is_not_ok_says_what_to_do_about_it() {
    let one = Case::of_own("equity", &[("a", r#"{"p":"40.1"}"#)]);
    let entry = one.entry("AAPL");
    assert_priced(&entry, Some("40.1"), Some("USD"), "degraded / few_sources");
    assert!(detail(&entry).contains(" would make it ok: add [sources."), "{entry:#}");
    let two = Case::of_own("equity", &[("a", r#"{"p":"40.1"}"#), ("b", r#"{"p":"50"}"#)]);
    let entry = two.entry("AAPL");
    assert_priced(&entry, None, Some("USD"), "unavailable / sources_disagree");
    assert!(detail(&entry).contains("`sources`"), "{entry:#}");
}
