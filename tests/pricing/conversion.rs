//! Prices in the caller's currency: the rate is a price like any other, and is shown.

use std::time::Duration;

use crate::world::{World, of, says, status};

const SOURCES: &str = "[sources.kraken]\n[sources.bitstamp]\n[sources.finnhub]\nkey = \"simulated\"\n[sources.tiingo]\nkey = \"simulated\"\n";

fn world() -> World {
    let world = World::of(SOURCES);
    for source in ["kraken", "bitstamp"] {
        world.say(source, "BTC-USD", says("64000")).say(source, "EUR-USD", says("1.08"));
    }
    for source in ["finnhub", "tiingo"] {
        world.say(source, "AAPL", says("231.44"));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn prices_of_every_class_are_converted_and_show_the_rate() {
    let entries = world().ask("symbols=BTC-USD,AAPL&currency=EUR").await;
    assert_eq!(entries.len(), 2, "the rate has no entry");
    for (entry, price) in entries.iter().zip(["59259.25926", "214.2962963"]) {
        assert_eq!(
            (status(entry).as_str(), entry["price"].as_str(), &entry["currency"]),
            ("ok", Some(price), &"EUR".into())
        );
        let conversion = &entry["conversion"];
        assert_eq!(
            (&conversion["from"], &conversion["to"], &conversion["symbol"]),
            (&"USD".into(), &"EUR".into(), &"EUR-USD".into())
        );
        assert_eq!((&conversion["rate"], &conversion["status"]), (&"1.08".into(), &"ok".into()));
        assert_eq!(conversion["used"], serde_json::json!(["bitstamp", "kraken"]));
        assert_eq!(conversion.get("observed_at"), Some(&serde_json::Value::Null));
    }
    // the proof stays in the currency of the quotes
    assert_eq!(of(&entries[1], "tiingo")["price"], "231.44");
    assert_eq!(of(&entries[1], "tiingo")["deviation_bps"], "0.0");
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_there_is_no_price() {
    let world = world();
    for source in ["kraken", "bitstamp"] {
        world.silence(source);
    }
    let entries = world.ask("symbols=AAPL&currency=EUR").await;
    let entry = &entries[0];
    assert_eq!((status(entry).as_str(), entry["price"].is_null()), ("unavailable / no_conversion", true));
    assert!(entry["age_ms"].is_null() && entry["plus_minus"].is_null());
    assert_eq!((of(entry, "tiingo")["reason"].as_str(), &entry["sources"]["used"]), (Some("not_folded"), &0.into()));
    let detail = entry["detail"].as_str().unwrap();
    assert!(detail.starts_with("the price is in USD, and there is no rate to EUR: "), "{detail}");
    assert!(detail.contains("no reply"), "{detail}");
    assert_eq!(world.answer("symbols=AAPL&currency=EUR").await.code, 503);
}

#[tokio::test(start_paused = true)]
async fn where_no_source_has_the_rate_both_prices_are_refused() {
    let world = World::of("[sources.coinbase]\nsymbols = [\"BTC-USD\"]\n[sources.finnhub]\nkey = \"simulated\"\n");
    world.say("coinbase", "BTC-USD", says("64000")).say("finnhub", "AAPL", says("231.44"));
    for entry in world.ask("symbols=BTC-USD,AAPL&currency=EUR").await {
        assert_eq!((status(&entry).as_str(), entry["price"].is_null()), ("unavailable / no_conversion", true));
        assert!(
            entry["detail"].as_str().unwrap().contains("no source that is switched on covers currency pairs in USD")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_degraded_rate_degrades_the_price_with_its_reason() {
    let world = World::of(&format!(
        "{SOURCES}[sources.euros]\nrole = \"reference\"\nclasses = [\"fx\"]\nurl = \"http://x.test/{{symbol}}\"\njq = \".\"\n"
    ));
    world.say("kraken", "EUR-USD", says("1.08")).say("euros", "EUR-USD", says("1.081"));
    for source in ["finnhub", "tiingo"] {
        world.say(source, "AAPL", says("231.44"));
    }
    let entry = world.ask_one("symbols=AAPL&currency=EUR").await;
    assert_eq!(status(&entry), "degraded / with_references");
    assert!(entry["detail"].as_str().unwrap().starts_with("converted with EUR-USD: "), "{entry:#}");
    assert_eq!(entry["conversion"]["reason"], "with_references");
    // a caller that requires `ok` gets no price
    assert_eq!(world.answer("symbols=AAPL&currency=EUR&require=ok").await.code, 503);
}

#[tokio::test(start_paused = true)]
async fn a_price_in_the_callers_currency_needs_no_rate() {
    let world = world();
    let entry = world.ask_one("symbols=EUR-USD&currency=USD").await;
    assert_eq!((status(&entry).as_str(), entry["conversion"].is_null()), ("ok", true));
    assert_eq!(world.asked("kraken"), ["EUR-USD"]);
}

#[tokio::test(start_paused = true)]
async fn a_price_can_be_asked_for_in_coins() {
    let entry = world().ask_one("symbols=AAPL&currency=BTC").await;
    assert_eq!((entry["price"].as_str(), &entry["conversion"]["symbol"]), (Some("0.00361625"), &"BTC-USD".into()));
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_currency_is_converted_in_a_second_round() {
    let settings = "[sources.kraken]\n[sources.bitstamp]\n[sources.desk]\nclasses = [\"equity\"]\nurl = \"http://x.test/{symbol}\"\njq = \".\"\n";
    // a listing in London would be expected in pounds
    let london = World::of(settings);
    for source in ["kraken", "bitstamp"] {
        london.say(source, "EUR-USD", says("1.08")).say(source, "EUR-GBP", says("0.85"));
    }
    london.say("desk", "CSPX.L", says("540").in_unit("USD"));
    let entry = london.ask_one("symbols=CSPX.L&currency=EUR").await;
    assert_eq!(
        (entry["price"].as_str(), &entry["conversion"]["symbol"]),
        (Some("500"), &"EUR-USD".into()),
        "{entry:#}"
    );
    // the next time, its currency is known
    tokio::time::advance(Duration::from_secs(61)).await;
    london.ask("symbols=CSPX.L&currency=EUR").await;
    assert_eq!(london.asked("kraken").iter().filter(|symbol| *symbol == "EUR-GBP").count(), 1);
}
