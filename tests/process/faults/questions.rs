//! Wrong queries are refused by the name of the field, without a call.

use super::Market;
use crate::support::{Service, Upstream};

#[test]
fn a_symbol_in_several_spellings_is_answered_once_in_first_place() {
    let market = Market::of(Upstream::quoting("100.05"));
    let reply = market.service.prices("eth-usd,BTC_USD,ETH-USD,btc/usd,BTC-USD");
    let answer = reply.json();
    let symbols: Vec<_> =
        answer["prices"].as_array().into_iter().flatten().map(|entry| entry["symbol"].clone()).collect();
    assert_eq!(symbols, ["ETH-USD", "BTC-USD"]);
    assert_eq!(answer["renamed"]["btc/usd"], "BTC-USD");
    assert_eq!(market.faulty.heads().len(), 1);
    assert!(market.faulty.heads()[0].starts_with("GET /quotes?ids=ETH-USD,BTC-USD HTTP/1.1\r\n"));
    let reply = market.service.prices("AAPL,aapl,AAPL");
    assert_eq!(reply.json()["prices"].as_array().map(Vec::len), Some(1));
}

/// A query, the field that must be named, and a word of the rule that it breaks.
fn bad_queries() -> Vec<(String, &'static str, &'static str)> {
    let symbols = |list: &str| format!("symbols={list}");
    let many: Vec<String> = (0..101).map(|number| format!("X{number}-USD")).collect();
    let with = |rest: &str| format!("symbols=BTC-USD&{rest}");
    vec![
        (String::new(), "symbols", "missing"),
        ("quotes=true".into(), "symbols", "missing"),
        (symbols(""), "symbols", ""),
        (symbols("AAPL,,MSFT"), "symbols", ""),
        (symbols("AAPL,"), "symbols", ""),
        (symbols(&many.join(",")), "symbols", "100"),
        (symbols("%00"), "symbols", ""),
        (symbols("AA%0APL"), "symbols", ""),
        (symbols("%FF"), "symbols", "UTF-8"),
        (symbols("AAPL,not%20a%1Fsymbol"), "symbols", ""),
        (symbols("M&M.NS"), "M.NS", "write %26"),
        (with("symbols="), "symbols", ""),
        (with("symbols[]=ETH-USD"), "symbols[]", "symbols=AAPL&symbols=MSFT"),
        (with("format=xml"), "format", "csv"),
        (with("format=text&decimal=comma"), "decimal", "format=csv"),
        (with("_=1"), "_", "leave it out"),
        (with("timeout=1s&timeout=1s"), "timeout", "twice"),
        (with("timout=1s"), "timout", "timeout"),
        (with("currency=EURO"), "currency", "ISO 4217"),
        (with("timeout=soon"), "timeout", "soon"),
        (with("timeout=0s"), "timeout", "50ms"),
        (with("timeout=1h"), "timeout", "10s"),
        (with("timeout=99999999999999999999999s"), "timeout", ""),
        (with("refresh=never"), "refresh", "awaited and background"),
        (with("refresh=background&refresh_after=0s"), "refresh", "refresh_after=0s"),
        (with("refresh=background&max_age=1m"), "refresh", "max_age"),
        (with("wait="), "wait", "all, quorum"),
        (with("wait=0"), "wait", "all, quorum"),
        (with("wait=fast"), "wait", "all, quorum"),
        (with("wait=-1s"), "wait", "all, quorum"),
        (with("wait=11s"), "wait", "10s"),
        (with("wait=all&wait=quorum"), "wait", "twice"),
        (with("refresh_after=-1s"), "refresh_after", "-1s"),
        (with("max_age="), "max_age", ""),
        (with("require=most"), "require", "any, all and ok"),
        (with("sources=nobody"), "sources", "nobody"),
        (with("sources=a,"), "sources", ""),
        (with("quotes=yes"), "quotes", "true and false"),
        (with(&format!("quotes={}", "x".repeat(4096))), "query", "4096"),
    ]
}

