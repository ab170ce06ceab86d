//! Lists of what vendors trade: when they are asked for, and what follows from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use quotefold::Quotefold;
use quotefold::board::Board;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::{Exclusion, Judged, Verdict};
use quotefold::metrics::Metrics;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::provider::instruments::InstrumentList;
use quotefold::question::Question;
use quotefold::quote::Quote;
use quotefold::search::Search;
use quotefold::settings::Settings;
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::{Source, Surroundings};
use quotefold::state::snapshot::{UnconfiguredAccounts, give, take};
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;
use tokio::time::{Instant, advance, sleep};
use tokio_util::task::TaskTracker;

use crate::shared::settings;
use crate::support::{Log, most_in_a_window};
use crate::vendors::morning;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long a call takes.
const CALL: Duration = Duration::from_millis(80);

/// How long a list takes at a vendor of the name `slow`.
const SLOW: Duration = Duration::from_secs(6);

/// What a vendor's list says, or how the call for it fails.
type List = Result<Vec<(&'static str, Option<&'static str>)>, SourceError>;

/// A call for a list as the vendor saw it.
#[derive(Clone, Copy, Debug)]
struct ListCall {
    sent: Instant,
    /// Price calls that were in flight then.
    in_flight: usize,
    /// Whether each limit had half of its calls left before this one.
    had_half: bool,
}

/// What one vendor has seen.
#[derive(Clone, Default)]
struct Seen {
    prices: Log,
    lists: Arc<Mutex<Vec<ListCall>>>,
}

/// A service over vendors that list what they trade, and that deny whatever else they are asked for.
struct World {
    service: Arc<Quotefold>,
    seen: BTreeMap<String, Seen>,
}

impl World {
    /// Vendors that trade `traded`, and say so in these lists, one after the other and the last again and again.
    fn new(text: &str, clock: &Clock, traded: &'static [&'static str], lists: &[List]) -> Self {
        let settings = settings(text);
        let around = Surroundings {
            board: Arc::new(Board::new(1000)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let (mut seen, lists) = (BTreeMap::new(), Arc::new(lists.to_vec()));
        let sources = settings.sources.iter().map(|source| {
            let log = Seen::default();
            seen.insert(source.name.clone(), log.clone());
            vendor(&settings, &source.name, traded, &lists, log, &around)
        });
        let sources = sources.collect();
        World { service: Arc::new(Quotefold::over(settings, sources, &around, Metrics::default())), seen }
    }

    async fn ask(&self, query: &str) -> quotefold::answer::Answer {
        let question = Question::parse(query, self.service.bounds(), self.service.clock().now()).unwrap();
        self.service.answer(&question).await
    }

    fn lists(&self, source: &str) -> Vec<ListCall> {
        self.seen[source].lists.lock().clone()
    }

    /// What each call for a price asked for.
    fn calls(&self, source: &str) -> Vec<Vec<String>> {
        let calls = self.seen[source].prices.calls();
        calls.into_iter().map(|call| call.symbols.iter().map(Symbol::to_string).collect()).collect()
    }

    /// The verdict and the reason on each source's quote for the only symbol of a query.
    async fn reasons(&self, query: &str) -> Vec<Option<&'static str>> {
        let answer = self.ask(query).await;
        answer.prices()[0].quotes.iter().map(Judged::reason).collect()
    }
}

fn vendor(
    settings: &Settings,
    name: &str,
    traded: &'static [&'static str],
    lists: &Arc<Vec<List>>,
    seen: Seen,
    around: &Surroundings,
) -> Arc<Source> {
    let source = settings.sources.iter().find(|source| source.name == name).unwrap();
    let account = Arc::new(Account::new(&source.account, &source.limits));
    let (allowance, clock) = (account.allowance().clone(), around.clock.clone());
    let lists = Arc::clone(lists);
    let list_takes = if name == "slow" { SLOW } else { CALL };
    let leaf = tower::service_fn(move |batch: Batch| {
        let asked = batch.send();
        let (seen, clock) = (seen.clone(), clock.clone());
        let mine = if batch.is_for_list() {
            let mut calls = seen.lists.lock();
            let list = lists.get(calls.len()).or_else(|| lists.last()).cloned().unwrap_or_else(|| Ok(Vec::new()));
            // its own unit is spent by now
            let left = allowance.left(Instant::now());
            let had_half = left.iter().all(|left| (left.left + 1) * 2 >= left.limit.calls as usize);
            calls.push(ListCall { sent: Instant::now(), in_flight: seen.prices.in_flight(), had_half });
            Some(list)
        } else {
            None
        };
        let in_flight = mine.is_none().then(|| seen.prices.enter(&asked));
        async move {
            sleep(if mine.is_some() { list_takes } else { CALL }).await;
            drop(in_flight);
            if let Some(list) = mine {
                batch.deliver(InstrumentList::new(list?));
                return Ok(Reply { rows: Vec::new() });
            }
            if asked.iter().any(|symbol| !traded.contains(&symbol.as_str())) {
                return Err(SourceError::UnknownSymbol("one of them is unknown".to_owned()));
            }
            let quote = |_: &Symbol| Quote::bare(Decimal::ONE_HUNDRED, clock.now().wall);
            Ok(Reply { rows: asked.iter().map(|symbol| (symbol.clone(), Ok(quote(symbol)))).collect() })
        }
    });
    let profile = Arc::new(Profile::new(source.clone(), Extractor::new(source).unwrap(), settings));
    Arc::new(Source::over(leaf, profile, account, &Metrics::default(), around))
}

