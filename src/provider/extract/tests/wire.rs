//! Numbers, units and times in every notation that providers use on the wire.

use super::*;

fn time(jq: &str, body: &str) -> String {
    let quote = one(&format!("jq = '''{jq}'''"), body).unwrap_or_else(|error| panic!("{jq}: {body}: {error}"));
    quote.observed_at.map_or_else(|| "none".to_owned(), |time| time.to_string())
}

#[test]
fn a_number_of_seconds_or_smaller_units_is_a_time_be_it_text_or_not() {
    for (word, stated, expected) in [
        ("at", "1636322400", "2021-11-07T22:00:00Z"),
        ("at", "\"1643640186\"", "2022-01-31T14:43:06Z"),
        ("at", "\"1710328265.9690602\"", "2024-03-13T11:11:05.9690602Z"),
        ("at", "1710328265.9690602", "2024-03-13T11:11:05.9690602Z"),
        ("at_ms", "1586991278494", "2020-04-15T22:54:38.494Z"),
        ("at_ms", "\"1586991278494\"", "2020-04-15T22:54:38.494Z"),
        ("at_us", "1605192474128571", "2020-11-12T14:47:54.128571Z"),
        // more digits than a binary fraction holds
        ("at_ns", "1605192474128571237", "2020-11-12T14:47:54.128571237Z"),
        ("at", "null", "none"),
    ] {
        assert_eq!(time(&format!("{{price: .p, {word}: .t}}"), &format!("{{\"p\":1,\"t\":{stated}}}")), expected);
    }
}

#[test]
fn a_time_in_text_is_read_with_its_offset_its_zone_or_as_a_date() {
    for (stated, expected) in [
        ("2024-03-13T11:10:41.270099Z", "2024-03-13T11:10:41.270099Z"),
        ("2021-11-05T11:54:23.055122029-04:00", "2021-11-05T15:54:23.055122029Z"),
        ("2021-12-01T00:00:00+0000", "2021-12-01T00:00:00Z"),
        ("2021-12-01T16:00:00.000-0500", "2021-12-01T21:00:00Z"),
        ("2021-12-01", "2021-12-01T00:00:00Z"),
    ] {
        assert_eq!(time("{price: .p, at: .t}", &format!("{{\"p\":1,\"t\":\"{stated}\"}}")), expected, "{stated}");
    }
    let beside = r#"{"p":1,"t":"2021-11-01 19:33:43","z":"ZONE"}"#;
    for (zone, expected) in [
        ("UTC", "2021-11-01T19:33:43Z"),
        ("US/Eastern", "2021-11-01T23:33:43Z"),
        ("Europe/Warsaw", "2021-11-01T18:33:43Z"),
    ] {
        assert_eq!(time("{price: .p, at: .t, zone: .z}", &beside.replace("ZONE", zone)), expected, "{zone}");
    }
    let columns = r#"{"p":1,"day":"2021-07-01","clock":"22:00:05"}"#;
    let warsaw = "{price: .p, at: \"\\(.day) \\(.clock)\", zone: \"Europe/Warsaw\"}";
    assert_eq!(time(warsaw, columns), "2021-07-01T20:00:05Z");
}

#[test]
fn a_time_may_be_in_the_envelope_beside_the_price_or_there_twice() {
    let envelope = r#"{"ts":1586991278494,"data":[{"symbol":"BTC-USD","price":"1"}]}"#;
    let with_envelope = ".ts as $at_ms | .data[] | {symbol, price, $at_ms}";
    assert_eq!(time(with_envelope, envelope), "2020-04-15T22:54:38.494Z");
    let nested = r#"{"last":"1","volume":{"BTC":"2210.50","timestamp":1483018200000}}"#;
    let with_nested = "{price: .last, volume: .volume.BTC, at_ms: .volume.timestamp}";
    assert_eq!(time(with_nested, nested), "2016-12-29T13:30:00Z");
    let two_units = r#"{"p":1,"lastQuote":{"t":1605192474128},"updated":1605192474128571237}"#;
    assert_eq!(time("{price: .p, at_ms: .lastQuote.t}", two_units), "2020-11-12T14:47:54.128Z");
    assert_eq!(time("{price: .p, at_ns: .updated}", two_units), "2020-11-12T14:47:54.128571237Z");
}

