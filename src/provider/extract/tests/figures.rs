//! Figures that are not prices as they stand: in another notation, scaled, for several units, or of a multiple.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::decimal::{CALCULATED_DIGITS, plain, significant};

const COMMA: &str = "decimal = \",\"";

#[test]
fn a_source_states_whether_a_comma_stands_before_decimals() {
    for (stated, expected) in
        [("2.050", "2050"), ("1.213,03", "1213.03"), ("48,7", "48.7"), ("1 205,5", "1205.5"), ("1,084", "1.084")]
    {
        assert_eq!(price(one(COMMA, &format!(r#"[{{"price":"{stated}"}}]"#))), expected, "{stated}");
        assert_eq!(
            price(one(&format!("{COMMA}\nreply = \"csv\"\nseparator = \";\""), &format!("price;x\n{stated};1\n"))),
            expected
        );
    }
    // numbers of JSON have a point, and a text in another notation is no number
    assert_eq!(price(one(COMMA, r#"[{"price":2.050}]"#)), "2.05");
    assert_eq!(price(one(COMMA, r#"[{"price":"2.05"}]"#)), "NotANumber(\"2.05\")");
    assert_eq!(price(one("decimal = \".\"", r#"[{"price":"1,084"}]"#)), "1084");
    assert_eq!(price(one("", r#"[{"price":"$4,098.12"}]"#)), "4098.12");
}

#[test]
fn a_grouped_number_is_found_in_the_body_however_its_groups_are_written() {
    for body in [
        "[{\"price\":\"1\u{a0}205,5\"}]",
        r#"[{"price":"1\u00a0205,5"}]"#,
        r#"[{"price":"1\u00A0205,5"}]"#,
        r#"[{"price":"1\u0027205,5 \u20ac"}]"#,
    ] {
        assert_eq!(price(one(COMMA, body)), "1205.5", "{body}");
    }
    let xml = "reply = \"xml\"\njq = '{price: .text}'\ndecimal = \",\"";
    for body in ["<p>1&#160;205,5</p>", "<p>1&#xA0;205,5</p>", "<p>1&apos;205,5</p>"] {
        assert_eq!(price(one(xml, body)), "1205.5", "{body}");
    }
    assert_eq!(one(COMMA, r#"[{"price":"71,50 €"}]"#).unwrap().currency.unwrap().as_str(), "EUR");
    let changed = format!("{COMMA}\njq = '{{price: (.p | split(\",\") | join(\".\"))}}'");
    assert_eq!(price(one(&changed, r#"{"p":"48,7"}"#)), "NotANumber(\"48.7\")");
    let refused = price(one(&changed.replace(COMMA, ""), r#"{"p":"48,7"}"#));
    assert!(refused.starts_with("malformed") && refused.contains("the source's `decimal`"), "{refused}");
}

#[test]
fn an_ambiguous_price_is_refused_and_says_which_key_decides() {
    for name in ["price", "bid", "ask"] {
        let refused = price(one("", &format!(r#"[{{"price":"5","{name}":"1,084"}}]"#)));
        for words in ["malformed: ", name, "\"1,084\"", "decimal = \",\"", "decimal = \".\""] {
            assert!(refused.contains(words), "{refused}");
        }
    }
    let body = r#"[{"symbol":"AAPL","price":"1,084"},{"symbol":"MSFT","price":"4,098.12"}]"#;
    let (outcomes, _) = read("", 200, body, &["AAPL", "MSFT"]).unwrap();
    assert_eq!(
        (outcomes[0].as_ref().unwrap_err().reason(), price(outcomes[1].clone())),
        ("malformed", "4098.12".into())
    );
    // no price depends on a volume
    let quote = one("", r#"[{"price":"5","volume":"1,084"}]"#).unwrap();
    assert_eq!((quote.volume, price(Ok(quote))), (None, "5".into()));
}

#[test]
fn a_row_states_a_power_of_ten_and_the_units_that_its_price_is_for() {
    for (row, expected) in [
        (r#""price":"250.0","per":100"#, "2.5"),
        (r#""price":250.0,"per":"100""#, "2.5"),
        (r#""price":"6140993501000","scale":-8"#, "61409.93501"),
        (r#""price":6140993501000,"scale":"-8""#, "61409.93501"),
        (r#""price":"61409935010000000000000000000000000000","scale":-30"#, "61409935.01"),
        (r#""price":"1.5","scale":3,"per":100"#, "15"),
        (r#""price":"10","per":3"#, "3.33333333333"),
        (r#""price":"6.5","per":100,"inverse":true"#, "15.3846153846"),
        (r#""price":"250","per":100,"inverse":true"#, "0.4"),
        (r#""price":"5","scale":0,"per":1"#, "5"),
        (r#""price":"5","scale":null,"per":null"#, "5"),
        (r#""price":0,"scale":-30,"per":7"#, "0"),
    ] {
        assert_eq!(price(one("", &format!("[{{{row}}}]"))), expected, "{row}");
    }
    let quote = one("", r#"[{"bid":"249","ask":"251","volume":"7","scale":-1,"per":10}]"#).unwrap();
    let sides = [quote.bid, quote.ask, quote.volume].map(|number| plain(number.unwrap()));
    assert_eq!(sides, ["2.49", "2.51", "7"]);
    let pence = one("", r#"[{"price":"7482","per":100,"currency":"GBp"}]"#);
    assert_eq!(price(pence), "0.7482");
}

#[test]
fn a_factor_may_come_from_the_filter_or_be_turned_round_but_not_calculated() {
    let body = r#"{"p":"250.0","units":100,"decimals":8}"#;
    for (row, expected) in [
        ("{price: .p, per: .units}", "2.5"),
        ("{price: .p, per: 100}", "2.5"),
        ("{price: .p, scale: -2}", "2.5"),
        ("{price: .p, scale: (-.decimals)}", "0.0000025"),
        ("{price: .p, scale: (0 - .decimals)}", "0.0000025"),
        ("{price: .p, scale: .missing, per: .missing}", "250"),
    ] {
        assert_eq!(price(one(&format!("jq = '{row}'"), body)), expected, "{row}");
    }
    for row in
        ["{price: .p, per: (.units / 3)}", "{price: .p, per: (.units + 1)}", "{price: .p, scale: (.decimals / 3)}"]
    {
        assert!(price(one(&format!("jq = '{row}'"), body)).starts_with("malformed: `"), "{row}");
    }
}

#[test]
fn a_hostile_factor_is_an_error_of_its_row_alone() {
    for factors in [
        r#""scale":30"#,
        r#""scale":-30"#,
        r#""scale":31"#,
        r#""scale":-31"#,
        r#""scale":1e30"#,
        r#""scale":"1e999999999999""#,
        r#""scale":-2147483648"#,
        r#""scale":0.5"#,
        r#""scale":true"#,
        r#""scale":"x""#,
        r#""per":0"#,
        r#""per":-1"#,
        r#""per":-100"#,
        r#""per":0.5"#,
        r#""per":1e30"#,
        r#""per":1000000000000000000000000000000"#,
        r#""per":"1,000""#,
        r#""per":[]"#,
        r#""per":"""#,
        r#""per":1000000000000000000,"scale":-28"#,
    ] {
        let body = format!(r#"[{{"symbol":"AAPL","price":"5",{factors}}},{{"symbol":"MSFT","price":"7"}}]"#);
        let (outcomes, _) = read("", 200, &body, &["AAPL", "MSFT"]).unwrap();
        let refused = price(outcomes[0].clone());
        assert!(refused.starts_with("malformed: `"), "{factors}: {refused}");
        assert_eq!(price(outcomes[1].clone()), "7");
    }
    // its inverse would have two digits
    assert!(price(one("", r#"[{"price":"7","inverse":true,"scale":26}]"#)).starts_with("malformed: `price` is 7"));
    assert_eq!(price(one("", r#"[{"price":"1e999"}]"#)), "NotANumber(\"1e999\")");
    assert!(price(one("", r#"[{"price":"1e999","scale":1}]"#)).starts_with("malformed: `price` is 1e999"));
    assert!(
        price(one("", r#"[{"price":"1","inverse":true,"per":1000000000000000000,"scale":-12}]"#))
            .starts_with("malformed")
    );
}

#[test]
fn a_base_that_is_listed_as_a_multiple_is_asked_for_and_answered_as_one() {
    let toml = "multiplied = { PEPE = 1000 }\nformat = \"{base}{quote}\"";
    let body = r#"[{"symbol":"1000PEPEUSDT","price":"0.0099105","bid":"0.0099","ask":"0.0100","volume":"12.5"},
        {"symbol":"BTCUSDT","price":"61409.93","volume":"3"}]"#;
    let (outcomes, _) = read(toml, 200, body, &["PEPE-USDT", "BTC-USDT"]).unwrap();
    let quote = outcomes[0].clone().unwrap();
    let numbers = [quote.last(), quote.bid, quote.ask, quote.volume].map(|number| plain(number.unwrap()));
    assert_eq!(numbers, ["0.0000099105", "0.0000099", "0.00001", "12500"]);
    assert_eq!(
        (price(outcomes[1].clone()), outcomes[1].as_ref().unwrap().volume),
        ("61409.93".into(), Some(Decimal::from(3)))
    );
    // a venue may have a name of its own for the multiple
    let named = "multiplied = { PEPE = 1000 }\nrename = { PEPE = \"kPEPE\" }\nformat = \"{base}\"";
    let (outcomes, _) = read(named, 200, r#"[{"symbol":"kPEPE","price":"0.0099105"}]"#, &["PEPE-USDT"]).unwrap();
    assert_eq!(price(outcomes[0].clone()), "0.0000099105");
    let inverse = r#"[{"symbol":"kPEPE","price":"100","inverse":true}]"#;
    let (outcomes, _) = read(named, 200, inverse, &["PEPE-USDT"]).unwrap();
    assert_eq!(price(outcomes[0].clone()), "0.00001");
}

#[test]
fn a_price_in_a_coin_that_is_listed_as_a_multiple_is_not_asked_for() {
    let extractor = extractor("multiplied = { PEPE = 1000 }\nspelled = { \"DOGE-PEPE\" = \"dogepepe\" }");
    let covers = |text: &str| {
        // of its legs: no caller can ask for a price in PEPE, but a derivation could
        let (base, quote) = text.split_once('-').unwrap();
        let symbol = Symbol::of_legs(base, quote).unwrap();
        extractor.spelling().covers(&symbol, symbol.class())
    };
    assert!(covers("PEPE-USD") && covers("DOGE-USD"));
    assert!(!covers("BTC-PEPE") && !covers("DOGE-PEPE"));
    // it is asked for under its own name instead
    assert!(!covers("1000PEPE-USD"));
}

proptest! {
    #[test]
    fn scale_and_per_are_exact_decimal_arithmetic(
        mantissa in 1_i128..1_000_000, decimals in 0_u32..4, scale in -6_i32..=6, per in 1_i128..=1000,
    ) {
        let figure = Decimal::from_i128_with_scale(mantissa, decimals);
        let found = price(one("", &format!(r#"[{{"price":"{figure}","scale":{scale},"per":{per}}}]"#)));
        let found: Decimal = found.parse().unwrap();
        // both sides as whole numbers of the price's last place, times `per` and a common power of ten
        let power = |places: u32| 10_i128.pow(places);
        let (up, down) = (scale.max(0).unsigned_abs(), scale.min(0).unsigned_abs());
        let product = found.mantissa() * per * power(decimals + down);
        let stated = mantissa * power(found.scale() + up);
        let mut other_factors = per;
        [2, 5].into_iter().for_each(|factor| while other_factors % factor == 0 { other_factors /= factor; });
        if mantissa % other_factors == 0 {
            prop_assert_eq!(product, stated);
        } else {
            let place = per * power(decimals + down);
            prop_assert!((product - stated).abs() * 2 <= place, "{}", found);
            prop_assert_eq!(found, significant(found, CALCULATED_DIGITS));
        }
    }

    #[test]
    fn a_multiple_that_is_undone_gives_the_price_up_to_rounding(
        mantissa in 1_000_000_i64..i64::MAX, decimals in 0_u32..9, multiple in 2_u64..=1_000_000_000,
    ) {
        let figure = Decimal::new(mantissa, decimals);
        let toml = format!("multiplied = {{ PEPE = {multiple} }}");
        let body = format!(r#"[{{"price":"{figure}","volume":"7"}}]"#);
        let (outcomes, _) = read(&toml, 200, &body, &["PEPE-USD"]).unwrap();
        let quote = outcomes[0].clone().unwrap();
        let back = quote.last().unwrap() * Decimal::from(multiple);
        prop_assert!((back - figure).abs() <= figure * Decimal::new(1, CALCULATED_DIGITS - 1), "{}", back);
        prop_assert_eq!(quote.volume, Some(Decimal::from(7) * Decimal::from(multiple)));
    }

    #[test]
    fn no_factor_makes_a_row_panic_or_an_inexact_price(
        text in "[0-9]{1,40}(\\.[0-9]{0,40})?(e-?[0-9]{1,12})?", scale in "-?[0-9]{1,3}(e[0-9]{1,3})?",
        per in "-?[0-9]{1,32}", inverse in any::<bool>(), multiple in 1_u64..=1_000_000_000,
    ) {
        let toml = format!("multiplied = {{ PEPE = {multiple} }}");
        let body = format!(r#"[{{"price":"{text}","bid":{text},"scale":"{scale}","per":{per},"inverse":{inverse},"volume":"{text}"}}]"#);
        if let Ok((outcomes, _)) = read(&toml, 200, &body, &["PEPE-USD"])
            && let Ok(quote) = &outcomes[0]
        {
            // smaller numbers than a price can be are zero
            let is_zero = crate::decimal::read(&text).is_some_and(|number| number.is_zero());
            prop_assert!(quote.last().is_none_or(|last| !last.is_zero() || is_zero || inverse), "{body}");
        }
    }
}
