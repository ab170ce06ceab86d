//! The limits of one account that replicas share: reserves units for calls. `units` are what a call is granted, and settles.

mod units;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::contact::{Standing, micros};
use super::leases::{self, LeaseWish, Leases, SharedSource};
use super::ledger::Ledger;
use super::script::{RESERVE, Said};
use super::{Process, StoreError, share};
use crate::symbol::Symbol;
use crate::units::{Limit, Span};
pub use units::SharedUnits;
use units::VOID_AFTER;
pub(super) use units::{Settlement, settle_all};

/// How much longer than its longest attempt a unit is held: what a grant may wait, and what clocks and networks may take.
const MARGIN: Duration = Duration::from_millis(250);

/// How soon to ask again if that may help at once.
const SOON: Duration = Duration::from_millis(50);

/// How soon to ask again while the store is away.
const LATER: Duration = Duration::from_secs(1);

/// The limits of one account.
pub struct SharedLimits {
    process: Arc<Process>,
    account: String,
    /// Its key in the store.
    key: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    limits: Vec<Limit>,
    ledger: Ledger,
    next_number: u64,
    /// The longest that any replica holds a unit of the account.
    longest_hold: Duration,
    /// Where this replica has told what it has spent; `None` if it has to.
    introduced: Option<Introduced>,
    /// How often it has begun to tell that.
    introductions: u64,
    /// How much of the movements of the store's clock its last introduction has dealt with, in microseconds.
    moved: i64,
    /// How many other replicas stated other limits when this one last introduced itself.
    others: i64,
}

/// Where and when a replica has introduced itself.
#[derive(Clone, Debug)]
struct Introduced {
    /// The server's run.
    run: String,
    /// The account's epoch.
    epoch: String,
    /// When it last stated its limits; `None` if they have changed since.
    stated: Option<Instant>,
}

/// What a call needs.
#[derive(Debug)]
pub struct Wish {
    /// How many units.
    pub units: usize,
    /// What its attempt takes at the longest.
    pub longest: Duration,
    /// What attempts usually take.
    pub usual: Duration,
    /// What it would have leases of; `None` if others may ask for the same.
    pub leases: Option<LeaseWish>,
}

/// What a call was granted.
#[derive(Debug)]
pub enum Reserved {
    /// It may be made.
    Granted {
        /// What it spends.
        units: SharedUnits,
        /// The leases that it holds.
        leases: Option<Leases>,
        /// The symbols that other replicas ask for. It must leave these out.
        elsewhere: Vec<Symbol>,
    },
    /// Other replicas ask for all of its symbols. Their leases end then at the latest.
    Elsewhere(Instant),
    /// Other replicas ask for these of its symbols, so it must be made for the others alone.
    Split(Vec<Symbol>),
}

/// Why units were not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The limit that has no room, or what else is the matter, in the words of a limit.
    pub limit: String,
    /// How long to wait at the longest.
    pub longest: Duration,
    /// How long it is likely to take; `None` if a call should not wait for it.
    pub likely: Option<Duration>,
}

impl Refusal {
    fn without_store(why: &str, longest: Duration) -> Self {
        Refusal { limit: share::without_store(why), longest, likely: None }
    }

    /// The store was asked, and what it says cannot be used.
    fn unusable(why: &str) -> Self {
        Refusal { limit: share::without_store(why), longest: SOON, likely: Some(SOON) }
    }
}

impl std::fmt::Debug for SharedLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedLimits").field("account", &self.account).finish_non_exhaustive()
    }
}

impl SharedLimits {
    pub(super) fn new(account: &str, process: Arc<Process>) -> Self {
        let key = format!("{}:account:{account}", process.settings.prefix);
        SharedLimits { process, account: account.to_owned(), key, state: Mutex::default() }
    }

