//! Which source is asked for what, and which symbol comes first when calls are scarce.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use super::*;
use crate::board::{Board, Fault, InARow, LOOKS, Look, Stands, Update};
use crate::clock::Clock;
use crate::failure::SourceError;
use crate::profile::Profile;
use crate::provider::extract::Extractor;
use crate::question::Bounds;
use crate::quote::Quote;
use crate::settings::load::{LoadOptions, load};

const SETTINGS: &str = r#"
[sources.alpha]
classes = ["equity"]
url = "http://127.0.0.1:1/{symbol}"
jq = "."

[sources.beta]
classes = ["equity", "crypto"]
currencies = ["USD"]
url = "http://127.0.0.1:1/{symbol}"
jq = "."
refresh_after = "10m"
"#;

/// Another source, whose account has only a daily quota.
const SISTER: &str = r#"
[sources.scarce]
classes = ["index"]
url = "http://127.0.0.1:1/{symbol}"
jq = "."
limits = ["25/day"]
"#;

/// A board and sources, with a clock that stands still.
struct World {
    settings: Settings,
    sources: Profiles,
    board: Board,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        Self::with(SETTINGS)
    }

    fn with(settings: &str) -> Self {
        let text = Some(("the settings".to_owned(), settings.to_owned()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let profile = |source: &crate::provider::description::SourceSettings| {
            Arc::new(Profile::new(source.clone(), Extractor::new(source).unwrap(), &settings))
        };
        let sources = Profiles::new(settings.sources.iter().map(profile).collect());
        let clock = Clock::starting_at("2026-11-20T14:31:00Z".parse().unwrap());
        World { settings, sources, board: Board::new(100), clock }
    }

    fn land(&self, source: usize, symbol: &str, update: Update) {
        let origin = Arc::clone(self.sources.get(source).unwrap().plain_origin());
        self.board.land(&origin, &Symbol::parse(symbol).unwrap(), update, self.clock.now());
    }

    /// A source says that it has no such symbol, and is believed for an hour.
    fn deny(&self, source: usize, symbol: &str) {
        let until = Stands::Until(self.clock.now().monotonic + Duration::from_secs(3600));
        self.fail(source, symbol, SourceError::UnknownSymbol(String::new()), until);
    }

    fn fail(&self, source: usize, symbol: &str, error: SourceError, stands: Stands) {
        let (latency, in_a_row) = (Duration::ZERO, InARow::default());
        self.land(source, symbol, Update::Failure(Fault { error, latency, stands, is_doubted: false, in_a_row }));
    }

    fn quote(&self, source: usize, symbol: &str) {
        let now = self.clock.now().wall;
        let quote = Quote::bare(Decimal::ONE, now);
        self.land(source, symbol, Update::Quote(quote));
    }

    async fn plan(&self, query: &str) -> Plan {
        let sources = self.sources.iter().map(|(_, source)| source.name().to_owned()).collect();
        let bounds = Bounds::of(&self.settings.server, sources, self.settings.names());
        let now = self.clock.now();
        let question = Question::parse(query, &bounds, now).unwrap();
        let (board, sources, settings) = (&self.board, &self.sources, &self.settings);
        Plan::new(PlanInput { question: &question, board, sources, settings, now }).await
    }
}

fn due(query: &SourceQuery) -> Vec<&str> {
    query.ask.due.iter().map(|(symbol, _)| symbol.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_for_what_it_covers_and_nothing_else() {
    let plan = World::new().plan("symbols=AAPL,BTC-USD,BTC-EUR,EUR-USD").await;
    assert_eq!(plan.queries.iter().map(due).collect::<Vec<_>>(), [vec!["AAPL"], vec!["BTC-USD", "AAPL"]]);
    assert_eq!(World::new().plan("symbols=AAPL&sources=beta").await.queries.len(), 1);
    assert!(World::new().plan("symbols=EUR-USD").await.queries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_clients_may_not_ask_for_costs_no_scarce_call() {
    let source = |name: &str, more: &str| {
        format!(
            "[sources.{name}]\nclasses = [\"crypto\"]\nurl = \"http://127.0.0.1:1/{{symbol}}\"\njq = \".\"\n{more}\n"
        )
    };
    let [venue, plain, dear] = [
        source("venue", "currencies = [\"USDT\"]"),
        source("plain", "symbols = [\"USDT-USD\"]"),
        source("dear", "symbols = [\"USDT-USD\"]\nrole = \"reserve\""),
    ];
    let sources = format!("{venue}{plain}{dear}");
    let asked_for_the_rate = async |allowed: &str| {
        let world = World::with(&format!("{allowed}{sources}"));
        let plan = world.plan("symbols=BTC-USD").await;
        let target = plan.targets.iter().find(|target| target.symbol.as_str() == "USDT-USD").unwrap();
        let name = |by: &SourceRoute| world.sources.get(by.source).unwrap().name().to_owned();
        target.routes.iter().map(name).collect::<BTreeSet<_>>()
    };
    let read = World::with(&sources).plan("symbols=BTC-USD").await.reads();
    assert_eq!(read.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["BTC-USD", "BTC-USDT", "USDT-USD"]);
    let both = BTreeSet::from(["plain".to_owned(), "dear".to_owned()]);
    assert_eq!(asked_for_the_rate("").await, both);
    assert_eq!(asked_for_the_rate("[server]\nsymbols = [\"BTC-*\"]\n").await, BTreeSet::from(["plain".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_first_to_short_quorums_then_to_the_longest_unanswered() {
    let world = World::new();
    // C has a quorum; A has one quote; the others none, and D was answered long ago
    world.fail(0, "D", SourceError::Missing(String::new()), Stands::LikeQuote);
    tokio::time::advance(Duration::from_secs(60)).await;
    world.quote(0, "A");
    world.quote(0, "C");
    world.quote(1, "C");
    tokio::time::advance(Duration::from_secs(61)).await;
    let plan = world.plan("symbols=C,A,D,Z,Y").await;
    assert_eq!(due(&plan.queries[0]), ["Z", "Y", "D", "A", "C"]);
    // for a caller that excludes beta, C is as short of a quorum as A
    let plan = world.plan("symbols=C,A,D,Z,Y&sources=alpha").await;
    assert_eq!(due(&plan.queries[0]), ["Z", "Y", "D", "C", "A"]);
}

#[tokio::test(start_paused = true)]
async fn a_young_quote_is_not_asked_again_but_may_ride_along_oldest_first() {
    let world = World::new();
    world.quote(0, "A");
    tokio::time::advance(Duration::from_secs(1)).await;
    world.quote(0, "B");
    world.deny(0, "NOPE");
    let plan = world.plan("symbols=B,NOPE,A,C").await;
    let query = &plan.queries[0];
    assert_eq!(due(query), ["C"]);
    // an unknown symbol never rides along: it could make the call fail for the others
    assert_eq!(query.ask.optional.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(query.settled.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_caller_gets_below_a_floor_and_denials_are_checked_last_and_rarely() {
    let world = World::new();
    for source in [0, 1] {
        world.quote(source, "A");
        world.deny(source, "NOPE");
    }
    tokio::time::advance(Duration::from_millis(4_999)).await;
    let plan = world.plan("symbols=NOPE,A&refresh_after=0s").await;
    // beta's own floor is ten minutes
    assert_eq!(plan.queries.iter().map(due).collect::<Vec<_>>(), [vec!["A"], vec![]]);
    tokio::time::advance(Duration::from_millis(1)).await;
    let plan = world.plan("symbols=NOPE,A&refresh_after=0s").await;
    // the floor does not apply to checking what it denies
    assert_eq!(plan.queries.iter().map(due).collect::<Vec<_>>(), [vec!["A", "NOPE"], vec!["NOPE"]]);
    for query in ["symbols=NOPE,A&refresh_after=1ms", "symbols=NOPE,A&max_age=1ms"] {
        assert_eq!(world.plan(query).await.queries.iter().map(due).collect::<Vec<_>>(), [vec!["A"], vec![]], "{query}");
    }
    tokio::time::advance(Duration::from_secs(3600)).await;
    let plan = world.plan("symbols=NOPE,A").await;
    assert_eq!(due(&plan.queries[1]).len(), 2, "the denial is no longer believed");
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_not_checked_where_calls_are_scarce_nor_below_the_floor() {
    let dear = ["role = \"reserve\"", "limits = [\"100/h\"]", "cost = \"symbol\"", "account = \"scarce\""];
    for key in dear {
        let world = World::with(&format!("{SETTINGS}{key}\n{SISTER}"));
        world.deny(1, "NOPE");
        tokio::time::advance(Duration::from_secs(60)).await;
        let plan = world.plan("symbols=NOPE&refresh_after=0s&sources=beta").await;
        assert!(plan.queries.iter().all(|query| due(query).is_empty()), "{key}");
    }
    let world = World::with(&format!("[freshness]\nrefresh_floor = \"20s\"\n{SETTINGS}"));
    world.deny(0, "NOPE");
    tokio::time::advance(Duration::from_millis(19_999)).await;
    assert!(due(&world.plan("symbols=NOPE&refresh_after=0s").await.queries[0]).is_empty());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(due(&world.plan("symbols=NOPE&refresh_after=0s").await.queries[0]), ["NOPE"]);
}

#[tokio::test(start_paused = true)]
async fn the_floor_of_a_daily_file_holds_for_quotes_and_not_for_failures() {
    let world = World::new();
    let due_of_beta = async || world.plan("symbols=A&refresh_after=0s&sources=beta").await.queries[0].ask.due.len();
    world.fail(1, "A", SourceError::Malformed(String::new()), Stands::WithSource);
    assert_eq!(due_of_beta().await, 1, "the source itself decides whether it may be asked");
    // a symbol missing from the file is looked for as often as the class says, however impatient the caller
    world.fail(1, "A", SourceError::Missing(String::new()), Stands::LikeQuote);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(due_of_beta().await, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(due_of_beta().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_quote_that_is_too_old_for_the_caller_is_fetched_again() {
    let world = World::new();
    world.quote(0, "A");
    world.quote(1, "A");
    tokio::time::advance(Duration::from_secs(3)).await;
    assert!(world.plan("symbols=A&max_age=10s").await.queries.iter().all(|query| due(query).is_empty()));
    // beta's own floor is ten minutes
    assert_eq!(
        world.plan("symbols=A&max_age=2s").await.queries.iter().map(due).collect::<Vec<_>>(),
        [vec!["A"], vec![]]
    );
}

/// Sources that differ in what they cover and in what a symbol costs.
const SCARCE: &str = r#"
[sources.bourse]
classes = ["equity", "fx"]
url = "http://127.0.0.1:1/{symbols}"
batch = 8
cost = "symbol"
jq = "."

[sources.central]
role = "reference"
classes = ["fx"]
url = "http://127.0.0.1:1/all"
batch = 100
jq = "."

[sources.market]
classes = ["crypto", "fx"]
currencies = ["USD", "EUR", "USDT"]
url = "http://127.0.0.1:1/{symbols}"
batch = 20
jq = "."

[sources.york]
classes = ["equity"]
format = { suffix = {} }
url = "http://127.0.0.1:1/{symbol}"
jq = "."
"#;

fn due_at<'p>(world: &World, plan: &'p Plan, source: &str) -> Vec<&'p str> {
    let is_named = |query: &&SourceQuery| world.sources.get(query.source).unwrap().name() == source;
    plan.queries.iter().find(is_named).map(due).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_rate_to_the_callers_currency_comes_before_the_prices() {
    let world = World::with(SCARCE);
    let plan = world.plan("symbols=BTC-USD,ETH-USD&currency=EUR").await;
    assert_eq!(due_at(&world, &plan, "market"), ["EUR-USD", "BTC-USD", "ETH-USD"]);
    // but not if nothing must be converted
    let plan = world.plan("symbols=BTC-USD,ETH-USD&currency=USD").await;
    assert_eq!(due_at(&world, &plan, "market"), ["BTC-USD", "ETH-USD"]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_others_can_give_takes_no_unit_from_a_price_only_here() {
    let world = World::with(SCARCE);
    let plan = world.plan("symbols=AAPL,VOD.L&currency=EUR").await;
    // market and central can both give the rates; VOD.L has no other source, and AAPL has one
    assert_eq!(due_at(&world, &plan, "bourse"), ["VOD.L", "AAPL", "EUR-GBP", "EUR-USD", "GBP-USD"]);
    // without them, the rates come first here too
    let plan = world.plan("symbols=AAPL,VOD.L&currency=EUR&sources=bourse,york").await;
    assert_eq!(due_at(&world, &plan, "bourse"), ["EUR-GBP", "EUR-USD", "VOD.L", "AAPL"]);
}

#[tokio::test(start_paused = true)]
async fn a_unit_goes_where_it_completes_a_quorum() {
    let world = World::with(SCARCE);
    let york = world.sources.place("york").unwrap();
    world.quote(york, "MSFT");
    let plan = world.plan("symbols=AAPL,KO,MSFT").await;
    assert_eq!(due_at(&world, &plan, "bourse"), ["MSFT", "AAPL", "KO"]);
    // VOD.L has no other source
    let plan = world.plan("symbols=AAPL,MSFT,VOD.L").await;
    assert_eq!(due_at(&world, &plan, "bourse"), ["VOD.L", "MSFT", "AAPL"]);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_was_refused_before_comes_first() {
    let world = World::with(SCARCE);
    let (bourse, york) = (0, 3);
    world.quote(york, "MSFT");
    let error = SourceError::Throttled { limit: "8/min".to_owned(), retry_after: Duration::from_secs(5) };
    world.land(bourse, "KO", Update::Refusal(error, world.clock.now().monotonic + Duration::from_secs(5)));
    tokio::time::advance(Duration::from_secs(5)).await;
    let plan = world.plan("symbols=AAPL,MSFT,KO").await;
    assert_eq!(due_at(&world, &plan, "bourse"), ["KO", "MSFT", "AAPL"]);
}

/// Sources that trade against USDT and, in turn, EUR or USD.
fn many_sources(count: usize) -> String {
    let source = |number: usize| {
        let currencies = if number.is_multiple_of(2) { "[\"USDT\", \"EUR\"]" } else { "[\"USD\", \"USDT\"]" };
        format!(
            "[sources.s{number}]\nclasses = [\"crypto\", \"fx\"]\ncurrencies = {currencies}\n\
             url = \"http://127.0.0.1:1/{{symbols}}\"\nbatch = 20\njq = \".\"\n"
        )
    };
    (0..count).map(source).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn a_plan_looks_each_symbol_up_once_on_the_board(
        symbols in 1_usize..40,
        sources in 1_usize..12,
        quoted in 0_usize..3,
        currency in proptest::bool::ANY,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::with(&many_sources(sources));
            let names: Vec<String> = (0..symbols).map(|number| format!("COIN{number}-USD")).collect();
            for name in &names {
                (0..quoted.min(sources)).for_each(|source| world.quote(source, name));
            }
            LOOKS.take();
            let query = format!("symbols={}{}", names.join(","), if currency { "&currency=CHF" } else { "" });
            let plan = world.plan(&query).await;
            let looks = LOOKS.take();
            let looked_at = |look: &Look| match look {
                Look::All(symbol) => symbol.clone(),
                Look::One(..) => panic!("looked up for only one source: {look:?}"),
            };
            let distinct: BTreeSet<Symbol> = looks.iter().map(looked_at).collect();
            assert!(looks.len() == distinct.len(), "looked up more than once: {looks:?}");
            assert!(plan.asked.iter().all(|(_, symbol, ())| distinct.contains(symbol)));
            assert!(plan.freshness.iter().all(|(_, symbol, _)| distinct.contains(symbol)));
        });
    }
}