#[test]
fn a_number_is_read_in_every_notation_in_use() {
    for (stated, expected) in [
        ("\"6705.92000000\"", "6705.92"),
        ("23.47", "23.47"),
        ("9468.900000000000000000000000000000000000", "9468.9"),
        ("\"7310.37010000000000000000000000000000001\"", "7310.3701"),
        ("1e-08", "0.00000001"),
        ("5.175E-5", "0.00005175"),
        ("9.083198811E7", "90831988.11"),
        ("\"$10.40\"", "10.4"),
        ("\"4,098.12\"", "4098.12"),
        ("\"4.253%\"", "NotANumber(\"4.253%\")"),
        ("\"UNCH\"", "NotANumber(\"UNCH\")"),
        ("\"\"", "Absent"),
        ("\"NA\"", "Absent"),
        ("\"N/D\"", "Absent"),
        ("\"N/A\"", "Absent"),
        ("\"--\"", "Absent"),
    ] {
        assert_eq!(price(one("", &format!("[{{\"price\":{stated}}}]"))), expected, "{stated}");
    }
    // removing a sign behind a number is the filter's task
    assert_eq!(price(one("jq = '{price: (.y | rtrimstr(\"%\"))}'", r#"{"y":"4.253%"}"#)), "4.253");
    let book = |bid: &str, ask: &str| {
        one("", &format!("[{{\"price\":1,\"bid\":{bid},\"ask\":{ask},\"volume\":\"77,555,460\"}}]")).unwrap()
    };
    for none in ["0", "0.0", "\"0.0\"", "\"\"", "null", "\"N/A\""] {
        assert_eq!((book(none, "2").bid, book("2", none).ask), (None, None), "{none}");
    }
    // a crossed book is passed on as it is
    let crossed = book("10160.51", "8209.92");
    assert_eq!(crossed.bid.unwrap().to_string(), "10160.51");
    assert_eq!(crossed.ask.unwrap().to_string(), "8209.92");
    assert_eq!(crossed.volume.unwrap().to_string(), "77555460");
}

#[test]
fn a_part_of_a_currency_is_recognised_by_its_name() {
    for (unit, currency, expected) in [
        ("GBp", "GBP", "75.86"),
        ("GBX", "GBP", "75.86"),
        ("GBP", "GBP", "7586"),
        ("ILA", "ILS", "75.86"),
        ("ILS", "ILS", "7586"),
        ("ZAc", "ZAR", "75.86"),
        ("ZAR", "ZAR", "7586"),
        ("KWF", "KWD", "7.586"),
        ("USX", "USD", "75.86"),
        ("EUX", "EUR", "75.86"),
        ("usd", "USD", "7586"),
    ] {
        let quote = one("", &format!(r#"[{{"price":7586,"bid":"7586","currency":"{unit}"}}]"#)).unwrap();
        assert_eq!(quote.currency.as_ref().unwrap().as_str(), currency, "{unit}");
        assert_eq!(crate::decimal::plain(quote.bid.unwrap()), expected, "{unit}");
        assert_eq!(price(Ok(quote)), expected, "{unit}");
    }
}

#[test]
fn a_number_may_be_wrapped_together_with_its_display_form() {
    let body = r#"{"quoteResponse":{"result":[{"symbol":"TEVA.TA","currency":"ILA",
        "regularMarketPrice":{"raw":6543.2,"fmt":"6,543.20"},
        "regularMarketVolume":{"raw":59096538,"fmt":"59.097M","longFmt":"59,096,538"},
        "regularMarketTime":{"raw":1726257600,"fmt":"11:00PM IDT"}}],"error":null}}"#;
    let toml = "jq = '.quoteResponse.result[] | {symbol, currency, price: .regularMarketPrice.raw, \
        volume: .regularMarketVolume.raw, at: .regularMarketTime.raw}'";
    let (outcomes, _) = read(toml, 200, body, &["TEVA.TA"]).unwrap();
    let quote = outcomes[0].clone().unwrap();
    assert_eq!(quote.volume.unwrap().to_string(), "59096538");
    assert_eq!(quote.observed_at.unwrap().to_string(), "2024-09-13T20:00:00Z");
    assert_eq!(quote.currency.as_ref().unwrap().as_str(), "ILS");
    assert_eq!(price(Ok(quote)), "65.432");
}

#[test]
fn in_a_table_by_days_the_last_day_of_each_currency_counts() {
    let toml = "classes = [\"fx\"]\nreply = \"csv\"\nformat = \"{base}-{quote}\"\n\
        jq = '.[] | {symbol: \"EUR-\\(.CURRENCY)\", price: .OBS_VALUE, at: .TIME_PERIOD}'";
    let days =
        ["D,JPY,2026-03-17,183.29", "D,JPY,2026-03-18,183.49", "D,USD,2026-03-17,1.1531", "D,USD,2026-03-18,1.15"];
    let mut backwards = days;
    backwards.reverse();
    for days in [days, backwards] {
        let table = format!("FREQ,CURRENCY,TIME_PERIOD,OBS_VALUE\r\n{}\r\n", days.join("\r\n"));
        let (outcomes, ignored) = read(toml, 200, &table, &["EUR-USD", "EUR-JPY"]).unwrap();
        let times: Vec<_> = outcomes.iter().map(|one| one.as_ref().unwrap().observed_at.unwrap()).collect();
        assert_eq!(times, ["2026-03-18T00:00:00Z".parse().unwrap(); 2]);
        let prices: Vec<_> = outcomes.into_iter().map(price).collect();
        assert_eq!((prices, ignored), (vec!["1.15".to_owned(), "183.49".to_owned()], 0));
    }
}

#[test]
fn from_a_list_of_all_markets_only_the_symbols_asked_for_are_taken() {
    let market =
        |number: usize| format!(r#"{{"pair":"C{number}USD","ticker":{{"last":"{number}.5","vol":"1204.33"}}}}"#);
    let body = format!("[{}]", (0..2_500).map(market).collect::<Vec<_>>().join(","));
    let toml = "format = \"{base}{quote}\"\njq = '.[] | {symbol: .pair, price: .ticker.last, volume: .ticker.vol}'";
    let (outcomes, ignored) = read(toml, 200, &body, &["C2499-USD", "NOPE-USD", "C7-USD"]).unwrap();
    let prices: Vec<_> = outcomes.into_iter().map(price).collect();
    assert_eq!((prices[0].as_str(), prices[2].as_str(), ignored), ("2499.5", "7.5", 2_498));
    assert!(prices[1].starts_with("missing"), "{}", prices[1]);
}

#[test]
fn a_key_that_a_vendor_repeats_is_hidden_everywhere() {
    let toml = "url = \"https://x.test/{symbols}?k={key}\"\nkey = \"0a1b2c3d\"\n\
        jq = 'if type == \"object\" then {error: \"unauthorized\", detail: .\"Error Message\"} else .[] end'";
    let refusals = [
        (200, r#"{"Error Message":"Invalid API KEY 0a1b2c3d. Visit https://x.test/?k=0a1b2c3d"}"#),
        (401, "no such key: 0a1b2c3d"),
        (200, "no such key: 0a1b2c3d"),
    ];
    for (status, body) in refusals {
        let words = read(toml, status, body, &["AAPL"]).unwrap_err().to_string();
        assert!(!words.contains("0a1b2c3d"), "{words}");
    }
    let words = read(toml, 200, refusals[0].1, &["AAPL"]).unwrap_err().to_string();
    assert_eq!(words, "Invalid API KEY ***. Visit https://x.test/?k=***");
    assert_eq!(price(one(toml, r#"[{"price":"0a1b2c3d"}]"#)), "NotANumber(\"***\")");
}

#[test]
fn a_currency_sign_before_a_price_names_its_currency_if_nothing_else_does() {
    let currency = |symbol: &str, row: &str| {
        let (outcomes, _) =
            super::read("classes = [\"equity\", \"crypto\"]", 200, &format!("[{row}]"), &[symbol]).unwrap();
        outcomes[0].clone().unwrap().currency.map(|currency| currency.to_string())
    };
    for (sign, code) in [("€", "EUR"), ("£", "GBP"), ("₹", "INR"), ("₩", "KRW"), ("\\u20ac", "EUR"), ("\\u00a3", "GBP")]
    {
        assert_eq!(
            currency("ABC", &format!(r#"{{"symbol":"ABC","price":"{sign}71"}}"#)).as_deref(),
            Some(code),
            "{sign}"
        );
        let labelled = format!(r#"{{"symbol":"ABC","price":"{sign}71","currency":"CHF"}}"#);
        assert_eq!(currency("ABC", &labelled).as_deref(), Some("CHF"), "{sign}");
    }
    assert_eq!(currency("ABC", r#"{"symbol":"ABC","price":"$71"}"#), None);
    // the yen of Japan and the yuan of China have one sign
    assert_eq!(currency("7203.T", r#"{"symbol":"7203.T","price":"¥2812"}"#), None);
    assert_eq!(currency("ABC", r#"{"symbol":"ABC","price":"¥2812"}"#).as_deref(), Some("¥"));
}