    /// Sets what the vendor states, and what the longest attempt may take. Returns whether that is new.
    pub(super) fn set(&self, limits: &[Limit], longest: Duration) -> bool {
        let mut state = self.state.lock();
        let hold = state.longest_hold.max(longest + MARGIN);
        let is_new = state.limits != limits || state.longest_hold != hold;
        (state.limits, state.longest_hold) = (limits.to_vec(), hold);
        if let Some(introduced) = state.introduced.as_mut().filter(|_| is_new) {
            introduced.stated = None;
        }
        is_new
    }

    /// Reserves the units of a call, and leases of what it asks for, unless other replicas ask for that.
    ///
    /// # Errors
    /// The limits have no room, or the store is away and the share of this replica has none.
    pub async fn reserve(self: &Arc<Self>, wish: Wish) -> Result<Reserved, Refusal> {
        let now = Instant::now();
        let standing = self.standing(now);
        let reserved = match standing {
            Standing::Contact => self.reserve_in_store(wish, now).await,
            Standing::Alone(_) | Standing::Waiting => {
                let units = self.spend_share(wish.units, wish.longest, now);
                units.map(|units| Reserved::Granted { units, leases: None, elsewhere: Vec::new() })
            }
        };
        let counts = &self.process.counts;
        match (&reserved, standing) {
            (Ok(Reserved::Elsewhere(_) | Reserved::Split(_)), _) => counts.leases_left.add(1),
            (Ok(Reserved::Granted { leases, .. }), Standing::Contact) => {
                counts.granted.add(1);
                counts.leases_held.add(leases.as_ref().map_or(0, |leases| leases.symbols.len()));
            }
            (Ok(_), _) => counts.own_share.add(1),
            (Err(_), Standing::Contact) => counts.refused.add(1),
            (Err(_), _) => counts.away.add(1),
        }
        reserved
    }

    /// A source of this process by its name, if replicas share what it says.
    pub fn source(&self, name: &str) -> Option<Arc<SharedSource>> {
        self.process.exchange.heard_source(name)
    }

    fn standing(&self, now: Instant) -> Standing {
        self.process.contact.lock().standing(self.process.settings.start_alone, now)
    }

    async fn reserve_in_store(self: &Arc<Self>, wish: Wish, asked: Instant) -> Result<Reserved, Refusal> {
        let Wish { units, longest, usual, leases } = wish;
        let (units, wanted) = {
            let mut state = self.state.lock();
            let Some(introduced) = state.introduced.clone() else {
                self.process.introduce.notify_one();
                return Err(Refusal::unusable("it has to be told first what this replica has spent"));
            };
            let numbers = state.take_numbers(units);
            let over_by = asked + VOID_AFTER + longest;
            let units = SharedUnits { limits: Arc::clone(self), numbers: numbers.clone(), asked: Some(asked), over_by };
            let limits = state.limits.clone();
            let (hold, epoch, before) = (longest + MARGIN, introduced.epoch, state.introductions);
            (units, Wanted { numbers, hold, longest, usual, epoch, limits, before, leases })
        };
        // dropped without a word if the caller leaves meanwhile, or if what may have been granted is not used
        let mut leases = self.leases(&wanted);
        let (said, is_late) = match self.ask_twice(&wanted).await {
            Ok(said) => said,
            Err(error) => {
                units.give_back();
                return Err(Refusal::without_store(&error.to_string(), LATER));
            }
        };
        match (said.word.as_str(), &mut leases) {
            ("granted", Some(leases)) => leases.are_held = true,
            ("granted", None) => {}
            _ => leases.take().into_iter().for_each(Leases::forget),
        }
        match said.word.as_str() {
            "granted" => {
                let elsewhere = wanted.elsewhere(&said, 1);
                if let Some(leases) = &mut leases {
                    leases.symbols.retain(|symbol| !elsewhere.contains(symbol));
                }
                if !self.enters(&wanted) || units.are_void(Instant::now()) {
                    units.give_back();
                    return Err(Refusal::unusable("its reply came too late to be used"));
                }
                Ok(Reserved::Granted { units, leases, elsewhere })
            }
            "elsewhere" => {
                if is_late {
                    // the first try may have been granted
                    units.give_back();
                }
                let until = self.process.contact.lock().instant(said.number(0));
                Ok(Reserved::Elsewhere(until.unwrap_or(asked)))
            }
            "split" => Ok(Reserved::Split(wanted.elsewhere(&said, 0))),
            "full" => {
                let micros = |place| Duration::from_micros(u64::try_from(said.number(place)).unwrap_or_default());
                let calls = u32::try_from(said.number(2)).unwrap_or_default();
                let limit = Limit { calls, period: micros(3) };
                Err(Refusal { limit: limit.to_string(), longest: micros(0), likely: Some(micros(1).max(SOON)) })
            }
            _ => {
                self.state.lock().introduced = None;
                self.process.introduce.notify_one();
                Err(Refusal::unusable("it has to be told first what this replica has spent"))
            }
        }
    }

