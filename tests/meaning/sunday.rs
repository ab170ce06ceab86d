//! A Sunday: shares stand at Friday's close, coins do not.

use std::time::Duration;

use quotefold::quote::Session;

use crate::world::{World, of, says, status};

const SUNDAY: &str = "2026-11-22T12:00:00Z";
/// Since Friday's close in New York, at 21:00 UTC.
const SINCE_THE_CLOSE: Duration = Duration::from_secs(39 * 3600);

const SOURCES: &str = "[sources.finnhub]\nkey = \"simulated\"\n[sources.tiingo]\nkey = \"simulated\"\n\
    [sources.twelvedata]\nkey = \"simulated\"\n[sources.kraken]\n[sources.coinbase]\n";

#[tokio::test(start_paused = true)]
async fn a_share_stands_at_its_last_close_and_says_so() {
    let world = World::at(SUNDAY, SOURCES);
    world.say("finnhub", "AAPL", says("231.44").old(SINCE_THE_CLOSE));
    // tiingo's last trade was after hours, twelvedata says that the market is closed
    world.say("tiingo", "AAPL", says("231.60").old(SINCE_THE_CLOSE - Duration::from_secs(3 * 3600)));
    world.say("twelvedata", "AAPL", says("231.44").old(SINCE_THE_CLOSE).session(Session::Closed));
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!(
        (status(&entry).as_str(), &entry["session"], &entry["sources"]["used"]),
        ("ok", &"closed".into(), &3.into())
    );
    assert_eq!(entry["observed_at"], "2026-11-20T21:00:00.050Z");
    assert_eq!(entry["age_ms"], 39 * 3_600_000);
}

#[tokio::test(start_paused = true)]
async fn a_coin_of_that_age_is_refused() {
    let world = World::at(SUNDAY, SOURCES);
    for source in ["kraken", "coinbase"] {
        world.say(source, "BTC-USD", says("64000").old(SINCE_THE_CLOSE));
    }
    let entry = world.ask_one("symbols=BTC-USD").await;
    assert_eq!((status(&entry).as_str(), entry["price"].is_null()), ("unavailable / all_stale", true));
    assert_eq!(of(&entry, "kraken")["reason"], "stale");
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_froze_on_friday_is_stale_as_soon_as_a_sister_trades() {
    let world = World::at("2026-11-23T15:00:00Z", SOURCES);
    let frozen = Duration::from_secs(66 * 3600);
    world.say("finnhub", "AAPL", says("233.10").old(Duration::from_secs(20)));
    world.say("tiingo", "AAPL", says("233.12").old(Duration::from_secs(5)));
    world.say("twelvedata", "AAPL", says("231.44").old(frozen));
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!((status(&entry).as_str(), of(&entry, "twelvedata")["reason"].as_str()), ("ok", Some("stale")));
}
