//! Streams of prices on a paused clock: what their readers hear, what that costs, and that it ends with the last of them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::{FutureExt, StreamExt};
use quotefold::clock::Clock;
use quotefold::quote::Quote;
use quotefold::server::Front;
use quotefold::server::drain::{Drain, Stage};
use quotefold::server::stack::Stack;
use quotefold::source::batch::Reply;
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use crate::shared::scripted::{Replies, ScriptedService};
use crate::vendors::{crypto, morning};

const LATENCY: Duration = Duration::from_millis(40);

/// Far longer than a reader ever waits here.
const LONG: Duration = Duration::from_secs(600);

/// Prices that are fetched each second, and that stay `ok` for long.
const FRESHNESS: &str = "[freshness]\nrefresh_after = \"1s\"\nusable_for = \"1h\"\nfallback_for = \"2h\"\n";

/// A service behind its guards, over two vendors.
struct World {
    scripted: ScriptedService,
    app: Stack,
    drain: Drain,
}

/// One event as a reader gets it.
#[derive(Debug)]
struct Event {
    name: String,
    data: Value,
}

/// A reader of a stream.
struct Reader {
    body: BodyDataStream,
    text: String,
}

/// Vendors whose prices change once in `step`: they are 100 and one more for each step since the start.
fn stepping(step: Duration) -> impl Fn(&str, Vec<Symbol>, Clock) -> Replies + Clone + Send + Sync + 'static {
    let start = Instant::now();
    move |_, symbols, clock| {
        Box::pin(async move {
            sleep(LATENCY).await;
            let steps = start.elapsed().as_millis() / step.as_millis();
            let price = Decimal::ONE_HUNDRED + Decimal::from(steps);
            let now = clock.now().wall;
            let quote = || Quote { observed_at: Some(now), ..Quote::bare(price, now) };
            Ok(Reply { rows: symbols.into_iter().map(|symbol| (symbol, Ok(quote()))).collect() })
        })
    }
}

impl World {
    fn new(sections: &str, step: Duration) -> Self {
        Self::over(sections, &["alpha", "beta"], "batch = 100", stepping(step))
    }

    /// A service over vendors with these names, and further keys.
    fn over<V>(sections: &str, names: &[&str], more: &str, vendors: V) -> Self
    where
        V: Fn(&str, Vec<Symbol>, Clock) -> Replies + Clone + Send + Sync + 'static,
    {
        let sources: String = names.iter().map(|name| crypto(name, more)).collect();
        let text = format!("{sections}{FRESHNESS}{sources}");
        let scripted = ScriptedService::new(&text, &morning(), vendors);
        let drain = Drain::new();
        let front = Front::new(&scripted.service, Arc::default(), &drain, &Handle::current());
        World { app: front.router(axum::Router::new()), scripted, drain }
    }

    async fn ask(&self, query: &str) -> Response {
        let request = Request::get(format!("/prices/stream?{query}")).header("host", "x").body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn open(&self, query: &str) -> Reader {
        let reply = self.ask(query).await;
        assert_eq!(reply.status(), StatusCode::OK, "{query}");
        Reader { body: reply.into_body().into_data_stream(), text: String::new() }
    }

    /// How many calls the first vendor has got.
    fn calls(&self) -> usize {
        self.scripted.log("alpha").calls().len()
    }

    fn folds(&self) -> u64 {
        self.scripted.service.metrics().folds_for_streams()
    }
}

impl Reader {
    /// The next block of the stream, without the empty line behind it; `None` at its end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let bytes = timeout(LONG, self.body.next()).await.expect("the stream is silent")?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let Some((name, data)) = block.strip_prefix("event: ").and_then(|block| block.split_once("\ndata: "))
            else {
                continue;
            };
            return Some(Event { name: name.to_owned(), data: serde_json::from_str(data).unwrap() });
        }
    }

    /// The price in the next event.
    async fn price(&mut self) -> String {
        let event = self.event().await.expect("an event");
        assert_eq!(event.name, "price");
        event.data["price"].as_str().unwrap_or("none").to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_state_comes_first_and_then_every_change() {
    let world = World::new("", Duration::from_secs(1));
    let mut reader = world.open("symbols=BTC-USD,no%20symbol,ETH-USD").await;
    let first = reader.block().await.unwrap();
    let retry: u32 = first.strip_prefix("retry: ").and_then(|retry| retry.parse().ok()).expect("when to come back");
    assert!((1_000..=5_000).contains(&retry), "{retry}");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = reader.event().await.unwrap();
        assert_eq!((event.name.as_str(), &event.data["quotes"]), ("price", &Value::Null));
        seen.push((
            event.data["symbol"].as_str().unwrap().to_owned(),
            event.data["status"].as_str().unwrap().to_owned(),
        ));
    }
    seen.sort();
    let of = |symbol: &str, status: &str| (symbol.to_owned(), status.to_owned());
    assert_eq!(seen, [of("BTC-USD", "ok"), of("ETH-USD", "ok"), of("no symbol", "unknown")]);
    let mut last = Decimal::ONE_HUNDRED;
    for _ in 0..20 {
        let price: Decimal = reader.price().await.parse().unwrap();
        assert!(price >= last, "a price that is older than one before it");
        last = price;
    }
    assert!(last >= Decimal::from(109), "{last}");
}

