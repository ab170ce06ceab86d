//! A service over vendors whose quotes come from a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::quote::Quote;
use quotefold::source::batch::Reply;
use quotefold::symbol::{Currency, Symbol};
use serde_json::Value;

use crate::support;
use crate::support::scripted::ScriptedService;

/// A Friday afternoon, when every market is open.
pub(crate) const FRIDAY: &str = "2026-11-20T14:31:00Z";

/// How long a vendor takes to reply, unless a test says otherwise.
pub(crate) const USUAL: Duration = Duration::from_millis(50);

/// A vendor's quote of one symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    price: &'static str,
    currency: Option<&'static str>,
    /// How old the price says it is; `None`: it states no time.
    old: Option<SignedDuration>,
    session: Option<quotefold::quote::Session>,
}

/// The quotes of the vendors.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By source and symbol.
    says: BTreeMap<(String, String), Says>,
    /// Sources that never reply.
    silent: BTreeSet<String>,
    /// Sources that fail.
    failing: BTreeSet<String>,
    /// How long sources take; the others take [`USUAL`].
    latencies: BTreeMap<String, Duration>,
}

/// The service and its table.
pub(crate) struct World {
    pub(crate) service: Arc<Quotefold>,
    script: Script,
    scripted: ScriptedService,
}

/// A source: its name, its only class, and further keys.
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

    /// The same, stating this age.
    pub(crate) fn old(self, old: Duration) -> Self {
        Says { old: Some(old.try_into().unwrap()), ..self }
    }

    /// The same, stating a time this far ahead.
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
        if self.0.lock().silent.contains(&source) {
            std::future::pending::<()>().await;
        }
        let latency = self.0.lock().latencies.get(&source).copied();
        tokio::time::sleep(latency.unwrap_or(USUAL)).await;
        let state = self.0.lock();
        if state.failing.contains(&source) {
            return Err(SourceError::unavailable("out of service"));
        }
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

    /// Two venues that quote bitcoin in dollars and two banks that quote the euro; each pair says the same.
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
        let script = Script::default();
        let replies = script.clone();
        let scripted =
            ScriptedService::new(settings, &Clock::starting_at(time.parse().unwrap()), move |name, asked, clock| {
                Box::pin(replies.clone().reply(name.to_owned(), asked, clock))
            });
        World { service: Arc::clone(&scripted.service), script, scripted }
    }

    /// What a source says about a symbol from now on.
    pub(crate) fn say(&self, source: &str, symbol: &str, says: Says) -> &Self {
        self.script.0.lock().says.insert((source.to_owned(), symbol.to_owned()), says);
        self
    }

    /// A source that never replies from now on.
    pub(crate) fn silence(&self, source: &str) {
        self.script.0.lock().silent.insert(source.to_owned());
    }

    /// A source that takes this long to reply from now on.
    pub(crate) fn slow(&self, source: &str, latency: Duration) -> &Self {
        self.script.0.lock().latencies.insert(source.to_owned(), latency);
        self
    }

    /// A source whose calls fail from now on.
    pub(crate) fn fail(&self, source: &str) {
        self.script.0.lock().failing.insert(source.to_owned());
    }

    /// A symbol that a source has been called for twice at the same time, if there is one.
    pub(crate) fn ever_twice(&self, source: &str) -> Option<String> {
        self.scripted.log(source).ever_twice().map(|symbol| symbol.to_string())
    }

    /// The symbols that a source has been asked for, in their order.
    pub(crate) fn asked(&self, source: &str) -> Vec<String> {
        let calls = self.scripted.log(source).calls();
        calls.iter().flat_map(|call| &call.symbols).map(ToString::to_string).collect()
    }

    /// The answer to a query.
    pub(crate) async fn answer(&self, query: &str) -> Answer {
        self.scripted.ask(query).await
    }

    /// The entries of the answer to a query, as a caller reads them. Whatever they say follows from their quotes.
    pub(crate) async fn ask(&self, query: &str) -> Vec<Value> {
        let answer = self.answer(query).await;
        let body = answer.body(self.service.clock().now().wall).unwrap();
        if !query.contains("quotes=false") {
            support::verified(std::str::from_utf8(&body).unwrap());
        }
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

/// A source's quote in an entry.
pub(crate) fn of<'e>(entry: &'e Value, source: &str) -> &'e Value {
    let quotes = entry["quotes"].as_array().unwrap();
    quotes.iter().find(|quote| quote["source"] == source).unwrap_or_else(|| panic!("no {source} in {entry:#}"))
}
