//! Refusals of a symbol, an account or an address: each affects only what it refuses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::Value;

use super::{Case, assert_priced, own, source_of, verdict};
use crate::support::{After, Call, Upstream, until};

/// The page of nginx for a missing file.
const NGINX: &str = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\
    \r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

const HTML: &str = "Content-Type: text/html\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// A source of the catalogue whose vendor a test plays.
fn shipped(name: &str, more: &str) -> String {
    format!("\n[sources.{name}]\nbase_url = \"http://VENDORS/{name}\"\n{more}\n")
}

/// One source of the catalogue whose vendor always replies with this.
fn saying(name: &'static str, more: &str, status: u16, body: &'static str) -> Case {
    Case::new(&shipped(name, more), move |call| call.reply(status, JSON, body))
}

fn refreshed(case: &Case, symbol: &str) -> Value {
    case.get(&format!("/prices?symbols={symbol}&refresh_after=0s")).entry(symbol)
}

fn detail<'v>(entry: &'v Value, source: &str) -> &'v str {
    let mut quotes = entry["quotes"].as_array().into_iter().flatten();
    quotes.find(|quote| quote["source"] == source).and_then(|quote| quote["detail"].as_str()).unwrap_or_default()
}

/// In how many seconds a source may be asked again, according to its quote in an entry.
fn wait(entry: &Value, source: &str) -> i64 {
    let mut quotes = entry["quotes"].as_array().into_iter().flatten();
    let quote = quotes.find(|quote| quote["source"] == source).unwrap_or_else(|| panic!("no {source}: {entry:#}"));
    let at: Timestamp = quote["retry_at"].as_str().and_then(|at| at.parse().ok()).expect("a time to ask again");
    at.duration_since(Timestamp::now()).as_secs()
}

/// Whether a source's breaker is closed and its account has no cooldown.
fn assert_in_use(case: &Case, source: &str) {
    let overview = case.get("/sources").json();
    let of = overview["sources"].as_array().into_iter().flatten().find(|known| known["name"] == source);
    let of = of.unwrap_or_else(|| panic!("no {source}: {overview:#}"));
    assert_eq!((&of["breaker"]["state"], &of["cooldown"]), (&"closed".into(), &Value::Null), "{of:#}");
}

