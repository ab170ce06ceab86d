//! What `quotefold get` shows at several widths.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::cli::lines::width;

fn terminal(width: usize) -> Terminal {
    Terminal { width, height: 24, colours: false, can_redraw: true }
}

fn on(answer: &Value, width: usize) -> String {
    page(answer, None, Some(&terminal(width))).text()
}

fn entry(symbol: &str, price: &str, plus_minus: &str) -> Value {
    json!({
        "symbol": symbol, "status": "ok", "reason": null, "detail": null, "price": price, "plus_minus": plus_minus,
        "currency": "USD", "age_ms": 775, "as_of": "2026-11-29T22:58:19.846Z", "observed_at": "2026-11-29T22:58:19.000Z",
        "sources": { "asked": 4, "answered": 4, "used": 4, "required": 2 }, "quotes": [],
    })
}

fn nosuch9() -> Value {
    json!({
        "symbol": "NOSUCH9", "status": "unknown", "reason": "not_a_symbol",
        "detail": "\"NOSUCH9\" is not spelled like a symbol; write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD, EURUSD=X or an ISIN",
        "price": null, "plus_minus": null, "currency": null, "age_ms": null, "as_of": "2026-11-29T22:58:19.846Z",
        "observed_at": null, "sources": { "asked": 0, "answered": 0, "used": 0, "required": 0 }, "quotes": [],
    })
}

fn three() -> Value {
    json!({
        "status": "partial",
        "prices": [entry("AAPL", "231.495", "0.005"), entry("MSFT", "512.2", "0.005"), nosuch9()],
    })
}

#[test]
fn three_symbols_on_50_columns() {
    let expected = "\
SYMBOL     PRICE      ±  CUR    AGE  USED  STATUS
AAPL     231.495  0.005  USD  775ms   4/4  ok
MSFT     512.2    0.005  USD  775ms   4/4  ok
NOSUCH9    -      -      -        -   0/0  unknown

NOSUCH9: \"NOSUCH9\" is not spelled like a symbol;
  write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD,
  EURUSD=X or an ISIN
";
    assert_eq!(on(&three(), 50), expected);
}

#[test]
fn three_symbols_on_80_columns() {
    let expected = "\
SYMBOL     PRICE      ±  CURRENCY    AGE  SOURCES  STATUS
AAPL     231.495  0.005  USD       775ms      4/4  ok
MSFT     512.2    0.005  USD       775ms      4/4  ok
NOSUCH9    -      -      -             -      0/0  unknown / not_a_symbol

NOSUCH9: \"NOSUCH9\" is not spelled like a symbol; write AAPL, BRK.B, VOD.L,
  ^GSPC, BTC-USD, EURUSD=X or an ISIN
";
    assert_eq!(on(&three(), 80), expected);
}

#[test]
fn three_symbols_on_120_and_200_columns_are_the_same_table_with_longer_lines_below() {
    let table = |width| on(&three(), width).split("\n\n").next().map(str::to_owned);
    assert_eq!(table(120), table(80));
    assert_eq!(table(200), table(80));
    assert!(on(&three(), 120).ends_with(
        "\n\nNOSUCH9: \"NOSUCH9\" is not spelled like a symbol; write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD, EURUSD=X or an ISIN\n"
    ));
}

#[test]
fn programs_get_a_line_per_symbol_of_one_word_per_cell() {
    let text = page(&three(), None, None).text();
    let expected = "\
SYMBOL     PRICE      ±  CURRENCY    AGE  SOURCES  STATUS                  DETAIL
AAPL     231.495  0.005  USD       775ms      4/4  ok
MSFT     512.2    0.005  USD       775ms      4/4  ok
NOSUCH9    -      -      -             -      0/0  unknown / not_a_symbol  \"NOSUCH9\" is not spelled like a symbol; \
write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD, EURUSD=X or an ISIN
";
    assert_eq!(text, expected);
    for line in text.lines() {
        assert!(line.split_whitespace().count() >= 7, "{line}");
    }
}

