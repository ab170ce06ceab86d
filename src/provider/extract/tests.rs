//! Replies of every kind, and the outcomes that follow from them.

mod book;
mod figures;
mod wire;

use super::*;
use crate::provider::description::SourceTable;
use crate::quote::{Session, Stated};

pub(super) fn extractor(toml: &str) -> Extractor {
    let base = "classes = [\"crypto\", \"equity\"]\nurl = \"https://x.test/{symbols}\"\njq = \".[]\"\nbatch = 10";
    let table: SourceTable = toml::from_str(toml).unwrap();
    let source = table.over(toml::from_str(base).unwrap()).unwrap().resolve("x").unwrap();
    Extractor::new(&source).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn reply(status: u16, body: &str) -> RawReply {
    let received_at = "2026-11-20T14:31:10Z".parse().unwrap();
    RawReply { latency: Duration::from_millis(88), ..RawReply::bare(status, body, received_at) }
}

pub(super) fn symbols(asked: &[&str]) -> Vec<Symbol> {
    asked.iter().map(|text| Symbol::parse(text).unwrap()).collect()
}

type Outcomes = Vec<Result<Quote, SourceError>>;

fn read(toml: &str, status: u16, body: &str, asked: &[&str]) -> Result<(Outcomes, usize), SourceError> {
    let extracted = extractor(toml).read(&reply(status, body), &symbols(asked), crate::clock::cpu::timer)?;
    let (named, outcomes): (Vec<_>, Vec<_>) = extracted.outcomes.into_iter().unzip();
    assert_eq!(named, symbols(asked));
    Ok((outcomes, extracted.ignored))
}

fn one(toml: &str, body: &str) -> Result<Quote, SourceError> {
    read(toml, 200, body, &["BTC-USD"]).map(|(mut outcomes, _)| outcomes.remove(0))?
}

fn price(quote: Result<Quote, SourceError>) -> String {
    match quote {
        Ok(Quote { price: Stated::Number(price), .. }) => crate::decimal::plain(price),
        Ok(quote) => format!("{:?}", quote.price),
        Err(error) => format!("{}: {error}", error.reason()),
    }
}

#[test]
fn a_row_becomes_a_quote_with_every_digit() {
    let body = r#"[{"symbol":"BTC-USD","price":"$58,123.450000000000000001","bid":58123.4,"ask":0,"volume":"1e3",
        "currency":"USD","session":"pre","at":"2026-11-20 14:31:09.5+0000","unknown":1}]"#;
    let quote = one("", body).unwrap();
    assert_eq!(quote.price, Stated::Number("58123.450000000000000001".parse().unwrap()));
    assert_eq!((quote.bid, quote.ask), (Some("58123.4".parse().unwrap()), None));
    assert_eq!(quote.volume, Some("1000".parse().unwrap()));
    assert_eq!(quote.currency.unwrap().as_str(), "USD");
    assert_eq!(quote.session, Some(Session::Pre));
    assert_eq!(quote.observed_at.unwrap().to_string(), "2026-11-20T14:31:09.5Z");
    assert_eq!(quote.latency, Duration::from_millis(88));
}

