//! Tells other replicas what sources have said here, and takes in what they have said there.
//!
//! It has a connection of its own, so that no reservation waits behind a long message. What lands within 20 ms goes out as one
//! message per source, and is also kept in the store for replicas that come later. A replica that has missed messages reads that
//! again. Without the store, nothing is exchanged, and every replica goes on with what it has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::leases::{Ended, Ends, MOST_ENDS, SharedSource};
use super::news::{CooldownNews, DenialNews, Message, QuoteNews, WithdrawalNews, landed_at};
use super::script::{StoreInstant, TELL};
use super::store::Store;
use super::telling::{Terms, tellings};
use super::{Process, StoreError};
use crate::board::{Board, News, SAME_MOMENT};
use crate::clock::{Clock, Moment};
use crate::failure::SourceError;
use crate::fingerprint::Fingerprint;
use crate::quote::Origin;
use crate::settings::SharedSettings;
use crate::symbol::Symbol;

/// How long what has landed waits for more.
const TOGETHER: Duration = Duration::from_millis(20);

/// How much may wait to be told. Beyond that, others do not hear of it.
const MOST_WAITING: usize = 10_000;

/// How many messages may wait to be read. Beyond that, everything is read again.
const MOST_UNREAD: usize = 10_000;

/// The most changes in one call to the store.
const MOST_AT_ONCE: usize = 256;

/// How often a connection that says nothing is tried.
const PROBED_EVERY: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The longest time for which a denial of others is believed.
const LONGEST_DENIAL: Duration = Duration::from_secs(86_400);

/// The longest time for which a vendor is left alone: a month, as without other replicas.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(31 * 86_400);

/// How far apart the clocks of replicas may be.
const SKEW: Duration = Duration::from_secs(60);

/// The length of the fingerprint of a key, in bytes.
const KEY_LENGTH: usize = 16;

/// What is told to other replicas.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    News(News),
    /// The leases of a call.
    Ended(Ended),
    Cooldown(Box<Refusal>),
}

/// A vendor's refusal that concerns a whole account.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The account's name.
    pub(crate) account: String,
    /// What the vendor said.
    pub(crate) error: SourceError,
    /// Until when it wants to be left alone.
    pub(crate) until: Instant,
    /// How often in a row it has refused calls for this reason.
    pub(crate) times: u32,
    /// The fingerprint of the key that was refused; `None` without a key.
    pub(crate) key_mark: Option<Fingerprint>,
}

/// A refusal that another replica has met.
#[derive(Clone, Debug)]
pub(crate) struct HeardRefusal {
    pub(crate) error: SourceError,
    pub(crate) until: Instant,
    pub(crate) times: u32,
    key: String,
    salt: String,
}

impl HeardRefusal {
    /// Whether the key that was refused is the one with this fingerprint.
    pub(crate) fn is_of_key(&self, key_mark: Option<&Fingerprint>) -> bool {
        self.key == salted(&self.salt, key_mark)
    }
}

/// What a key is called in the store. Without the salt, which only the store knows, it cannot be compared with anything.
pub(super) fn salted(salt: &str, key_mark: Option<&Fingerprint>) -> String {
    let mark = key_mark.map_or("", Fingerprint::digits);
    Fingerprint::of([salt, mark], KEY_LENGTH).digits().to_owned()
}

type HearRefusal = Box<dyn Fn(&HeardRefusal, Instant) + Send + Sync>;

/// The exchange of one process.
pub(super) struct Exchange {
    store: Store,
    /// What is told to others.
    pub(super) outgoing: mpsc::Sender<Outgoing>,
    /// What waits, until somebody takes part.
    queues: Mutex<Option<Queues>>,
    /// Whether a message was lost because too many were unread.
    has_lost: Arc<AtomicBool>,
    /// The sources of this process, by name.
    sources: Mutex<BTreeMap<String, Arc<SharedSource>>>,
    /// Who hears of an account's refusals, by its name.
    accounts: Mutex<BTreeMap<String, HearRefusal>>,
    /// Where quotes land, and by which clock.
    board: Mutex<Option<(Arc<Board>, Clock)>>,
    /// Asks for everything to be read again, because there are other sources now.
    again: Notify,
    /// Whether messages of other replicas are heard.
    is_listening: AtomicBool,
    /// Why they are not.
    trouble: Mutex<Option<StoreError>>,
    /// What fingerprints of keys are made with, once the store has said it.
    salt: Mutex<String>,
}

