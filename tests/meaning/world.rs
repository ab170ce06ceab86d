//! A service over vendors that say what a table says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::board::Board;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::metrics::Metrics;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::question::Question;
use quotefold::quote::Quote;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::{Source, Surroundings};
use quotefold::symbol::{Currency, Symbol};
use serde_json::Value;
use tokio_util::task::TaskTracker;

/// A Friday afternoon, when every market is open.
pub(crate) const FRIDAY: &str = "2026-11-20T14:31:00Z";

/// What a vendor says about one symbol.
#[derive(Clone, Copy)]
pub(crate) struct Says {
    price: &'static str,
    currency: Option<&'static str>,
    /// How old the price says it is; `None`: it states no time.
    old: Option<SignedDuration>,
    session: Option<quotefold::quote::Session>,
}

/// What the vendors say, by source and symbol, and what they were asked.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    says: BTreeMap<(String, String), Says>,
    /// Sources that never reply.
    silent: BTreeSet<String>,
    asked: Vec<(String, String)>,
}

pub(crate) struct World {
    pub(crate) service: Quotefold,
    script: Script,
}

/// A source of the test's own: its name, its only class, and further keys.
pub(crate) fn source(name: &str, class: &str, more: &str) -> String {
    format!(
        "[sources.{name}]\nclasses = [\"{class}\"]\nurl = \"http://x.test/{{symbols}}\"\nbatch = 9\njq = \".\"\n{more}\n"
    )
}

/// A price that states no time.
pub(crate) fn says(price: &'static str) -> Says {
    Says { price, currency: None, old: None, session: None }
}

impl Says {
    /// The same, in a unit that it states.
    pub(crate) fn in_unit(self, unit: &'static str) -> Self {
        Says { currency: Some(unit), ..self }
    }

    /// The same, stating that it is so old.
    pub(crate) fn old(self, old: Duration) -> Self {
        Says { old: Some(old.try_into().unwrap()), ..self }
    }

    /// The same, stating that it is so far ahead.
    pub(crate) fn ahead(self, ahead: Duration) -> Self {
        Says { old: Some(-SignedDuration::try_from(ahead).unwrap()), ..self }
    }

    /// The same, stating a session.
    pub(crate) fn session(self, session: quotefold::quote::Session) -> Self {
        Says { session: Some(session), ..self }
    }

    fn quote(&self, now: Timestamp) -> Quote {
        let price = quotefold::decimal::read(self.price).unwrap();
        let (currency, places) = self.currency.map(Currency::of_unit).unzip();
        let price = price * rust_decimal::Decimal::new(1, places.unwrap_or(0));
        let observed_at = self.old.map(|old| now - old);
        Quote { currency, observed_at, session: self.session, ..Quote::bare(price, now) }
    }
}

impl Script {
    async fn reply(self, source: String, asked: Vec<Symbol>, clock: Clock) -> Result<Reply, SourceError> {
        let silent = {
            let mut state = self.0.lock().unwrap();
            let asked = asked.iter().map(|symbol| (source.clone(), symbol.to_string()));
            state.asked.extend(asked.collect::<Vec<_>>());
            state.silent.contains(&source)
        };
        if silent {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let state = self.0.lock().unwrap();
        let now = clock.now().wall;
        let row = |symbol: Symbol| {
            let said = state.says.get(&(source.clone(), symbol.to_string()));
            let outcome = said.map(|says| says.quote(now));
            let unknown = || SourceError::UnknownSymbol(format!("there is no {symbol} here"));
            let outcome = outcome.ok_or_else(unknown);
            (symbol, outcome)
        };
        Ok(Reply { rows: asked.into_iter().map(row).collect() })
    }
}

impl World {
    /// The sources of a configuration, on a Friday afternoon.
    pub(crate) fn of(settings: &str) -> Self {
        Self::at(FRIDAY, settings)
    }

    /// Two venues that quote bitcoin in dollars and two banks that quote the euro, each of them alike.
    pub(crate) fn of_dollars(bitcoin: Says, euro: Says) -> Self {
        let venue = |name| source(name, "crypto", "currencies = [\"USD\"]");
        let sources = [venue("one"), venue("two"), source("money", "fx", ""), source("bank", "fx", "")];
        let world = Self::of(&sources.concat());
        for (venue, bank) in [("one", "money"), ("two", "bank")] {
            world.say(venue, "BTC-USD", bitcoin).say(bank, "EUR-USD", euro);
        }
        world
    }

    /// The sources of a configuration, at a time.
    pub(crate) fn at(time: &str, settings: &str) -> Self {
        let text = Some(("the settings".to_owned(), settings.to_owned()));
        let settings =
            load(&LoadOptions { text, ..LoadOptions::default() }).unwrap_or_else(|errors| panic!("{errors:?}"));
        let clock = Clock::starting_at(time.parse().unwrap());
        let around = Surroundings {
            board: Arc::new(Board::new(1000)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let script = Script::default();
        let sources = settings.sources.iter().map(|set| {
            let (script, clock, name) = (script.clone(), clock.clone(), set.name.clone());
            let leaf = tower::service_fn(move |batch: Batch| {
                let asked = batch.send();
                script.clone().reply(name.clone(), asked, clock.clone())
            });
            let account = Arc::new(Account::new(&set.account, &set.limits));
            let profile = Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings));
            Arc::new(Source::over(leaf, profile, account, &Metrics::default(), &around))
        });
        let sources = sources.collect();
        World { service: Quotefold::over(settings, sources, &around, Metrics::default()), script }
    }

    /// What a source says about a symbol from now on.
    pub(crate) fn say(&self, source: &str, symbol: &str, says: Says) -> &Self {
        self.script.0.lock().unwrap().says.insert((source.to_owned(), symbol.to_owned()), says);
        self
    }

    /// A source that never replies from now on.
    pub(crate) fn silence(&self, source: &str) {
        self.script.0.lock().unwrap().silent.insert(source.to_owned());
    }

    /// What a source has been asked for, in order.
    pub(crate) fn asked(&self, source: &str) -> Vec<String> {
        let state = self.script.0.lock().unwrap();
        state.asked.iter().filter(|(asked, _)| asked == source).map(|(_, symbol)| symbol.clone()).collect()
    }

    /// The answer to a query.
    pub(crate) async fn answer(&self, query: &str) -> Answer {
        let question = Question::parse(query, &self.service.bounds(), self.service.clock().now()).unwrap();
        self.service.answer(&question).await
    }

    /// The entries of the answer to a query, as a caller reads them.
    pub(crate) async fn ask(&self, query: &str) -> Vec<Value> {
        let answer = self.answer(query).await;
        let body = answer.body(self.service.clock().now().wall).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["prices"].as_array().unwrap().clone()
    }

    /// The only entry of the answer to a query.
    pub(crate) async fn ask_one(&self, query: &str) -> Value {
        let entries = self.ask(query).await;
        assert_eq!(entries.len(), 1);
        entries.into_iter().next().unwrap()
    }
}

/// A symbol's status and reason: `degraded / few_sources`, or `ok`.
pub(crate) fn status(entry: &Value) -> String {
    match (entry["status"].as_str().unwrap(), entry["reason"].as_str()) {
        (status, Some(reason)) => format!("{status} / {reason}"),
        (status, None) => status.to_owned(),
    }
}

/// What a source's quote came to.
pub(crate) fn of<'e>(entry: &'e Value, source: &str) -> &'e Value {
    let quotes = entry["quotes"].as_array().unwrap();
    quotes.iter().find(|quote| quote["source"] == source).unwrap_or_else(|| panic!("no {source} in {entry:#}"))
}