#[test]
fn a_page_that_is_not_found_throws_no_quote_away_and_denies_no_symbol() {
    let sources: String = [own("a", "crypto"), own("b", "crypto")].concat();
    let gone = std::sync::Arc::new(AtomicBool::new(false));
    let is_gone = std::sync::Arc::clone(&gone);
    let case = Case::new(&sources, move |call| match is_gone.load(Ordering::SeqCst) {
        true => call.reply(404, HTML, NGINX),
        false => call.json(r#"{"p":"58000"}"#),
    });
    assert_priced(&case.entry("BTC-USD"), Some("58000"), Some("USD"), "ok");
    gone.store(true, Ordering::SeqCst);
    let entry = refreshed(&case, "BTC-USD");
    assert_priced(&entry, Some("58000"), Some("USD"), "ok");
    assert_eq!(verdict(&entry, "a"), "used");
    assert!(entry["quotes"][0]["failure"].as_str() == Some("http_status"), "{entry:#}");
    // nor does it apply to a symbol that was never quoted
    let entry = case.entry("NOPE-USD");
    assert_eq!((&entry["status"], &entry["price"]), (&"unavailable".into(), &Value::Null), "{entry:#}");
    assert_eq!(verdict(&entry, "a"), "failed / http_status");
}

#[test]
fn an_own_source_may_mean_an_unknown_symbol_by_a_404() {
    let source = format!("{}not_found = \"unknown_symbol\"\n", own("a", "crypto"));
    let case = Case::new(&source, |call| call.reply(404, HTML, NGINX));
    assert_priced(&case.entry("NOPE-USD"), None, None, "unknown / unknown_symbol");
}

#[test]
fn a_symbol_that_is_not_in_the_plan_puts_no_key_aside() {
    // listings abroad are asked for by users whose plan includes them
    let more = "key = \"k3y-of-ours\"\nformat = \"{symbol}\"\nlimits = []";
    for (status, words) in
        [(403, "\"no rights for this symbol\""), (401, r#"{"error":"You don't have access to this resource."}"#)]
    {
        let case = Case::new(&shipped("finnhub", more), move |call| {
            if call.target().contains("SBERP.ME") {
                return call.reply(status, JSON, words);
            }
            call.json(r#"{"c":12.5,"d":0,"dp":0,"h":12.5,"l":12.5,"o":12.5,"pc":12.5,"t":0}"#)
        });
        assert_eq!(verdict(&case.entry("SBERP.ME"), "finnhub"), "failed / not_in_plan", "{status}");
        assert_eq!(verdict(&case.entry("AAPL"), "finnhub"), "used", "{status}");
        assert_in_use(&case, "finnhub");
    }
}

/// An own source with a key, which forbids some symbols in words that name neither key nor plan.
fn forbidding(is_forbidden: impl Fn(&str) -> bool + Send + Sync + 'static) -> Case {
    let source =
        format!("{}key = \"k3y-of-ours\"\nheaders = {{ Authorization = \"Bearer {{key}}\" }}\n", own("a", "equity"));
    Case::new(&source, move |call| match is_forbidden(call.target()) {
        true => call.reply(403, JSON, r#"{"error":"Forbidden symbol"}"#),
        false => call.json(r#"{"p":"12.5"}"#),
    })
}

#[test]
fn symbols_that_are_forbidden_where_others_are_served_put_no_key_aside() {
    let case = forbidding(|target| target.contains("/X"));
    assert_eq!(verdict(&case.entry("AAPL"), "a"), "used");
    for symbol in ["XA", "XB", "XC", "XD"] {
        assert_eq!(verdict(&case.entry(symbol), "a"), "failed / unauthorized");
        assert_eq!(verdict(&case.entry(&format!("M{symbol}")), "a"), "used");
    }
    for symbol in ["XE", "XF", "XG"] {
        assert_eq!(verdict(&case.entry(symbol), "a"), "failed / unauthorized");
    }
    let entry = refreshed(&case, "AAPL");
    assert_eq!((verdict(&entry, "a").as_str(), &entry["quotes"][0]["failure"]), ("used", &Value::Null), "{entry:#}");
    assert_in_use(&case, "a");
}

#[test]
fn a_key_is_put_aside_when_a_symbol_that_it_brought_before_is_forbidden() {
    let is_revoked = std::sync::Arc::new(AtomicBool::new(false));
    let now = std::sync::Arc::clone(&is_revoked);
    let case = forbidding(move |_| now.load(Ordering::SeqCst));
    assert_eq!(verdict(&case.entry("AAPL"), "a"), "used");
    is_revoked.store(true, Ordering::SeqCst);
    refreshed(&case, "AAPL");
    let calls = case.vendors.calls();
    let entry = case.entry("MSFT");
    assert_eq!(verdict(&entry, "a"), "failed / unauthorized");
    assert_eq!(case.vendors.calls(), calls, "no call is made for it: {entry:#}");
}

#[test]
fn a_vendor_that_asks_to_spread_calls_out_is_left_alone_for_a_second() {
    let case = Case::new(&shipped("alphavantage", "key = \"k3y-of-ours\"\nlimits = []\nrole = \"primary\""), |call| {
        if call.number == 1 {
            return call.json(
                r#"{"Information":"Thank you for using Alpha Vantage! Please spread out your requests more sparingly. You may subscribe to any of the premium plans to lift the limit (25 requests per day)"}"#,
            );
        }
        call.json(r#"{"Global Quote":{"01. symbol":"IBM","05. price":"150.00","06. volume":"1","07. latest trading day":"2023-01-03"}}"#)
    });
    let entry = case.entry("IBM");
    assert_eq!(verdict(&entry, "alphavantage"), "failed / rate_limited");
    assert!(wait(&entry, "alphavantage") <= 1, "{entry:#}");
    until("it is asked again", || {
        refreshed(&case, "IBM");
        case.vendors.calls() > 1
    });
}

#[test]
fn products_that_were_delisted_never_affect_the_one_that_is_traded() {
    let case = Case::new(&shipped("coinbase", "limits = []"), |call| match call.target().contains("BTC-USD") {
        true => {
            call.json(r#"{"price":"58000","bid":"57999","ask":"58001","volume":"1","time":"2099-01-01T00:00:00Z"}"#)
        }
        false => call.reply(400, JSON, r#"{"message":"Not allowed for delisted products"}"#),
    });
    let symbols: Vec<String> = (1..=6).map(|number| format!("OLD{number}-USD")).collect();
    for _ in 0..3 {
        for symbol in &symbols {
            assert_eq!(verdict(&case.entry(symbol), "coinbase"), "failed / unknown_symbol");
        }
    }
    assert_eq!(case.vendors.calls(), 6, "a denied symbol is not asked for again");
    assert_eq!(verdict(&case.entry("BTC-USD"), "coinbase"), "excluded / future");
    assert_in_use(&case, "coinbase");
}

/// A CSV source and a JSON source that both know AAPL, and have no words for unknown symbols.
fn wordless() -> Case {
    let table = "\n[sources.table]\nclasses = [\"equity\"]\nreply = \"csv\"\nurl = \"http://VENDORS/table/{symbol}\"\n\
        jq = '.[] | {symbol: .Symbol, price: .Close}'\n";
    Case::new(&format!("{table}{}", own("pages", "equity")), |call: &mut Call<'_>| -> After {
        let is_known = call.target().ends_with("/AAPL");
        match (source_of(call), is_known) {
            ("table", true) => {
                call.reply(200, "Content-Type: text/csv\r\n", "Symbol,Date,Close\r\nAAPL,2026-01-14,231.44\r\n")
            }
            ("table", false) => call.reply(200, "Content-Type: text/csv\r\n", "Symbol,Date,Close\r\n"),
            (_, true) => call.json(r#"{"p":"231.45"}"#),
            (_, false) => call.reply(200, HTML, "<!DOCTYPE html>\n<html><title>No such ticker</title></html>"),
        }
    })
}

#[test]
fn an_empty_table_and_a_page_per_unknown_symbol_leave_the_source_in_use() {
    let case = wordless();
    assert_priced(&case.entry("AAPL"), Some("231.445"), Some("USD"), "ok");
    for symbol in ["AAAA", "BBBB", "CCCC", "DDDD", "EEEE", "FFFF", "GGGG"] {
        let entry = case.entry(symbol);
        assert_eq!(verdict(&entry, "table"), "failed / missing");
        assert_eq!(verdict(&entry, "pages"), "failed / missing", "{entry:#}");
        assert!(detail(&entry, "pages").contains("cannot be read"), "{entry:#}");
    }
    let entry = refreshed(&case, "AAPL");
    assert_priced(&entry, Some("231.445"), Some("USD"), "ok");
    assert!(entry["quotes"].as_array().into_iter().flatten().all(|quote| quote["failure"].is_null()), "{entry:#}");
    assert_in_use(&case, "table");
    assert_in_use(&case, "pages");
}

#[test]
fn a_row_beside_an_error_is_used() {
    let body = r#"{"error":["EQuery:Unknown asset pair"],"result":{"XXBTZEUR":{"a":["54815.4","2","2.0"],"b":["54815.2","11","11.0"],"c":["54815.3","0.01"],"v":["1866.1","2251.3"]}}}"#;
    let case = saying("kraken", "", 200, body);
    let entry = case.entry("BTC-EUR");
    assert_eq!((verdict(&entry, "kraken").as_str(), entry["price"].as_str()), ("used", Some("54815.3")), "{entry:#}");
}

#[test]
fn each_vendors_words_are_known_for_what_they_mean() {
    let cases: [(&str, &str, &str, u16, &str, &str); 10] = [
        ("kraken", "", "NOPE-USD", 200, r#"{"error":["EQuery:Invalid asset pair"]}"#, "unknown_symbol"),
        ("kraken", "", "NOPE-USD", 200, r#"{"error":["EGeneral:Invalid arguments"]}"#, "unknown_symbol"),
        ("kraken", "", "NOPE-USD", 200, r#"{"error":["EGeneral:Temporary lockout"]}"#, "rate_limited"),
        ("kucoin", "", "NOPE-USDT", 200, r#"{"code":"400100","msg":"Unsupported trading pair."}"#, "unknown_symbol"),
        (
            "htx",
            "",
            "NOPE-USDT",
            200,
            r#"{"status":"error","err-code":"invalid-parameter","err-msg":"request limit"}"#,
            "rate_limited",
        ),
        ("coinbase", "", "NOPE-USD", 404, r#"{"message":"NotFound"}"#, "unknown_symbol"),
        ("coinpaprika", "role = \"primary\"", "BTC-USD", 404, r#"{"error":"id not found"}"#, "unknown_symbol"),
        ("tiingo", "key = \"k3y-of-ours\"", "NOPE", 404, r#"{"detail":"Not found."}"#, "unknown_symbol"),
        ("tiingo", "key = \"k3y-of-ours\"", "NOPE", 403, r#"{"detail":"Invalid token."}"#, "unauthorized"),
        ("bybit", "", "NOPE-USDT", 403, r#"{"retMsg":"Access too frequent. Please retry later."}"#, "rate_limited"),
    ];
    for (source, more, symbol, status, body, reason) in cases {
        let entry = saying(source, more, status, body).entry(symbol);
        assert_eq!(verdict(&entry, source), format!("failed / {reason}"), "{body}");
    }
}

#[test]
fn a_ban_is_waited_out_as_long_as_the_vendor_says() {
    let by_header = |call: &mut Call<'_>| {
        call.reply(418, "Retry-After: 300\r\n", r#"{"code":-1003,"msg":"Way too much request weight used."}"#)
    };
    let by_words = |call: &mut Call<'_>| {
        let until = Timestamp::now().as_millisecond() + 300_000;
        call.reply(
            418,
            JSON,
            &format!(r#"{{"code":-1003,"msg":"Way too much request weight used; IP banned until {until}."}}"#),
        )
    };
    // the vendor's clock is an hour ahead, as its `Date` shows
    let by_date = |call: &mut Call<'_>| {
        let ahead = |seconds: i64| {
            let at = Timestamp::now() + jiff::SignedDuration::from_secs(3600 + seconds);
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).expect("a date")
        };
        call.reply(418, &format!("Date: {}\r\nRetry-After: {}\r\n", ahead(0), ahead(300)), "{}")
    };
    let scripts: [fn(&mut Call<'_>) -> After; 3] = [by_header, by_words, by_date];
    for (number, script) in scripts.into_iter().enumerate() {
        let case = Case::new(&shipped("binance", ""), script);
        let first = case.entry("BTC-USDT");
        assert_eq!(verdict(&first, "binance"), "failed / rate_limited", "{number}");
        assert!((270..=300).contains(&wait(&first, "binance")), "{number}: {first:#}");
        let again = refreshed(&case, "ETH-USDT");
        assert_eq!(verdict(&again, "binance"), "failed / rate_limited", "{number}");
        assert!((270..=300).contains(&wait(&again, "binance")), "{number}: {again:#}");
        assert_eq!(case.vendors.calls(), 1, "{number}");
    }
}

#[test]
fn a_blocked_country_is_not_blamed_on_the_key() {
    let page = "<html><head><title>403 Forbidden</title></head></html>";
    let keyless = Case::new(&shipped("kraken", ""), move |call| call.reply(403, HTML, page));
    let keyed = Case::new(&shipped("finnhub", "key = \"k3y-of-ours\""), move |call| call.reply(403, HTML, page));
    let in_json = saying("binance", "", 451, r#"{"code":0,"msg":"Service unavailable from a restricted location."}"#);
    for (case, source, symbol) in
        [(keyless, "kraken", "BTC-USD"), (keyed, "finnhub", "AAPL"), (in_json, "binance", "BTC-USDT")]
    {
        let entry = case.entry(symbol);
        assert_eq!(verdict(&entry, source), "failed / blocked", "{entry:#}");
        let said = detail(&entry, source);
        assert!(said.contains("does not serve this address") && !said.contains("key"), "{said}");
        // a single page pauses nothing: it may concern only that call
        assert_in_use(&case, source);
    }
}

#[test]
fn a_hosts_refusal_does_not_affect_another_with_the_same_rates() {
    let fixing = r#"<Envelope><Cube><Cube time="2026-01-14"><Cube currency="USD" rate="1.1646"/>
        <Cube currency="GBP" rate="0.8671"/></Cube></Cube></Envelope>"#;
    let bank = Upstream::saying(200, fixing);
    let sources = format!("{}\n[sources.ecb]\nbase_url = \"http://{}\"\n", shipped("frankfurter", ""), bank.address);
    let case = Case::new(&sources, |call| call.reply(403, HTML, "<html>"));
    for symbol in ["EUR-USD", "EUR-GBP"] {
        assert_eq!(verdict(&case.entry(symbol), "frankfurter"), "failed / blocked");
    }
    let entry = case.entry("EUR-USD");
    assert!(verdict(&entry, "ecb") != "failed / blocked", "{entry:#}");
    assert_in_use(&case, "ecb");
    let overview = case.get("/sources").json();
    let mut all = overview["sources"].as_array().into_iter().flatten();
    let copy = all.find(|known| known["name"] == "frankfurter").expect("it is on");
    assert_eq!(copy["cooldown"]["reason"], "blocked", "{copy:#}");
}

#[test]
fn an_address_that_is_refused_twice_in_a_row_is_left_alone_for_a_minute() {
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&calls);
    let case = Case::new(&own("a", "crypto"), move |call| {
        counted.fetch_add(1, Ordering::SeqCst);
        call.reply(403, HTML, "<html>")
    });
    for symbol in ["A-USD", "B-USD"] {
        assert_eq!(verdict(&case.entry(symbol), "a"), "failed / blocked");
    }
    let entry = case.entry("C-USD");
    assert_eq!(verdict(&entry, "a"), "failed / blocked");
    assert!((30..=60).contains(&wait(&entry, "a")), "{entry:#}");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn symbols_beside_a_named_culprit_are_asked_for_again() {
    let more = "key = \"k3y-of-ours\"\nsecret = \"s3cret-of-ours\"\nlimits = []";
    let case = Case::new(&shipped("alpaca", more), |call| {
        let asked = call.target().split(['=', '&']).nth(1).unwrap_or_default().replace("%2C", ",");
        if let Some(culprit) = asked.split(',').find(|symbol| symbol.starts_with('X')) {
            return call.reply(400, JSON, &format!(r#"{{"message":"invalid symbol: {culprit}"}}"#));
        }
        let row = |symbol| format!(r#""{symbol}":{{"latestTrade":{{"p":12.5,"t":"{}"}}}}"#, Timestamp::now());
        let rows: Vec<String> = asked.split(',').map(row).collect();
        call.json(&format!("{{{}}}", rows.join(",")))
    });
    let reply = case.get("/prices?symbols=AAPL,XA,MSFT,XB,NVDA,XC&timeout=10s");
    for symbol in ["AAPL", "MSFT", "NVDA"] {
        assert_eq!(verdict(&reply.entry(symbol), "alpaca"), "used", "{symbol}");
    }
    for symbol in ["XA", "XB", "XC"] {
        assert_eq!(verdict(&reply.entry(symbol), "alpaca"), "failed / unknown_symbol", "{symbol}");
    }
    assert_eq!(case.vendors.calls(), 4, "one for each culprit, and one for the others");
}

#[test]
fn a_call_refused_for_one_unnamed_symbol_is_split() {
    let source = "\n[sources.a]\nclasses = [\"crypto\"]\nurl = \"http://VENDORS/a/{symbols}\"\nbatch = 9\nunknown = \"kills\"\n\
        jq = \".[] | {symbol: .s, price: .p}\"\n";
    let case = Case::new(source, |call| {
        let asked = call.target().rsplit('/').next().unwrap_or_default().replace("%2C", ",");
        if asked.contains("NOPE") {
            return call.reply(400, JSON, r#"{"m":"bad symbol"}"#);
        }
        let rows: Vec<String> = asked.split(',').map(|symbol| format!(r#"{{"s":"{symbol}","p":"7"}}"#)).collect();
        call.json(&format!("[{}]", rows.join(",")))
    });
    let reply = case.get("/prices?symbols=A-USD,B-USD,C-USD,NOPE-USD&timeout=10s");
    for symbol in ["A-USD", "B-USD", "C-USD"] {
        assert_eq!(verdict(&reply.entry(symbol), "a"), "used", "{symbol}");
    }
    assert_eq!(verdict(&reply.entry("NOPE-USD"), "a"), "failed / http_status");
    assert_in_use(&case, "a");
}