struct Queues {
    unread: mpsc::Receiver<String>,
    waiting: mpsc::Receiver<Outgoing>,
    /// What is told next, and again if the store has not replied to it.
    together: Vec<Outgoing>,
}

impl Exchange {
    /// An exchange through the store that the settings name; `None` if they name none.
    pub(super) fn new(settings: &SharedSettings) -> Option<Self> {
        let (sender, unread) = mpsc::channel(MOST_UNREAD);
        let has_lost: Arc<AtomicBool> = Arc::default();
        let loses = Arc::clone(&has_lost);
        let store = Store::listening(settings, move |message| {
            if sender.try_send(message).is_err() {
                loses.store(true, Ordering::Relaxed);
            }
        })?;
        let (outgoing, waiting) = mpsc::channel(MOST_WAITING);
        Some(Exchange {
            store,
            outgoing,
            queues: Mutex::new(Some(Queues { unread, waiting, together: Vec::new() })),
            has_lost,
            sources: Mutex::default(),
            accounts: Mutex::default(),
            board: Mutex::default(),
            again: Notify::new(),
            is_listening: AtomicBool::new(false),
            trouble: Mutex::default(),
            salt: Mutex::default(),
        })
    }

    /// Lands on a board what others have heard, and tells others what lands there.
    pub(super) fn connect(&self, board: &Arc<Board>, clock: &Clock) {
        *self.board.lock() = Some((Arc::clone(board), clock.clone()));
        let outgoing = self.outgoing.clone();
        // what finds no room, others do not hear: they ask for it themselves
        board.tell_others(move |news| drop(outgoing.try_send(Outgoing::News(news))));
    }

    /// Sets which sources there are: of each what tells it from others, and its origin.
    pub(super) fn set_sources(&self, new: Vec<(String, Arc<Origin>)>) {
        let mut sources = self.sources.lock();
        let before = std::mem::take(&mut *sources);
        for (identity, origin) in new {
            let identity = format!("{}@{identity}", origin.source);
            let known = before.get(&origin.source).filter(|before| before.identity == identity);
            let ends = known.map_or_else(|| broadcast::Sender::new(MOST_ENDS), |known| known.ends.clone());
            sources.insert(origin.source.clone(), Arc::new(SharedSource { identity, origin, ends }));
        }
        self.again.notify_one();
    }

    /// A source of this process by its name, if what other replicas say of it is heard.
    pub(super) fn heard_source(&self, name: &str) -> Option<Arc<SharedSource>> {
        self.is_listening.load(Ordering::Relaxed).then(|| self.source(name)).flatten()
    }

    fn source(&self, name: &str) -> Option<Arc<SharedSource>> {
        self.sources.lock().get(name).map(Arc::clone)
    }

    /// Reads again what is kept: the store's time is known now, or is another.
    pub(super) fn read_again(&self) {
        self.again.notify_one();
    }

