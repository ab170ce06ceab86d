//! The first run: no file and no key, but `--unofficial`. Every vendor is a stand-in on loopback that speaks
//! the bodies of the catalogue's examples.

mod bodies;

use jiff::Timestamp;
use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::question::Question;
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::Upstream;
use crate::support::openapi::exchanges::compare_answer;
use crate::world::status;

/// A Friday on which New York has traded for an hour.
const NOW: &str = "2026-11-20T15:30:00Z";

/// The settings of a first run. Every source that is on is found at one address, under its name.
fn first_run(vendors: &Upstream) -> Settings {
    first_run_with(vendors, None)
}

/// The same, with a file that names no source.
fn first_run_with(vendors: &Upstream, text: Option<&str>) -> Settings {
    let text = text.map(|text| ("quotefold.toml".to_owned(), text.to_owned()));
    let plain = LoadOptions { text, unofficial: true, ..LoadOptions::default() };
    let on = load(&plain).unwrap().sources;
    let variable = |name: &str| format!("QUOTEFOLD_SOURCES__{}__BASE_URL", name.to_uppercase().replace('-', "_"));
    let address = |name: &str| format!("{}/{name}", vendors.base());
    let environment = on.iter().map(|source| (variable(&source.name), address(&source.name))).collect();
    let settings = load(&LoadOptions { environment, ..plain }).unwrap();
    assert_eq!(settings.sources.len(), on.len(), "a variable for a source must not change which are on");
    settings
}

/// The entries of an answer.
fn answer(settings: &Settings, symbols: &str) -> Vec<Value> {
    let now: Timestamp = NOW.parse().unwrap();
    Runtime::new().unwrap().block_on(async {
        let service = Quotefold::new(settings.clone(), &Clock::from_fn(move || now)).unwrap();
        let query = format!("symbols={symbols}&timeout=8s");
        let question = Question::parse(&query, service.bounds(), service.clock().now()).unwrap();
        let answer = service.answer(&question).await;
        compare_answer(&answer, now);
        let body = answer.body(now).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["prices"].as_array().unwrap().clone()
    })
}

/// The entry of a symbol in the answer of a first run.
fn asked(vendors: &Upstream, symbol: &str) -> Value {
    answer(&first_run(vendors), symbol).remove(0)
}

/// Asserts a symbol's status, its price to the digit, and which sources it is made of, each with its own price.
fn assert_priced(entry: &Value, expected: (&str, &str), sources: &[(&str, &str)]) {
    let used = entry["quotes"].as_array().unwrap().iter().filter(|quote| quote["status"] == "used");
    let used: Vec<_> =
        used.map(|quote| (quote["source"].as_str().unwrap(), quote["price"].as_str().unwrap())).collect();
    assert_eq!((status(entry).as_str(), entry["price"].as_str().unwrap_or("none")), expected, "{entry:#}");
    assert_eq!(used, sources, "{entry:#}");
}

#[test]
fn a_first_run_prices_a_us_share_from_four_vendors() {
    let entry = asked(&bodies::vendors(&[]), "AAPL");
    let sources = [("cboe", "335.365"), ("cnbc", "335.41"), ("nasdaq", "335.43"), ("yahoo", "335.42")];
    assert_priced(&entry, ("ok", "335.415"), &sources);
}

#[test]
fn a_first_run_prices_a_fund_by_isin_and_by_ticker_from_two_sources() {
    let text = "[symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT80\"";
    let sources = [("justetf", "138.9"), ("yahoo", "138.96")];
    for symbol in ["IE00BK5BQT80", "VWCE.DE"] {
        let vendors = bodies::vendors(&[]);
        let entry = answer(&first_run_with(&vendors, Some(text)), symbol).remove(0);
        assert_eq!((&entry["symbol"], &entry["currency"]), (&"VWCE.DE".into(), &"EUR".into()));
        assert_priced(&entry, ("degraded / with_references", "138.93"), &sources);
    }
}

#[test]
fn a_first_run_prices_the_euro_from_five_accounts() {
    let entry = asked(&bodies::vendors(&[]), "EUR-USD");
    let sources = [
        ("bitstamp", "1.16103"),
        ("cnbc", "1.1598"),
        ("kraken", "1.16094"),
        ("swissquote", "1.16097"),
        ("yahoo", "1.1612"),
    ];
    assert_priced(&entry, ("ok", "1.16097"), &sources);
}

#[test]
fn a_first_run_prices_gold_from_two_sources() {
    // one ounce is 1/0.0002278 dollars there
    let sources = [("currency-api", "4389.81562774"), ("swissquote", "4389.38")];
    let entry = asked(&bodies::vendors(&[]), "XAU-USD");
    assert_priced(&entry, ("degraded / with_references", "4389.59781387"), &sources);
}

#[test]
fn a_first_run_prices_bitcoin_in_won() {
    let sources = [("bithumb", "159402000"), ("upbit", "159315000")];
    assert_priced(&asked(&bodies::vendors(&[]), "BTC-KRW"), ("ok", "159358500"), &sources);
}

#[test]
fn a_first_run_prices_bitcoin_in_reais() {
    let sources = [("binance", "587805.82"), ("bitso", "587910.5"), ("mercadobitcoin", "587815.91")];
    assert_priced(&asked(&bodies::vendors(&[]), "BTC-BRL"), ("ok", "587815.91"), &sources);
}

#[test]
fn a_first_run_prices_bitcoin_in_lira() {
    let sources = [("binance", "4647105.82"), ("btcturk", "4647485")];
    assert_priced(&asked(&bodies::vendors(&[]), "BTC-TRY"), ("ok", "4647295.41"), &sources);
}

#[test]
fn a_first_run_prices_bitcoin_in_rand_with_references_where_no_bank_helps() {
    // dollars in rand make a second price of one in dollars
    let sources = [("coinbase", "1889858.00136"), ("luno", "1889997.99")];
    assert_priced(&asked(&bodies::vendors(&[]), "BTC-ZAR"), ("ok", "1889927.99568"), &sources);
    let sources = [("coingecko", "1889500.25"), ("luno", "1889997.99")];
    let without = bodies::vendors(&["/swissquote/public-quotes/bboquotes/instrument/USD/ZAR"]);
    assert_priced(&asked(&without, "BTC-ZAR"), ("degraded / with_references", "1889749.12"), &sources);
}

#[test]
fn a_first_run_prices_a_list_of_forty_us_shares() {
    let vendors = bodies::vendors_of_shares();
    let names: Vec<String> = ('A'..='D').flat_map(|a| ('A'..='J').map(move |b| format!("Q{a}{b}"))).collect();
    let prices = answer(&first_run(&vendors), &names.join(","));
    let wrong: Vec<&Value> = prices.iter().filter(|entry| status(entry) != "ok").collect();
    assert!(prices.len() == 40 && wrong.is_empty(), "{wrong:#?}");
}
