//! `refresh=background`: an answer with what is in memory, while newer quotes are fetched behind it.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::world::{USUAL, World, of, says, source, status};

const BEHIND: &str = "symbols=BTC-USD&refresh=background";

/// Three venues that all quote two coins, after a first answer whose quotes are due again.
async fn with_due(more: &str) -> World {
    let sources = ["one", "two", "three"].map(|name| source(name, "crypto", ""));
    let world = World::of(&format!("{more}{}", sources.concat()));
    for name in ["one", "two", "three"] {
        world.say(name, "BTC-USD", says("100")).say(name, "ETH-USD", says("10"));
    }
    world.ask("symbols=BTC-USD,ETH-USD").await;
    sleep(Duration::from_secs(6)).await;
    for name in ["one", "two", "three"] {
        world.say(name, "BTC-USD", says("101"));
    }
    world
}

async fn timed(world: &World, query: &str) -> (Vec<Value>, Duration) {
    let start = Instant::now();
    let entries = world.ask(query).await;
    (entries, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_is_due_but_good_is_answered_at_once_and_fetched_behind() {
    let world = with_due("").await;
    let (entries, took) = timed(&world, BEHIND).await;
    let entry = &entries[0];
    assert_eq!((status(entry).as_str(), entry["price"].as_str(), took), ("ok", Some("100"), Duration::ZERO));
    assert_eq!((&entry["refreshing"], &of(entry, "one")["status"]), (&true.into(), &"used".into()));
    sleep(Duration::from_millis(100)).await;
    assert!(world.service.tasks().is_empty());
    let (entries, took) = timed(&world, BEHIND).await;
    assert_eq!((entries[0]["price"].as_str(), took), (Some("101"), Duration::ZERO));
    assert_eq!((&entries[0]["refreshing"], world.asked("one").len()), (&false.into(), 3));
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_refresh_share_its_calls_and_may_leave() {
    let world = with_due("").await;
    world.slow("one", Duration::from_millis(300));
    for _ in 0..5 {
        let (entries, took) = timed(&world, BEHIND).await;
        assert_eq!((&entries[0]["refreshing"], took), (&true.into(), Duration::ZERO));
        sleep(Duration::from_millis(40)).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!((world.asked("one").len(), world.asked("two").len(), world.ever_twice("one")), (3, 3, None));
}

#[tokio::test(start_paused = true)]
async fn only_entries_that_are_fetched_say_so() {
    let world = with_due("").await;
    world.ask("symbols=ETH-USD").await;
    let (entries, took) = timed(&world, "symbols=BTC-USD,ETH-USD&refresh=background").await;
    assert_eq!(took, Duration::ZERO);
    assert_eq!((&entries[0]["refreshing"], &entries[1]["refreshing"]), (&true.into(), &false.into()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_one_entry_that_is_not_ok_waits_for_all_that_is_due() {
    let world = with_due("").await;
    let unreadable = "symbols=ETH-USD,not%20one&refresh=background";
    for query in [unreadable, "symbols=BTC-USD,NEW-USD&refresh=background", "symbols=NEWER-USD&refresh=background"] {
        let (entries, took) = timed(&world, query).await;
        assert_eq!((took, &entries[0]["refreshing"]), (USUAL, &false.into()), "{query}");
    }
    let world = with_due("").await;
    sleep(Duration::from_secs(60)).await;
    let (entries, took) = timed(&world, BEHIND).await;
    assert_eq!((entries[0]["price"].as_str(), took), (Some("101"), USUAL), "they were too old to be folded");
}

#[tokio::test(start_paused = true)]
async fn a_class_says_what_its_callers_do_not_wait_for() {
    let world = with_due("[class.crypto]\nrefresh = \"background\"\n").await;
    for (query, waits) in [
        ("symbols=BTC-USD&max_age=5s", true),
        ("symbols=BTC-USD&refresh_after=0s", true),
        ("symbols=ETH-USD&refresh=awaited", true),
        ("symbols=ETH-USD&refresh_after=0s", true),
    ] {
        assert_eq!(timed(&world, query).await.1 == USUAL, waits, "{query}");
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(6)).await;
    let (entries, took) = timed(&world, "symbols=BTC-USD,ETH-USD").await;
    assert!(took.is_zero() && entries.iter().all(|entry| entry["refreshing"] == true), "{entries:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_due_rate_is_fetched_behind_if_its_class_says_so_too() {
    let banks = ["bank", "money"].map(|name| source(name, "fx", ""));
    let venues = ["one", "two"].map(|name| source(name, "crypto", "currencies = [\"USD\"]"));
    let rates = |refresh: &str| format!("[class.fx]\nrefresh_after = \"5s\"\nrefresh = \"{refresh}\"\n");
    for (refresh, took) in [("background", Duration::ZERO), ("awaited", USUAL)] {
        let crypto = "[class.crypto]\nrefresh = \"background\"\nrefresh_after = \"30s\"\n";
        let world = World::of(&[crypto.to_owned(), rates(refresh), banks.concat(), venues.concat()].concat());
        for (venue, bank) in [("one", "bank"), ("two", "money")] {
            world.say(venue, "BTC-USD", says("100")).say(bank, "EUR-USD", says("1.25"));
        }
        world.ask("symbols=BTC-USD&currency=EUR").await;
        sleep(Duration::from_secs(6)).await;
        let (entries, elapsed) = timed(&world, "symbols=BTC-USD&currency=EUR").await;
        assert_eq!((elapsed, &entries[0]["refreshing"]), (took, &took.is_zero().into()), "{refresh}");
        sleep(Duration::from_secs(1)).await;
        assert_eq!((world.asked("bank").len(), world.asked("one").len()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn no_reserve_is_asked_behind_an_answer() {
    let sources = [source("one", "crypto", ""), source("spare", "crypto", "role = \"reserve\"")];
    let world = World::of(&sources.concat());
    for name in ["one", "spare"] {
        world.say(name, "BTC-USD", says("100"));
    }
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(6)).await;
    let (entries, took) = timed(&world, BEHIND).await;
    assert_eq!((status(&entries[0]).as_str(), took, &entries[0]["refreshing"]), ("ok", Duration::ZERO, &true.into()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((world.asked("one").len(), world.asked("spare").len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_said_nothing_yet_is_shown_as_not_awaited() {
    let late = |symbols: &str| source("late", "crypto", symbols);
    let venues = ["one", "two"].map(|name| source(name, "crypto", "")).concat();
    let world = World::of(&[venues, late("")].concat());
    for name in ["one", "two", "late"] {
        world.say(name, "BTC-USD", says("100"));
    }
    world.ask("symbols=BTC-USD&sources=one,two").await;
    let (entries, took) = timed(&world, BEHIND).await;
    assert_eq!((took, &of(&entries[0], "late")["reason"]), (Duration::ZERO, &"not_awaited".into()));
    assert_eq!((&entries[0]["rule"]["covering"], &entries[0]["refreshing"]), (&2.into(), &true.into()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(of(&timed(&world, BEHIND).await.0[0], "late")["status"], "used");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_waits_for_no_limit_and_says_so() {
    let limited = source("one", "crypto", "limits = [\"1/min\"]");
    let world = World::of(&[limited, source("two", "crypto", "refresh_after = \"1m\"")].concat());
    for name in ["one", "two"] {
        world.say(name, "BTC-USD", says("100"));
    }
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(6)).await;
    let (entries, took) = timed(&world, BEHIND).await;
    assert_eq!((status(&entries[0]).as_str(), took, &entries[0]["refreshing"]), ("ok", Duration::ZERO, &false.into()));
    assert!(of(&entries[0], "one")["failure"].is_null(), "no one was refused");
    assert_eq!((world.asked("one").len(), world.service.tasks().is_empty()), (1, true));
}

#[tokio::test(start_paused = true)]
async fn the_same_answer_waits_as_before_unless_someone_says_otherwise() {
    let world = with_due("").await;
    let (entries, took) = timed(&world, "symbols=BTC-USD").await;
    assert_eq!((entries[0]["price"].as_str(), took, &entries[0]["refreshing"]), (Some("101"), USUAL, &false.into()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn an_answer_either_takes_no_time_and_is_ok_or_is_the_usual_one(
        prices in prop::collection::vec(prop::sample::select(vec!["100", "101", "130", "0"]), 6),
        young in any::<[bool; 2]>(),
        waited in 0_u64..80,
        currency: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let query = if currency { "symbols=BTC-USD,ETH-USD&currency=EUR" } else { "symbols=BTC-USD,ETH-USD" };
        runtime.block_on(async {
            let mut both = Vec::new();
            for refresh in ["background", "awaited"] {
                let world = with_prices(&prices);
                world.ask(query).await;
                sleep(Duration::from_secs(waited)).await;
                for (symbol, young) in ["BTC-USD", "ETH-USD"].iter().zip(young) {
                    if young {
                        world.ask(&format!("symbols={symbol}")).await;
                    }
                }
                let asked = world.asked("spare").len();
                let (entries, took) = timed(&world, &format!("{query}&refresh={refresh}")).await;
                let behind = entries.iter().any(|entry| entry["refreshing"] == true);
                both.push((entries.iter().map(|entry| (status(entry), entry["price"].clone())).collect::<Vec<_>>(), took, behind));
                sleep(Duration::from_secs(3)).await;
                prop_assert!(world.service.tasks().is_empty());
                prop_assert!(!behind || world.asked("spare").len() == asked, "a reserve was asked behind the answer");
            }
            let (entries, took, behind) = &both[0];
            let is_ok = entries.iter().all(|(status, _)| status == "ok");
            prop_assert!(if *behind { is_ok && took.is_zero() } else { both[0] == both[1] }, "{both:?}");
            Ok(())
        })?;
    }
}

/// Three venues and a reserve that quote two coins at these prices, and two banks.
fn with_prices(prices: &[&'static str]) -> World {
    let venues = ["one", "two", "three"].map(|name| source(name, "crypto", "currencies = [\"USD\"]"));
    let spare = source("spare", "crypto", "currencies = [\"USD\"]\nrole = \"reserve\"");
    let fx = "[class.fx]\nrefresh_after = \"10s\"\nrefresh = \"background\"\n";
    let banks = [source("bank", "fx", ""), source("money", "fx", "")].concat();
    let world = World::of(&[fx.to_owned(), venues.concat(), spare, banks].concat());
    for (place, name) in ["one", "two", "three"].iter().enumerate() {
        world.say(name, "BTC-USD", says(prices[place])).say(name, "ETH-USD", says(prices[place + 3]));
    }
    world.say("spare", "BTC-USD", says("100")).say("spare", "ETH-USD", says("100"));
    world.say("bank", "EUR-USD", says("1.25")).say("money", "EUR-USD", says("1.25"));
    world
}