    /// Why quotes are not exchanged; `None` if they are.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().clone()
    }

    /// Lets an account hear from now on how its vendor refuses other replicas.
    pub(super) fn listen(&self, account: &str, hear: HearRefusal) {
        self.accounts.lock().insert(account.to_owned(), hear);
        self.again.notify_one();
    }

    /// Takes part until it is stopped.
    pub(super) async fn take_part(&self, process: &Process, stopped: CancellationToken) {
        let Some(mut queues) = self.queues.lock().take() else { return };
        let mut pause = TOGETHER;
        while !stopped.is_cancelled() {
            let Err(error) = self.stay(process, &mut queues, &mut pause, &stopped).await else { return };
            self.is_listening.store(false, Ordering::Relaxed);
            self.store.disconnect();
            tracing::debug!("quotes are not shared with other replicas: {error}");
            *self.trouble.lock() = Some(error);
            let most = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            tokio::select! {
                () = sleep(Duration::from_millis(fastrand::u64(most / 2..=most))) => {}
                () = stopped.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects, and tells and listens for as long as the store replies.
    async fn stay(
        &self,
        process: &Process,
        queues: &mut Queues,
        pause: &mut Duration,
        stopped: &CancellationToken,
    ) -> Result<(), StoreError> {
        self.store.connect().await?;
        // what is told from here on is heard
        self.store.subscribe(&process.channel()).await?;
        let salt = format!("{:032x}", fastrand::u128(..));
        *self.salt.lock() = self.store.agree_on(&process.salt_key(), &salt).await?;
        self.read_all(process).await?;
        *pause = TOGETHER;
        *self.trouble.lock() = None;
        self.is_listening.store(true, Ordering::Relaxed);
        let mut due = (!queues.together.is_empty()).then(Instant::now);
        loop {
            tokio::select! {
                Some(news) = queues.waiting.recv(), if queues.together.len() < MOST_AT_ONCE => {
                    queues.together.push(news);
                    due.get_or_insert_with(|| Instant::now() + TOGETHER);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    due = None;
                    self.tell(process, &queues.together).await?;
                    queues.together.clear();
                }
                Some(message) = queues.unread.recv() => self.hear(process, &message),
                () = self.again.notified() => self.read_all(process).await?,
                () = sleep(PROBED_EVERY), if due.is_none() => self.probe().await?,
                () = stopped.cancelled() => return self.tell(process, &queues.together).await,
            }
            if self.has_lost.swap(false, Ordering::Relaxed) {
                self.read_all(process).await?;
            }
        }
    }

    /// Tells others, and keeps for those that come later, what has happened here.
    async fn tell(&self, process: &Process, together: &[Outgoing]) -> Result<(), StoreError> {
        let contact = *process.contact.lock();
        let now = self.board.lock().as_ref().map(|(_, clock)| clock.now());
        let Some(now) = now else { return Ok(()) };
        let terms = Terms {
            prefix: &process.settings.prefix,
            salt: &self.salt.lock().clone(),
            time: &|instant| contact.store_time(instant),
            source: &|name| self.source(name),
            now,
        };
        for telling in tellings(together.to_vec(), &terms) {
            let quotes = telling.message.quotes.len();
            let text = match telling.message.is_empty() {
                true => String::new(),
                false => telling.message.text(&process.replica),
            };
            let mut arguments = vec![process.channel(), text];
            arguments.extend(telling.changes.into_iter().flatten());
            let keys: Vec<&str> = telling.keys.iter().map(String::as_str).collect();
            TELL.run(&self.store, &keys, &arguments).await?;
            process.counts.quotes_told.add(quotes);
        }
        Ok(())
    }

    /// Shows that the connection is alive.
    async fn probe(&self) -> Result<(), StoreError> {
        TELL.run(&self.store, &[], &[String::new(), String::new()]).await.map(drop)
    }

    /// Reads everything that is kept.
    async fn read_all(&self, process: &Process) -> Result<(), StoreError> {
        let prefix = &process.settings.prefix;
        let sources: Vec<Arc<SharedSource>> = self.sources.lock().values().map(Arc::clone).collect();
        for source in sources {
            let kept = read(&self.store.values(&source.said_key(prefix)).await?);
            self.take_in(process, Message::of_kept(&source.identity, kept));
        }
        let cooldowns = read(&self.store.values(&cooldowns_key(prefix)).await?);
        self.take_in(process, Message { cooldowns, ..Message::default() });
        Ok(())
    }

    fn hear(&self, process: &Process, text: &str) {
        if text.is_empty() {
            return;
        }
        match serde_json::from_str::<Message>(text) {
            Ok(message) if message.from != process.replica => self.take_in(process, message),
            Ok(_) => {}
            Err(error) => tracing::debug!("another replica's message is not understood: {error}"),
        }
    }

    fn take_in(&self, process: &Process, message: Message) {
        let Some((board, clock)) = self.board.lock().clone() else { return };
        let (contact, now) = (*process.contact.lock(), clock.now());
        let instant = |at: StoreInstant| contact.instant(at);
        for cooldown in message.cooldowns {
            self.take_in_cooldown(cooldown, instant, now);
        }
        let name = message.source.split('@').next().unwrap_or_default();
        let Some(source) = self.source(name).filter(|source| source.identity == message.source) else { return };
        let origin = &source.origin;
        let mut used = 0;
        for QuoteNews { landed, quote } in &message.quotes {
            let landed = instant(*landed).and_then(|landed| landed_at(landed, quote.received_at, now));
            used += usize::from(landed.is_some_and(|landed| board.hear_quote(origin, quote, landed, now)));
        }
        process.counts.quotes_used.add(used);
        process.counts.quotes_old.add(message.quotes.len() - used);
        for DenialNews { symbol, reason, detail, landed, until } in message.denials {
            let error = SourceError::from_reason(&reason, detail, None).filter(SourceError::denies_symbol);
            let landed = instant(landed).filter(|landed| *landed <= now.monotonic + SAME_MOMENT);
            let until = instant(until).map(|until| until.min(now.monotonic + LONGEST_DENIAL));
            let times = landed.map(|landed| landed.min(now.monotonic)).zip(until);
            if let (Some(symbol), Some(error), Some(times)) = (Symbol::written(&symbol), error, times) {
                board.hear_denial(origin, &symbol, error, times, now);
            }
        }
        for WithdrawalNews { symbol, landed, received_at } in message.withdrawals {
            let landed = instant(landed).and_then(|landed| landed_at(landed, received_at, now));
            let (Some(symbol), Some(landed)) = (Symbol::written(&symbol), landed) else { continue };
            let apart = |own: Instant| own.max(landed) - own.min(landed);
            board.hear_withdrawal(origin, &symbol, |own| apart(own) < SAME_MOMENT, now);
        }
        let symbols = |texts: Vec<String>| texts.iter().filter_map(|text| Symbol::written(text)).collect();
        let (done, failed) = (symbols(message.done), symbols(message.failed));
        // it fails if no call waits
        let _ = source.ends.send(Arc::new(Ends { done, failed }));
    }

    fn take_in_cooldown(&self, cooldown: CooldownNews, instant: impl Fn(StoreInstant) -> Option<Instant>, now: Moment) {
        let CooldownNews { account, reason, detail, until, until_by_wall, times, key } = cooldown;
        // if the store's clock was moved back, the wall clock knows better; replicas' clocks differ by less than that
        let left = Duration::try_from(until_by_wall.duration_since(now.wall)).unwrap_or_default().min(LONGEST_COOLDOWN);
        let by_wall = now.monotonic + left;
        let until = instant(until).map(|until| if until > by_wall + SKEW { by_wall } else { until });
        let Some(until) = until.filter(|until| *until > now.monotonic) else { return };
        let Some(error) = SourceError::from_reason(&reason, detail, None) else { return };
        let heard = HeardRefusal { error, until, times, key, salt: self.salt.lock().clone() };
        if let Some(hear) = self.accounts.lock().get(&account) {
            hear(&heard, now.monotonic);
        }
    }
}

/// The key of the refusals of all accounts.
pub(super) fn cooldowns_key(prefix: &str) -> String {
    format!("{prefix}:cooldowns")
}

/// What is kept, each behind its instant, without what this version does not understand.
fn read<T: serde::de::DeserializeOwned>(values: &[String]) -> Vec<T> {
    values.iter().filter_map(|value| serde_json::from_str(value.split_once(' ')?.1).ok()).collect()
}