    /// The leases that a grant comes with; `None` if none are wanted.
    fn leases(&self, wanted: &Wanted) -> Option<Leases> {
        let LeaseWish { source, symbols, .. } = wanted.leases.as_ref()?;
        Some(Leases {
            source: Arc::clone(source),
            token: wanted.token(&self.process),
            symbols: symbols.clone(),
            told: Vec::new(),
            are_held: false,
            outgoing: self.process.exchange.outgoing.clone(),
        })
    }

    /// Enters granted units in the ledger, unless the store has been told meanwhile what is in there: it may have forgotten the
    /// grant before.
    fn enters(&self, wanted: &Wanted) -> bool {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let is_known = state.introductions == wanted.before;
        if is_known {
            let longest = longest(&state.limits);
            state.ledger.add(wanted.numbers.iter().copied(), now + wanted.hold, longest, now);
        }
        is_known
    }

    /// Asks the store, and once more if there is no reply in time. It grants nothing twice. Also returns whether it was asked twice.
    async fn ask_twice(&self, wanted: &Wanted) -> Result<(Said, bool), StoreError> {
        let process = &self.process;
        let mut slow = StoreError::Slow;
        for is_late in [false, true] {
            let (asked, members) = (Instant::now(), process.members_key());
            let arguments = wanted.arguments(process, asked);
            let leases = wanted.lease_keys(&process.settings.prefix);
            let keys: Vec<&str> = [&members, &self.key].into_iter().chain(&leases).map(String::as_str).collect();
            match RESERVE.run(&process.store, &keys, &arguments).await {
                Ok(said) if process.hear(asked, said.at) => return Ok((said, is_late)),
                Ok(_) => return Err(StoreError::Refused("its clock was moved".to_owned())),
                Err(error @ (StoreError::Slow | StoreError::Unreachable(_))) => slow = error,
                Err(error) => return Err(error),
            }
        }
        Err(slow)
    }

    /// Spends units of the share that this replica has while it does not hear the store.
    fn spend_share(self: &Arc<Self>, units: usize, longest: Duration, now: Instant) -> Result<SharedUnits, Refusal> {
        let mut state = self.state.lock();
        let replicas = self.process.settings.replicas;
        let share = share::of_one(&state.limits, replicas)
            .map_err(|why| Refusal::without_store(&format!("away; {why}"), LATER))?;
        // under the lock of the account: a return to the store waits for it, and finds these units, too
        let mut contact = self.process.contact.lock();
        let Standing::Alone(since) = contact.standing(self.process.settings.start_alone, now) else {
            return Err(Refusal::without_store("this replica waits until it is heard there", LATER));
        };
        let begins = since + share::begins_after(&state.limits, state.longest_hold);
        if now < begins {
            let wait = Span(Duration::from_secs((begins - now).as_secs() + 1));
            return Err(Refusal::without_store(
                &format!("away; this replica may spend its share in {wait}"),
                begins - now,
            ));
        }
        let waits = share.iter().filter_map(|limit| Some((state.ledger.wait(units, *limit, now)?, *limit)));
        if let Some((wait, limit)) = waits.max_by_key(|(wait, _)| *wait) {
            let limit = format!("{limit}, the share of this replica without the shared store,");
            return Err(Refusal { limit, longest: wait, likely: Some(wait) });
        }
        contact.go_alone();
        drop(contact);
        let numbers = state.take_numbers(units);
        let (over_by, longest_period) = (now + longest + MARGIN, self::longest(&state.limits));
        state.ledger.add(numbers.iter().copied(), over_by, longest_period, now);
        Ok(SharedUnits { limits: Arc::clone(self), numbers, asked: None, over_by })
    }