#[test]
fn a_bad_query_names_the_field_and_the_rule_and_costs_no_call() {
    let market = Market::of(Upstream::quoting("100"));
    for (query, field, words) in bad_queries() {
        let reply = market.service.get(&format!("/prices?{query}"));
        assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/problem+json")), "{query}");
        let problem = reply.json();
        assert_eq!(problem["field"], field, "{query}: {problem:#}");
        assert_eq!((&problem["type"], &problem["status"]), (&"/problems/bad-query".into(), &400.into()), "{query}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty() && detail.contains(words), "{query}: {words:?} is not in {detail:?}");
        assert_eq!(problem["request_id"].as_str(), reply.header("x-request-id"));
        assert!(reply.body.len() < 6000, "{query}");
    }
    for target in ["/prices/A,B", "/prices/%00", "/prices/%FF", "/prices/BTC-USD?symbols=BTC-USD"] {
        let reply = market.service.get(target);
        assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/problem+json")), "{target}");
    }
    let vendors = [&market.faulty, &market.honest[0], &market.honest[1]];
    assert_eq!(vendors.map(Upstream::calls), [0, 0, 0], "a vendor was asked");
}

#[test]
fn what_is_no_symbol_is_an_entry_and_costs_the_others_nothing() {
    let market = Market::of(Upstream::quoting("100"));
    let wrong: [(&str, &str, &str); 10] = [
        ("%E2%82%BF-USD", "₿-USD", "contains '₿'"),
        ("A+B", "A B", "did you mean A.B?"),
        ("../../etc/passwd", "../../etc/passwd", "not spelled like a symbol"),
        ("BTC-PERP", "BTC-PERP", "did you mean BTC-USD?"),
        ("7203", "7203", "did you mean 7203.T?"),
        ("BTCUSDT", "BTCUSDT", "did you mean BTC-USDT?"),
        ("bitcoin", "bitcoin", "did you mean BTC-USD?"),
        ("EUR-EUR", "EUR-EUR", "which is 1"),
        ("figi:BBG000B9XRY4", "figi:BBG000B9XRY4", "US0378331005"),
        ("US0378331006", "US0378331006", "would have to be 5"),
    ];
    for (written, text, words) in wrong {
        let reply = market.service.get(&format!("/prices?symbols=BTC-USD,{written},ETH-USD,{written}"));
        assert_eq!((reply.status, reply.header("prices-status")), (200, Some("partial")), "{written}");
        let answer = reply.json();
        let entries = answer["prices"].as_array().unwrap();
        let symbols: Vec<_> = entries.iter().map(|entry| entry["symbol"].as_str().unwrap()).collect();
        assert_eq!(symbols, ["BTC-USD", text, "ETH-USD"], "{written}");
        let entry = &entries[1];
        assert_eq!((&entry["status"], &entry["reason"]), (&"unknown".into(), &"not_a_symbol".into()), "{entry:#}");
        assert!(entry["detail"].as_str().unwrap().contains(words), "{entry:#}");
        assert_eq!(
            (&entry["price"], &entry["quotes"]),
            (&serde_json::Value::Null, &serde_json::json!([])),
            "{entry:#}"
        );
        let fields = |entry: &serde_json::Value| entry.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(entry), fields(&entries[0]), "every entry has every field");
    }
    let calls = market.faulty.calls();
    for target in
        ["/prices?symbols=not%20a%20symbol", "/prices/A%20B", "/prices?symbols=BTC-PERP&require=all&quotes=false"]
    {
        let reply = market.service.get(target);
        assert_eq!((reply.status, reply.header("prices-status")), (404, Some("none")), "{target}");
    }
    assert_eq!(market.faulty.calls(), calls, "a vendor was asked for what is no symbol");
    for (require, code) in [("any", 200), ("all", 404), ("ok", 404)] {
        let reply = market.service.get(&format!("/prices?symbols=BTC-USD,BTC-PERP&require={require}"));
        assert_eq!(reply.status, code, "{require}");
    }
    let long = "é".repeat(200);
    let entry = market.service.prices(&long.replace('é', "%C3%A9")).json()["prices"][0].clone();
    assert_eq!(entry["symbol"].as_str().unwrap().chars().count(), 64, "{entry:#}");
}

#[test]
fn every_rewrite_of_a_spelling_is_shown() {
    let market = Market::of(Upstream::quoting("100"));
    let reply = market.service.get("/prices?symbols=XBT/USD,+btc-usd,CURRENCY:ETHUSD,BTC-USD");
    let answer = reply.json();
    let renamed = serde_json::json!({"CURRENCY:ETHUSD": "ETH-USD", "XBT/USD": "BTC-USD", "btc-usd": "BTC-USD"});
    assert_eq!((&answer["renamed"], answer["prices"].as_array().map(Vec::len)), (&renamed, Some(2)), "{answer:#}");
}

#[test]
fn the_largest_allowed_query_is_answered_whole() {
    let vendors = [Upstream::quoting("100"), Upstream::quoting("100")];
    let service = Service::over(&[vendors[0].source("a", ""), vendors[1].source("b", "")]);
    let most: Vec<String> = (0..100).map(|number| format!("X{number}-USD")).collect();
    let reply = service.prices(&most.join(","));
    assert_eq!((reply.status, reply.header("prices-status")), (200, Some("complete")));
    let answer = reply.json();
    let symbols: Vec<_> =
        answer["prices"].as_array().into_iter().flatten().map(|entry| entry["symbol"].clone()).collect();
    assert_eq!(symbols, most);
    assert_eq!(vendors[0].calls(), 5, "a hundred symbols, twenty in a call");
    let longest = format!("{}-USD", "A".repeat(28));
    assert_eq!(service.prices(&longest).status(&longest), "ok");
}

#[test]
fn an_uncovered_symbol_costs_no_call_and_says_what_would_cover_it() {
    let vendors = [Upstream::quoting("100"), Upstream::quoting("100")];
    let service = Service::over(&[vendors[0].source("a", ""), vendors[1].source("b", "")]);
    let reply = service.prices("EUR-USD");
    assert_eq!((reply.status, reply.status("EUR-USD").as_str()), (404, "unavailable / not_covered"));
    let detail = reply.entry("EUR-USD")["detail"].to_string();
    assert!(detail.contains("no source that is switched on covers"), "{detail}");
    assert_eq!(vendors.each_ref().map(Upstream::calls), [0, 0]);
}
