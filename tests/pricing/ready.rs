//! What is kept of answers, and sent again while a new answer would be the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::question::Question;
use quotefold::quote::{NoMarket, Quote, Session};
use quotefold::ready::Part;
use quotefold::source::batch::Reply;
use quotefold::symbol::{Currency, Symbol};
use rust_decimal::Decimal;

use super::world::{FRIDAY, source};
use crate::support::scripted::ScriptedService;

/// A little before New York opens and London closes, on a Friday.
const BEFORE_THE_OPENING: &str = "2026-11-20T14:29:30Z";

/// Vendors of every kind: venues in several currencies, one with a scarce limit, banks, a reference, a reserve.
fn vendors() -> String {
    let fast = "[class.crypto]\nrefresh_after = \"2s\"\nusable_for = \"6s\"\nfallback_for = \"20s\"\n\
        [class.fx]\nrefresh_after = \"5s\"\nusable_for = \"30s\"\n[freshness]\nunknown_for = \"40s\"\n";
    let sources = [
        source("dollar", "crypto", "currencies = [\"USD\"]"),
        source("tether", "crypto", "currencies = [\"USDT\"]\nlimits = [\"8/min\"]"),
        source("euro", "crypto", "currencies = [\"EUR\", \"USD\"]\nrefresh_after = \"4s\""),
        source("spare", "crypto", "currencies = [\"USD\"]\nrole = \"reserve\""),
        source("bank", "fx", ""),
        source("money", "fx", ""),
        source("fixing", "fx", "role = \"reference\"\nlag = \"1h\""),
        source("ticker", "equity", ""),
        source("delayed", "equity", "lag = \"15m\""),
    ];
    format!("{fast}{}", sources.concat())
}

/// The vendors whose manners change.
const VENDORS: [&str; 9] = ["dollar", "tether", "euro", "spare", "bank", "money", "fixing", "ticker", "delayed"];
const SYMBOLS: [&str; 9] =
    ["BTC-USD", "BTC-EUR", "USDT-USD", "BTC-USDT", "EUR-USD", "USD-EUR", "AAPL", "VOD.L", "NONE-USD"];

/// How a vendor replies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Manner {
    Well,
    /// Its prices say that they are this many seconds old; less than zero is ahead.
    Stating(i64),
    Down,
    RateLimits,
    /// It rate-limits us for this many seconds.
    LimitsFor(u64),
    /// The same, and it takes no time to say so.
    LimitsAtOnce(u64),
    /// It has a book: so many seconds old is the last trade, and so many the book.
    Book(i64, i64),
    /// Its prices are from another session than the regular one.
    AfterHours,
    /// It says that trading is halted.
    Halted,
    /// It also has the pair that markets write the other way.
    Inverse,
    /// It has none of the symbols.
    Denies,
    /// Its quotes are off by a tenth.
    Off,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Wait(u64),
    Behave(usize, Manner),
    Move(usize, i64),
    SetClock(i64),
    Ask(String),
}

#[derive(Default)]
struct Script {
    manners: BTreeMap<String, Manner>,
    moved: BTreeMap<String, i64>,
}

pub(super) struct Town {
    scripted: ScriptedService,
    script: Arc<Mutex<Script>>,
    /// How far the wall clock was set.
    set: Arc<Mutex<SignedDuration>>,
}

impl Town {
    fn at(time: &str) -> Self {
        Self::over(time, &vendors())
    }

