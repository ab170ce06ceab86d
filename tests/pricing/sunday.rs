//! A Sunday: shares keep Friday's close, coins do not.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quotefold::fold::{Status, Verdict, fold};
use quotefold::provider::catalogue::catalogue;
use quotefold::provider::extract::{Extractor, RawReply};
use quotefold::quote::{Origin, Outcome, Session};
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::Symbol;

use crate::world::{World, of, says, status};

const SUNDAY: &str = "2026-11-22T12:00:00Z";
/// Since Friday's close in New York, at 21:00 UTC.
const SINCE_THE_CLOSE: Duration = Duration::from_secs(39 * 3600);

const SOURCES: &str = "[sources.finnhub]\nkey = \"simulated\"\n[sources.tiingo]\nkey = \"simulated\"\n\
    [sources.twelvedata]\nkey = \"simulated\"\n[sources.kraken]\n[sources.coinbase]\n";

#[tokio::test(start_paused = true)]
async fn a_share_keeps_its_last_close_and_says_so() {
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

/// What providers send on a Sunday about Friday's close, in their own words: a Unix time, a word for the session, a
/// time with an offset, nanoseconds.
const BODIES: [(&str, &str); 5] = [
    ("finnhub", r#"{"c":231.44,"d":2.44,"dp":1.0655,"h":232.1,"l":229.7,"o":230.1,"pc":229,"t":1795208400}"#),
    (
        "twelvedata",
        r#"{"symbol":"AAPL","name":"Apple Inc","exchange":"NASDAQ","currency":"USD","datetime":"2026-11-20","timestamp":1795185000,"last_quote_at":1795208340,"open":"230.10","close":"231.44","volume":"67903927","is_market_open":false}"#,
    ),
    (
        "tiingo",
        r#"[{"ticker":"AAPL","last":231.60,"lastSaleTimestamp":"2026-11-20T18:59:58.402331077-05:00","tngoLast":231.60,"bidPrice":0.0,"askPrice":0.0,"mid":null,"volume":680,"timestamp":"2026-11-20T19:00:00.000188301-05:00"}]"#,
    ),
    (
        "yahoo",
        r#"{"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","instrumentType":"EQUITY","regularMarketTime":1795208401,"regularMarketPrice":231.44,"regularMarketVolume":67903927}}],"error":null}}"#,
    ),
    (
        "cnbc",
        r#"{"FormattedQuoteResult":{"FormattedQuote":[{"symbol":"AAPL","code":0,"last":"231.44","last_time":"2026-11-20T16:00:00.000-0500","curmktstatus":"CLOSED","currencyCode":"USD","volume":"67,903,927"}]}}"#,
    ),
];

/// What a provider of the catalogue makes of a body about AAPL that arrives at a time.
fn read(name: &str, body: &str, received_at: Timestamp) -> Outcome {
    let source = catalogue()[name].clone().resolve(name).unwrap();
    let symbol = Symbol::parse("AAPL").unwrap();
    let reply = RawReply::bare(200, body, received_at);
    let (symbol, quote) = Extractor::new(&source)
        .unwrap()
        .read(&reply, &[symbol], quotefold::clock::cpu::timer)
        .unwrap()
        .outcomes
        .remove(0);
    let origin = Origin { source: name.into(), account: name.into(), role: source.role, lag_ms: 0, by_isin: false };
    Outcome { origin: Arc::new(origin), symbol, quote: Some(quote.unwrap()), failure: None }
}

#[test]
fn what_providers_send_on_a_sunday_is_fridays_close() {
    let settings = load(&LoadOptions::default()).unwrap();
    let symbol = Symbol::parse("AAPL").unwrap();
    let fold_at = |now: &str| {
        let now: Timestamp = now.parse().unwrap();
        let outcomes = BODIES.iter().map(|(name, body)| read(name, body, now));
        fold(&symbol, outcomes, &settings.rule(&symbol, None), now)
    };
    let sunday = fold_at(SUNDAY);
    assert_eq!((sunday.status, sunday.session), (Status::Ok, Some(Session::Closed)), "{:#?}", sunday.detail);
    let folded = sunday.folded.unwrap();
    assert_eq!((folded.price.to_string().as_str(), sunday.quotes.len()), ("231.44", 5));
    assert!(sunday.quotes.iter().all(|judged| judged.verdict == Verdict::Used), "{:#?}", sunday.quotes);
    assert_eq!(folded.observed_at.unwrap().to_string(), "2026-11-20T20:59:00Z");
    // a closed market's last prices stay usable for five days
    assert_eq!(fold_at("2026-11-28T12:00:00Z").status.reason(), Some("all_stale"));
}