/// A source of pairs that lists what it trades.
fn listing(name: &str, rest: &str) -> String {
    format!(
        "[sources.{name}]\nclasses = [\"crypto\"]\nurl = \"http://127.0.0.1:1/{{symbols}}\"\njq = \".\"\nbatch = 10\n\
         unknown = \"kills\"\nformat = \"{{base}}{{quote}}\"\n{rest}\n[sources.{name}.instruments]\n\
         url = \"http://127.0.0.1:1/symbols\"\nfilter = \".\"\nhalted = [\"halt\"]\n"
    )
}

fn names(all: &[&'static str]) -> Result<Vec<(&'static str, Option<&'static str>)>, SourceError> {
    Ok(all.iter().map(|name| (*name, None)).collect())
}

const TRADED: &[&str] = &["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD"];

#[tokio::test(start_paused = true)]
async fn in_three_days_each_vendor_is_asked_for_its_list_once_a_day_at_most() {
    let text = [
        listing("minutely", "limits = [\"20/min\"]"),
        listing("tight", "limits = [\"1/s\"]"),
        listing("free", ""),
        listing("daily", "limits = [\"5/min\", \"400/day\"]"),
        listing("reserve", "role = \"reserve\""),
    ];
    let clock = morning();
    // after a good list an empty one, one of other names, and none: whatever they say, what is quoted stays
    let lists = vec![
        names(&["BTCUSD", "ETHUSD", "ADAUSD"]),
        names(&[]),
        names(&["A", "B", "C"]),
        Err(SourceError::unavailable("503")),
    ];
    let world = World::new(&text.concat(), &clock, TRADED, &lists);
    let (mut priced, mut asked) = (0, 0);
    for round in 0..3 * 24 * 20 {
        let query = if round % 2 == 0 { "symbols=BTC-USD,SOL-USD" } else { "symbols=BTC-USD&refresh_after=0s" };
        let (one, other) = tokio::join!(world.ask(query), world.ask("symbols=BTC-USD&timeout=1s"));
        for price in one.prices().into_iter().chain(other.prices()).filter(|price| price.symbol.as_str() == "BTC-USD") {
            asked += 1;
            priced += usize::from(price.folded.is_some());
        }
        sleep(Duration::from_secs(180)).await;
    }
    assert_eq!(priced, asked, "a symbol that is quoted is never unlisted");
    for name in ["minutely", "tight", "free"] {
        let calls = world.lists(name);
        assert!((2..=4).contains(&calls.len()), "{name}: {calls:?}");
        assert!(calls.windows(2).all(|pair| pair[1].sent - pair[0].sent >= DAY), "{name}: {calls:?}");
        assert!(calls.iter().all(|call| call.in_flight == 0 && call.had_half), "{name}: {calls:?}");
    }
    assert!(most_in_a_window(&world.seen["minutely"].prices, Duration::from_secs(60)) <= 20);
    assert!(["daily", "reserve"].iter().all(|name| world.lists(name).is_empty()), "scarce calls are for prices");
}

#[tokio::test(start_paused = true)]
async fn no_list_is_asked_for_while_callers_keep_a_source_busy() {
    let world = World::new(&listing("busy", ""), &morning(), TRADED, &[names(&["BTCUSD"])]);
    let poll = |offset: u64| {
        let world = &world;
        async move {
            sleep(Duration::from_millis(offset)).await;
            for _ in 0..2_000 {
                world.ask("symbols=BTC-USD&refresh_after=0s").await;
            }
        }
    };
    // each call takes 80 ms, and the next caller's has begun before it ends
    tokio::join!(poll(0), poll(30), async {
        for _ in 0..1_000 {
            world.ask("symbols=ETH-USD&refresh_after=0s").await;
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(world.lists("busy").iter().all(|call| call.in_flight == 0));
}

/// A source that has quoted BTC-USD, and whose list of BTC and ETH has come.
async fn listed(clock: &Clock) -> World {
    let world = World::new(&listing("alpha", ""), clock, TRADED, &[names(&["BTCUSD", "ETHUSD"])]);
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.lists("alpha").len(), 1);
    world
}

#[tokio::test(start_paused = true)]
async fn a_listed_symbol_travels_with_one_that_was_quoted() {
    let world = listed(&morning()).await;
    let symbols: Vec<String> = world.service.sources()[0].listed().iter().map(Symbol::to_string).collect();
    assert_eq!(symbols, ["BTC-USD", "ETH-USD"]);
    sleep(Duration::from_secs(60)).await;
    world.ask("symbols=BTC-USD,ETH-USD").await;
    let mut last = world.calls("alpha").pop().unwrap();
    last.sort();
    assert_eq!(last, ["BTC-USD", "ETH-USD"]);
}

#[tokio::test(start_paused = true)]
async fn a_listed_symbol_is_found_by_a_part_of_its_name() {
    let world = listed(&morning()).await;
    let found = world.service.search(&Search::new("eth", 5).unwrap()).await;
    assert!(found.symbols.iter().any(|found| found.symbol == "ETH-USD" && found.known), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_listed_is_denied_for_an_hour_and_then_asked_for_alone() {
    let world = listed(&morning()).await;
    let calls = world.calls("alpha").len();
    let answer = world.ask("symbols=SOL-USD").await;
    let denied = &answer.prices()[0].quotes[0];
    assert_eq!(denied.reason(), Some("unknown_symbol"));
    assert_eq!(world.calls("alpha").len(), calls, "no call was made");
    let retry_at = denied.outcome.failure.as_ref().unwrap().retry_at.unwrap();
    let wait = retry_at.duration_since(world.service.clock().now().wall).as_secs();
    assert!((3590..=3600).contains(&wait), "it says when the vendor is asked again: {wait} s");
    // an hour later the vendor itself is asked, and has it after all
    advance(HOUR).await;
    world.ask("symbols=BTC-USD,SOL-USD,XRP-USD").await;
    let mut since = world.calls("alpha").split_off(calls);
    since.sort();
    assert_eq!(since, [vec!["BTC-USD"], vec!["SOL-USD"], vec!["XRP-USD"]]);
    // from now on it is quoted, so the list says nothing of it
    sleep(Duration::from_secs(60)).await;
    world.ask("symbols=BTC-USD,SOL-USD").await;
    assert_eq!(world.calls("alpha").last().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_wants_everything_anew_asks_past_the_list() {
    let world = listed(&morning()).await;
    assert_eq!(world.reasons("symbols=SOL-USD&refresh_after=0s").await, [None]);
    assert_eq!(world.calls("alpha").last().unwrap(), &["SOL-USD"]);
}

#[tokio::test(start_paused = true)]
async fn a_status_labels_the_quote_if_it_is_one_of_the_files_words() {
    let clock = morning();
    let list = vec![("BTCUSD", None), ("ETHUSD", Some("halt")), ("SOLUSD", Some("cancel_only"))];
    let world = World::new(&listing("alpha", ""), &clock, TRADED, &[Ok(list)]);
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(60)).await;
    let answer = world.ask("symbols=BTC-USD,ETH-USD,SOL-USD").await;
    let verdicts: Vec<Verdict> = answer.prices().iter().map(|price| price.quotes[0].verdict).collect();
    assert_eq!(verdicts, [Verdict::Used, Verdict::Excluded(Exclusion::Halted), Verdict::Used]);
    let halted = answer.prices()[1];
    assert!(halted.quotes[0].outcome.quote.is_some(), "the quote is shown");
    assert_eq!(halted.quotes[0].reason(), Some("halted"));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lies_costs_one_call_and_then_confirms_no_more() {
    let clock = morning();
    let world = World::new(&listing("alpha", ""), &clock, TRADED, &[names(&["BTCUSD", "FOOUSD"])]);
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(60)).await;
    world.ask("symbols=BTC-USD,FOO-USD").await;
    sleep(Duration::from_secs(60)).await;
    let calls = world.calls("alpha").len();
    for _ in 0..10 {
        let answer = world.ask("symbols=BTC-USD,FOO-USD").await;
        assert!(answer.prices()[0].folded.is_some());
        sleep(Duration::from_secs(60)).await;
    }
    let since = world.calls("alpha").split_off(calls);
    assert!(since.iter().all(|call| call.len() == 1), "{since:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_gives_way_to_a_caller_who_needs_its_slot() {
    let clock = morning();
    let world = World::new(&listing("slow", "concurrency = 1"), &clock, TRADED, &[names(&["BTCUSD"])]);
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(world.lists("slow").len(), 1, "it is under way");
    assert_eq!(world.reasons("symbols=ETH-USD&timeout=2s").await, [None]);
    sleep(HOUR).await;
    assert!(world.service.sources()[0].listed().is_empty());
    world.ask("symbols=BTC-USD").await;
    sleep(HOUR).await;
    assert_eq!(world.lists("slow").len(), 1, "the vendor was asked, so it is not asked again on that day");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_list_is_known_and_not_asked_for_again() {
    let clock = morning();
    let before = listed(&clock).await;
    let state = take(&before.service, &UnconfiguredAccounts::new(), clock.now());
    let after = World::new(&listing("alpha", ""), &clock, TRADED, &[names(&["BTCUSD"])]);
    give(&after.service, state, clock.now());
    assert_eq!(after.service.sources()[0].listed().len(), 2);
    for _ in 0..23 {
        after.ask("symbols=BTC-USD&refresh_after=0s").await;
        sleep(HOUR).await;
    }
    assert!(after.lists("alpha").is_empty());
    sleep(2 * HOUR).await;
    after.ask("symbols=BTC-USD&refresh_after=0s").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(after.lists("alpha").len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_lists_say_what_is_traded_and_quoted_keeps_its_price(
        lists in proptest::collection::vec(
            proptest::collection::btree_set(prop::sample::select(vec!["BTCUSD", "ETHUSD", "SOLUSD", "X", "Y", "Z"]), 0..6),
            1..4,
        ),
        pauses in proptest::collection::vec(1_u64..30 * 3600, 4..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let lists: Vec<List> = lists.iter().map(|set| Ok(set.iter().map(|name| (*name, None)).collect())).collect();
            let world = World::new(&listing("alpha", ""), &morning(), TRADED, &lists);
            let has_price = |answer: &quotefold::answer::Answer| answer.prices().iter().all(|price| price.folded.is_some());
            world.ask("symbols=BTC-USD,ETH-USD").await;
            for pause in &pauses {
                sleep(Duration::from_secs(*pause)).await;
                let answer = world.ask("symbols=BTC-USD,ETH-USD").await;
                assert!(has_price(&answer), "{:?}", world.lists("alpha"));
            }
            let calls = world.lists("alpha");
            assert!(calls.windows(2).all(|pair| pair[1].sent - pair[0].sent >= DAY));
            assert!(calls.iter().all(|call| call.in_flight == 0));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_read_by_another_filter_is_forgotten() {
    let clock = morning();
    let before = listed(&clock).await;
    let state = take(&before.service, &UnconfiguredAccounts::new(), clock.now());
    let other = listing("alpha", "").replace("filter = \".\"", "filter = \".[]\"");
    let after = World::new(&other, &clock, TRADED, &[names(&["BTCUSD"])]);
    give(&after.service, state, clock.now());
    assert!(after.service.sources()[0].listed().is_empty());
    assert_eq!(after.reasons("symbols=SOL-USD").await, [None]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_user_or_a_reply_gives_is_not_unlisted() {
    let rest = "aliases = { XETHUSD = \"ETHUSD\" }\nspelled = { \"SOL-USD\" = \"SOLX\" }";
    let lists = [names(&["BTCUSD", "XETHUSD"])];
    let world = World::new(&listing("alpha", rest), &morning(), TRADED, &lists);
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.lists("alpha").len(), 1);
    for symbol in ["ETH-USD", "SOL-USD"] {
        assert_eq!(world.reasons(&format!("symbols={symbol}")).await, [None], "{symbol}");
    }
    assert_eq!(world.reasons("symbols=XRP-USD").await, [Some("unknown_symbol")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_quoted_does_not_wait_for_listed_symbols_that_fail_with_it() {
    let unpriced = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK", "LLL"];
    let listed: Vec<&'static str> = vec![
        "BTCUSD", "AAAUSD", "BBBUSD", "CCCUSD", "DDDUSD", "EEEUSD", "FFFUSD", "GGGUSD", "HHHUSD", "IIIUSD", "JJJUSD",
        "KKKUSD", "LLLUSD",
    ];
    let world = World::new(&listing("alpha", "limits = [\"2/s\"]"), &morning(), TRADED, &[names(&listed)]);
    world.ask("symbols=BTC-USD").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.lists("alpha").len(), 1);
    let all: Vec<String> = unpriced.iter().map(|base| format!("{base}-USD")).collect();
    let query = format!("symbols=BTC-USD,{}&refresh_after=2s&timeout=2s", all.join(","));
    let before = world.calls("alpha").len();
    for _ in 0..20 {
        world.ask(&query).await;
        sleep(Duration::from_secs(5)).await;
    }
    let since = world.calls("alpha").split_off(before);
    let alone = since.iter().filter(|call| call.as_slice() == ["BTC-USD"]).count();
    assert!(alone >= 18, "{since:?}");
}
