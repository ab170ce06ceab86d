//! Codes of both a currency and a coin: an exchange's coin is never taken for the currency, in any rate or conversion.

use quotefold::provider::catalogue::catalogue;
use quotefold::symbol::Class;

use crate::world::{World, says, source, status};

/// Mantle, Ronin, Top Network and Gelato, which exchanges list under the codes of currencies.
const COINS: [&str; 4] = ["MNT", "RON", "TOP", "GEL"];

/// Every provider of crypto pairs in the catalogue. Each of them quotes bitcoin, and these coins against anything.
fn exchanges(more: &str) -> World {
    let named = catalogue().iter().filter(|(_, table)| table.settings().classes.contains(&Class::Crypto));
    let names: Vec<&String> = named.map(|(name, _)| name).collect();
    let keys = |name: &str| -> String {
        let keys = ["key", "secret"].iter().zip(&catalogue()[name].settings().key_from);
        keys.map(|(key, _)| format!("{key} = \"simulated\"\n")).collect()
    };
    let sources: String = names.iter().map(|name| format!("[sources.{name}]\n{}", keys(name))).collect();
    let world = World::of(&format!("{sources}{more}"));
    for name in names {
        for (symbol, price) in [("BTC-USDT", "60000"), ("BTC-USD", "60000"), ("BTC-EUR", "55555"), ("USDT-USD", "1")] {
            world.say(name, symbol, says(price));
        }
        for coin in COINS {
            for other in ["USDT", "USDC", "USD", "EUR", "BTC", "ETH"] {
                world.say(name, &format!("{coin}-{other}"), says("1.02"));
                world.say(name, &format!("{other}-{coin}"), says("0.98"));
            }
        }
    }
    world
}

#[tokio::test(start_paused = true)]
async fn without_a_bank_that_has_the_money_there_is_no_conversion() {
    let world = exchanges("");
    for money in COINS {
        for symbol in ["BTC-USDT", "BTC-USD", "BTC-EUR"] {
            let entry = world.ask_one(&format!("symbols={symbol}&currency={money}")).await;
            assert_eq!(
                (status(&entry).as_str(), entry["price"].is_null()),
                ("unavailable / no_conversion", true),
                "{entry:#}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_has_the_money_makes_the_conversion_right() {
    let world = exchanges(&[source("central", "fx", ""), source("savings", "fx", "")].concat());
    for bank in ["central", "savings"] {
        for (money, rate) in COINS.iter().zip(["3580", "4.4", "2.4", "2.7"]) {
            world.say(bank, &format!("USD-{money}"), says(rate));
        }
    }
    for (money, price) in COINS.iter().zip(["214800000", "264000", "144000", "162000"]) {
        for symbol in ["BTC-USDT", "BTC-USD"] {
            let entry = world.ask_one(&format!("symbols={symbol}&currency={money}")).await;
            assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some(price)), "{entry:#}");
        }
    }
    // a pair of two currencies is up to the banks, even if an exchange has something under that name
    let entry = world.ask_one("symbols=USD-MNT").await;
    assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some("3580")), "{entry:#}");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_is_asked_for_such_a_coin_only_if_the_caller_names_that_pair() {
    let world = exchanges("");
    let entry = world.ask_one("symbols=MNT-USDT").await;
    assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some("1.02")), "{entry:#}");
    let entry = world.ask_one("symbols=USDT-MNT").await;
    assert!(entry["price"].is_null(), "{entry:#}");
}
