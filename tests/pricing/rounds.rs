//! The second round of a request: what is asked for by another route, and what must not get lost between the rounds.

use crate::world::{World, of, says, source, status};

/// Sources that quote dollars per euro and yen per euro, and deny what they are asked for between dollars and yen.
fn without_yen_per_dollar(more: &[String]) -> World {
    let market = "currencies = [\"USD\", \"EUR\", \"JPY\"]";
    let world = World::of(&[source("one", "fx", market), source("two", "fx", market), more.concat()].concat());
    for source in ["one", "two"] {
        world.say(source, "EUR-USD", says("1.08")).say(source, "EUR-JPY", says("162"));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_source_without_time_for_another_route_still_covers_the_symbol() {
    let wrong = source("three", "fx", "currencies = [\"USD\", \"JPY\"]");
    let world = without_yen_per_dollar(&[wrong]);
    world.say("three", "USD-JPY", says("170"));
    let hasty = world.ask_one("symbols=JPY-USD&timeout=90ms").await;
    assert_eq!((&hasty["rule"]["covering"], of(&hasty, "one")["reason"].as_str()), (&3.into(), Some("timeout")));
    assert_eq!(status(&hasty), "unavailable / no_quorum", "one wrong quote is not all there could be");
    let patient = world.ask_one("symbols=JPY-USD").await;
    assert_eq!((status(&patient).as_str(), patient["price"].as_str()), ("ok", Some("0.00666666666667")));
    assert_eq!(of(&patient, "three")["reason"], "outlier");
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_board_needs_no_time() {
    let world = World::of(&[source("one", "fx", ""), source("two", "fx", "")].concat());
    for source in ["one", "two"] {
        world.say(source, "EUR-USD", says("1.08")).say(source, "USD-JPY", says("150"));
    }
    world.ask("symbols=EUR-USD,USD-JPY").await;
    assert_eq!(status(&world.ask_one("symbols=EUR-JPY&timeout=90ms").await), "ok");
}

#[tokio::test(start_paused = true)]
async fn no_source_is_asked_twice_for_the_same() {
    let world = World::of(&[source("one", "fx", ""), source("two", "fx", "")].concat());
    for source in ["one", "two"] {
        for (symbol, price) in [("EUR-USD", "1.08"), ("USD-JPY", "150"), ("GBP-USD", "1.25")] {
            world.say(source, symbol, says(price));
        }
    }
    let entries = world.ask("symbols=EUR-JPY,GBP-USD").await;
    assert!(entries.iter().all(|entry| status(entry) == "ok"));
    let mut asked = world.asked("one");
    asked.sort();
    assert_eq!(asked, ["EUR-JPY", "EUR-USD", "GBP-USD", "USD-JPY"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_either_way_is_unknown() {
    let world = World::of(&[source("one", "fx", ""), source("two", "fx", ""), source("slow", "fx", "")].concat());
    world.silence("slow");
    let entry = world.ask_one("symbols=EUR-KPW").await;
    assert_eq!((status(&entry).as_str(), of(&entry, "one")["via"].is_null()), ("unknown / unknown_symbol", true));
}

#[tokio::test(start_paused = true)]
async fn one_source_with_another_currency_does_not_drop_a_gathered_rate() {
    let shares = ["alpha", "beta", "gamma"].map(|name| source(name, "equity", ""));
    let world = World::of(&[shares.concat(), source("bank", "fx", ""), source("money", "fx", "")].concat());
    world.say("alpha", "AAPL", says("200").in_unit("EUR"));
    for name in ["beta", "gamma"] {
        world.say(name, "AAPL", says("231.44").in_unit("USD"));
    }
    for name in ["bank", "money"] {
        world.say(name, "GBP-USD", says("1.25")).say(name, "EUR-GBP", says("0.85"));
    }
    let entry = world.ask_one("symbols=AAPL&currency=GBP").await;
    assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some("185.152")));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_only_reserves_have_is_asked_of_them() {
    let scarce = "role = \"reserve\"\nsymbols = [\"USD-JPY\"]";
    let sources = [
        source("one", "fx", ""),
        source("two", "fx", ""),
        source("spare", "fx", scarce),
        source("other", "fx", scarce),
    ];
    let world = World::of(&sources.concat());
    for source in ["one", "two"] {
        world.say(source, "EUR-USD", says("1.08"));
    }
    for source in ["spare", "other"] {
        world.say(source, "USD-JPY", says("150"));
    }
    world.ask("symbols=EUR-JPY").await;
    let entry = world.ask_one("symbols=EUR-JPY").await;
    assert_eq!((status(&entry).as_str(), entry["price"].as_str()), ("ok", Some("162")), "{entry:#}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_was_asked_for_a_pair_does_not_deny_the_symbol() {
    let tethers = "currencies = [\"USDT\"]";
    let world = World::of(&[source("one", "crypto", tethers), source("two", "crypto", tethers)].concat());
    let entry = world.ask_one("symbols=NEW-USD").await;
    let detail = "none of the 2 sources that answered has NEW-USD, or a pair to derive it from; check how it is spelled; \
                  alpaca-crypto would help: add [sources.alpaca-crypto] to the configuration";
    assert_eq!((status(&entry).as_str(), entry["detail"].as_str()), ("unknown / unknown_symbol", Some(detail)));
}
