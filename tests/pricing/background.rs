//! `refresh=background`: an answer with what is in memory, while newer quotes are fetched behind it.

use std::time::Duration;

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
    for query in ["symbols=BTC-USD,NEW-USD&refresh=background", "symbols=NEWER-USD&refresh=background"] {
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
