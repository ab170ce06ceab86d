//! Invalid prices, impossible times, and rows about other symbols.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Market;
use crate::support::{Service, Upstream};

/// A vendor with a row for BTC-USD at this price and of this age; a negative age is a time ahead.
fn aged(seconds: i64, price: &'static str) -> Upstream {
    Upstream::new(move |call| {
        let then = Timestamp::now() - SignedDuration::from_secs(seconds);
        let rows: Vec<_> =
            call.asked().iter().map(|symbol| json!({"s": symbol, "p": price, "t": then.as_millisecond()})).collect();
        call.json(&json!(rows).to_string())
    })
}

#[test]
fn an_invalid_price_is_refused_and_the_sources_other_prices_are_kept() {
    let prices = [
        ("X1-USD", "\"NaN\""),
        ("X2-USD", "\"inf\""),
        ("X3-USD", "\"1e999\""),
        ("X4-USD", "1e999"),
        ("X5-USD", "-100"),
        ("X6-USD", "0"),
        ("X7-USD", "null"),
        ("X8-USD", "\"N/A\""),
        ("X9-USD", "\"a hundred\""),
        ("X10-USD", "\"1e-13\""),
        ("X11-USD", "1000000000000001"),
        ("X12-USD", "\"\""),
    ];
    let rows: Vec<String> = prices.iter().map(|(symbol, price)| format!(r#"{{"s":"{symbol}","p":{price}}}"#)).collect();
    let body = format!(r#"[{},{{"s":"BTC-USD","p":100.05}}]"#, rows.join(","));
    let market = Market::of(Upstream::saying(200, body));
    let symbols: Vec<&str> = prices.iter().map(|(symbol, _)| *symbol).chain(["BTC-USD"]).collect();
    let reply = market.service.prices(&symbols.join(","));
    for (symbol, price) in prices {
        assert_eq!(reply.verdict(symbol, "a"), "excluded / invalid_price", "{price}");
        assert_eq!(reply.status(symbol), "ok", "the others have a price: {price}");
    }
    assert_eq!(reply.verdict("BTC-USD", "a"), "used");
    assert_eq!(market.faulty.calls(), 1);
}

#[test]
fn a_time_ahead_of_ours_is_refused_unless_clocks_may_differ_by_it() {
    let market = Market::of(aged(-3600, "100.05"));
    let (verdict, detail) = market.verdict();
    assert_eq!(verdict, "excluded / future", "{detail}");
    assert!(detail.contains("ahead of our clock"), "{detail}");

    // all a little ahead: no negative age
    let vendors = [aged(-3, "100"), aged(-3, "100")];
    let service = Service::over(&[vendors[0].source("a", ""), vendors[1].source("b", "")]);
    let reply = service.prices("BTC-USD");
    let (entry, quote) = (reply.entry("BTC-USD"), reply.quote("BTC-USD", "a"));
    assert_eq!((entry["status"].as_str(), &entry["age_ms"]), (Some("ok"), &json!(0)), "{entry:#}");
    let time = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    assert!(time(&quote["observed_at"]) > time(&quote["received_at"]), "shown as it was said: {quote:#}");
}

#[test]
fn a_ten_minute_old_quote_is_only_a_fallback_and_says_so() {
    let market = Market::of(aged(600, "100.05"));
    let (verdict, detail) = market.verdict();
    assert_eq!(verdict, "excluded / stale");
    assert!(detail.starts_with("stated at ") && detail.contains("allowed"), "{detail}");

    let vendors = [aged(600, "100"), aged(610, "100")];
    let service = Service::over(&[vendors[0].source("a", ""), vendors[1].source("b", "")]);
    let reply = service.prices("BTC-USD");
    assert_eq!((reply.status, reply.header("prices-status")), (200, Some("degraded")));
    assert_eq!(reply.status("BTC-USD"), "degraded / stale_fallback");
    let age = reply.entry("BTC-USD")["age_ms"].as_u64();
    assert!(age.is_some_and(|age| (610_000..700_000).contains(&age)), "the age of the oldest: {age:?}");
    assert_eq!(service.get("/prices?symbols=BTC-USD&require=ok").status, 503);
    assert_eq!(service.get("/prices?symbols=BTC-USD&max_age=5m").status, 503, "no client has to take it");
}

#[test]
fn a_row_about_a_symbol_that_was_not_asked_for_is_ignored() {
    let body = r#"[{"s":"DOGE-USD","p":"7"},{"s":"BTC-USD","p":"100.05"},{"s":"ETH-USD","p":"8"}]"#;
    let market = Market::of(Upstream::saying(200, body));
    let reply = market.service.prices("BTC-USD");
    assert_eq!(reply.json()["prices"].as_array().map(Vec::len), Some(1));
    assert_eq!(reply.verdict("BTC-USD", "a"), "used");
    // a row that was not asked for is not cached either
    let calls = market.faulty.calls();
    let reply = market.service.get("/prices?symbols=DOGE-USD");
    assert_eq!(market.faulty.calls(), calls + 1);
    assert_ne!(reply.quote("DOGE-USD", "b")["price"], "7");
}

#[test]
fn of_two_rows_about_one_symbol_the_newer_counts_else_the_last() {
    let now = Timestamp::now().as_millisecond();
    let row = |price: &str, time: i64| format!(r#"{{"s":"BTC-USD","p":"{price}","t":{time}}}"#);
    let table = [
        (format!("[{},{}]", row("100.07", now), row("1", now - 9000)), "100.07"),
        (format!("[{},{}]", row("1", now - 9000), row("100.07", now)), "100.07"),
        (r#"[{"s":"BTC-USD","p":"1"},{"s":"BTC-USD","p":"100.07"}]"#.to_owned(), "100.07"),
    ];
    for (body, price) in table {
        let market = Market::of(Upstream::saying(200, body.clone()));
        let quote = market.service.prices("BTC-USD").quote("BTC-USD", "a");
        assert_eq!((quote["status"].as_str(), quote["price"].as_str()), (Some("used"), Some(price)), "{body}");
    }
}

#[test]
fn a_name_is_matched_as_the_rules_spell_it_and_not_by_resemblance() {
    for (name, verdict) in [("BTC-USD", "used"), ("btc-usd", "failed / missing"), ("BTCUSD", "failed / missing")] {
        let body = format!(r#"[{{"s":"{name}","p":"100.05"}}]"#);
        let market = Market::of(Upstream::saying(200, body));
        assert_eq!(market.service.prices("BTC-USD").verdict("BTC-USD", "a"), verdict, "{name}");
    }
    let lower = Market::with(
        Upstream::new(|call| {
            assert_eq!(call.asked(), ["btc_usd"]);
            call.json(r#"[{"s":"btc_usd","p":"100.05"}]"#)
        }),
        "format = \"{base:lower}_{quote:lower}\"",
    );
    assert_eq!(lower.service.prices("BTC-USD").verdict("BTC-USD", "a"), "used");
}