#[test]
fn a_text_that_is_not_a_price_is_kept_for_the_proof() {
    for (stated, expected) in [
        ("null", "Absent"),
        ("\"N/A\"", "Absent"),
        ("0", "0"),
        ("-5.1", "-5.1"),
        ("NaN", "NotANumber(\"NaN\")"),
        ("\"NaN\"", "NotANumber(\"NaN\")"),
        ("1e999", "NotANumber(\"1e999\")"),
        ("\"halted\"", "NotANumber(\"halted\")"),
    ] {
        assert_eq!(price(one("", &format!(r#"[{{"price":{stated}}}]"#))), expected, "{stated}");
    }
    let forty_digits = format!("[{{\"price\":{}}}]", "9".repeat(40));
    assert!(price(one("", &forty_digits)).starts_with("NotANumber"));
    assert!(price(one("", r#"[{"price":[1]}]"#)).starts_with("malformed: `price` is [1]"));
    assert!(price(one("", r#"[{"price":1,"currency":{"code":"USD"}}]"#)).starts_with("malformed: `currency`"));
}

#[test]
fn a_word_that_is_not_a_currency_code_is_kept_as_it_is() {
    for word in ["US Dollar", "PENCE", "JPY100", "£", "840", "CHf"] {
        let quote = one("", &format!(r#"[{{"price":7586,"currency":"{word}"}}]"#)).unwrap();
        let currency = quote.currency.clone().unwrap();
        assert!(!currency.is_code() && currency.as_str().eq_ignore_ascii_case(word), "{word}");
        assert_eq!(price(Ok(quote)), "7586");
    }
}

#[test]
fn a_label_scales_neither_an_index_nor_a_price_in_a_coin_of_that_name() {
    let said = |symbol: &str, unit: &str| {
        let body = format!(r#"[{{"symbol":"{symbol}","price":7586,"currency":"{unit}"}}]"#);
        let (outcomes, _) = read("classes = [\"equity\", \"index\", \"crypto\"]", 200, &body, &[symbol]).unwrap();
        let quote = outcomes[0].clone().unwrap();
        (quote.currency.as_ref().map(ToString::to_string).unwrap_or_default(), price(Ok(quote)))
    };
    assert_eq!(said("^FTSE", "GBp"), ("GBP".to_owned(), "7586".to_owned()));
    assert_eq!(said("ABC-USX", "USX"), ("USX".to_owned(), "7586".to_owned()));
    assert_eq!(said("BTC-GBP", "GBp"), ("GBP".to_owned(), "75.86".to_owned()));
    assert_eq!(said("CORN", "USX"), ("USD".to_owned(), "75.86".to_owned()));
}

#[test]
fn a_calculated_price_is_refused() {
    let body = r#"{"p":"250.5","n":250.5,"i":7,"big":12.57}"#;
    for taken in [".p", ".n", ".i", "(.p | tonumber)", "\"\\(.n)\"", "\"$\\(.p)\"", "(.n | tostring)"] {
        let quote = one(&format!("jq = '{{price: {taken}}}'"), body);
        assert!(matches!(quote.unwrap().price, Stated::Number(_)), "{taken}");
    }
    for calculated in
        ["(.n / 1)", "(.i + 0)", "1.25", "7", "-.n", "(.n + .n)", "(.n + .n | tostring)", "(.p | .[0:3])", "\"2.57\""]
    {
        let refused = price(one(&format!("jq = '{{price: {calculated}}}'"), body));
        assert!(refused.starts_with("malformed: `price`") && refused.contains("calculated"), "{calculated}: {refused}");
    }
}

#[test]
fn sub_units_become_major_units_and_inverses_are_exact() {
    let quote = one("", r#"[{"price":"7482.5","bid":7480,"ask":7485,"currency":"GBp"}]"#).unwrap();
    assert_eq!(quote.currency.as_ref().unwrap().as_str(), "GBP");
    assert_eq!((quote.bid.unwrap().to_string(), quote.ask.unwrap().to_string()), ("74.80".into(), "74.85".into()));
    assert_eq!(price(Ok(quote)), "74.825");
    let london = "units = { L = \"GBp\" }";
    let (outcomes, _) =
        read(london, 200, r#"[{"symbol":"VOD.L","price":74.5},{"symbol":"AAPL","price":231.44}]"#, &["VOD.L", "AAPL"])
            .unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap().currency.as_ref().unwrap().as_str(), "GBP");
    assert_eq!(outcomes[1].as_ref().unwrap().currency, None);
    assert_eq!(price(outcomes[0].clone()), "0.745");
    let inverse = one("", r#"[{"price":0.92,"bid":0.91,"ask":0.93,"inverse":true}]"#).unwrap();
    assert_eq!(inverse.bid.unwrap().to_string(), "1.0752688172");
    assert_eq!(inverse.ask.unwrap().to_string(), "1.0989010989");
    assert_eq!(price(Ok(inverse)), "1.08695652174");
    assert_eq!(price(one("", r#"[{"price":0,"inverse":true}]"#)), "0");
}

#[test]
fn rows_belong_to_the_symbols_they_name_and_to_no_other() {
    let toml = "format = \"{base}{quote}\"\nrename = { BTC = \"XBT\" }\naliases = { XXBTZUSD = \"XBTUSD\" }";
    let body = r#"[{"symbol":"ETHUSD","price":2},{"symbol":"XXBTZUSD","price":1},{"symbol":"ethusd","price":3},{"symbol":"DOGEUSD","price":4}]"#;
    let (outcomes, ignored) = read(toml, 200, body, &["BTC-USD", "ETH-USD", "SOL-USD"]).unwrap();
    assert_eq!((price(outcomes[0].clone()), price(outcomes[1].clone()), ignored), ("1".into(), "2".into(), 2));
    let missing = "missing: the reply holds nothing for this symbol, asked for as \"SOLUSD\"";
    assert_eq!(price(outcomes[2].clone()), missing);
    // one symbol was asked for, and the row names another
    assert!(price(one(toml, r#"[{"symbol":"XBTEUR","price":1}]"#)).starts_with("missing"));
    let error = read("", 200, r#"[{"price":1}]"#, &["AAPL", "MSFT"]).unwrap_err();
    assert!(error.to_string().contains("without a symbol"), "{error}");
}

#[test]
fn of_two_rows_the_newer_counts_else_the_last() {
    let two =
        |first: &str, second: &str| price(one("", &format!("[{{\"price\":1,{first}}},{{\"price\":2,{second}}}]")));
    assert_eq!(two("\"at\":200", "\"at\":100"), "1");
    assert_eq!(two("\"at\":100", "\"at\":200"), "2");
    assert_eq!(two("\"at\":200", "\"at\":null"), "2");
    assert_eq!(two("\"at\":0", "\"at\":0"), "2");
}

#[test]
fn a_time_is_never_invented_and_never_dropped() {
    let at = |row: &str| one("", &format!("[{{\"price\":1,{row}}}]"));
    assert_eq!(at("\"at\":0").unwrap().observed_at, None);
    assert_eq!(at("\"at_ms\":1586991278494").unwrap().observed_at.unwrap().to_string(), "2020-04-15T22:54:38.494Z");
    for wrong in [
        "\"at\":\"soon\"",
        "\"at\":true",
        "\"at\":1,\"at_ms\":1",
        "\"at\":\"2021-11-01 19:33:43\"",
        "\"zone\":\"Mars\"",
    ] {
        assert_eq!(at(wrong).unwrap_err().reason(), "malformed", "{wrong}");
    }
    assert_eq!(one("jq = '{price: .p, at: (.t + 1)}'", r#"{"p":1,"t":100}"#).unwrap_err().reason(), "malformed");
}

#[test]
fn an_error_row_decides_for_the_call_or_for_its_symbol() {
    let call = |body: &str| read("", 200, body, &["AAPL", "MSFT"]).unwrap_err();
    let limited = call(r#"[{"error":"rate_limited","detail":"slow\ndown","retry_after":"7.5"}]"#);
    assert_eq!(
        limited,
        SourceError::RateLimited { detail: "slow down".into(), retry_after: Some(Duration::from_millis(7500)) }
    );
    for (stated, expected) in [("86400", Some(3600)), ("0", None), ("-1", None), ("\"soon\"", None), ("null", None)] {
        let body = format!(r#"[{{"error":"rate_limited","retry_after":{stated}}}]"#);
        let SourceError::RateLimited { retry_after, .. } = call(&body) else { panic!("{stated}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs), "{stated}");
    }
    assert_eq!(
        call(r#"[{"error":"broken"}]"#).to_string(),
        "the filter names the failure \"broken\"; a filter can name http_status, unavailable, malformed, missing, \
         unauthorized, not_in_plan, unknown_symbol, rate_limited, quota_exhausted, blocked"
    );
    let body = r#"[{"symbol":"AAPL","error":"unknown_symbol","detail":"no AAPL"},{"symbol":"MSFT","price":1}]"#;
    let (outcomes, _) = read("", 200, body, &["AAPL", "MSFT"]).unwrap();
    assert_eq!(outcomes[0], Err(SourceError::UnknownSymbol("no AAPL".into())));
    assert_eq!(price(outcomes[1].clone()), "1");
}

#[test]
fn a_wait_that_a_filter_states_is_kept_for_every_reason_that_has_one() {
    for reason in ["unavailable", "rate_limited", "quota_exhausted", "blocked"] {
        let wait = |stated: &str, header: Option<u64>| {
            let body = format!(r#"[{{"error":"{reason}","retry_after":{stated}}}]"#);
            let reply = RawReply { retry_after: header.map(Duration::from_secs), ..reply(200, &body) };
            let error = extractor("").read(&reply, &symbols(&["AAPL"]), crate::clock::cpu::timer).unwrap_err();
            match error {
                SourceError::Unavailable { retry_after, .. }
                | SourceError::RateLimited { retry_after, .. }
                | SourceError::QuotaExhausted { retry_after, .. }
                | SourceError::Blocked { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
                other => panic!("{reason}: {other:?}"),
            }
        };
        assert_eq!(wait("120", None), Some(120), "{reason}");
        assert_eq!(wait("120", Some(7)), Some(120), "{reason}: the filter comes first");
        assert_eq!(wait("null", Some(7)), Some(7), "{reason}");
        assert_eq!(wait("null", None), None, "{reason}");
    }
}

#[test]
fn without_an_error_row_the_status_decides() {
    let speaks = |status: u16, asked: &[&str]| read("", status, "[{\"price\":1}]", asked).unwrap_err().reason();
    for (status, reason) in [
        (401, "unauthorized"),
        (403, "blocked"),
        (402, "quota_exhausted"),
        (418, "rate_limited"),
        (429, "rate_limited"),
        (404, "http_status"),
        (500, "unavailable"),
        (503, "unavailable"),
        (302, "http_status"),
        (400, "http_status"),
        (451, "blocked"),
    ] {
        assert_eq!(speaks(status, &["AAPL"]), reason, "{status}");
    }
    let words = read("", 429, "Too Many Requests", &["AAPL"]).unwrap_err().to_string();
    assert_eq!(words, "the source replied with status 429: Too Many Requests");
    assert!(!read("", 502, "<html>Bad Gateway", &["AAPL"]).unwrap_err().to_string().contains("html"));
    // the filter may know the words of a refusal, but never those of a success
    let words = "jq = 'if . == \"Not for you\" then {error: \"not_in_plan\"} else empty end'";
    for (status, reason) in [(402, "not_in_plan"), (200, "malformed")] {
        assert_eq!(read(words, status, "Not for you\n", &["AAPL"]).unwrap_err().reason(), reason);
    }
    // outside 2xx, a filter that fails is ignored, and one that names the failure is not
    let named = read("jq = '{error: \"unknown_symbol\"}'", 500, "[]", &["AAPL"]).unwrap_err();
    assert_eq!(named.reason(), "unknown_symbol");
    let body = r#"[{"symbol":"AAPL","error":"not_in_plan"},{"symbol":"MSFT","price":1}]"#;
    let (outcomes, _) = read("", 403, body, &["AAPL", "MSFT"]).unwrap();
    let reasons: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap_err().reason()).collect();
    assert_eq!(reasons, ["not_in_plan", "missing"]);
}

#[test]
fn a_403_is_about_the_key_only_if_one_is_sent_and_the_answer_is_json() {
    let keys = [
        ("", false),
        ("key = \"abcd\"\nheaders = { x-api-key = \"{key}\" }", true),
        ("headers = { authorization = \"Bearer abcd\" }", true),
        ("url = \"https://x.test/{symbols}?apikey=abcd\"", true),
        ("url = \"https://x.test/{symbols}?apikey={key}\"\nkey_optional = true", false),
    ];
    for (toml, has_key) in keys {
        for (body, is_json) in
            [("{}", true), ("\u{feff}[]", true), ("", false), ("<html>", false), ("Forbidden", false)]
        {
            let error = read(toml, 403, body, &["AAPL"]).unwrap_err();
            let expected = if has_key && is_json { "unauthorized" } else { "blocked" };
            assert_eq!(error.reason(), expected, "{toml}: {body:?}");
            let says = error.to_string().contains("does not serve this address");
            assert_eq!(says, expected == "blocked", "{error}");
        }
    }
}

#[test]
fn a_404_denies_a_symbol_only_if_the_description_says_so() {
    for asked in [&["AAPL"][..], &["AAPL", "MSFT"]] {
        for body in ["", "<html>Not Found</html>", "{}"] {
            assert_eq!(read("", 404, body, asked).unwrap_err().reason(), "http_status");
            let denies = "not_found = \"unknown_symbol\"";
            assert_eq!(read(denies, 404, body, asked).unwrap_err().reason(), "unknown_symbol");
        }
    }
}

#[test]
fn a_stated_wait_is_believed_up_to_the_longest_for_its_kind() {
    let (minute, hour, day) = (60, 3600, 86_400);
    let wait = |status, header: Option<u64>, body: &str| {
        let retry_after = header.map(Duration::from_secs);
        let date = Some("2020-04-15T22:54:38Z".parse().unwrap());
        let error = extractor("").read(
            &RawReply { retry_after, date, ..reply(status, body) },
            &symbols(&["AAPL"]),
            crate::clock::cpu::timer,
        );
        match error.unwrap_err() {
            SourceError::RateLimited { retry_after, .. } | SourceError::Blocked { retry_after, .. } => {
                retry_after.map(|wait| wait.as_secs())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wait(429, Some(30 * minute), ""), Some(30 * minute));
    assert_eq!(wait(429, Some(day), ""), Some(hour));
    for status in [418, 403, 451] {
        assert_eq!(wait(status, Some(300), ""), Some(300), "{status}");
        assert_eq!(wait(status, Some(7 * day), ""), Some(day), "{status}");
    }
    // by the vendor's clock, which is years behind ours
    let until = "IP banned until 1586991578000.";
    assert_eq!((wait(418, None, until), wait(403, None, until)), (Some(5 * minute), Some(5 * minute)));
    assert_eq!(wait(418, Some(7), until), Some(7), "the header comes first");
    assert_eq!(wait(429, None, "slow down"), None);
}

#[test]
fn rows_beside_a_failure_are_used() {
    let reasons = |status, body: &str, asked: &[&str]| {
        let (outcomes, _) = read("", status, body, asked).unwrap();
        outcomes.into_iter().map(|one| one.map_or_else(|error| error.reason(), |_| "quote")).collect::<Vec<_>>()
    };
    let beside = |error: &str| format!(r#"[{{"error":"{error}"}},{{"symbol":"AAPL","price":1}}]"#);
    for error in SourceError::NAMED_BY_FILTERS {
        assert_eq!(reasons(200, &beside(error), &["AAPL"]), ["quote"], "{error}");
        // if one symbol is left, the denial must be about it; a refusal of the account refuses all that are left
        let [two, three] = match error {
            "unknown_symbol" | "not_in_plan" => [error, "missing"],
            "unauthorized" | "rate_limited" | "quota_exhausted" | "blocked" => [error, error],
            _ => ["missing", "missing"],
        };
        assert_eq!(reasons(200, &beside(error), &["AAPL", "MSFT"]), ["quote", two], "{error}");
        assert_eq!(reasons(200, &beside(error), &["AAPL", "MSFT", "KO"]), ["quote", three, three], "{error}");
        // some filters make their row no matter what the reply holds
        let empty = beside(error).replace("\"price\":1", "\"price\":null");
        assert_eq!(read("", 200, &empty, &["AAPL"]).unwrap_err().reason(), error);
        // outside 2xx a price does not count
        let failed = read("", 400, &beside(error), &["AAPL", "MSFT"]).unwrap_err();
        assert_eq!(failed.reason(), error);
    }
}

#[test]
fn a_reply_that_is_not_understood_is_malformed_and_scrubbed() {
    let key = "url = \"https://x.test/{symbols}?k={key}\"\nkey = \"s3cr/et\"\n";
    let words = |toml: &str, body: &str| match read(&format!("{key}{toml}"), 200, body, &["AAPL"]) {
        Err(SourceError::Malformed(words)) => words,
        other => panic!("{other:?}"),
    };
    assert!(words("", "your key s3cr/et is wrong").starts_with("the body cannot be read as JSON"));
    assert_eq!(words("jq = '.[0] | tonumber'", r#"["s3cr/et s3cr%2Fet"]"#).matches("***").count(), 2);
    assert!(words("jq = '.[] | {price: (.p | tonumber)}'", r#"[{"p":"abc"}]"#).contains("cannot parse \"abc\""));
    assert!(words("jq = '.a'", r#"{"a":1}"#).contains("where a row"));
    assert!(words("", &"[".repeat(100_000)).contains("nested deeper"));
    assert!(words("jq = 'error(.[0])'", &format!("[{:?}]", "x".repeat(5000))).chars().count() <= 201);
}

#[test]
fn the_detail_of_a_failure_is_short_even_if_the_vendors_words_are_long() {
    let long = "x".repeat(5000);
    for status in [200, 300, 400, 401, 402, 403, 404, 418, 429, 451, 500, 503] {
        for error in SourceError::NAMED_BY_FILTERS.into_iter().chain(["broken"]) {
            let failure = |symbol: &str| format!(r#"{{{symbol}"error":"{error}","detail":"{long}"}}"#);
            let priced = r#"{"symbol":"AAPL","price":1}"#;
            let of_msft = failure(r#""symbol":"MSFT","#);
            let bodies =
                [failure(""), of_msft.clone(), format!("{},{priced}", failure("")), format!("{of_msft},{priced}")];
            for body in bodies.iter().map(|rows| format!("[{rows}]")).chain([format!("{{{long}"), long.clone()]) {
                let said = match read("", status, &body, &["AAPL", "MSFT", "KO"]) {
                    Ok((outcomes, _)) => outcomes.into_iter().filter_map(Result::err).collect(),
                    Err(error) => vec![error],
                };
                for error in said {
                    assert!(error.to_string().chars().count() <= 201, "{status}: {error}");
                }
            }
        }
    }
}

#[test]
fn of_a_price_and_an_error_about_one_symbol_the_error_decides() {
    let error = r#"{"symbol":"BTC-USD","error":"unknown_symbol"}"#;
    let quote = r#"{"symbol":"BTC-USD","price":"5","at":"2026-11-20T14:31:00Z"}"#;
    for body in [format!("[{error},{quote}]"), format!("[{quote},{error}]")] {
        assert!(matches!(one("", &body), Err(SourceError::UnknownSymbol(_))), "{body}");
    }
}

#[test]
fn a_byte_order_mark_in_front_of_a_body_does_no_harm() {
    assert_eq!(price(one("", "\u{feff}[{\"symbol\":\"BTC-USD\",\"price\":\"5\"}]")), "5");
}

#[test]
fn symbols_beside_named_culprits_are_overlooked_only_if_those_failed_the_call() {
    let jq =
        r#"if .bad then .bad[] | {symbol: ., error: "unknown_symbol", detail: "no such"} else .rows[]? end, .rows[]?"#;
    let of = |status, body: &str| {
        let (outcomes, _) = read(&format!("jq = '{jq}'"), status, body, &["AAPL", "MSFT", "NOPE"]).unwrap();
        outcomes
    };
    let overlooked = of(400, r#"{"bad":["NOPE"]}"#);
    assert!(matches!(overlooked[..2], [Err(SourceError::Overlooked(_)), Err(SourceError::Overlooked(_))]));
    assert!(matches!(overlooked[2], Err(SourceError::UnknownSymbol(_))));
    for (status, body) in [
        // the vendor was down, or it looked these symbols up and has nothing
        (500, r#"{"bad":["NOPE"]}"#),
        (200, r#"{"bad":["NOPE"]}"#),
    ] {
        assert!(matches!(of(status, body)[1], Err(SourceError::Missing(_))), "{status} {body}");
    }
}

#[test]
fn what_a_row_calls_neither_a_share_nor_a_fund_has_no_price() {
    let said = |instrument: &str| {
        let row = format!(r#"[{{"price":"98.41","currency":"EUR","instrument":{instrument}}}]"#);
        let (mut outcomes, _) = read("", 200, &row, &["XS2314659447"]).unwrap();
        outcomes.remove(0)
    };
    for priced in [r#""share""#, r#""fund""#, r#""Fund""#, "null"] {
        assert_eq!(price(said(priced)), "98.41", "{priced}");
    }
    for (other, word) in
        [(r#""bond""#, "\"bond\""), (r#""certificate""#, "\"certificate\""), ("7", "\"7\""), (r#""""#, "\"\"")]
    {
        let error = said(other).unwrap_err();
        let words = error.to_string();
        assert!(
            matches!(error, SourceError::UnknownSymbol(_)) && words.contains(&format!("it is {word} there")),
            "{words}"
        );
    }
    // an error of the vendor says more
    let row = r#"[{"error":"not_in_plan","instrument":"bond"}]"#;
    assert!(matches!(read("", 200, row, &["XS2314659447"]), Err(SourceError::NotInPlan(_))));
}
