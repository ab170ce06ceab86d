//! Securities by their ISINs: alone, together with a ticker, in another currency, and bonds, which are not priced.

use serde_json::{Value, json};

use super::{Case, assert_priced, own, source_of, verdict};

const FUND: &str = "IE00BK5BQT80";

/// The section that gives VWCE.DE its ISIN.
const GIVEN: &str = "[symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT80\"\n";

/// An own source that is asked by ISIN, one per call, and replies with `{p: price, c: currency, k: what it is}`.
fn by_isin(name: &str, class: &str) -> String {
    let jq = "{price: .p, currency: .c, instrument: .k}";
    format!("\n[sources.{name}]\nclasses = [\"{class}\"]\nurl = \"http://VENDORS/{name}/{{isin}}\"\njq = \"{jq}\"\n")
}

/// A case over sources of which each replies with its own body.
fn case(configuration: &str, says: &'static [(&'static str, &'static str)]) -> Case {
    Case::new(configuration, |call| {
        let source = source_of(call);
        call.json(says.iter().find(|(name, _)| *name == source).map_or("{}", |(_, body)| body))
    })
}

fn detail(entry: &Value) -> &str {
    entry["detail"].as_str().unwrap_or_default()
}

/// The paths that a source was asked for.
fn paths(case: &Case, source: &str) -> Vec<String> {
    let heads = case.vendors.heads();
    let path = |head: &String| head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.iter().map(path).filter(|path| path.starts_with(&format!("/{source}/"))).collect()
}