#[tokio::test(start_paused = true)]
async fn readers_of_the_same_symbol_cost_one_call_and_one_fold_per_change() {
    let world = World::new("[access]\nmax_streams_per_client = 0\n", Duration::from_secs(1));
    let mut readers = Vec::new();
    for _ in 0..100 {
        readers.push(world.open("symbols=BTC-USD").await);
    }
    let all_hear = readers.into_iter().map(|mut reader| async move {
        for _ in 0..10 {
            reader.price().await;
        }
    });
    futures_util::future::join_all(all_hear).await;
    let (calls, folds) = (world.calls(), world.folds());
    assert!((9..=12).contains(&calls), "{calls} calls for ten changes");
    // two vendors answer at the same time, and what is not known yet is folded, too
    assert!(folds <= 3 * calls as u64 + 3, "{folds} folds for {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_does_not_keep_the_others_from_being_asked_again() {
    let stepping = stepping(Duration::from_secs(1));
    let vendors = move |name: &str, symbols: Vec<Symbol>, clock: Clock| -> Replies {
        let (hangs, reply) = (name == "alpha", stepping(name, symbols, clock));
        Box::pin(async move {
            sleep(if hangs { LONG } else { Duration::ZERO }).await;
            reply.await
        })
    };
    let names = ["alpha", "beta", "gamma"];
    let world = World::over("[server]\ntimeout = \"8s\"\n", &names, "batch = 100\ntimeout = \"6s\"", vendors);
    let mut reader = world.open("symbols=BTC-USD").await;
    reader.price().await;
    let began = Instant::now();
    for _ in 0..5 {
        reader.price().await;
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_end_with_the_last_reader() {
    let world = World::new("", Duration::from_secs(1));
    let (mut one, mut other) = (world.open("symbols=BTC-USD").await, world.open("symbols=BTC-USD,ETH-USD").await);
    assert_eq!([one.price().await, other.price().await, other.price().await], ["100"; 3]);
    drop(other);
    let before = world.calls();
    sleep(Duration::from_secs(10)).await;
    let asked = world.scripted.log("alpha").calls();
    let since = &asked[before..];
    assert!(since.len() >= 8, "{since:?}");
    // a call may have been under way when the other reader left
    let of_other = since.iter().skip(1).filter(|call| call.symbols.iter().any(|symbol| symbol.as_str() == "ETH-USD"));
    assert_eq!(of_other.count(), 0, "nobody looks at it any more: {since:?}");
    drop(one);
    let after = world.calls();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.calls(), after, "nobody looks at anything any more");
    assert_eq!(world.scripted.log("alpha").in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_is_told_at_most_once_in_the_time_that_its_reader_asks_for() {
    let sections = "[class.crypto]\nrefresh_after = \"100ms\"\n";
    let world = World::new(sections, Duration::from_millis(100));
    for (query, every) in [("", 250), ("&every=1s", 1_000), ("&every=100ms", 100)] {
        let mut reader = world.open(&format!("symbols=BTC-USD{query}")).await;
        reader.price().await;
        let mut last = Instant::now();
        for _ in 0..10 {
            reader.price().await;
            // tokio's timers tick once in a millisecond
            assert!(last.elapsed() + Duration::from_millis(2) >= Duration::from_millis(every), "{:?}", last.elapsed());
            last = Instant::now();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_late_hears_only_the_latest() {
    let world = World::new("", Duration::from_secs(1));
    let mut reader = world.open("symbols=BTC-USD").await;
    assert_eq!(reader.price().await, "100");
    sleep(Duration::from_secs(50)).await;
    let price: Decimal = reader.price().await.parse().unwrap();
    assert!(price > Decimal::from(145), "{price} is old");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_change_is_told_once_and_the_silence_is_filled() {
    let world = World::new("", LONG);
    let mut reader = world.open("symbols=BTC-USD").await;
    assert_eq!(reader.price().await, "100");
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(reader.block().await.unwrap(), ": ", "a comment and nothing else");
    }
    assert_eq!(start.elapsed().as_secs(), 45, "one in 15 s");
    assert!(world.calls() > 40, "the sources were asked all the time");
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_statuses_does_not_hear_of_prices() {
    let world = World::new("", Duration::from_secs(1));
    let mut reader = world.open("symbols=BTC-USD&on=status").await;
    assert_eq!(reader.price().await, "100");
    assert_eq!(reader.block().await.unwrap(), ": ");
    let mut of_prices = world.open("symbols=BTC-USD&on=price&quotes=true").await;
    let event = of_prices.event().await.unwrap();
    assert_eq!(event.data["quotes"].as_array().map(Vec::len), Some(2), "it asked for the proof");
    of_prices.price().await;
}

#[tokio::test(start_paused = true)]
async fn streams_are_limited_in_all_and_per_client() {
    let world = World::new("[server]\nmax_streams = 3\n[access]\nmax_streams_per_client = 2\n", LONG);
    let refused = |reply: Response| (reply.status(), reply.headers().get("retry-after").is_some());
    let one = world.open("symbols=BTC-USD").await;
    let _two = world.open("symbols=ETH-USD").await;
    assert_eq!(refused(world.ask("symbols=BTC-USD").await), (StatusCode::TOO_MANY_REQUESTS, true));
    drop(one);
    let _three = world.open("symbols=BTC-USD").await;
    let small = World::new("[server]\nmax_streams = 1\n", LONG);
    let _first = small.open("symbols=BTC-USD").await;
    assert_eq!(refused(small.ask("symbols=BTC-USD").await), (StatusCode::SERVICE_UNAVAILABLE, true));
    assert_eq!(small.ask("symbols=BTC-USD&every=1ms").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn when_the_listener_closes_every_stream_says_bye_within_a_second() {
    let world = World::new("[access]\nmax_streams_per_client = 0\n", Duration::from_secs(1));
    let mut readers = Vec::new();
    for _ in 0..50 {
        let mut reader = world.open("symbols=BTC-USD").await;
        reader.price().await;
        readers.push(reader);
    }
    world.drain.advance(Stage::Draining);
    readers[0].price().await;
    world.drain.advance(Stage::Closing);
    let start = Instant::now();
    let ends = readers.into_iter().map(|mut reader| async move {
        loop {
            let event = reader.event().await.expect("a bye before the end");
            if event.name == "bye" {
                assert_eq!(event.data["reason"], "closing");
                assert!(reader.event().await.is_none(), "the stream goes on");
                return Instant::now();
            }
        }
    });
    let mut ends = futures_util::future::join_all(ends).await;
    ends.sort();
    assert!(start.elapsed() <= Duration::from_millis(1_100), "{:?}", start.elapsed());
    assert!(ends[40] - ends[5] > Duration::from_millis(200), "they all end at the same time");
}

#[tokio::test(start_paused = true)]
async fn limits_hold_through_a_day_of_readers_that_come_and_go() {
    let limited = "[server]\nmax_streams = 20\n[access]\nmax_streams_per_client = 0\n";
    let text = format!(
        "{limited}{}{}{}",
        FRESHNESS.replace("1s", "300s"),
        crypto("alpha", "batch = 100\nlimits = [\"20/h\"]"),
        crypto("beta", "batch = 100\nlimits = [\"7/h\"]")
    );
    let scripted = ScriptedService::new(&text, &morning(), stepping(Duration::from_secs(60)));
    let drain = Drain::new();
    let front = Front::new(&scripted.service, Arc::default(), &drain, &Handle::current());
    let world = World { app: front.router(axum::Router::new()), scripted, drain };
    let (mut chance, mut readers) = (fastrand::Rng::with_seed(17), Vec::new());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(86_400) {
        let query = format!("symbols=C{}-USD,C{}-USD", chance.u32(0..6), chance.u32(6..12));
        let reply = world.ask(&query).await;
        match reply.status() {
            StatusCode::OK => readers.push(Reader { body: reply.into_body().into_data_stream(), text: String::new() }),
            status => assert_eq!((status, readers.len()), (StatusCode::SERVICE_UNAVAILABLE, 20)),
        }
        for reader in &mut readers {
            while reader.event().now_or_never().flatten().is_some() {}
        }
        if readers.len() > 15 {
            (0..chance.usize(1..15)).for_each(|_| drop(readers.swap_remove(chance.usize(..readers.len()))));
        }
        sleep(Duration::from_secs(chance.u64(1..400))).await;
    }
    for (source, most) in [("alpha", 20), ("beta", 7)] {
        let calls = world.scripted.log(source).calls();
        let in_an_hour = calls.iter().enumerate().map(|(place, call)| {
            calls[place..].iter().take_while(|later| later.sent < call.sent + Duration::from_secs(3_600)).count()
        });
        let busiest = in_an_hour.max().unwrap_or(0);
        assert!(calls.len() > 100 && busiest <= most, "{source}: {busiest} in an hour, {} in all", calls.len());
    }
    readers.clear();
    let after = world.calls();
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(world.calls(), after, "nobody looks at anything any more");
}
