//! The whole service over one vendor that does what a test says.

use std::sync::Arc;

use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::board::Board;
use quotefold::clock::Clock;
use quotefold::fold::Judged;
use quotefold::question::Question;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::error::SourceError;
use quotefold::source::extract::Extractor;
use quotefold::source::profile::Profile;
use quotefold::source::{Source, Surroundings};
use quotefold::symbol::Symbol;
use quotefold::telemetry::Metrics;
use tokio_util::task::TaskTracker;

use crate::support::Log;

const SETTINGS: &str = r#"
[sources.vendor]
classes = ["crypto", "equity"]
url = "http://127.0.0.1:1/{symbols}"
jq = "."
"#;

/// A service whose only source behaves as `script` says.
pub(crate) fn service<F>(script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static) -> (Quotefold, Log)
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    service_with("batch = 3", script)
}

/// The same, with more to its section.
pub(crate) fn service_with<F>(
    more: &str,
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> (Quotefold, Log)
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    service_by(Clock::starting_at("2026-11-20T14:31:00Z".parse().unwrap()), more, script)
}

/// The same, by a clock of the test's making.
pub(crate) fn service_by<F>(
    clock: Clock,
    more: &str,
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> (Quotefold, Log)
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    let text = Some(("the settings".to_owned(), format!("{SETTINGS}{more}")));
    let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
    let log = Log::default();
    let around = Surroundings {
        board: Arc::new(Board::new(1000)),
        clock: clock.clone(),
        tasks: TaskTracker::new(),
        budget: settings.server.timeout,
    };
    let leaf = {
        let log = log.clone();
        tower::service_fn(move |batch: Batch| {
            let asked = batch.send();
            let in_air = log.enter(&asked);
            let reply = script(asked, clock.clone());
            async move {
                let reply = reply.await;
                drop(in_air);
                reply
            }
        })
    };
    let set = &settings.sources[0];
    let account = Arc::new(Account::new(&set.account, &set.limits));
    let profile = Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings));
    let metrics = Metrics::default();
    let source = Source::over(leaf, profile, account, &metrics, &around);
    (Quotefold::over(settings, vec![Arc::new(source)], &around, metrics), log)
}

pub(crate) async fn ask(service: &Quotefold, query: &str) -> Answer {
    let question = Question::parse(query, &service.bounds(), service.clock.now()).unwrap();
    service.answer(&question).await
}

pub(crate) fn quotes(answer: &Answer) -> Vec<&Judged> {
    answer.prices().iter().flat_map(|price| &price.quotes).collect()
}
