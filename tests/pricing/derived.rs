//! Derived quotes: through tethers, inverted, or crossed through a third currency.

use std::time::Duration;

use crate::world::{World, of, says, source, status};

const TETHERED: &str = "[sources.binance]\n[sources.kraken]\n";

#[tokio::test(start_paused = true)]
async fn a_dollar_price_is_folded_from_a_quote_in_dollars_and_one_in_tethers() {
    let world = World::of(TETHERED);
    world.say("kraken", "BTC-USD", says("64000")).say("kraken", "USDT-USD", says("0.999"));
    world.say("binance", "BTC-USDT", says("64100"));
    let entry = world.ask_one("symbols=BTC-USD").await;
    let derived = of(&entry, "binance");
    assert_eq!((derived["status"].as_str(), derived["price"].as_str()), (Some("used"), Some("64035.9")));
    assert_eq!(derived["via"], serde_json::json!(["USDT-USD"]));
    assert_eq!(
        (&derived["derivation"]["symbol"], &derived["derivation"]["price"]),
        (&"BTC-USDT".into(), &"64100".into())
    );
    assert_eq!(derived["derivation"]["rates"][0]["price"], "0.999");
    assert_eq!(derived["derivation"]["rates"][0]["used"], serde_json::json!(["kraken"]));
    assert_eq!(derived["account"], "binance");
    assert_eq!((of(&entry, "kraken")["status"].as_str(), of(&entry, "kraken")["via"].is_null()), (Some("used"), true));
    assert_eq!(entry["price"], "64017.95");
    assert_eq!(entry["sources"], serde_json::json!({"asked": 2, "answered": 2, "used": 2, "required": 2}));
    // only kraken has the rate, so the rate is degraded, and with it the price
    assert_eq!(status(&entry), "degraded / few_sources");
    assert_eq!(
        entry["detail"],
        "binance's rate USDT-USD is degraded / few_sources; alpaca-crypto would make it ok: add [sources.alpaca-crypto] to the \
         configuration"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tether_that_loses_its_peg_moves_the_quote_that_leans_on_it() {
    let world = World::of(TETHERED);
    world.say("kraken", "BTC-USD", says("64000")).say("binance", "BTC-USDT", says("64000"));
    world.say("kraken", "USDT-USD", says("0.95"));
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!(of(&entry, "binance")["price"], "60800");
    assert_eq!(status(&entry), "unavailable / sources_disagree", "64000 and 60800 are not averaged to 62400");
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_the_derived_quote_is_left_out_and_says_why() {
    let world = World::of("[sources.binance]\n[sources.coinbase]\nsymbols = [\"BTC-USD\"]\n");
    world.say("coinbase", "BTC-USD", says("64000")).say("binance", "BTC-USDT", says("64000"));
    let entry = world.ask_one("symbols=BTC-USD").await;
    let derived = of(&entry, "binance");
    assert_eq!((derived["status"].as_str(), derived["reason"].as_str()), (Some("excluded"), Some("no_conversion")));
    assert!(derived["price"].is_null() && derived["derivation"]["price"] == "64000");
    let detail = derived["detail"].as_str().unwrap();
    assert!(detail.starts_with("it quotes BTC-USDT, and there is no price for USDT-USD: "), "{detail}");
    // a source that can never have a rate does not cover the symbol, so one source is all there is
    assert_eq!((status(&entry).as_str(), &entry["rule"]["covering"]), ("degraded / few_sources", &1.into()));
}

#[tokio::test(start_paused = true)]
async fn with_good_rates_a_derived_quote_is_as_good_as_any() {
    let world = World::of("[sources.binance]\n[sources.kraken]\n[sources.coinbase]\n");
    for source in ["kraken", "coinbase"] {
        world.say(source, "BTC-USD", says("64000")).say(source, "USDT-USD", says("1.0002"));
    }
    world.say("binance", "BTC-USDT", says("64000"));
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!((status(&entry).as_str(), &entry["sources"]["used"]), ("ok", &3.into()));
    assert_eq!(of(&entry, "binance")["price"], "64012.8");
}

#[tokio::test(start_paused = true)]
async fn where_direct_quotes_suffice_one_with_a_degraded_rate_is_left_out() {
    let world = World::of("[sources.binance]\n[sources.kraken]\n[sources.coinbase]\n");
    for source in ["kraken", "coinbase"] {
        world.say(source, "BTC-USD", says("64000"));
    }
    world.say("kraken", "USDT-USD", says("1.0002")).say("binance", "BTC-USDT", says("64000"));
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!(status(&entry), "ok");
    let derived = of(&entry, "binance");
    assert_eq!((derived["reason"].as_str(), derived["price"].as_str()), (Some("degraded_rate"), Some("64012.8")));
}

#[tokio::test(start_paused = true)]
async fn a_derived_quote_is_as_old_as_its_oldest_part() {
    let world = World::of("[sources.binance]\n[sources.bitstamp]\n[sources.coinbase]\n");
    for source in ["bitstamp", "coinbase"] {
        world.say(source, "USDT-USD", says("1").old(Duration::from_secs(40)));
        world.say(source, "BTC-USD", says("64000"));
    }
    world.say("binance", "BTC-USDT", says("64000").old(Duration::from_secs(3)));
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!(of(&entry, "binance")["observed_at"], "2026-11-20T14:30:20.050Z");
    assert_eq!(of(&entry, "binance")["derivation"]["observed_at"], "2026-11-20T14:30:57.050Z");
    assert_eq!(entry["age_ms"], 40_000);
}

#[tokio::test(start_paused = true)]
async fn one_account_is_one_witness_even_with_derived_quotes() {
    let text = "[sources.binance]\n[sources.tethers]\nlike = \"binance\"\naccount = \"binance\"\ncurrencies = [\"USDC\"]\n\
        [sources.bitstamp]\n[sources.coinbase]\n";
    let world = World::of(text);
    for source in ["bitstamp", "coinbase"] {
        world.say(source, "USDT-USD", says("1")).say(source, "USDC-USD", says("1"));
    }
    world.say("binance", "BTC-USDT", says("64000")).say("tethers", "BTC-USDC", says("64001"));
    let entry = world.ask_one("symbols=BTC-USD&sources=binance,tethers,bitstamp,coinbase").await;
    let statuses: Vec<_> = ["binance", "tethers"].map(|name| of(&entry, name)["reason"].clone()).into();
    assert!(statuses.contains(&"same_account".into()), "{entry:#}");
    assert_eq!((status(&entry).as_str(), &entry["sources"]["used"]), ("degraded / few_sources", &1.into()));
}

const FIXINGS: &str = "[sources.euros]\nclasses = [\"fx\"]\nsymbols = [\"EUR-*\"]\nurl = \"http://x.test/{symbols}\"\njq = \".\"\nbatch = 99\n\
    [sources.dollars]\nclasses = [\"fx\"]\nsymbols = [\"USD-*\"]\nurl = \"http://x.test/{symbols}\"\njq = \".\"\nbatch = 99\n";

#[tokio::test(start_paused = true)]
async fn a_pair_quoted_the_other_way_round_is_inverted() {
    let world = World::of(FIXINGS);
    world.say("euros", "EUR-USD", says("1.08")).say("dollars", "USD-EUR", says("0.9259"));
    let entry = world.ask_one("symbols=EUR-USD").await;
    let turned = of(&entry, "dollars");
    assert_eq!((turned["price"].as_str(), &turned["via"]), (Some("1.08003024085"), &serde_json::json!(["USD-EUR"])));
    assert_eq!(turned["derivation"]["inverse"], true);
    assert_eq!(status(&entry), "ok");
}

#[tokio::test(start_paused = true)]
async fn money_is_crossed_through_a_sources_only_base() {
    let world = World::of(FIXINGS);
    world.say("euros", "EUR-USD", says("1.08")).say("euros", "EUR-GBP", says("0.864"));
    world.say("dollars", "USD-EUR", says("0.925925925926")).say("dollars", "USD-GBP", says("0.8"));
    let entry = world.ask_one("symbols=GBP-USD").await;
    let (crossed, turned) = (of(&entry, "euros"), of(&entry, "dollars"));
    assert_eq!((crossed["price"].as_str(), &crossed["via"]), (Some("1.25"), &serde_json::json!(["EUR-USD"])));
    assert_eq!((turned["price"].as_str(), &turned["via"]), (Some("1.25"), &serde_json::json!(["USD-GBP"])));
    assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some("1.25")));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_made_only_of_quotes_that_need_no_rate() {
    let world = World::of(TETHERED);
    world.say("kraken", "USDT-USD", says("1"));
    world.say("kraken", "BTC-USD", says("64000")).say("binance", "BTC-USDT", says("64000"));
    world.ask("symbols=BTC-USD").await;
    // a source that trades in tethers is not asked about them
    assert_eq!(world.asked("binance"), ["BTC-USDT"]);
    let kraken = world.asked("kraken");
    assert!(kraken.len() == 2 && kraken.contains(&"USDT-USD".to_owned()), "{kraken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_price_in_tethers_reaches_any_currency_in_two_steps() {
    let world = World::of(
        "[sources.binance]\n[sources.okx]\n[sources.bitstamp]\n[sources.coinbase]\n[sources.fixing]\nclasses = [\"fx\"]\nurl = \"http://x.test/{symbol}\"\njq = \".\"\n",
    );
    world.say("binance", "BTC-USDT", says("64000")).say("okx", "BTC-USDT", says("64010"));
    for source in ["bitstamp", "coinbase"] {
        world.say(source, "USDT-USD", says("1"));
    }
    world.say("bitstamp", "USD-CHF", says("0.8")).say("fixing", "USD-CHF", says("0.8"));
    let entry = world.ask_one("symbols=BTC-CHF").await;
    let derived = of(&entry, "binance");
    assert_eq!(
        (derived["price"].as_str(), &derived["via"]),
        (Some("51200"), &serde_json::json!(["USDT-USD", "USD-CHF"]))
    );
    assert!(entry["price"].is_string(), "{entry:#}");
}

/// Sources that quote euros and yen against dollars, and deny every other pair.
fn dealers() -> World {
    let world = World::of(&[source("one", "fx", ""), source("two", "fx", "")].concat());
    for source in ["one", "two"] {
        world.say(source, "EUR-USD", says("1.08")).say(source, "USD-JPY", says("150"));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_a_source_denies_is_crossed_in_the_same_answer() {
    let world = dealers();
    for _ in 0..2 {
        let entry = world.ask_one("symbols=EUR-JPY").await;
        assert_eq!(
            (status(&entry).as_str(), entry["price"].as_str()),
            ("ok", Some("162")),
            "{:?} {entry:#}",
            world.asked("one")
        );
        assert_eq!(of(&entry, "one")["via"], serde_json::json!(["USD-JPY"]));
        // a denial is believed for an hour, and the pair asked for again after that
        tokio::time::advance(Duration::from_secs(3700)).await;
    }
    let turned = dealers().ask_one("symbols=JPY-USD").await;
    assert_eq!((status(&turned).as_str(), turned["price"].as_str()), ("ok", Some("0.00666666666667")));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lacks_another_pair_does_not_make_the_symbol_unknown() {
    let sources = [
        source("one", "crypto", "currencies = [\"USDT\"]"),
        source("two", "crypto", "currencies = [\"USDT\"]"),
        source("francs", "crypto", "currencies = [\"CHF\"]"),
    ];
    let world = World::of(&sources.concat());
    world.silence("francs");
    let entry = world.ask_one("symbols=NEW-CHF").await;
    assert_eq!(status(&entry), "unavailable / no_answer");
    // the pair that was asked for is shown even though nothing came of it
    assert_eq!(
        (of(&entry, "one")["reason"].as_str(), &of(&entry, "one")["derivation"]["symbol"]),
        (Some("unknown_symbol"), &"NEW-USDT".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_renewed_as_often_as_the_coin_that_needs_it() {
    let world = World::of_dollars(says("64000"), says("1.08").old(Duration::from_secs(20)));
    for _ in 0..15 {
        assert_eq!(status(&world.ask_one("symbols=BTC-EUR").await), "ok");
        tokio::time::advance(Duration::from_secs(6)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_rate_does_not_bring_a_quote_back_from_the_future() {
    let world = World::of("[sources.binance]\n[sources.bitstamp]\n[sources.coinbase]\n");
    for source in ["bitstamp", "coinbase"] {
        world.say(source, "USDT-USD", says("1").old(Duration::from_secs(3)));
    }
    world.say("binance", "BTC-USDT", says("64000").ahead(Duration::from_secs(3600)));
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!((of(&entry, "binance")["reason"].as_str(), entry["price"].is_null()), (Some("future"), true));
}
