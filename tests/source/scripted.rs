//! The whole service with one vendor that does what a test says.

use std::sync::Arc;

use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::Judged;
use quotefold::question::Question;
use quotefold::source::batch::Reply;
use quotefold::symbol::Symbol;

use crate::shared::openapi::exchanges::compare_answer;
use crate::support::Log;
use crate::vendors::{Replies, ScriptedService};

const SETTINGS: &str = r#"
[sources.vendor]
classes = ["crypto", "equity"]
url = "http://127.0.0.1:1/{symbols}"
jq = "."
"#;

/// A service whose only source behaves as `script` says.
pub(crate) fn service<F>(
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> (Arc<Quotefold>, Log)
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    service_with("batch = 3", script)
}

/// The same, with further keys in the source's section.
pub(crate) fn service_with<F>(
    more: &str,
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> (Arc<Quotefold>, Log)
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    service_by(&Clock::starting_at("2026-11-20T14:31:00Z".parse().unwrap()), more, script)
}

/// The same, with the test's own clock.
pub(crate) fn service_by<F>(
    clock: &Clock,
    more: &str,
    script: impl Fn(Vec<Symbol>, Clock) -> F + Clone + Send + Sync + 'static,
) -> (Arc<Quotefold>, Log)
where
    F: Future<Output = Result<Reply, SourceError>> + Send + 'static,
{
    let scripted = ScriptedService::new(&format!("{SETTINGS}{more}"), clock, move |_, symbols, clock| {
        let said: Replies = Box::pin(script(symbols, clock));
        said
    });
    let log = scripted.log("vendor").clone();
    (scripted.service, log)
}

pub(crate) async fn ask(service: &Quotefold, query: &str) -> Answer {
    let question = Question::parse(query, service.bounds(), service.clock().now()).unwrap();
    let answer = service.answer(&question).await;
    compare_answer(&answer, service.clock().now().wall);
    answer
}

pub(crate) fn quotes(answer: &Answer) -> Vec<&Judged> {
    answer.prices().iter().flat_map(|price| &price.quotes).collect()
}
