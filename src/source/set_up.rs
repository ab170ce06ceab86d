//! Builds the sources that are switched on, with what they share: clients, accounts, cores for large bodies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Url;
use tokio::sync::Semaphore;

use super::account::{Account, Unconfigured};
use super::fetch::connector::{Connector, Connectors};
use super::fetch::resolver::Resolver;
use super::fetch::{self, Fetch, Sandboxes};
use super::made_of::MadeOf;
use super::sandbox::{Program, Sandbox};
use super::{Source, Surroundings, coalescer};
use crate::clock::Moment;
use crate::metrics::Metrics;
use crate::profile::{Profile, fingerprint};
use crate::provider::catalogue;
use crate::provider::description::SourceSettings;
use crate::provider::extract::Extractor;
use crate::provider::spelling::DescriptionError;
use crate::reply_memory::ReplyMemory;
use crate::settings::Settings;
use crate::shared::Shared;
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

/// What the sources of a service have in common, whatever the configuration says of each. It outlives a change of the
/// configuration.
pub(crate) struct Common {
    /// Where filters run that are not the catalogue's; `None` for this process.
    program: Option<Program>,
    /// The store through which replicas share limits.
    shared: Option<Shared>,
    /// A permit per core, for unpacking and filtering large bodies.
    large_bodies: Arc<Semaphore>,
    /// The turns for one list at a time of what a vendor trades.
    turns: Arc<Semaphore>,
    connectors: Mutex<Connectors>,
    /// Every account that any source has had. One that is not configured any more may come back, and must not come back
    /// with all of its units.
    accounts: Mutex<BTreeMap<String, Arc<Account>>>,
    /// What an earlier process has spent on accounts that have not been configured in this one.
    unconfigured: Unconfigured,
}

/// A source that can be made without a failure.
struct Prepared {
    extractor: Extractor,
    connector: Connector,
}

impl Common {
    /// What sources have in common at the start of a service. If there is a program to run filters in, every filter that is not
    /// the catalogue's runs in a process of its own, and so do those for lists of what vendors trade.
    pub(crate) fn new(program: Option<&Program>, shared: Option<Shared>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Common {
            program: program.cloned(),
            shared,
            large_bodies: Arc::new(Semaphore::new(cores)),
            turns: coalescer::turns(),
            connectors: Mutex::new(Connectors::new(Resolver::of_the_system())),
            accounts: Mutex::default(),
            unconfigured: Unconfigured::default(),
        }
    }