/// One symbol, of which a venue lies and another hangs.
fn one() -> Value {
    let quote = |source: &str, status: &str, price: &str, deviation: &str| {
        json!({
            "source": source, "status": status, "reason": null, "detail": null, "price": price, "deviation_bps": deviation,
            "observed_at": "2026-11-29T22:58:19.400Z", "received_at": "2026-11-29T22:58:19.500Z",
        })
    };
    let mut entry = entry("AAPL", "231.385", "0.005");
    entry["sources"]["used"] = json!(2);
    let mut gamma = quote("gamma", "excluded", "249.89", "799.7");
    gamma["reason"] = json!("outlier");
    gamma["detail"] = json!("8.0 % from the median 231.39, 2 % allowed");
    entry["quotes"] = json!([
        quote("alpha", "used", "231.38", "-0.2"),
        quote("beta", "used", "231.39", "0.2"),
        {
            "source": "delta", "status": "failed", "reason": "timeout", "detail": "no reply within 600 ms", "price": null,
            "deviation_bps": null, "observed_at": null, "received_at": null,
        },
        gamma,
    ]);
    json!({ "status": "complete", "prices": [entry] })
}

#[test]
fn a_single_symbol_has_its_proof_on_80_columns() {
    let expected = "\
SYMBOL    PRICE      ±  CURRENCY    AGE  SOURCES  STATUS
AAPL    231.385  0.005  USD       775ms      2/4  ok

SOURCE  STATUS     PRICE  OFF BY BPS    AGE  REASON
alpha   used      231.38        -0.2  375ms
beta    used      231.39         0.2  375ms
delta   failed      -            -        -  timeout: no reply within 600 ms
gamma   excluded  249.89       799.7  375ms  outlier: 8.0 % from the median
                                             231.39, 2 % allowed
";
    assert_eq!(on(&one(), 80), expected);
}

#[test]
fn the_proof_of_a_converted_price_says_which_currency_its_quotes_are_in() {
    let mut answer = one();
    answer["prices"][0]["conversion"] =
        json!({ "from": "USD", "to": "EUR", "symbol": "EUR-USD", "price": "231.38", "rate": "1.0842", "status": "ok" });
    let shown = on(&answer, 80);
    let says = "The quotes are in USD. Their price of 231.38 USD is converted with EUR-USD at\n  1.0842.\n\nSOURCE";
    assert!(shown.contains(says), "{shown}");
    answer["prices"][0]["conversion"]["rate"] = Value::Null;
    assert_eq!(on(&answer, 80), on(&one(), 80), "the sentence below the table says why there is no rate");
}

#[test]
fn on_50_columns_the_reasons_stand_below_their_rows() {
    let expected = "\
SYMBOL    PRICE      ±  CUR    AGE  USED  STATUS
AAPL    231.385  0.005  USD  775ms   2/4  ok

SOURCE  STATUS     PRICE    BPS    AGE
alpha   used      231.38   -0.2  375ms
beta    used      231.39    0.2  375ms
delta   failed      -       -        -
    timeout: no reply within 600 ms
gamma   excluded  249.89  799.7  375ms
    outlier: 8.0 % from the median 231.39, 2 %
    allowed
";
    assert_eq!(on(&one(), 50), expected);
}

#[test]
fn on_200_columns_everything_about_a_source_is_one_line() {
    let expected = "\
SYMBOL    PRICE      ±  CURRENCY    AGE  SOURCES  STATUS
AAPL    231.385  0.005  USD       775ms      2/4  ok

SOURCE  STATUS     PRICE  OFF BY BPS    AGE  REASON
alpha   used      231.38        -0.2  375ms
beta    used      231.39         0.2  375ms
delta   failed      -            -        -  timeout: no reply within 600 ms
gamma   excluded  249.89       799.7  375ms  outlier: 8.0 % from the median 231.39, 2 % allowed
";
    assert_eq!(on(&one(), 200), expected);
}