    /// The account's key in the store.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether this replica has to introduce itself, or to state its limits again.
    pub(super) fn is_due(&self, every: Duration) -> bool {
        let state = self.state.lock();
        let stated = state.introduced.as_ref().and_then(|introduced| introduced.stated);
        stated.is_none_or(|stated| stated.elapsed() > every)
    }

    /// Begins an introduction to a run of a server: what to say there, and of each unit its name and how many microseconds ago its
    /// call ended. The clock was moved up to `moved` so far.
    pub(super) fn begin_introduction(&self, run: &str, moved: i64, with_units: bool) -> Introduction {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let limits: Vec<String> =
            state.limits.iter().map(|limit| format!("{}/{}", limit.calls, micros(limit.period))).collect();
        let hold = micros(state.longest_hold);
        let statement = format!("{}:{hold}:{}", self.process.settings.replicas, limits.join(","));
        let is_here = state.introduced.as_ref().is_some_and(|introduced| introduced.run == run);
        let was_elsewhere = state.introduced.is_some() && !is_here;
        let epoch = state.introduced.as_ref().map(|introduced| introduced.epoch.clone()).unwrap_or_default();
        let moved = moved - state.moved;
        if !with_units && is_here {
            return Introduction { what: "again", epoch, moved, statement, units: Vec::new() };
        }
        state.introductions += 1;
        let longest = longest(&state.limits);
        let age =
            |ends: Instant| micros(now.saturating_duration_since(ends)) - micros(ends.saturating_duration_since(now));
        let units = state.ledger.all(longest, now);
        let units = units.map(|(number, ends)| [self.process.unit(number), age(ends).to_string()]).collect();
        Introduction { what: if was_elsewhere { "renew" } else { "add" }, epoch, moved, statement, units }
    }

    /// Notes the reply to an introduction, or to a part of it. Returns whether the store has taken it in.
    pub(super) fn is_introduced(&self, run: &str, said: &Said, moved: i64, is_whole: bool) -> bool {
        let mut state = self.state.lock();
        let Some(epoch) = said.rest.first().filter(|_| said.word == "introduced").cloned() else {
            state.introduced = None;
            return false;
        };
        let stated = is_whole.then(Instant::now);
        (state.introduced, state.moved) = (Some(Introduced { run: run.to_owned(), epoch, stated }), moved);
        if is_whole {
            state.others = said.number(1);
            let hold = Duration::from_micros(u64::try_from(said.number(2)).unwrap_or_default());
            state.longest_hold = state.longest_hold.max(hold);
        }
        true
    }

    /// What an operator should know.
    pub(super) fn remark(&self) -> Option<String> {
        let (others, account) = (self.state.lock().others, &self.account);
        (others > 0).then(|| format!("{others} other replicas state other limits for {account}; the strictest hold"))
    }
}

impl State {
    /// The numbers of new units.
    fn take_numbers(&mut self, units: usize) -> Vec<u64> {
        let numbers = self.next_number..self.next_number + units as u64;
        self.next_number = numbers.end;
        numbers.collect()
    }
}

