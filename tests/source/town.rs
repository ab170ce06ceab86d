//! A whole service over vendors that one script speaks for: what tests of restarts, watch lists and bad days have in common.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::board::Board;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::metrics::Metrics;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::question::Question;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::{Source, Surroundings};
use quotefold::symbol::Symbol;
use tokio_util::task::TaskTracker;

use crate::support::Log;

/// What a vendor says in the end.
pub(crate) type Said = Pin<Box<dyn Future<Output = Result<Reply, SourceError>> + Send>>;

/// A service, and what each of its vendors was asked.
pub(crate) struct Town {
    pub(crate) service: Arc<Quotefold>,
    logs: BTreeMap<String, Log>,
}

/// A Thursday morning on tokio's clock.
pub(crate) fn morning() -> Clock {
    Clock::starting_at("2026-11-19T09:00:00Z".parse().unwrap())
}

/// A source of crypto pairs, with further keys.
pub(crate) fn crypto(name: &str, more: &str) -> String {
    format!("[sources.{name}]\nclasses = [\"crypto\"]\nurl = \"http://x.test/{{symbols}}\"\njq = \".\"\n{more}\n")
}

impl Town {
    /// The service as these settings say, its vendors as the script says: it is told who is asked for what.
    pub(crate) fn new(
        settings: &str,
        clock: &Clock,
        script: impl Fn(&str, Vec<Symbol>, Clock) -> Said + Clone + Send + Sync + 'static,
    ) -> Self {
        let text = Some(("the settings".to_owned(), settings.to_owned()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap_or_else(|error| panic!("{error}"));
        let around = Surroundings {
            board: Arc::new(Board::new(1000)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            budget: settings.server.timeout,
        };
        let metrics = Metrics::default();
        let mut logs = BTreeMap::new();
        let sources = settings.sources.iter().map(|set| {
            let log = Log::default();
            logs.insert(set.name.clone(), log.clone());
            let (script, clock, name) = (script.clone(), clock.clone(), set.name.clone());
            let leaf = tower::service_fn(move |batch: Batch| {
                let asked = batch.send();
                let in_air = log.enter(&asked);
                let reply = script(&name, asked, clock.clone());
                async move {
                    let reply = reply.await;
                    drop(in_air);
                    reply
                }
            });
            let account = Arc::new(Account::new(&set.account, &set.limits));
            let profile = Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings));
            Arc::new(Source::over(leaf, profile, account, &metrics, &around))
        });
        let sources = sources.collect();
        Town { service: Arc::new(Quotefold::over(settings, sources, &around, metrics)), logs }
    }

    /// What a source was asked.
    pub(crate) fn log(&self, source: &str) -> &Log {
        &self.logs[source]
    }

    /// What is left of each of its limits.
    pub(crate) fn left(&self, source: &str) -> Vec<usize> {
        let sources = self.service.sources();
        let source = sources.iter().find(|known| known.profile.name() == source).unwrap();
        source.account.allowance().left(tokio::time::Instant::now()).iter().map(|left| left.left).collect()
    }

    /// The answer to a query.
    pub(crate) async fn ask(&self, query: &str) -> Answer {
        let question = Question::parse(query, &self.service.bounds(), self.service.clock().now()).unwrap();
        self.service.answer(&question).await
    }
}
