//! What a row says about its book and its market besides prices.

use super::{one, price, read};
use crate::quote::NoMarket;

#[test]
fn a_book_may_have_a_time_of_its_own() {
    let quote = one("", r#"[{"price":1,"at":1637858100,"book_at_ms":1637858101500}]"#).unwrap();
    assert_eq!(quote.observed_at.unwrap().to_string(), "2021-11-25T16:35:00Z");
    assert_eq!(quote.book_at.unwrap().to_string(), "2021-11-25T16:35:01.5Z");
    for (word, number) in
        [("book_at", "7"), ("book_at_ms", "7000"), ("book_at_us", "7000000"), ("book_at_ns", "7000000000")]
    {
        let quote = one("", &format!("[{{\"price\":1,\"{word}\":{number}}}]")).unwrap();
        let times = (quote.observed_at, quote.book_at.map(|at| at.to_string()));
        assert_eq!(times, (None, Some("1970-01-01T00:00:07Z".to_owned())), "{word}");
    }
    let local = one("", r#"[{"price":1,"book_at":"2021-11-01 19:33:43","zone":"America/New_York"}]"#).unwrap();
    assert_eq!(local.book_at.unwrap().to_string(), "2021-11-01T23:33:43Z");
    for wrong in [r#""book_at":"soon""#, r#""book_at":1,"book_at_ms":1"#] {
        assert!(price(one("", &format!("[{{\"price\":1,{wrong}}}]"))).starts_with("malformed"), "{wrong}");
    }
}

#[test]
fn a_coin_without_orders_and_without_a_trade_has_no_market() {
    let of = |row: &str| one("", &format!("[{{\"price\":7,{row}}}]")).unwrap().no_market;
    let (untraded, unstated) = (Some(NoMarket::NothingTraded), Some(NoMarket::NoTradeStated));
    for (row, expected) in [
        (r#""bid":"","ask":"","volume":5"#, unstated),
        (r#""bid":0,"ask":"0.00","volume":"0.000""#, untraded),
        (r#""bid":"N/A","ask":null"#, unstated),
        (r#""bid":0,"ask":0,"volume":0,"at":1637858100"#, untraded),
        (r#""bid":0,"ask":0,"book_at":1637858100"#, unstated),
        (r#""bid":null,"ask":null,"volume":0"#, untraded),
        // a trade is stated, or an order, or the row says nothing about orders
        (r#""bid":0,"ask":0,"volume":5,"at":1637858100"#, None),
        (r#""bid":0,"ask":0,"at":1637858100"#, None),
        (r#""bid":0,"ask":7.1,"volume":0"#, None),
        (r#""bid":"?","ask":0,"volume":0"#, None),
        (r#""bid":null,"ask":null"#, None),
        (r#""bid":0,"volume":0"#, None),
        (r#""volume":0"#, None),
    ] {
        assert_eq!(of(row), expected, "{row}");
    }
    // for a share that means nothing: its orders are withdrawn overnight
    let (shares, _) = read("", 200, r#"[{"price":7,"bid":0,"ask":0,"volume":0}]"#, &["AAPL"]).unwrap();
    assert_eq!(shares[0].as_ref().unwrap().no_market, None);
    let halted = one("", r#"[{"price":7,"bid":6.9,"ask":7.1,"market":"halted"}]"#).unwrap();
    assert_eq!(halted.no_market, Some(NoMarket::Halted));
    assert_eq!(one("", r#"[{"price":7,"market":"open"}]"#).unwrap().no_market, None);
    let wrong = price(one("", r#"[{"price":7,"market":"Halted"}]"#));
    assert!(wrong.contains("halted, cancel_only or delisted"), "{wrong}");
}

#[test]
fn of_two_rows_the_newer_counts_by_any_time_that_it_states() {
    let two =
        |first: &str, second: &str| price(one("", &format!("[{{\"price\":1,{first}}},{{\"price\":2,{second}}}]")));
    assert_eq!(two("\"book_at\":200", "\"book_at\":100"), "1");
    assert_eq!(two("\"at\":200", "\"book_at\":100"), "1");
}
