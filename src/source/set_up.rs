//! Builds the sources that are switched on, with what they share: clients, accounts, cores for large bodies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reqwest::Url;
use tokio::sync::Semaphore;

use super::account::Account;
use super::fetch::connector::Connectors;
use super::fetch::resolver::Resolver;
use super::fetch::{self, Fetch, Sandboxes};
use super::sandbox::{Program, Sandbox};
use super::{Source, Surroundings, coalescer};
use crate::metrics::Metrics;
use crate::profile::{Profile, fingerprint};
use crate::provider::catalogue;
use crate::provider::description::SourceSettings;
use crate::provider::extract::Extractor;
use crate::provider::spelling::DescriptionError;
use crate::reply_memory::ReplyMemory;
use crate::settings::Settings;
use crate::units::Limit;

/// Why a source cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its description cannot be understood.
    #[error("sources.{0}.{1}")]
    Description(String, DescriptionError),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
}

/// Builds every source that is switched on. Sources of one account share its limits. If there is a program to run filters in,
/// every filter that is not the catalogue's runs in a process of its own, and so do those for lists of what vendors trade.
///
/// # Errors
/// A source's description cannot be understood, or no HTTP client can be built for it.
pub fn set_up(
    settings: &Settings,
    around: &Surroundings,
    metrics: &Metrics,
    reply_memory: &ReplyMemory,
    program: Option<&Program>,
) -> Result<Vec<Arc<Source>>, SetupError> {
    let mut connectors = Connectors::new(Resolver::of_the_system());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let large_bodies = Arc::new(Semaphore::new(cores));
    let turns = coalescer::turns();
    let mut accounts: BTreeMap<String, Arc<Account>> = BTreeMap::new();
    let mut sources = Vec::new();
    for source in &settings.sources {
        let extractor = Extractor::new(source).map_err(|error| SetupError::Description(source.name.clone(), error))?;
        let extractor = extractor.with_classes(settings.symbols.classes());
        let limits =
            settings.sources.iter().filter(|other| other.account == source.account).flat_map(|other| &other.limits);
        let limits: BTreeSet<_> = limits.map(|limit| (limit.period, limit.calls)).collect();
        let limits: Vec<Limit> = limits.into_iter().map(|(period, calls)| Limit { calls, period }).collect();
        let has_key = settings.sources.iter().any(|other| other.account == source.account && other.sends_key());
        let name = account_of(source, settings);
        let account = accounts.entry(name.to_owned()).or_insert_with(|| {
            let account = Account::new(name, &limits).marked(fingerprint::of_keys(settings, &source.account));
            Arc::new(if has_key { account } else { account.without_key() })
        });
        let profile = Arc::new(Profile::new(source.clone(), extractor, settings));
        let (clock, large_bodies) = (around.clock.clone(), Arc::clone(&large_bodies));
        let apart = |filter: &str, max_body| {
            program.map(|program| Sandbox::new(program.clone(), &source.name, filter, max_body))
        };
        let prices = Some(&source.jq).filter(|jq| !catalogue::has_filter(jq));
        let prices = prices.and_then(|jq| apart(jq, source.max_body));
        // a list is so long that reading it takes more memory than the service itself
        let lists = source.instruments.as_ref().and_then(|list| apart(&list.filter, list.max_body));
        let sandboxes = Sandboxes { prices, lists };
        let (connector, board, memory) =
            (connectors.of(source)?, Some(Arc::clone(&around.board)), reply_memory.clone());
        let fetch = Fetch::landing_on(board, connector, Arc::clone(&profile), clock, large_bodies, memory, sandboxes);
        let mirrors = Arc::clone(fetch.mirrors());
        let source = Source::over(fetch, profile, Arc::clone(account), metrics, around);
        source.coalescer.take_turns(&turns);
        sources.push(Arc::new(source.asked_at(mirrors)));
    }
    Ok(sources)
}

/// The account whose limits and refusals a source shares. Sources of one account that have neither a key nor a limit in common
/// and are asked at different hosts count as one witness, but share nothing: what one host refuses says nothing of another.
fn account_of<'s>(source: &'s SourceSettings, settings: &'s Settings) -> &'s str {
    let sisters = || settings.sources.iter().filter(|other| other.account == source.account);
    let shares = sisters().any(|other| other.sends_key() || !other.limits.is_empty());
    let host = |url: &str| Url::parse(url).ok().map(|url| fetch::host(&url));
    let at_one_host = sisters().all(|other| host(&other.url) == host(&source.url));
    if shares || at_one_host { &source.account } else { &source.name }
}