/// What a replica tells the store of an account.
pub(super) struct Introduction {
    /// Whether it adds units, only states its limits `again`, or was at another server meanwhile.
    pub(super) what: &'static str,
    /// The epoch that it knows.
    pub(super) epoch: String,
    /// By how much the clock was moved since.
    pub(super) moved: i64,
    /// The most replicas, the longest hold, and the limits.
    pub(super) statement: String,
    /// Of each unit its name and how many microseconds ago its call ended.
    pub(super) units: Vec<[String; 2]>,
}

/// What is asked of the store.
struct Wanted {
    numbers: Vec<u64>,
    hold: Duration,
    longest: Duration,
    usual: Duration,
    epoch: String,
    limits: Vec<Limit>,
    /// How many introductions had begun before.
    before: u64,
    leases: Option<LeaseWish>,
}

impl Wanted {
    fn arguments(&self, process: &Process, now: Instant) -> Vec<String> {
        let heard = process.contact.lock().sign_of_life();
        let mut arguments = vec![
            process.replica.clone(),
            heard.to_string(),
            process.run.lock().clone(),
            self.epoch.clone(),
            process.settings.replicas.to_string(),
            micros(self.hold).to_string(),
            micros(self.usual).to_string(),
            self.limits.len().to_string(),
        ];
        let limits = self.limits.iter();
        arguments.extend(limits.flat_map(|limit| [limit.calls.to_string(), micros(limit.period).to_string()]));
        arguments.push(self.numbers.len().to_string());
        arguments.extend(self.numbers.iter().map(|number| process.unit(*number)));
        let flag = |is_set: bool| u8::from(is_set).to_string();
        let (leaves, since) = self.leases.as_ref().map_or((false, now), |wish| (wish.leaves, wish.since));
        arguments.extend([
            flag(leaves),
            micros(now.saturating_duration_since(since)).to_string(),
            micros(self.longest + leases::MARGIN).to_string(),
            self.token(process),
        ]);
        arguments
    }

    fn lease_keys(&self, prefix: &str) -> Vec<String> {
        let of_wish =
            |wish: &LeaseWish| wish.symbols.iter().map(|symbol| wish.source.lease_of(symbol, prefix)).collect();
        self.leases.as_ref().map(of_wish).unwrap_or_default()
    }

    /// What its leases are known by: the name of its first unit.
    fn token(&self, process: &Process) -> String {
        process.unit(self.numbers.first().copied().unwrap_or_default())
    }

    /// The symbols whose places stand in a reply, after so much else.
    fn elsewhere(&self, said: &Said, after: usize) -> Vec<Symbol> {
        let symbols = self.leases.as_ref().map(|wish| &wish.symbols[..]).unwrap_or_default();
        let places = said.rest.iter().skip(after).filter_map(|place| place.parse::<usize>().ok()?.checked_sub(1));
        places.filter_map(|place| symbols.get(place).cloned()).collect()
    }
}

fn longest(limits: &[Limit]) -> Duration {
    limits.iter().map(|limit| limit.period).max().unwrap_or_default()
}

impl Process {
    /// The key of the members in the store.
    pub(super) fn members_key(&self) -> String {
        format!("{}:members", self.settings.prefix)
    }

    /// The channel on which replicas tell each other what has happened.
    pub(super) fn channel(&self) -> String {
        format!("{}:news", self.settings.prefix)
    }

    /// The key of what fingerprints are made with.
    pub(super) fn salt_key(&self) -> String {
        format!("{}:salt", self.settings.prefix)
    }

    /// The name of a unit in the store.
    pub(super) fn unit(&self, number: u64) -> String {
        format!("{}:{number}", self.replica)
    }

    /// Notes a reply of the store. Returns whether it can be relied on: the store's clock runs as ours does.
    pub(super) fn hear(&self, asked: Instant, at: i64) -> bool {
        let is_sound = self.contact.lock().hear(asked, Instant::now(), at);
        if !is_sound {
            self.introduce.notify_one();
        }
        is_sound
    }
}