#[test]
fn an_isin_is_priced_by_the_sources_that_speak_it() {
    let says = &[("a", r#"{"p":"131.20","c":"EUR"}"#), ("b", r#"{"p":"131.30","c":"EUR"}"#)];
    // a ticker source has a spelling of its own, and would not know an ISIN
    let tickers = format!("{}format = {{ dot = \"-\" }}\n", own("t", "equity"));
    let case = case(&[by_isin("a", "equity"), by_isin("b", "fund"), tickers].concat(), says);
    for spelling in [FUND, "isin:ie00bk5bqt80"] {
        let reply = case.get(&format!("/prices?symbols={spelling}"));
        let entry = reply.entry(FUND);
        assert_priced(&entry, Some("131.25"), Some("EUR"), "ok");
        assert_eq!(entry["sources"]["asked"], 2, "{entry:#}");
    }
    assert_eq!((paths(&case, "a")[0].as_str(), paths(&case, "t").len()), ("/a/IE00BK5BQT80", 0));
    let ticker = case.entry("AAPL");
    assert_eq!((ticker["sources"]["asked"].clone(), paths(&case, "a").len()), (json!(1), 1), "{ticker:#}");
    // one wrong digit is a sentence, and costs no call
    let wrong = case.entry("IE00BK5BQT81");
    assert_eq!(wrong["reason"], "not_a_symbol", "{wrong:#}");
}

#[test]
fn a_ticker_and_its_isin_are_one_symbol_with_quotes_from_both() {
    let says = &[("isins", r#"{"p":"131.20","c":"EUR","k":"fund"}"#), ("tickers", r#"{"p":"131.30","c":"EUR"}"#)];
    let watch = "[watch]\nsymbols = [\"IE00BK5BQT80\", \"VWCE.DE\"]\n";
    let case = case(&[GIVEN, watch, &by_isin("isins", "equity"), &own("tickers", "equity")].concat(), says);
    let reply = case.get("/prices?symbols=VWCE.DE,IE00BK5BQT80,isin:IE00BK5BQT80");
    let answer = reply.json();
    assert_eq!(answer["prices"].as_array().unwrap().len(), 1, "{answer:#}");
    assert_eq!(answer["renamed"], json!({ "IE00BK5BQT80": "VWCE.DE", "isin:IE00BK5BQT80": "VWCE.DE" }));
    let entry = reply.entry("VWCE.DE");
    assert_priced(&entry, Some("131.25"), Some("EUR"), "ok");
    assert_eq!((verdict(&entry, "isins"), verdict(&entry, "tickers")), ("used".to_owned(), "used".to_owned()));
    let in_path = case.get("/prices/IE00BK5BQT80").json();
    assert_eq!((&in_path["symbol"], &in_path["price"]), (&json!("VWCE.DE"), &json!("131.25")));
    let ready = case.get("/health/ready");
    assert!(!ready.json().to_string().contains(FUND), "{:#}", ready.json());
    for (source, path) in [("isins", "/isins/IE00BK5BQT80"), ("tickers", "/tickers/VWCE.DE")] {
        assert!(paths(&case, source).iter().all(|asked| asked == path), "{:?}", paths(&case, source));
    }
}

#[test]
fn a_provider_in_the_catalogue_prices_a_ticker_by_its_isin() {
    let given = "[symbols.\"IUSA.DE\"]\nisin = \"IE0031442068\"\n";
    let justetf = "[sources.justetf]\nbase_url = \"http://VENDORS\"\n";
    let case = Case::new(&[given, justetf, &own("t", "equity")].concat(), |call| {
        if source_of(call) == "t" {
            return call.json(r#"{"p":"59.02","c":"EUR"}"#);
        }
        let yesterday = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).to_string();
        let day = yesterday.split('T').next().unwrap_or_default();
        call.json(&format!(r#"{{"latestQuote":{{"raw":59.00,"localized":"59.00"}},"latestQuoteDate":"{day}"}}"#))
    });
    let reply = case.get("/prices?symbols=IE0031442068&timeout=5s");
    assert_eq!(reply.json()["renamed"]["IE0031442068"], "IUSA.DE");
    let quote = reply.quote("IUSA.DE", "justetf");
    assert_eq!((&quote["price"], &quote["currency"]), (&json!("59"), &json!("EUR")), "{:#}", reply.json());
    assert_eq!(reply.quote("IUSA.DE", "t")["price"], "59.02");
    assert_eq!(paths(&case, "api"), ["/api/etfs/IE0031442068/quote?locale=en&currency=EUR"]);
}

#[test]
fn a_quote_by_isin_in_another_currency_is_left_out_or_disagrees() {
    let says =
        &[("isins", r#"{"p":"113.10","c":"USD"}"#), ("t", r#"{"p":"131.30","c":"EUR"}"#), ("u", r#"{"p":"131.30"}"#)];
    let sources = [by_isin("isins", "equity"), own("t", "equity")].concat();
    let tie = case(&[GIVEN, &sources].concat(), says);
    let entry = tie.entry("VWCE.DE");
    assert_priced(&entry, None, None, "unavailable / sources_disagree");
    assert!(detail(&entry).contains("isins states USD"), "{entry:#}");
    let fixed = case(&[GIVEN, "currency = \"EUR\"\n", &sources, &own("u", "equity")].concat(), says);
    let entry = fixed.entry("VWCE.DE");
    assert_priced(&entry, Some("131.3"), Some("EUR"), "ok");
    assert_eq!(verdict(&entry, "isins"), "excluded / currency_mismatch");
    // of an ISIN alone, nothing says in which currency it is quoted
    let silent = case(&by_isin("u", "equity"), says);
    assert_eq!(verdict(&silent.entry(FUND), "u"), "excluded / currency_unknown");
    let fixed = case(&["[symbols.IE00BK5BQT80]\ncurrency = \"EUR\"\n", &by_isin("u", "equity")].concat(), says);
    assert_priced(&fixed.entry(FUND), Some("131.3"), Some("EUR"), "degraded / few_sources");
}

#[test]
fn a_bond_has_no_price() {
    let says = &[("a", r#"{"p":"98.41","c":"EUR","k":"bond"}"#), ("b", r#"{"p":"98.43","c":"EUR","k":"Bond"}"#)];
    let case = case(&[by_isin("a", "equity"), by_isin("b", "equity")].concat(), says);
    let reply = case.get("/prices?symbols=XS2314659447");
    let entry = reply.entry("XS2314659447");
    assert_eq!(reply.status, 404);
    assert_priced(&entry, None, None, "unknown / unknown_symbol");
    assert_eq!(verdict(&entry, "a"), "failed / unknown_symbol");
    assert!(entry["quotes"][0]["detail"].as_str().unwrap().contains("it is \"bond\" there"), "{entry:#}");
    // nor if the unit alone says that it is one, whatever currency is set
    let set = "[symbols.XS2314659447]\ncurrency = \"EUR\"\n";
    let says = &[("a", r#"{"p":"98.41","c":"%"}"#), ("b", r#"{"p":"98.43","c":"PCT"}"#)];
    let case = self::case(&[set, &by_isin("a", "equity"), &by_isin("b", "equity")].concat(), says);
    let entry = case.entry("XS2314659447");
    assert_priced(&entry, None, Some("EUR"), "unavailable / no_quorum");
    assert_eq!(verdict(&entry, "a"), "excluded / currency_unknown");
}

#[test]
fn an_isin_that_no_source_speaks_says_which_would_and_to_ask_by_ticker() {
    let tickers = format!("{}format = {{ dot = \"-\" }}\n", own("t", "equity"));
    let case = case(&tickers, &[]);
    let entry = case.entry(FUND);
    assert_eq!((entry["reason"].as_str(), case.vendors.calls()), (Some("not_covered"), 0), "{entry:#}");
    assert!(detail(&entry).contains("the ISIN IE00BK5BQT80") && detail(&entry).contains("justetf"), "{entry:#}");
    assert!(detail(&entry).contains("ask by its ticker"), "{entry:#}");
}
