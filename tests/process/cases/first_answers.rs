//! The first answers after a start: a vendor with few calls, and what one unknown symbol costs the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use super::{Case, source_of};
use crate::support::{After, Call, Reply};

/// Currency pairs that Kraken has.
const PAIRS: [&str; 12] = [
    "EUR-USD", "GBP-USD", "USD-JPY", "USD-CHF", "USD-CAD", "AUD-USD", "EUR-GBP", "EUR-JPY", "EUR-CHF", "EUR-CAD",
    "EUR-AUD", "AUD-JPY",
];

/// What Kraken was asked for, call by call.
type Asked = Arc<Mutex<Vec<Vec<String>>>>;

/// The price of a currency, in millionths of a dollar.
fn worth(money: &str) -> u64 {
    match money {
        "EUR" => 1_100_000,
        "GBP" => 1_300_000,
        "CHF" => 1_120_000,
        "CAD" => 720_000,
        "AUD" => 650_000,
        "NZD" => 600_000,
        "JPY" => 6_500,
        _ => 1_000_000,
    }
}

/// The price of one currency in another.
fn price(base: &str, quote: &str) -> String {
    let price = worth(base) * 1_000_000 / worth(quote);
    format!("{}.{:06}", price / 1_000_000, price % 1_000_000)
}

/// Kraken: one call for all pairs, which one unknown pair fails.
fn kraken(call: &mut Call<'_>, asked: &Asked) -> After {
    let names: Vec<String> =
        call.target().split("pair=").nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
    asked.lock().expect("no script panicked").push(names.clone());
    let row = |name: &String| {
        let (base, quote) = (name.get(..3)?, name.get(3..)?);
        PAIRS.contains(&format!("{base}-{quote}").as_str()).then_some(())?;
        // as Kraken replies: some under an older name
        let replied = match name.as_str() {
            "EURUSD" | "GBPUSD" | "USDCAD" | "USDJPY" => format!("Z{base}Z{quote}"),
            _ => name.clone(),
        };
        let price = price(base, quote);
        Some(format!(
            r#""{replied}":{{"a":["{price}","1","1.000"],"b":["{price}","1","1.000"],"c":["{price}","1"],"v":["1","2"]}}"#
        ))
    };
    let rows: Option<Vec<String>> = names.iter().map(row).collect();
    match rows {
        Some(rows) => call.json(&format!(r#"{{"error":[],"result":{{{}}}}}"#, rows.join(","))),
        None => call.json(r#"{"error":["EQuery:Unknown asset pair"]}"#),
    }
}

/// Bitstamp: one pair per call, and few currency pairs.
fn bitstamp(call: &mut Call<'_>) -> After {
    let name = call.target().split('/').nth(5).unwrap_or_default().to_ascii_uppercase();
    if !["EURUSD", "GBPUSD"].contains(&name.as_str()) {
        return call.reply(
            404,
            "Content-Type: text/html\r\n",
            "<!DOCTYPE html><html><title>Page not found</title></html>",
        );
    }
    let (price, now) = (price(&name[..3], &name[3..]), jiff::Timestamp::now().as_second());
    call.json(&format!(r#"{{"ask":"{price}","bid":"{price}","last":"{price}","timestamp":"{now}","volume":"10"}}"#))
}

/// Frankfurter: everything against the euro.
fn frankfurter(call: &mut Call<'_>) -> After {
    let codes = call.target().split("symbols=").nth(1).unwrap_or_default().to_owned();
    let rates: Vec<String> = codes.split(',').map(|code| format!(r#""{code}":{}"#, price("EUR", code))).collect();
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    call.json(&format!(r#"{{"amount":1.0,"base":"EUR","date":"{today}","rates":{{{}}}}}"#, rates.join(",")))
}

/// The program over sources of the catalogue, just started, and what it asks Kraken for.
fn case(sources: &[&str]) -> (Case, Asked) {
    let asked = Asked::default();
    let section = |name: &&str| format!("[sources.{name}]\nbase_url = \"http://VENDORS/{name}\"\n");
    let seen = Arc::clone(&asked);
    let case = Case::new(&sources.iter().map(section).collect::<String>(), move |call| match source_of(call) {
        "kraken" => kraken(call, &seen),
        "bitstamp" => bitstamp(call),
        _ => frankfurter(call),
    });
    (case, asked)
}

fn priced(reply: &Reply) -> BTreeMap<String, String> {
    let answer = reply.json();
    let entries = answer["prices"].as_array().expect("entries").iter();
    let text = |entry: &serde_json::Value, field: &str| entry[field].as_str().map(str::to_owned);
    entries.filter_map(|entry| Some((text(entry, "symbol")?, text(entry, "price")?))).collect()
}

fn sizes(asked: &Asked) -> Vec<usize> {
    asked.lock().expect("no script panicked").iter().map(Vec::len).collect()
}

#[test]
fn six_pairs_that_kraken_was_never_asked_are_one_call() {
    let (case, asked) = case(&["kraken"]);
    let reply = case.get(&format!("/prices?symbols={}", PAIRS[..6].join(",")));
    assert_eq!(priced(&reply).len(), 6, "{reply:?}");
    assert_eq!(sizes(&asked), [6]);
}

#[test]
fn twelve_currency_pairs_are_priced_by_the_first_request() {
    let (case, asked) = case(&["kraken", "bitstamp", "frankfurter"]);
    let reply = case.get(&format!("/prices?symbols={}&timeout=5s", PAIRS.join(",")));
    let priced = priced(&reply);
    println!("{priced:?} with calls for {:?}", sizes(&asked));
    assert_eq!(priced.len(), 12, "{reply:?}");
    for (symbol, said) in priced {
        let (base, quote) = symbol.split_once('-').expect("a pair");
        let (said, right): (Decimal, Decimal) = (said.parse().unwrap(), price(base, quote).parse().unwrap());
        assert!((said / right - Decimal::ONE).abs() < Decimal::new(1, 3), "{symbol}: {said}, not {right}");
    }
}

#[test]
fn one_unknown_pair_among_twelve_costs_at_most_six_units() {
    for place in [0, 6, 11] {
        let (case, asked) = case(&["kraken", "bitstamp", "frankfurter"]);
        let mut pairs = PAIRS.to_vec();
        pairs[place] = "NZD-USD";
        let (started, mut found) = (Instant::now(), BTreeMap::new());
        while !PAIRS.iter().all(|pair| found.contains_key(*pair) || !pairs.contains(pair)) {
            let reply = case.get(&format!("/prices?symbols={}&timeout=5s", pairs.join(",")));
            found.extend(priced(&reply));
            assert!(started.elapsed() < Duration::from_secs(30), "{reply:?}");
        }
        println!("all eleven after {:?}, with calls for {:?}", started.elapsed(), sizes(&asked));
        // one call a second, the first at once: the sixth is sent after five seconds
        assert!(sizes(&asked).len() <= 6, "with the unknown one at {place}: {:?}", asked.lock().unwrap());
    }
}
