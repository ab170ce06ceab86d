//! Reserves: scarce sources, asked only where the others fall short, in what is left of the caller's time.

use std::time::Duration;

use tokio::time::Instant;

use crate::world::{World, of, says, source, status};

const SCARCE: &str = "role = \"reserve\"";

fn world() -> World {
    let sources = [source("alpha", "equity", ""), source("beta", "equity", ""), source("spare", "equity", SCARCE)];
    let world = World::of(&sources.concat());
    for source in ["alpha", "beta", "spare"] {
        world.say(source, "AAPL", says("231.44")).say(source, "MSFT", says("415.2"));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_reserve_is_left_alone_where_the_others_agree() {
    let world = world();
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("ok", 0));
    assert_eq!(entry["quotes"].as_array().unwrap().len(), 2, "a source that was not asked does not appear");
}

#[tokio::test(start_paused = true)]
async fn a_reserve_is_asked_only_for_symbols_that_lack_a_quorum() {
    let world = world();
    world.say("beta", "MSFT", says("0"));
    let start = Instant::now();
    let entries = world.ask("symbols=AAPL,MSFT").await;
    assert_eq!(world.asked("spare"), ["MSFT"]);
    assert_eq!((status(&entries[0]).as_str(), status(&entries[1]).as_str()), ("ok", "ok"));
    assert_eq!(
        (of(&entries[1], "spare")["status"].as_str(), &of(&entries[1], "spare")["role"]),
        (Some("used"), &"reserve".into())
    );
    // as soon as the others had answered, not at the end of the caller's time
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_leaves_half_of_the_time_for_a_reserve() {
    let world = world();
    world.silence("beta");
    let start = Instant::now();
    let entry = world.ask_one("symbols=AAPL&timeout=800ms").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("ok", 1));
    assert_eq!(of(&entry, "beta")["reason"], "timeout");
    assert_eq!(start.elapsed(), Duration::from_millis(775));
}

#[tokio::test(start_paused = true)]
async fn no_reserve_is_spent_on_a_disagreement() {
    let world = world();
    world.say("beta", "AAPL", says("190"));
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("unavailable / sources_disagree", 0));
}

#[tokio::test(start_paused = true)]
async fn where_the_others_are_too_few_a_reserve_is_asked_at_once() {
    let world = world();
    let start = Instant::now();
    let entry = world.ask_one("symbols=AAPL&sources=alpha,spare").await;
    assert_eq!((status(&entry).as_str(), start.elapsed()), ("ok", Duration::from_millis(50)));
}

#[tokio::test(start_paused = true)]
async fn a_recent_quote_of_a_reserve_counts_without_another_call() {
    let world = world();
    world.say("beta", "AAPL", says("0"));
    world.ask("symbols=AAPL").await;
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("ok", 1));
    assert_eq!(of(&entry, "spare")["status"], "used");
}

#[tokio::test(start_paused = true)]
async fn an_old_quote_of_a_reserve_does_not_keep_it_from_being_asked() {
    let world = world();
    world.say("beta", "AAPL", says("0"));
    for _ in 0..5 {
        assert_eq!(status(&world.ask_one("symbols=AAPL&refresh_after=0s").await), "ok");
        tokio::time::advance(Duration::from_secs(90)).await;
    }
    assert_eq!(world.asked("spare").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_a_hurry_spends_no_reserve() {
    let world = world();
    for timeout in ["50ms", "60ms", "90ms"] {
        world.ask(&format!("symbols=AAPL&refresh_after=0s&timeout={timeout}")).await;
        tokio::time::advance(Duration::from_secs(61)).await;
    }
    assert!(world.asked("spare").is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_reserve_for_shares_is_spent_on_a_missing_rate() {
    let mut sources = vec![source("money", "fx", ""), source("broken", "fx", "")];
    sources.extend([source("alpha", "equity", ""), source("beta", "equity", ""), source("spare", "equity", SCARCE)]);
    let world = World::of(&sources.concat());
    for source in ["alpha", "beta", "spare"] {
        world.say(source, "AAPL", says("231.44"));
    }
    world.say("money", "EUR-USD", says("1.08")).say("broken", "EUR-USD", says("0"));
    let entry = world.ask_one("symbols=AAPL&currency=EUR").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("unavailable / no_conversion", 0));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_a_price_needs_gets_a_reserve_even_if_it_was_not_expected() {
    let sources = [
        source("desk", "equity", ""),
        source("money", "fx", ""),
        source("broken", "fx", ""),
        source("spare", "fx", SCARCE),
    ];
    let world = World::of(&sources.concat());
    // a listing in London would be expected in pounds
    world.say("desk", "CSPX.L", says("540").in_unit("USD")).say("broken", "EUR-USD", says("0"));
    world.say("money", "EUR-USD", says("1.08")).say("spare", "EUR-USD", says("1.08"));
    let entry = world.ask_one("symbols=CSPX.L&currency=EUR").await;
    assert_eq!((entry["price"].as_str(), &entry["conversion"]["status"]), (Some("500"), &"ok".into()), "{entry:#}");
    assert_eq!(world.asked("spare").iter().filter(|symbol| *symbol == "EUR-USD").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_reserve_is_spent_on_a_rate_that_no_price_needs() {
    let sources = [
        source("one", "crypto", "currencies = [\"CHF\"]"),
        source("two", "crypto", "currencies = [\"CHF\"]"),
        source("dollars", "crypto", "currencies = [\"USD\"]"),
        source("money", "fx", ""),
        source("spare", "fx", SCARCE),
    ];
    let world = World::of(&sources.concat());
    world.say("one", "BTC-CHF", says("51200")).say("two", "BTC-CHF", says("51200"));
    world.say("dollars", "BTC-USD", says("64000")).say("money", "USD-CHF", says("0.8"));
    let entry = world.ask_one("symbols=BTC-CHF").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("ok", 0));
    assert_eq!(of(&entry, "dollars")["reason"], "degraded_rate");
}

#[tokio::test(start_paused = true)]
async fn a_service_limited_to_one_share_spends_no_reserve_on_other_currencies() {
    let sources = [source("desk", "equity", ""), source("money", "fx", ""), source("spare", "fx", SCARCE)];
    let world = World::of(&format!("[server]\nsymbols = [\"AAPL\"]\n{}", sources.concat()));
    world.say("desk", "AAPL", says("231.44")).say("money", "USD-SEK", says("9.5"));
    for currency in ["SEK", "NOK", "XAU", "BTC"] {
        world.ask(&format!("symbols=AAPL&currency={currency}")).await;
    }
    assert!(world.asked("spare").is_empty() && world.asked("money").contains(&"USD-SEK".to_owned()));
}