#[test]
fn programs_get_no_proof_since_it_would_be_lines_of_another_kind() {
    assert_eq!(page(&one(), None, None).len(), 2);
}

#[test]
fn the_widest_prices_and_the_longest_symbol_keep_currency_and_status_on_50_columns() {
    let mut long = entry("A-SYMBOL-OF-THIRTY-THREE-SIGNS-USD", "97000.123456789", "0.5");
    long["status"] = json!("degraded");
    long["reason"] = json!("few_sources");
    long["detail"] = json!("2 are required");
    let shown = on(&json!({ "prices": [long, entry("X-USD", "0.00000001234", "0.00000000001")] }), 50);
    for words in
        ["97000.123456789", "0.00000001234", "USD", "degraded", "A-SYMBOL-OF-THIRTY-THREE-SIGNS-USD: 2 are required"]
    {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
    assert!(shown.lines().all(|line| width(line) <= 50), "{shown}");
}

#[test]
fn a_watch_marks_what_moved_and_what_changed_its_status() {
    let mut before = Before::nothing();
    let first = page(&three(), Some(&before), Some(&terminal(100))).text();
    assert!(first.lines().nth(1).is_some_and(|line| line.contains("231.495  -  ")), "{first}");
    before.becomes(three());
    let mut now = three();
    now["prices"][0]["price"] = json!("231.51");
    now["prices"][0]["status"] = json!("degraded");
    now["prices"][0]["reason"] = json!("few_sources");
    now["prices"][1]["price"] = json!("512.19");
    now["prices"][2]["price"] = json!("1");
    let expected = "\
SYMBOL    PRICE  CHANGE      ±  CURRENCY    AGE  SOURCES  STATUS
AAPL     231.51  ↑0.015  0.005  USD       775ms      4/4  degraded / few_sources, was ok
MSFT     512.19  ↓0.01   0.005  USD       775ms      4/4  ok
NOSUCH9    1     new     -      -             -      0/0  unknown / not_a_symbol
";
    let shown = page(&now, Some(&before), Some(&terminal(100))).text();
    assert!(shown.starts_with(expected), "{shown}");
    let narrow = page(&now, Some(&before), Some(&terminal(50))).text();
    assert!(
        narrow.lines().all(|line| width(line) <= 50) && narrow.contains('↑') && narrow.contains("was ok"),
        "{narrow}"
    );
    now["prices"][0]["price"] = json!(null);
    now["prices"][1]["price"] = json!("512.2");
    let gone = page(&now, Some(&before), None).text();
    assert!(gone.contains("  gone") && gone.contains("  =  "), "{gone}");
}

#[test]
fn colour_is_never_the_only_sign() {
    let coloured = Terminal { colours: true, ..terminal(200) };
    let text = page(&one(), None, Some(&coloured)).text();
    assert!(text.contains("\u{1b}[32mok\u{1b}[0m") && text.contains("\u{1b}[31mfailed\u{1b}[0m"), "{text}");
    assert!(!on(&one(), 200).contains('\u{1b}'));
}

proptest! {
    #[test]
    fn nothing_of_the_sentences_is_lost_at_any_width(
        details in proptest::collection::vec("[a-zé0-9.,;]{1,20}( [a-zé0-9.,;]{1,20}){0,30}", 1..4), columns in 50_usize..201
    ) {
        let prices: Vec<Value> = details.iter().enumerate().map(|(at, detail)| {
            let mut price = entry(&format!("SYMBOL{at}"), "231.495", "0.005");
            price["detail"] = json!(detail);
            price
        }).collect();
        let shown = on(&json!({ "prices": prices }), columns);
        prop_assert!(shown.lines().all(|line| width(line) <= columns), "{}", shown);
        let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, detail) in details.iter().enumerate() {
            let sentence = format!("SYMBOL{at}: {detail}");
            prop_assert!(words.contains(&sentence), "{sentence:?} is not in\n{shown}");
        }
    }
}
