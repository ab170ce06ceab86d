//! A day in a second: scarce keys, closed markets and polling clients for 24 hours, on a clock that moves only while
//! all wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quotefold::Quotefold;
use quotefold::board::Board;
use quotefold::clock::{Clock, age};
use quotefold::fold::{Degraded, Price, Status, Verdict};
use quotefold::metrics::Metrics;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::question::Question;
use quotefold::quote::{Quote, Session};
use quotefold::settings::load::{LoadOptions, load};
use quotefold::settings::{ClassSettings, Settings};
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::{Source, Surroundings};
use quotefold::symbol::{Class, Symbol};
use rust_decimal::Decimal;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::support::{Log, most_in_a_window};

const SYMBOLS: [&str; 10] = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "BRK.B", "JPM", "KO"];

/// Five hours after midnight, so that the market that closes at 21:00 is seen open, closed and stale.
const START: &str = "2026-11-19T05:00:00Z";
const CLOSES: &str = "2026-11-19T21:00:00Z";

const SETTINGS: &str = r#"
[sources.scarce]
classes = ["equity"]
url = "http://127.0.0.1:1/{symbol}"
jq = "."
limits = ["5/min", "25/day"]

[sources.minutely]
classes = ["equity"]
url = "http://127.0.0.1:1/{symbol}"
jq = "."
limits = ["60/min"]

[sources.closing]
classes = ["equity"]
url = "http://127.0.0.1:1/{symbols}"
jq = "."
batch = 10
"#;

/// The true price of a symbol at a time, known to every vendor: it rises by a cent a minute.
fn true_price(symbol: &Symbol, at: Timestamp) -> Decimal {
    let base = i64::try_from(symbol.as_str().len()).unwrap() * 10_000;
    Decimal::new(base + (at.as_second() - START.parse::<Timestamp>().unwrap().as_second()) / 60, 2)
}

/// A vendor that tells the true price, or after its close the price at the close.
fn vendor(settings: &Settings, name: &str, closes: Option<Timestamp>, log: &Log, around: &Surroundings) -> Arc<Source> {
    let source = settings.sources.iter().find(|source| source.name == name).unwrap();
    let account = Arc::new(Account::new(name, &source.limits));
    let (log, clock) = (log.clone(), around.clock.clone());
    let leaf = tower::service_fn(move |batch: Batch| {
        let asked = batch.send();
        let in_flight = log.enter(&asked);
        let clock = clock.clone();
        async move {
            sleep(Duration::from_millis(80)).await;
            drop(in_flight);
            let now = clock.now().wall;
            let at = closes.map_or(now, |closes| now.min(closes));
            let quote = |symbol: &Symbol| Quote { observed_at: Some(at), ..Quote::bare(true_price(symbol, at), now) };
            Ok(Reply { rows: asked.iter().map(|symbol| (symbol.clone(), Ok(quote(symbol)))).collect() })
        }
    });
    let profile = Arc::new(Profile::new(source.clone(), Extractor::new(source).unwrap(), settings));
    Arc::new(Source::over(leaf, profile, account, &Metrics::default(), around))
}

/// Asserts that what an answer claims is true.
fn assert_true(price: &Price, set: &ClassSettings) {
    let used: Vec<_> = price.quotes.iter().filter(|quote| quote.verdict == Verdict::Used).collect();
    let mut oldest = Duration::ZERO;
    for judged in &used {
        let at = judged.outcome.quote.as_ref().unwrap().observed_at.unwrap();
        oldest = oldest.max(age(price.as_of, at));
        assert_eq!(judged.price, Some(true_price(&price.symbol, at)));
    }
    let accounts: BTreeSet<_> = used.iter().map(|judged| &judged.outcome.origin.account).collect();
    let claim = format!("{} at {}: {:?} with {used:#?}", price.symbol, price.as_of, price.status);
    match price.status {
        Status::Ok => assert!(accounts.len() >= 2 && oldest <= set.usable_for, "{claim}"),
        Status::Degraded(Degraded::StaleFallback) => {
            assert!(accounts.len() >= 2 && oldest > set.usable_for && oldest <= set.fallback_for, "{claim}");
        }
        Status::Degraded(Degraded::FewSources) => assert!(used.len() == 1 && oldest <= set.usable_for, "{claim}"),
        _ => panic!("{claim}"),
    }
    // while one feed trades the market is not closed, however long the other has been frozen
    assert_ne!(price.session, Some(Session::Closed), "{claim}");
    let folded = price.folded.as_ref().unwrap();
    assert_eq!(age(price.as_of, folded.observed_at.unwrap()), oldest, "{claim}");
    let (low, high) = (true_price(&price.symbol, folded.observed_at.unwrap()), true_price(&price.symbol, price.as_of));
    assert!((low..=high).contains(&folded.price), "{claim}");
}

#[tokio::test(start_paused = true)]
async fn a_day_of_polling_keeps_limits_starves_no_symbol_and_labels_answers_truly() {
    let text = Some(("the day's settings".to_owned(), SETTINGS.to_owned()));
    let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
    let set = settings.of_class(Class::Equity);
    let clock = Clock::starting_at(START.parse().unwrap());
    let around = Surroundings {
        board: Arc::new(Board::new(1000)),
        clock: clock.clone(),
        tasks: TaskTracker::new(),
        budget: settings.server.timeout,
    };
    let (scarce, minutely, closing) = (Log::default(), Log::default(), Log::default());
    let sources = vec![
        vendor(&settings, "closing", Some(CLOSES.parse().unwrap()), &closing, &around),
        vendor(&settings, "minutely", None, &minutely, &around),
        vendor(&settings, "scarce", None, &scarce, &around),
    ];
    let service = Quotefold::over(settings, sources, &around, Metrics::default());
    let query = format!("symbols={}", SYMBOLS.join(","));
    let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
    for _ in 0..24 * 360 {
        let question = Question::parse(&query, service.bounds(), clock.now()).unwrap();
        let answer = service.answer(&question).await;
        for price in answer.prices() {
            assert_true(price, &set);
            *statuses.entry(price.status).or_default() += 1;
        }
        sleep(Duration::from_secs(10)).await;
    }

    let minute = Duration::from_secs(60);
    assert!(most_in_a_window(&scarce, minute) <= 5 && most_in_a_window(&minutely, minute) <= 60);
    assert!(most_in_a_window(&scarce, minute * 60 * 24) <= 25);
    assert!(most_in_a_window(&scarce, minute * 60 * 24 / 5) <= 5, "no five minutes use up the day");
    assert!(scarce.calls().len() >= 25, "the day's calls are used: {}", scarce.calls().len());
    // ten symbols equally short of a quorum: none is asked for twice before each was asked for once
    let turns: Vec<Symbol> = scarce.calls().into_iter().flat_map(|call| call.symbols).collect();
    for round in turns.chunks(SYMBOLS.len()) {
        assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), round.len(), "{turns:?}");
    }
    // by day two feeds agree; by night one is frozen and one is nearly always used up, and the answers say so
    assert!(statuses[&Status::Ok] > 50_000, "{statuses:?}");
    assert!(statuses[&Status::Degraded(Degraded::StaleFallback)] > 10_000, "{statuses:?}");
}
