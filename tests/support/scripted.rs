//! A whole service over scripted vendors, without a network: one script replies for all of them.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use quotefold::Quotefold;
use quotefold::answer::Answer;
use quotefold::board::Board;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::metrics::Metrics;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::question::Question;
use quotefold::source::account::Account;
use quotefold::source::batch::{Batch, Reply};
use quotefold::source::{Source, Surroundings};
use quotefold::symbol::Symbol;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::openapi::exchanges::compare_answer;
use super::settings;

/// What a vendor replies in the end.
pub(crate) type Replies = Pin<Box<dyn Future<Output = Result<Reply, SourceError>> + Send>>;

/// A service, and what each of its vendors was asked.
pub(crate) struct ScriptedService {
    pub(crate) service: Arc<Quotefold>,
    logs: BTreeMap<String, Log>,
}

/// One call as the vendor saw it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) sent: Instant,
    pub(crate) symbols: Vec<Symbol>,
}

/// The calls that a vendor has seen, and those that are in flight. Clones are the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    in_flight: HashMap<Symbol, usize>,
    twice: Option<Symbol>,
}

/// A call in flight, which ends when this is dropped.
pub(crate) struct InFlight(Log, Vec<Symbol>);

impl Log {
    /// Records a call; it is in flight until the result is dropped.
    pub(crate) fn enter(&self, symbols: &[Symbol]) -> InFlight {
        let mut seen = self.0.lock();
        seen.calls.push(Call { sent: Instant::now(), symbols: symbols.to_vec() });
        for symbol in symbols {
            let count = seen.in_flight.entry(symbol.clone()).or_default();
            *count += 1;
            if *count > 1 {
                seen.twice = Some(symbol.clone());
            }
        }
        InFlight(self.clone(), symbols.to_vec())
    }

    /// All calls, in their order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().calls.clone()
    }

    /// How many symbols are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.lock().in_flight.values().sum()
    }

    /// A symbol that was in flight twice at the same time, if any was.
    pub(crate) fn ever_twice(&self) -> Option<Symbol> {
        self.0.lock().twice.clone()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut seen = self.0.0.lock();
        for symbol in &self.1 {
            *seen.in_flight.get_mut(symbol).expect("it is in flight") -= 1;
        }
    }
}

impl ScriptedService {
    /// The service of a configuration text. The script gets the name of the source, the symbols of the call, and the clock.
    pub(crate) fn new(
        text: &str,
        clock: &Clock,
        script: impl Fn(&str, Vec<Symbol>, Clock) -> Replies + Clone + Send + Sync + 'static,
    ) -> Self {
        let settings = settings(text);
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
                let in_flight = log.enter(&asked);
                let reply = script(&name, asked, clock.clone());
                async move {
                    let reply = reply.await;
                    drop(in_flight);
                    reply
                }
            });
            let account = Arc::new(Account::new(&set.account, &set.limits));
            let profile = Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings));
            Arc::new(Source::over(leaf, profile, account, &metrics, &around))
        });
        let sources = sources.collect();
        ScriptedService { service: Arc::new(Quotefold::over(settings, sources, &around, metrics)), logs }
    }

    /// What a source was asked.
    pub(crate) fn log(&self, source: &str) -> &Log {
        &self.logs[source]
    }

    /// What is left of each limit of a source.
    pub(crate) fn left(&self, source: &str) -> Vec<usize> {
        let sources = self.service.sources();
        let source = sources.iter().find(|known| known.profile.name() == source).unwrap();
        source.account.allowance().left(Instant::now()).iter().map(|left| left.left).collect()
    }

    /// The answer to a query.
    pub(crate) async fn ask(&self, query: &str) -> Answer {
        let question = Question::parse(query, self.service.bounds(), self.service.clock().now()).unwrap();
        let answer = self.service.answer(&question).await;
        compare_answer(&answer, self.service.clock().now().wall);
        answer
    }
}
