//! How often a request looks at the board.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::*;
use crate::board::{LOOKS, Look};
use crate::profile::Profile;
use crate::provider::extract::Extractor;
use crate::quote::Quote;
use crate::settings::load::{LoadOptions, load};
use crate::source::account::Account;
use crate::source::batch::{Batch, Reply};
use crate::symbol::Symbol;

/// Sources of which some trade against tethers and some are reserves, over vendors that quote everything at one.
fn service(sources: usize) -> Quotefold {
    let source = |number: usize| {
        let more = match number % 3 {
            0 => "currencies = [\"USDT\", \"EUR\"]",
            1 => "currencies = [\"USD\"]",
            _ => "currencies = [\"USD\"]\nrole = \"reserve\"",
        };
        format!(
            "[sources.s{number}]\nclasses = [\"crypto\", \"fx\"]\nurl = \"http://x.test/{{symbols}}\"\nbatch = 50\njq = \".\"\n{more}\n"
        )
    };
    let text = Some(("the settings".to_owned(), (0..sources).map(source).collect()));
    let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
    let clock = Clock::starting_at("2026-11-20T14:31:00Z".parse().unwrap());
    let around = Surroundings {
        board: Arc::new(Board::new(1000)),
        clock: clock.clone(),
        tasks: TaskTracker::new(),
        budget: settings.server.timeout,
    };
    let over = |set: &crate::provider::description::SourceSettings| {
        let clock = clock.clone();
        let leaf = tower::service_fn(move |batch: Batch| {
            let (asked, now) = (batch.send(), clock.now().wall);
            let rows = asked.into_iter().map(|symbol| (symbol, Ok(Quote::bare(Decimal::ONE, now)))).collect();
            std::future::ready(Ok(Reply { rows }))
        });
        let account = Arc::new(Account::new(&set.account, &set.limits));
        let profile = Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings));
        Arc::new(Source::over(leaf, profile, account, &Metrics::default(), &around))
    };
    let sources = settings.sources.iter().map(over).collect();
    Quotefold::over(settings.clone(), sources, &around, Metrics::default())
}

/// Answers a query. Gives the looks that were for all of a symbol's sources, by symbol, and the number of those for one source.
async fn looks(service: &Quotefold, query: &str) -> (BTreeMap<Symbol, usize>, usize) {
    let question = Question::parse(query, service.bounds(), service.clock().now()).unwrap();
    LOOKS.take();
    service.answer(&question).await;
    let (mut all, mut of_one) = (BTreeMap::new(), 0);
    for look in LOOKS.take() {
        match look {
            Look::All(symbol) => *all.entry(symbol).or_insert(0) += 1,
            Look::One(..) => of_one += 1,
        }
    }
    (all, of_one)
}

#[tokio::test(start_paused = true)]
async fn a_request_looks_at_each_symbol_at_most_twice_however_many_sources_there_are() {
    for sources in [3, 9, 18] {
        let service = service(sources);
        let query = "symbols=AAA-USD,BBB-USD,CCC-EUR,EUR-USD&currency=CHF";
        for round in ["empty", "fresh"] {
            let (all, of_one) = looks(&service, query).await;
            assert!(all.values().all(|looks| *looks <= 2), "{sources} sources, {round} board: {all:?}");
            // whether a call is needed is checked once more where it would be made
            assert!(round == "empty" || of_one == 0, "{sources} sources, {round} board: {of_one}");
        }
    }
}
