//! Shares vendors' limits, what sources say, and the calls to them with other replicas, through a store: Valkey or Redis.
//!
//! - `script` is what runs in the store. [`SharedLimits`] are one account's limits there: a call reserves its units, and settles
//!   them when the vendor has had it.
//! - `contact` tells whether this replica hears the store, and `membership` keeps it that way: it shows every 250 ms that this
//!   replica hears the store, and tells a store that has forgotten something what this replica has spent.
//! - A replica that does not hear the store may spend only its [`share`]; the others leave that to it. `ledger` is what it counts by.
//! - `exchange` tells other replicas what sources have said, in the words of `news` that `telling` makes, and lands what they have
//!   heard. `leases` make each call once.
//!
//! The vendor sees no window exceeded, whatever the store does: a unit counts in the store until the latest instant at which its
//! call can end, and a replica that vanishes costs at most that.

mod contact;
mod counts;
mod exchange;
mod leases;
mod ledger;
mod limits;
mod membership;
mod news;
mod script;
pub mod share;
#[cfg_attr(not(feature = "shared"), path = "shared/no_store.rs")]
mod store;
mod telling;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::clock::Clock;
use crate::quote::Origin;
use crate::settings::SharedSettings;
use crate::units::Limit;
use contact::{Contact, Standing};
pub use counts::Counted;
use counts::Counts;
use exchange::{Exchange, Outgoing};
pub(crate) use exchange::{HeardRefusal, Refusal as AccountRefusal};
pub use leases::{Ends, LeaseWish, Leases, SharedSource};
use limits::Settlement;
pub use limits::{Refusal, Reserved, SharedLimits, SharedUnits, Wish};
use membership::Members;
use store::Store;
pub(crate) use trial::try_store;

/// How many settlements may wait to be sent. Beyond that, units count until their calls can have ended at the latest.
const MOST_SETTLEMENTS: usize = 10_000;

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It did not reply in time. It may have done what it was asked for.
    #[error("it does not reply in time")]
    Slow,
    /// It does not know a script yet.
    #[error("it does not know a script")]
    NoScript,
    /// It replied with an error.
    #[error("{0}")]
    Refused(String),
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// Tells one run of a server from another.
    pub(crate) run: String,
    /// Its version, such as `7.0.15`.
    pub(crate) version: String,
    /// Whether it drops keys when its memory is full.
    pub(crate) evicts: bool,
    /// Whether it is part of a cluster.
    pub(crate) is_cluster: bool,
}

/// The oldest version that has every command that the scripts use.
const OLDEST: u32 = 7;

impl Server {
    /// Reads the reply to `INFO`.
    #[cfg_attr(not(any(test, feature = "shared")), expect(dead_code, reason = "without the feature there is no store"))]
    fn read(info: &str) -> Self {
        let value = |name: &str| {
            let lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
            lines.into_iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        // Valkey states its own version beside the one of Redis that it is compatible with
        Server {
            run: value("run_id"),
            version: value("redis_version"),
            evicts: value("maxmemory") != "0" && value("maxmemory_policy") != "noeviction",
            is_cluster: value("redis_mode") == "cluster",
        }
    }

    /// Why it cannot be used.
    fn fault(&self) -> Option<String> {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if self.is_cluster {
            return Some("it is part of a cluster, which is not supported".to_owned());
        }
        let is_old = major.is_none_or(|major| major < OLDEST);
        is_old.then(|| {
            format!("it is version {:?} of Redis, or compatible with that; {OLDEST}.0 or later is needed", self.version)
        })
    }
}

/// The limits that this process shares. Cheap to clone; all clones share the same.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("replica", &self.0.process.replica).finish_non_exhaustive()
    }
}

struct Inner {
    process: Arc<Process>,
    /// What is to be settled, until somebody does that.
    queue: Mutex<Option<mpsc::Receiver<Settlement>>>,
    accounts: Mutex<BTreeMap<String, Arc<SharedLimits>>>,
}

/// What all accounts of this process have in common.
struct Process {
    settings: SharedSettings,
    store: Store,
    exchange: Exchange,
    /// The name of this process among the replicas: chosen at random at each start.
    replica: String,
    contact: Mutex<Contact>,
    /// The run of the server that it is connected to.
    run: Mutex<String>,
    members: Mutex<Members>,
    settlements: mpsc::Sender<Settlement>,
    /// Asks for another introduction, because the store has forgotten something or limits have changed.
    introduce: Notify,
    counts: Counts,
}

/// How limits are kept at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `shared`, `own share` or `waiting`.
    pub limits: &'static str,
    /// What an operator should know: why they are not shared, or what is wrong although they are.
    pub remarks: Vec<String>,
    /// How many replicas hear the store, as it last said.
    pub replicas: usize,
}

/// Takes part until it is told to end.
pub(crate) struct TakingPart {
    stopped: CancellationToken,
    task: JoinHandle<()>,
}

/// How long signing off may take.
const LAST_MOMENT: Duration = Duration::from_millis(200);

impl TakingPart {
    /// Signs off. Nothing may be spent any more.
    pub(crate) async fn finish(self) {
        self.stopped.cancel();
        // a store that is away learns of it by our silence
        let _ = timeout(LAST_MOMENT, self.task).await;
    }
}