    /// The vendors of a configuration, at a time.
    pub(super) fn over(time: &str, settings: &str) -> Self {
        let (script, set): (Arc<Mutex<Script>>, Arc<Mutex<SignedDuration>>) = Default::default();
        let steady = Clock::starting_at(time.parse().unwrap());
        let by = Arc::clone(&set);
        let clock = Clock::from_fn(move || steady.now().wall + *by.lock());
        let replies = Arc::clone(&script);
        let scripted = ScriptedService::new(settings, &clock, move |name, asked, clock| {
            let (script, name) = (Arc::clone(&replies), name.to_owned());
            Box::pin(async move {
                let is_quick = matches!(script.lock().manners.get(&name), Some(Manner::LimitsAtOnce(_)));
                if !is_quick {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
                script.lock().reply(&name, asked, clock.now().wall)
            })
        });
        Town { scripted, script, set }
    }

    pub(super) fn service(&self) -> &Quotefold {
        &self.scripted.service
    }

    fn calls(&self) -> usize {
        let names = self.service().sources().iter().map(|source| source.profile.name());
        names.map(|name| self.scripted.log(name).calls().len()).sum()
    }

    /// The counters of quotes.
    fn counted(&self) -> BTreeMap<String, i64> {
        let page = self.service().metrics().render().unwrap();
        let lines = page.lines().filter(|line| line.starts_with("quotefold_source_quotes_total"));
        let read = |line: &str| line.rsplit_once(' ').map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
        lines.filter_map(read).filter(|(_, count)| *count > 0).collect()
    }

    /// How a vendor replies from now on.
    pub(super) fn behave(&self, vendor: &str, manner: Manner) {
        self.script.lock().manners.insert(vendor.to_owned(), manner);
    }

    pub(super) async fn answer(&self, query: &str) -> Answer {
        self.scripted.ask(query).await
    }

    pub(super) async fn wait(milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    /// Asks, and checks that what is ready is what the ordinary path answers. Returns whether it was ready.
    pub(super) async fn ask(&self, query: &str) -> bool {
        let service = self.service();
        let now = service.clock().now();
        let question = Question::parse(query, service.bounds(), now).unwrap();
        let counted = [self.counted()];
        let ready = service.ready_answer(&question).map(|ready| {
            let one = ready.single_body(&question, now.wall);
            (ready.code, ready.completeness, joined(&ready.parts(&question, now.wall).unwrap()), one)
        });
        let counted = [counted, [self.counted()]].concat();
        let calls = self.calls();
        let answer = service.answer(&question).await;
        let Some((code, completeness, body, one)) = ready else { return false };
        assert_eq!((self.calls(), service.clock().now()), (calls, now), "{query}: the ordinary path makes a call");
        assert_eq!((code, completeness), (answer.code, answer.completeness), "{query}");
        let fresh = text(&answer.body(now.wall).unwrap());
        assert_same(&text(&body), &fresh, query);
        if question.symbols.len() == 1 {
            assert_eq!(text(&one), text(&answer.single_body(now.wall).unwrap()), "{query}");
        }
        let counted = [counted, vec![self.counted()]].concat();
        // the body and the single body have both counted
        let more = |later: usize| -> BTreeMap<&String, i64> {
            let before = |name| counted[later - 1].get(name).copied().unwrap_or_default();
            let more = counted[later].iter().map(|(name, count)| (name, count - before(name)));
            more.filter(|(_, more)| *more > 0).collect()
        };
        let twice: BTreeMap<&String, i64> = more(2).into_iter().map(|(name, count)| (name, 2 * count)).collect();
        assert_eq!(more(1), twice, "{query}: counted otherwise");
        true
    }

    async fn step(&self, step: &Step) -> bool {
        match step {
            Step::Wait(milliseconds) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            Step::Behave(vendor, manner) => {
                self.script.lock().manners.insert(VENDORS[*vendor].to_owned(), *manner);
            }
            Step::Move(symbol, by) => drop(self.script.lock().moved.insert(SYMBOLS[*symbol].to_owned(), *by)),
            Step::SetClock(seconds) => *self.set.lock() += SignedDuration::from_secs(*seconds),
            Step::Ask(query) => return self.ask(query).await,
        }
        false
    }
}

impl Script {
    fn reply(&self, vendor: &str, asked: Vec<Symbol>, now: Timestamp) -> Result<Reply, SourceError> {
        let manner = self.manners.get(vendor).copied().unwrap_or(Manner::Well);
        match manner {
            Manner::LimitsFor(seconds) | Manner::LimitsAtOnce(seconds) => {
                let retry_after = Some(Duration::from_secs(seconds));
                return Err(SourceError::RateLimited { detail: "too many".into(), retry_after });
            }
            Manner::Down => return Err(SourceError::unavailable("503")),
            Manner::RateLimits => {
                return Err(SourceError::RateLimited { detail: "too many".into(), retry_after: None });
            }
            _ => {}
        }
        let row = |symbol: Symbol| {
            let quote = self.quote(&symbol, manner, now).filter(|_| manner != Manner::Denies);
            let quote = quote.ok_or_else(|| SourceError::UnknownSymbol(format!("there is no {symbol} here")));
            (symbol, quote)
        };
        Ok(Reply { rows: asked.into_iter().map(row).collect() })
    }

    fn quote(&self, symbol: &Symbol, manner: Manner, now: Timestamp) -> Option<Quote> {
        let (usual, currency) = match symbol.as_str() {
            "BTC-USD" | "BTC-USDT" => (9_500_000, None),
            "BTC-EUR" => (8_200_000, None),
            "USDT-USD" => (100, None),
            "EUR-USD" => (116, None),
            "USD-EUR" if manner == Manner::Inverse => (86, None),
            "USD-GBP" => (75, None),
            "GBP-USD" => (133, None),
            "EUR-GBP" => (87, None),
            "ETH-USD" | "ETH-USDT" => (300_000, None),
            "USDT-EUR" => (86, None),
            "USD-JPY" => (15_700, None),
            "AAPL" | "US0378331005" => (23_100, Some("USD")),
            "VOD.L" => (7_500, Some("GBp")),
            _ => return None,
        };
        let moved = self.moved.get(symbol.as_str()).copied().unwrap_or_default();
        let price =
            Decimal::new(usual * 10 + moved, 3) * if manner == Manner::Off { Decimal::new(11, 1) } else { 1.into() };
        let (currency, places) = currency.map(Currency::of_unit).unzip();
        let observed_at = match manner {
            Manner::Stating(seconds) | Manner::Book(seconds, _) => Some(now - SignedDuration::from_secs(seconds)),
            _ => None,
        };
        let price = price * Decimal::new(1, places.unwrap_or(0));
        let mut quote = Quote { currency, observed_at, ..Quote::bare(price, now) };
        match manner {
            Manner::Book(_, seconds) => {
                let side = |by: i64| Some(price * Decimal::new(by, 3));
                quote = Quote {
                    bid: side(1001),
                    ask: side(1003),
                    book_at: Some(now - SignedDuration::from_secs(seconds)),
                    ..quote
                };
            }
            Manner::AfterHours => quote.session = Some(Session::Post),
            Manner::Halted => quote.no_market = Some(NoMarket::Halted),
            _ => {}
        }
        Some(quote)
    }
}

/// A body in one piece.
pub(super) fn joined(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(AsRef::as_ref).copied().collect()
}

/// A body without the times at which its prices were folded.
fn text(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut parts = text.split("\"as_of\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('"').map_or(part, |(_, rest)| rest));
    rest.fold(first, |text, part| text + "\"as_of\":" + part)
}

/// Compares two texts, and shows where they part.
fn assert_same(ready: &str, new: &str, query: &str) {
    let part = ready.bytes().zip(new.bytes()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| text[part.saturating_sub(300)..text.len().min(part + 100)].to_owned();
    assert!(ready == new, "{query}\nready …{}…\nnew …{}…", around(ready), around(new));
}

pub(super) fn any_manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        3 => Just(Manner::Well),
        2 => (-20_i64..90).prop_map(Manner::Stating),
        1 => Just(Manner::Down),
        1 => Just(Manner::RateLimits),
        1 => Just(Manner::Denies),
        1 => Just(Manner::Off),
    ]
}

fn any_query() -> impl Strategy<Value = String> {
    let symbols = proptest::sample::subsequence(SYMBOLS.to_vec(), 1..4).prop_shuffle();
    let more = proptest::sample::select(vec![
        "",
        "",
        "",
        "&quotes=false",
        "&currency=EUR",
        "&currency=USD",
        "&refresh_after=1s",
        "&refresh_after=0s",
        "&refresh_after=3s",
        "&refresh_after=30s",
        "&require=ok",
        "&wait=quorum",
        "&wait=100ms",
        "&refresh=background",
        "&max_age=10s",
        "&sources=dollar,euro",
        "&timeout=1s",
    ]);
    (symbols, more).prop_map(|(symbols, more)| format!("symbols={}{more}", symbols.join(",")))
}

fn any_step() -> impl Strategy<Value = Step> {
    let short = prop_oneof![0_u64..50, 0_u64..3_000, 0_u64..40_000];
    prop_oneof![
        6 => any_query().prop_map(Step::Ask),
        3 => short.prop_map(Step::Wait),
        1 => (0..VENDORS.len(), any_manner()).prop_map(|(vendor, manner)| Step::Behave(vendor, manner)),
        1 => (0..SYMBOLS.len(), -9_i64..9).prop_map(|(symbol, by)| Step::Move(symbol, by)),
    ]
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

/// How many histories are tried, always the same: a change is judged by what it changes. Longer runs by hand try others.
const CASES: u32 = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, rng_seed: RngSeed::Fixed(1), max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_ready_is_what_a_new_answer_would_be(
        steps in proptest::collection::vec(any_step(), 1..60),
        again in any_query(),
        steps_of_clock in proptest::collection::vec((0_usize..60, -70_i64..70), 0..2),
    ) {
        run(async {
            let town = Town::at(BEFORE_THE_OPENING);
            for (number, step) in steps.iter().enumerate() {
                town.step(step).await;
                for (_, seconds) in steps_of_clock.iter().filter(|(at, _)| *at == number) {
                    town.step(&Step::SetClock(*seconds)).await;
                }
                if matches!(step, Step::Ask(_)) {
                    // asked once more, in case it has become ready, and once another question
                    town.step(step).await;
                    town.step(step).await;
                    town.ask(&again).await;
                }
            }
        });
    }
}

#[test]
fn an_answer_from_the_board_is_ready_the_second_time() {
    run(async {
        let town = Town::at(FRIDAY);
        for query in ["symbols=AAPL", "symbols=BTC-USD,USDT-USD", "symbols=EUR-USD,USD-EUR&currency=EUR"] {
            assert!(!town.ask(query).await, "{query}: nothing is known");
            assert!(!town.ask(query).await, "{query}: it is on the board, and was never answered from there");
            assert!(town.ask(query).await, "{query}");
            assert!(town.ask(&format!("{query}&quotes=false")).await, "{query}");
            assert!(town.ask(&format!("{query}&require=all&timeout=1s")).await, "{query}");
            for unusual in ["refresh_after=0s", "max_age=1s", "sources=dollar,bank,ticker"] {
                assert!(!town.ask(&format!("{query}&{unusual}")).await, "{query}: {unusual}");
            }
        }
    });
}

#[test]
fn a_source_that_is_left_alone_keeps_no_answer_from_being_ready() {
    run(async {
        let town = Town::at(FRIDAY);
        town.step(&Step::Behave(0, Manner::Down)).await;
        let mut ready = 0;
        for _ in 0..10 {
            ready += usize::from(town.ask("symbols=BTC-USD,USDT-USD").await);
        }
        assert!(ready >= 6, "{ready} of 10");
    });
}

#[test]
fn an_outcome_of_a_rate_ends_what_was_made_with_it() {
    run(async {
        let town = Town::at(FRIDAY);
        for _ in 0..3 {
            town.ask("symbols=BTC-USD").await;
        }
        assert!(town.ask("symbols=BTC-USD").await);
        town.step(&Step::Move(2, 1)).await;
        town.step(&Step::Wait(1_100)).await;
        assert!(town.ask("symbols=BTC-USD").await);
        // the rate alone is fetched again
        town.ask("symbols=USDT-USD&refresh_after=0s").await;
        assert!(!town.ask("symbols=BTC-USD").await);
    });
}

#[test]
fn what_one_symbol_calls_fresh_decides_nothing_about_another() {
    run(async {
        let town = Town::at(BEFORE_THE_OPENING);
        // beside BTC-EUR, the euro must be younger than it must be alone
        let both = "symbols=BTC-EUR,USD-EUR&refresh=background";
        let ask = async |query: &str| {
            for query in [query, query, query, both] {
                town.ask(query).await;
            }
        };
        ask("symbols=EUR-USD").await;
        town.step(&Step::Wait(1_970)).await;
        ask("symbols=VOD.L").await;
        town.step(&Step::Behave(4, Manner::Down)).await;
        for query in ["symbols=USDT-USD", "symbols=NONE-USD", "symbols=BTC-EUR", "symbols=USD-EUR&timeout=1s"] {
            ask(query).await;
        }
    });
}
