//! `wait=quorum`: an answer as soon as enough sources agree, and what becomes of those that were not waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use quotefold::question::Question;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{USUAL, World, of, says, source, status};

const BITCOIN: &str = "BTC-USD";

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Venues that all quote bitcoin at the same price.
fn venues(names: &[&str]) -> World {
    let sources: Vec<String> = names.iter().map(|name| source(name, "crypto", "currencies = [\"USD\"]")).collect();
    let world = World::of(&sources.concat());
    for name in names {
        world.say(name, BITCOIN, says("100"));
    }
    world
}

/// The only entry of the answer to a query, and how long it took.
async fn timed(world: &World, query: &str) -> (Value, Duration) {
    let start = Instant::now();
    let entry = world.ask_one(query).await;
    (entry, start.elapsed())
}

fn used(entry: &Value) -> Vec<&str> {
    let quotes = entry["quotes"].as_array().unwrap().iter();
    quotes.filter(|quote| quote["status"] == "used").map(|quote| quote["source"].as_str().unwrap()).collect()
}

fn reason<'e>(entry: &'e Value, source: &str) -> Option<&'e str> {
    of(entry, source)["reason"].as_str()
}

#[tokio::test(start_paused = true)]
async fn a_venue_that_hangs_does_not_hold_up_two_that_agree() {
    let world = venues(&["one", "slow", "two"]);
    world.silence("slow");
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((status(&entry).as_str(), took), ("ok", USUAL));
    assert_eq!(
        (used(&entry), &entry["rule"]["covering"], &entry["sources"]["asked"]),
        (vec!["one", "two"], &2.into(), &3.into())
    );
    let slow = of(&entry, "slow");
    assert_eq!((&slow["status"], &slow["reason"]), (&"failed".into(), &"not_awaited".into()), "{slow:#}");
    assert_eq!(slow["retry_at"], entry["as_of"], "it can be asked again at once");
    assert!(slow["price"].is_null() && slow["latency_ms"].is_null(), "{slow:#}");
    let (_, took) = timed(&world, "symbols=BTC-USD&refresh_after=0s").await;
    assert!(took > milliseconds(900), "unless the caller says so, all are waited for: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_length_of_time_waits_that_long_after_the_quorum() {
    for (wait, last, took) in [("100ms", "two", 150), ("200ms", "three", 250), ("9s", "three", 400)] {
        let world = venues(&["one", "two", "three", "four"]);
        world.slow("three", milliseconds(200)).slow("four", milliseconds(400)).say("four", BITCOIN, says("0"));
        let (entry, elapsed) = timed(&world, &format!("symbols=BTC-USD&wait={wait}")).await;
        assert_eq!((elapsed, status(&entry).as_str()), (milliseconds(took), "ok"), "{wait}");
        assert!(used(&entry).contains(&last), "{wait}: {entry:#}");
        assert_eq!(reason(&entry, "four") == Some("not_awaited"), wait != "9s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_awaited_lands_and_is_not_called_twice() {
    let world = venues(&["one", "slow", "two"]);
    world.slow("slow", milliseconds(600));
    timed(&world, "symbols=BTC-USD&wait=quorum").await;
    sleep(milliseconds(100)).await;
    // it joins the call that was left behind, and leaves it again
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((reason(&entry, "slow"), took), (Some("not_awaited"), Duration::ZERO));
    let (entry, took) = timed(&world, "symbols=BTC-USD").await;
    assert_eq!((used(&entry), took), (vec!["one", "slow", "two"], milliseconds(450)));
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((used(&entry), took), (vec!["one", "slow", "two"], Duration::ZERO));
    assert_eq!((world.asked("slow"), world.asked("one")), (vec![BITCOIN.to_owned()], vec![BITCOIN.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn calls_go_on_when_a_caller_who_wants_a_quorum_leaves() {
    let world = venues(&["one", "two"]);
    let left = timeout(milliseconds(10), world.answer("symbols=BTC-USD&wait=quorum")).await;
    assert!(left.is_err());
    sleep(milliseconds(100)).await;
    assert!(world.service.tasks().is_empty());
    let (entry, took) = timed(&world, "symbols=BTC-USD").await;
    assert_eq!((status(&entry).as_str(), took, world.asked("one").len()), ("ok", Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_left_behind_than_the_server_fetches_at_once() {
    for (most, lands) in [(4, true), (1, false)] {
        let sources = ["one", "two", "slow"].map(|name| source(name, "crypto", "")).concat();
        let world = World::of(&format!("[server]\nmax_weight = {most}\n{sources}"));
        for name in ["one", "two", "slow"] {
            world.say(name, BITCOIN, says("100")).say(name, "ETH-USD", says("10"));
        }
        world.slow("slow", milliseconds(600));
        let entries = world.ask("symbols=BTC-USD,ETH-USD&wait=quorum").await;
        assert_eq!(reason(&entries[1], "slow"), Some("not_awaited"));
        sleep(Duration::from_secs(1)).await;
        let bitcoin = quotefold::symbol::Symbol::parse(BITCOIN).unwrap();
        assert_eq!(world.service.board().known("slow", &bitcoin, Instant::now()).is_some(), lands, "{most}");
        assert!(world.service.tasks().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn not_being_awaited_does_not_count_against_a_source() {
    let world = venues(&["one", "slow", "two"]);
    world.slow("slow", milliseconds(900));
    for _ in 0..30 {
        let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum&refresh_after=0s").await;
        assert_eq!((status(&entry).as_str(), took), ("ok", USUAL));
        // what landed at the very moment of the next request would be fresh enough for it
        sleep(milliseconds(1)).await;
    }
    sleep(Duration::from_secs(1)).await;
    let slow = world.service.sources().iter().find(|source| source.profile.name() == "slow").unwrap();
    assert!(slow.breaker.is_closed() && slow.backoff.is_clear() && slow.is_at_rest());
    assert_eq!(world.ever_twice("slow"), None);
}

#[tokio::test(start_paused = true)]
async fn sources_that_disagree_are_no_quorum() {
    let world = venues(&["one", "two", "three", "four"]);
    world.say("two", BITCOIN, says("110")).slow("three", milliseconds(300)).silence("four");
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((status(&entry).as_str(), took), ("ok", milliseconds(300)));
    assert_eq!((reason(&entry, "two"), reason(&entry, "four")), (Some("outlier"), Some("not_awaited")));
}

#[tokio::test(start_paused = true)]
async fn sources_of_one_account_and_references_make_no_quorum() {
    let crypto = |name, more| source(name, "crypto", more);
    let sources = [
        crypto("one", "account = \"vendor\""),
        crypto("two", "account = \"vendor\""),
        crypto("index", "role = \"reference\""),
        crypto("three", ""),
    ];
    let world = World::of(&sources.concat());
    for name in ["one", "two", "three", "index"] {
        world.say(name, BITCOIN, says("100"));
    }
    world.slow("three", milliseconds(300));
    assert_eq!(timed(&world, "symbols=BTC-USD&wait=quorum").await.1, milliseconds(300));
}

#[tokio::test(start_paused = true)]
async fn an_older_quote_makes_no_quorum_until_its_source_is_heard_again() {
    for query in ["", "&refresh_after=0s", "&max_age=1s"] {
        let world = venues(&["one", "two", "three"]);
        world.ask_one("symbols=BTC-USD").await;
        sleep(Duration::from_secs(6)).await;
        world.slow("two", milliseconds(300)).silence("three");
        let (entry, took) = timed(&world, &format!("symbols=BTC-USD&wait=quorum{query}")).await;
        assert_eq!((status(&entry).as_str(), took), ("ok", milliseconds(300)), "{query}");
        // its quote on the board would be young enough to be folded, but not for this caller
        assert_eq!((used(&entry), reason(&entry, "three")), (vec!["one", "two"], Some("not_awaited")), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_quote_whose_refresh_failed_does_not_count_towards_a_quorum() {
    let world = venues(&["one", "two", "three", "four"]);
    world.ask_one("symbols=BTC-USD").await;
    sleep(Duration::from_secs(6)).await;
    world.slow("three", milliseconds(300)).fail("two");
    world.silence("four");
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((status(&entry).as_str(), took), ("ok", milliseconds(300)));
    assert_eq!(of(&entry, "two")["failure"], "unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_quote_that_is_not_due_counts_towards_a_quorum() {
    let crypto = |name, more| source(name, "crypto", more);
    let world = World::of(&[crypto("one", ""), crypto("daily", "refresh_after = \"1m\""), crypto("slow", "")].concat());
    for name in ["one", "daily", "slow"] {
        world.say(name, BITCOIN, says("100"));
    }
    world.ask_one("symbols=BTC-USD").await;
    sleep(Duration::from_secs(6)).await;
    world.silence("slow");
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((used(&entry), took), (vec!["daily", "one"], USUAL));
}

#[tokio::test(start_paused = true)]
async fn every_symbol_is_waited_for_and_each_reply_counts_when_it_comes() {
    // one call per symbol: the second symbol's quorum comes from another source than the first one's
    let crypto = |name: &str| source(name, "crypto", "").replace("batch = 9", "batch = 1");
    let world = World::of(&["one", "two", "three"].map(crypto).concat());
    for name in ["one", "two", "three"] {
        world.say(name, BITCOIN, says("100")).say(name, "ETH-USD", says("10"));
    }
    world.say("two", "ETH-USD", says("12")).slow("three", milliseconds(300));
    let start = Instant::now();
    let entries = world.ask("symbols=BTC-USD,ETH-USD&wait=quorum").await;
    assert_eq!(start.elapsed(), milliseconds(300));
    assert!(entries.iter().all(|entry| status(entry) == "ok"), "{entries:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_nothing_can_help_any_more_holds_up_no_other() {
    let crypto = |name, more| source(name, "crypto", more);
    let sources = [crypto("one", ""), crypto("two", ""), crypto("slow", "symbols = [\"BTC-USD\"]")];
    let world = World::of(&sources.concat());
    world.say("one", BITCOIN, says("100")).say("two", BITCOIN, says("100")).silence("slow");
    let start = Instant::now();
    let entries = world.ask("symbols=BTC-USD,NOSUCH-USD,not%20one&wait=quorum").await;
    assert_eq!((start.elapsed(), status(&entries[0]).as_str()), (USUAL, "ok"));
    assert_eq!(status(&entries[1]), "unknown / unknown_symbol");
    // but what a source that hangs may still know is waited for
    let world = venues(&["one", "two", "slow"]);
    world.silence("slow");
    let start = Instant::now();
    world.ask("symbols=BTC-USD,NOSUCH-USD&wait=quorum").await;
    assert!(start.elapsed() > milliseconds(900), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reserve_is_asked_as_soon_as_only_it_can_help() {
    let crypto = |name, more| source(name, "crypto", more);
    let sources = [
        crypto("one", ""),
        crypto("two", ""),
        crypto("slow", "symbols = [\"BTC-USD\"]"),
        crypto("spare", "role = \"reserve\""),
    ];
    let world = World::of(&sources.concat());
    for name in ["one", "two", "spare"] {
        world.say(name, BITCOIN, says("100")).say(name, "ETH-USD", says("10"));
    }
    world.say("two", "ETH-USD", says("0")).silence("slow");
    let start = Instant::now();
    let entries = world.ask("symbols=BTC-USD,ETH-USD&wait=quorum").await;
    assert_eq!(start.elapsed(), 2 * USUAL);
    assert!(entries.iter().all(|entry| status(entry) == "ok"), "{entries:#?}");
    assert_eq!(world.asked("spare"), ["ETH-USD"]);
    assert_eq!(reason(&entries[0], "slow"), Some("not_awaited"));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_a_price_needs_must_have_its_quorum_too() {
    let venue = |name| source(name, "crypto", "currencies = [\"USD\"]");
    let banks = ["bank", "late", "slow"].map(|name| source(name, "fx", ""));
    let world = World::of(&[venue("one"), venue("two"), banks.concat()].concat());
    world.say("one", BITCOIN, says("100")).say("two", BITCOIN, says("100"));
    for bank in ["bank", "late", "slow"] {
        world.say(bank, "EUR-USD", says("1.25"));
    }
    world.slow("late", milliseconds(300)).silence("slow");
    let (entry, took) = timed(&world, "symbols=BTC-USD&currency=EUR&wait=quorum").await;
    assert_eq!((entry["price"].as_str(), took), (Some("80"), milliseconds(300)));
    assert_eq!(entry["conversion"]["used"], serde_json::json!(["bank", "late"]));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_not_waited_for_on_behalf_of_a_symbol_without_a_price() {
    let venue = |name| source(name, "crypto", "currencies = [\"USD\"]");
    let banks = ["bank", "late", "slow"].map(|name| source(name, "fx", ""));
    let world = World::of(&[venue("one"), venue("two"), banks.concat()].concat());
    world.say("one", BITCOIN, says("100")).say("two", BITCOIN, says("100"));
    world.say("bank", "EUR-USD", says("1.25")).say("late", "EUR-USD", says("1.25"));
    world.say("one", "BAD-USD", says("1")).say("two", "BAD-USD", says("2"));
    world.silence("slow");
    let start = Instant::now();
    let entries = world.ask("symbols=BTC-USD,NOSUCH-USD,BAD-USD,AAPL&currency=EUR&wait=quorum").await;
    let statuses: Vec<String> = entries.iter().map(status).collect();
    let expected = ["ok", "unknown / unknown_symbol", "unavailable / sources_disagree", "unavailable / not_covered"];
    assert_eq!((statuses, start.elapsed()), (expected.map(str::to_owned).to_vec(), USUAL));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_turns_out_to_be_needed_is_asked_for_without_delay() {
    let shares = ["alpha", "beta", "slow"].map(|name| source(name, "equity", ""));
    let world = World::of(&[shares.concat(), source("bank", "fx", ""), source("money", "fx", "")].concat());
    for name in ["alpha", "beta"] {
        world.say(name, "QQQQ.XX", says("200").in_unit("GBP"));
    }
    for name in ["bank", "money"] {
        world.say(name, "GBP-USD", says("1.25"));
    }
    world.silence("slow");
    let (entry, took) = timed(&world, "symbols=QQQQ.XX&currency=USD&wait=quorum").await;
    assert_eq!((status(&entry).as_str(), entry["price"].as_str(), took), ("ok", Some("250"), 2 * USUAL), "{entry:#}");
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_a_derived_quote_must_have_its_quorum_too() {
    let tethers = |name| source(name, "crypto", "currencies = [\"USDT\"]");
    let dollars = |name| source(name, "crypto", "currencies = [\"USD\"]\nsymbols = [\"USDT-USD\"]");
    let sources = [tethers("one"), tethers("two"), tethers("slow"), dollars("rate"), dollars("late"), dollars("hangs")];
    let world = World::of(&sources.concat());
    for name in ["one", "two", "slow"] {
        world.say(name, "BTC-USDT", says("100"));
    }
    for name in ["rate", "late", "hangs"] {
        world.say(name, "USDT-USD", says("1"));
    }
    world.slow("late", milliseconds(300)).silence("hangs");
    world.silence("slow");
    let (entry, took) = timed(&world, "symbols=BTC-USD&wait=quorum").await;
    assert_eq!((status(&entry).as_str(), took), ("ok", milliseconds(300)), "{entry:#}");
}

#[tokio::test(start_paused = true)]
async fn the_server_says_how_a_caller_waits_who_does_not() {
    let sources = ["one", "two", "slow"].map(|name| source(name, "crypto", "")).concat();
    let world = World::of(&format!("[server]\nwait = \"quorum\"\n{sources}"));
    for name in ["one", "two"] {
        world.say(name, BITCOIN, says("100"));
    }
    world.silence("slow");
    let world = &world;
    let took = async |query: &str| {
        let start = Instant::now();
        let bounds = world.service.bounds();
        let question = Question::parse_one(BITCOIN, query, bounds, world.service.clock().now()).unwrap();
        world.service.answer(&question).await;
        let took = start.elapsed();
        sleep(milliseconds(1)).await;
        took
    };
    assert_eq!(took("").await, USUAL);
    assert_eq!(took("refresh_after=0s&wait=100ms").await, milliseconds(150));
    assert!(took("refresh_after=0s&wait=all").await > milliseconds(700));
}

/// What one source does: how long it takes (`None`: it never replies), and what it says about two coins and two rates.
#[derive(Clone, Debug)]
struct Script {
    latency: Option<u64>,
    fails: bool,
    prices: [Option<&'static str>; 4],
}

const SYMBOLS: [&str; 4] = [BITCOIN, "ETH-USD", "EUR-USD", "GBP-USD"];

fn any_script() -> impl Strategy<Value = Script> {
    let latency = prop_oneof![5 => (1_u64..40).prop_map(|tens| Some(tens * 10)), 1 => Just(None)];
    let price = || prop_oneof![4 => Just(Some("100")), 1 => Just(Some("101")), 1 => Just(Some("120")), 1 => Just(None)];
    (latency, prop::bool::weighted(0.1), [price(), price(), price(), price()])
        .prop_map(|(latency, fails, prices)| Script { latency, fails, prices })
}

/// The sources of the scripts: each prices coins and a currency, the last one is a reserve.
fn scripted(scripts: &[Script]) -> World {
    let role = |place: usize| if place + 1 == scripts.len() { "role = \"reserve\"" } else { "" };
    let all = |place| source(&format!("s{place}"), "crypto\", \"fx", role(place));
    let world = World::of(&(0..scripts.len()).map(all).collect::<String>());
    for (place, script) in scripts.iter().enumerate() {
        let name = format!("s{place}");
        for (symbol, price) in SYMBOLS.iter().zip(script.prices) {
            if let Some(price) = price {
                world.say(&name, symbol, says(price));
            }
        }
        if let Some(latency) = script.latency {
            world.slow(&name, milliseconds(latency));
        } else {
            world.silence(&name);
        }
        if script.fails {
            world.fail(&name);
        }
    }
    world
}

async fn entries(world: &World, query: &str) -> (Vec<Value>, Duration) {
    let start = Instant::now();
    let entries = world.ask(query).await;
    (entries, start.elapsed())
}

async fn compare(scripts: &[Script], query: &str, wait: &str, has_asked: bool) -> Result<(), TestCaseError> {
    let (all, hasty) = (scripted(scripts), scripted(scripts));
    if has_asked {
        // every quote on the board is due again, and could still be folded
        for world in [&all, &hasty] {
            world.ask(query).await;
            sleep(Duration::from_secs(20)).await;
        }
    }
    let before: Vec<usize> = (0..scripts.len()).map(|place| hasty.asked(&format!("s{place}")).len()).collect();
    let (patient, longest) = entries(&all, query).await;
    let (early, took) = entries(&hasty, &format!("{query}&wait={wait}")).await;
    prop_assert!(took <= longest, "{took:?} with a quorum, {longest:?} with all");
    for (early, patient) in early.iter().zip(&patient) {
        let is_left = |quote: &Value| quote["reason"] == "not_awaited";
        let is_early = early["quotes"].as_array().unwrap().iter().any(is_left);
        prop_assert!(!is_early || early["status"] == "ok", "{early:#}");
        let answered = |quote: &&Value| quote["status"] != "failed";
        let heard = patient["quotes"].as_array().unwrap().iter().filter(answered);
        let heard: BTreeSet<&str> = heard.filter_map(|quote| quote["source"].as_str()).collect();
        let used: BTreeSet<&str> = used(early).into_iter().collect();
        prop_assert!(used.is_subset(&heard), "{early:#}\n{patient:#}");
    }
    sleep(Duration::from_secs(5)).await;
    prop_assert!(hasty.service.tasks().is_empty(), "a call was left in flight");
    for (place, script) in scripts.iter().enumerate() {
        let name = format!("s{place}");
        prop_assert_eq!(hasty.ever_twice(&name), None);
        let asked = hasty.asked(&name).split_off(before[place]);
        let once: BTreeSet<&String> = asked.iter().collect();
        prop_assert!(script.fails || once.len() == asked.len(), "{}: {:?}", name, asked);
        for symbol in asked {
            let symbol = quotefold::symbol::Symbol::parse(&symbol).unwrap();
            let known = hasty.service.board().known(&name, &symbol, Instant::now());
            prop_assert!(known.is_some(), "{} did not land {}", name, symbol);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_quorum_is_never_later_than_all_and_uses_nothing_else(
        scripts in prop::collection::vec(any_script(), 3..6),
        query in prop::sample::select(vec![
            "symbols=BTC-USD",
            "symbols=BTC-USD,ETH-USD",
            "symbols=BTC-USD&currency=EUR",
            "symbols=ETH-USD,BTC-USD&currency=GBP",
            "symbols=EUR-GBP",
            "symbols=EUR-GBP,BTC-USD&refresh_after=0s",
        ]),
        has_asked: bool,
        wait in prop::sample::select(vec!["quorum", "30ms", "200ms"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(compare(&scripts, query, wait, has_asked))?;
    }
}