    /// The store through which replicas share limits.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// Every account that any source has had.
    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.lock().values().map(Arc::clone).collect()
    }

    /// What an earlier process has spent on accounts that have not been configured in this one.
    pub(crate) fn unconfigured(&self) -> &Unconfigured {
        &self.unconfigured
    }

    /// Builds every source that is switched on. Sources of one account share its limits. Of the sources `before`, one that is
    /// described alike stays as it is, and one that differs in scalars or its key goes on with the new ones.
    ///
    /// # Errors
    /// A source's description cannot be understood, or no HTTP client can be built for it. Then nothing has changed.
    pub(crate) fn set_up(
        &self,
        settings: &Settings,
        around: &Surroundings,
        metrics: &Metrics,
        reply_memory: &ReplyMemory,
        before: &[Arc<Source>],
    ) -> Result<Vec<Arc<Source>>, SetupError> {
        let mut prepared = Vec::new();
        for source in &settings.sources {
            let extractor = extractor_of(source, settings)?;
            prepared.push(Prepared { extractor, connector: self.connectors.lock().of(source)? });
        }
        let used: Vec<&Connector> = prepared.iter().map(|prepared| &prepared.connector).collect();
        self.connectors.lock().keep_only(&used);
        let accounts = self.renew_accounts(settings, before, around.clock.now());
        let mut sources = Vec::new();
        for (source, Prepared { extractor, connector }) in settings.sources.iter().zip(prepared) {
            let (name, limits) = (account_of(source, settings), limits_of(&source.account, settings));
            let made_of = MadeOf::of(source, name, &limits, settings);
            let before = before.iter().find(|before| before.is_described_by(&made_of, source));
            if let Some(before) = before.filter(|before| before.made_of.as_ref() == Some(&made_of)) {
                sources.push(Arc::clone(before));
                continue;
            }
            let Some(account) = accounts.get(name) else { continue };
            let profile = Arc::new(Profile::new(source.clone(), extractor, settings));
            let (clock, large_bodies) = (around.clock.clone(), Arc::clone(&self.large_bodies));
            let (board, memory) = (Some(Arc::clone(&around.board)), reply_memory.clone());
            let sandboxes = self.sandboxes(source);
            let fetch =
                Fetch::landing_on(board, connector, Arc::clone(&profile), clock, large_bodies, memory, sandboxes);
            let mirrors = Arc::clone(fetch.mirrors());
            let before = before.map(Arc::as_ref);
            let source = Source::following(before, fetch, profile, Arc::clone(account), metrics, around);
            source.coalescer.take_turns(&self.turns);
            sources.push(Arc::new(source.asked_at(mirrors).made_of(made_of)));
        }
        if let Some(shared) = &self.shared {
            shared.set_sources(sources.iter().filter_map(|source| source.identity()).collect());
        }
        Ok(sources)
    }

    /// The accounts of all sources that are switched on, with the limits and keys that hold now.
    fn renew_accounts(
        &self,
        settings: &Settings,
        before: &[Arc<Source>],
        now: Moment,
    ) -> BTreeMap<String, Arc<Account>> {
        let mut known = self.accounts.lock();
        let mut renewed = BTreeMap::new();
        for source in &settings.sources {
            let name = account_of(source, settings);
            if renewed.contains_key(name) {
                continue;
            }
            let limits = limits_of(&source.account, settings);
            let has_key = settings.sources.iter().any(|other| other.account == source.account && other.sends_key());
            let new = Account::new(name, &limits).marked(fingerprint::of_keys(settings, &source.account));
            let new = if has_key { new } else { new.without_key() };
            let account = match known.get(name) {
                Some(account) => {
                    account.renew(&limits, new, now.monotonic);
                    Arc::clone(account)
                }
                None => {
                    if let Some(past) = self.unconfigured.lock().remove(name) {
                        new.restore(&past, now.wall, now);
                    }
                    Arc::new(new)
                }
            };
            let of_account = || settings.sources.iter().filter(|other| other.account == source.account);
            match self.shared.as_ref().filter(|_| of_account().all(|source| source.shared)) {
                Some(shared) => account.share(shared, longest_attempt(&source.account, settings)),
                None => account.keep_apart(),
            }
            known.insert(name.to_owned(), Arc::clone(&account));
            renewed.insert(name.to_owned(), account);
        }
        for source in &settings.sources {
            let (account, before) = (
                renewed.get(account_of(source, settings)),
                before.iter().find(|before| before.profile.name() == source.name),
            );
            if let (Some(account), Some(before)) = (account, before)
                && before.profile.settings.account == source.account
                && !Arc::ptr_eq(account, &before.account)
            {
                // its vendor's limits hold for more sources than before, or for fewer
                account.absorb(&before.account, now.monotonic);
            }
        }
        renewed
    }

    /// Where the filters of a source run.
    fn sandboxes(&self, source: &SourceSettings) -> Sandboxes {
        let apart = |filter: &str, max_body| {
            let program = self.program.as_ref()?;
            Some(Sandbox::new(program.clone(), &source.name, filter, max_body))
        };
        let prices = Some(&source.jq).filter(|jq| !catalogue::has_filter(jq));
        let prices = prices.and_then(|jq| apart(jq, source.max_body));
        // a list is so long that reading it takes more memory than the service itself
        let lists = source.instruments.as_ref().and_then(|list| apart(&list.filter, list.max_body));
        Sandboxes { prices, lists }
    }
}

/// What is known of the sources whose filters are not the catalogue's, before any of them is set up.
///
/// # Errors
/// A source's description cannot be understood.
pub(crate) fn profiles_of_own_filters(settings: &Settings) -> Result<Vec<Profile>, SetupError> {
    let own = settings.sources.iter().filter(|source| !catalogue::has_filter(&source.jq));
    own.map(|source| Ok(Profile::new(source.clone(), extractor_of(source, settings)?, settings))).collect()
}

fn extractor_of(source: &SourceSettings, settings: &Settings) -> Result<Extractor, SetupError> {
    let extractor = Extractor::new(source).map_err(|error| SetupError::Description(source.name.clone(), error))?;
    Ok(extractor.with_classes(settings.symbols.classes()))
}

/// What an attempt of any source of an account may take, one for a list of what its vendor trades included.
fn longest_attempt(account: &str, settings: &Settings) -> Duration {
    let sources = settings.sources.iter().filter(|source| source.account == account);
    let longest = sources.map(|source| source.instruments.as_ref().map(|list| list.timeout).max(Some(source.timeout)));
    longest.max().flatten().unwrap_or_default()
}

/// The limits of an account: those of all its sources.
fn limits_of(account: &str, settings: &Settings) -> Vec<Limit> {
    let limits = settings.sources.iter().filter(|source| source.account == account).flat_map(|source| &source.limits);
    let limits: BTreeSet<_> = limits.map(|limit| (limit.period, limit.calls)).collect();
    limits.into_iter().map(|(period, calls)| Limit { calls, period }).collect()
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
