//! Units: pence and pounds, and currencies that are not the symbol's.

use crate::world::{World, of, says, status};

fn world() -> World {
    let own = |name: &str| {
        format!("[sources.{name}]\nclasses = [\"equity\"]\nurl = \"http://x.test/{{symbol}}\"\njq = \".\"\n")
    };
    World::of(&[own("alpha"), own("beta"), own("gamma")].concat())
}

#[tokio::test(start_paused = true)]
async fn pence_and_pounds_agree() {
    let world = world();
    world.say("alpha", "VOD.L", says("91.84").in_unit("GBp")).say("beta", "VOD.L", says("0.9186").in_unit("GBP"));
    let entry = world.ask_one("symbols=VOD.L").await;
    assert_eq!(
        (status(&entry).as_str(), entry["price"].as_str(), &entry["currency"]),
        ("ok", Some("0.9185"), &"GBP".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_quote_in_another_currency_is_shown_but_not_averaged() {
    let world = world();
    world.say("alpha", "SAP.DE", says("221.4").in_unit("EUR")).say("beta", "SAP.DE", says("221.6").in_unit("EUR"));
    world.say("gamma", "SAP.DE", says("36400").in_unit("JPY"));
    let entry = world.ask_one("symbols=SAP.DE").await;
    assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some("221.5")));
    let other = of(&entry, "gamma");
    assert_eq!((other["reason"].as_str(), other["price"].as_str()), (Some("currency_mismatch"), Some("36400")));
    assert_eq!(other["detail"], "in JPY, not in EUR");
}

#[tokio::test(start_paused = true)]
async fn a_derived_quote_in_another_currency_than_its_pair_is_a_mismatch_too() {
    let world = World::of("[sources.binance]\n[sources.kraken]\n[sources.coinbase]\n");
    for source in ["kraken", "coinbase"] {
        world.say(source, "BTC-USD", says("64000")).say(source, "USDT-USD", says("1"));
    }
    world.say("binance", "BTC-USDT", says("59000").in_unit("EUR"));
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!((status(&entry).as_str(), of(&entry, "binance")["reason"].as_str()), ("ok", Some("currency_mismatch")));
}

#[tokio::test(start_paused = true)]
async fn a_quote_that_states_the_callers_currency_is_a_mismatch() {
    let world = World::of_dollars(says("59259.26").in_unit("EUR"), says("1.08"));
    let entry = world.ask_one("symbols=BTC-EUR").await;
    assert_eq!((of(&entry, "one")["reason"].as_str(), entry["price"].is_null()), (Some("currency_mismatch"), true));
    assert_eq!(
        (&of(&entry, "one")["currency"], &of(&entry, "one")["detail"]),
        (&"EUR".into(), &"in EUR, not in USD".into())
    );
}
