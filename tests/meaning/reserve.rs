//! Scarce sources: asked only where the others fall short, in what is left of the caller's time.

use std::time::Duration;

use tokio::time::Instant;

use crate::world::{World, of, says, status};

fn world() -> World {
    let own = |name: &str, more: &str| {
        format!(
            "[sources.{name}]\nclasses = [\"equity\"]\nurl = \"http://x.test/{{symbols}}\"\nbatch = 9\njq = \".\"\n{more}\n"
        )
    };
    let world = World::of(&[own("alpha", ""), own("beta", ""), own("spare", "role = \"reserve\"")].concat());
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
    assert_eq!(entry["quotes"].as_array().unwrap().len(), 2, "who was not asked does not appear");
}

#[tokio::test(start_paused = true)]
async fn a_reserve_is_asked_for_what_lacks_a_quorum_and_for_nothing_else() {
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
    // as soon as the others were in, not at the end of anybody's patience
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
async fn a_disagreement_is_nothing_a_reserve_is_spent_on() {
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
async fn what_a_reserve_said_lately_counts_without_another_call() {
    let world = world();
    world.say("beta", "AAPL", says("0"));
    world.ask("symbols=AAPL").await;
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!((status(&entry).as_str(), world.asked("spare").len()), ("ok", 1));
    assert_eq!(of(&entry, "spare")["status"], "used");
}