impl Shared {
    /// Shares limits through the store that the settings name; `None` if they name none. Nothing is spent before `take_part`.
    pub(crate) fn new(settings: &SharedSettings) -> Option<Self> {
        let store = Store::new(settings)?;
        let (settlements, queue) = mpsc::channel(MOST_SETTLEMENTS);
        let process = Arc::new(Process {
            settings: settings.clone(),
            store,
            exchange: Exchange::new(settings)?,
            replica: format!("{:016x}", fastrand::u64(..)),
            contact: Mutex::new(Contact::new(Instant::now())),
            run: Mutex::default(),
            members: Mutex::default(),
            settlements,
            introduce: Notify::new(),
            counts: Counts::default(),
        });
        let queue = Mutex::new(Some(queue));
        Some(Shared(Arc::new(Inner { process, queue, accounts: Mutex::default() })))
    }

    /// Takes part, on a runtime, from now on.
    pub(crate) fn take_part(&self, runtime: &Handle) -> TakingPart {
        let stopped = CancellationToken::new();
        if let Some(queue) = self.0.queue.lock().take() {
            runtime.spawn(limits::settle_all(Arc::clone(&self.0.process), queue));
        }
        let (process, exchange_stopped) = (Arc::clone(&self.0.process), stopped.clone());
        let exchange = async move { process.exchange.take_part(&process, exchange_stopped).await };
        // on a task of its own, so that a long message delays no sign of life
        let exchange = runtime.spawn(exchange);
        let membership = membership::take_part(self.clone(), stopped.clone());
        let task = runtime.spawn(async move {
            membership.await;
            // it has ended, or has panicked and said so
            let _ = exchange.await;
        });
        TakingPart { stopped, task }
    }

    /// Lands on a board what other replicas hear of sources, and tells them what lands there.
    pub(crate) fn connect(&self, board: &Arc<Board>, clock: &Clock) {
        self.0.process.exchange.connect(board, clock);
    }

    /// Sets which sources there are: of each what tells it from one that is described differently, and its origin.
    pub(crate) fn set_sources(&self, sources: Vec<(String, Arc<Origin>)>) {
        self.0.process.exchange.set_sources(sources);
    }

    /// Lets an account hear from now on how its vendor refuses other replicas.
    pub(crate) fn listen(&self, account: &str, hear: impl Fn(&HeardRefusal, Instant) + Send + Sync + 'static) {
        self.0.process.exchange.listen(account, Box::new(hear));
    }

    /// Tells other replicas that a vendor wants to be left alone.
    pub(crate) fn tell(&self, refusal: AccountRefusal) {
        // if too many wait to be told, the others meet it themselves
        let _ = self.0.process.exchange.outgoing.try_send(Outgoing::Cooldown(Box::new(refusal)));
    }

    /// The limits of an account, by its name, and what the longest attempt of any of its sources may take. An account that is asked
    /// for again has the limits that are stated then.
    pub(crate) fn limits(&self, account: &str, limits: &[Limit], longest_attempt: Duration) -> Arc<SharedLimits> {
        let mut accounts = self.0.accounts.lock();
        let new = || Arc::new(SharedLimits::new(account, Arc::clone(&self.0.process)));
        let shared = Arc::clone(accounts.entry(account.to_owned()).or_insert_with(new));
        if shared.set(limits, longest_attempt) {
            self.0.process.introduce.notify_one();
        }
        shared
    }

    /// How limits are kept now.
    pub(crate) fn report(&self, now: Instant) -> Report {
        let process = &self.0.process;
        let limits = match process.contact.lock().standing(process.settings.start_alone, now) {
            Standing::Contact => "shared",
            Standing::Alone(since) if since <= now => "own share",
            Standing::Alone(_) | Standing::Waiting => "waiting",
        };
        let (mut remarks, replicas) = {
            let members = process.members.lock();
            (members.remarks(process.settings.replicas), members.present(now))
        };
        let trouble = process.exchange.trouble().filter(|_| limits == "shared");
        remarks.extend(trouble.map(|trouble| format!("quotes are not exchanged with other replicas: {trouble}")));
        remarks.extend(self.accounts().iter().filter_map(|limits| limits.remark()));
        Report { limits, remarks, replicas }
    }

    /// What became of units so far.
    pub(crate) fn reservations(&self) -> Vec<Counted> {
        self.0.process.counts.reservations()
    }

    /// What became of quotes that replicas have told each other so far.
    pub(crate) fn quotes(&self) -> Vec<Counted> {
        self.0.process.counts.quotes()
    }

    /// Who has made the calls that several replicas wanted so far.
    pub(crate) fn leases(&self) -> Vec<Counted> {
        self.0.process.counts.leases()
    }

    fn accounts(&self) -> Vec<Arc<SharedLimits>> {
        self.0.accounts.lock().values().map(Arc::clone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_read_from_its_info() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:abc\r\n# Memory\r\nmaxmemory:0\r\n\
                    maxmemory_policy:allkeys-lru\r\n";
        let server = Server { run: "abc".to_owned(), version: "7.0.15".to_owned(), ..Server::default() };
        assert_eq!(Server::read(info), server);
        let full = info.replace("maxmemory:0", "maxmemory:1048576");
        assert_eq!(Server::read(&full), Server { evicts: true, ..server.clone() });
        assert!(!Server::read(&full.replace("allkeys-lru", "noeviction")).evicts);
        assert_eq!(server.fault(), None);
        for (stated, other) in [("standalone", "cluster"), ("7.0.15", "6.2.1"), ("redis_version:7.0.15", "x:y")] {
            assert!(Server::read(&info.replace(stated, other)).fault().is_some(), "{other}");
        }
    }
}
