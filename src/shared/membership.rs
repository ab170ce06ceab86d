//! Keeps this replica among those that share limits, for as long as it hears the store.
//!
//! Whenever the connection, the server or its clock is another than before, or the store has forgotten something, the replica
//! first tells it what it has spent, account by account, and only then counts as present again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::contact::{HEARD_FOR, micros};
use super::limits::{Introduction, SharedLimits};
use super::script::{BEAT, ENTER, INTRODUCE, LEAVE, Said, StoreInstant};
use super::{Process, Server, Shared, StoreError};

/// How often a replica shows that it hears the store.
const EVERY: Duration = Duration::from_millis(250);

/// How often it states its limits, so that the strictest of a minute hold.
const STATED_EVERY: Duration = Duration::from_secs(20);

/// To how many accounts it introduces itself at once.
const MOST_ACCOUNTS: usize = 8;

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The most units in one introduction.
const MOST_AT_ONCE: usize = 200;

/// For how long a member counts as present, by the store's clock.
const PRESENT_FOR: StoreInstant = 1_000_000;

/// The replicas as the store last listed them.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// When each was last heard, by the store's clock.
    heard: BTreeMap<String, StoreInstant>,
    /// When the store listed them, by its clock and by ours.
    listed: Option<(StoreInstant, Instant)>,
    /// What the server is.
    server: Server,
    /// Why it is not heard; `None` while it is.
    trouble: Option<StoreError>,
}

impl Members {
    fn list(&mut self, said: &Said, now: Instant) {
        let pairs =
            said.rest.chunks_exact(2).filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.parse().ok()?)));
        (self.heard, self.listed) = (pairs.collect(), Some((said.at, now)));
    }

    /// How many microseconds ago each was heard.
    fn ages(&self, now: Instant) -> Vec<(String, i64)> {
        let Some((at, listed)) = self.listed else { return Vec::new() };
        let since = micros(now.saturating_duration_since(listed));
        self.heard.iter().map(|(name, heard)| (name.clone(), at - heard + since)).collect()
    }

    /// How many hear the store, this one included; 0 if it does not reply to this one.
    pub(super) fn present(&self, now: Instant) -> usize {
        let Some((at, _)) = self.listed.filter(|(_, listed)| *listed + HEARD_FOR > now) else { return 0 };
        self.heard.values().filter(|heard| at - **heard < PRESENT_FOR).count()
    }

    /// What an operator should know.
    pub(super) fn remarks(&self, replicas: u32) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(trouble) = &self.trouble {
            remarks.push(format!("the shared store is away: {trouble}"));
        }
        let present = self.present(Instant::now());
        if present > replicas as usize {
            remarks.push(format!("{present} replicas share limits; shared.replicas allows {replicas}"));
        }
        if self.server.evicts {
            remarks.push("the shared store may drop keys; set its maxmemory-policy to noeviction".to_owned());
        }
        remarks
    }
}

/// Takes part until it is `stopped`, and then signs off.
pub(super) async fn take_part(shared: Shared, stopped: CancellationToken) {
    let process = &shared.0.process;
    let mut pause = EVERY;
    let mut is_told = false;
    while !stopped.is_cancelled() {
        let error = match stay(&shared, &stopped, &mut is_told).await {
            Ok(()) => return,
            Err(error) => error,
        };
        process.store.disconnect();
        if !is_told {
            tracing::warn!("limits are not shared with other replicas, because the shared store is away: {error}");
            (is_told, pause) = (true, EVERY);
        }
        process.members.lock().trouble = Some(error);
        let most = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        // not all replicas at once
        tokio::select! {
            () = sleep(Duration::from_millis(fastrand::u64(most / 2..=most))) => {}
            () = stopped.cancelled() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects, and takes part for as long as the store replies. Ends without an error when it is `stopped`.
async fn stay(shared: &Shared, stopped: &CancellationToken, is_told: &mut bool) -> Result<(), StoreError> {
    let process = &*shared.0.process;
    let server = process.store.connect().await?;
    if let Some(fault) = server.fault() {
        return Err(StoreError::Refused(fault));
    }
    *process.run.lock() = server.run.clone();
    process.members.lock().server = server;
    come_back(shared).await?;
    tracing::info!("limits are shared with other replicas");
    *is_told = false;
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = process.introduce.notified() => {}
            () = stopped.cancelled() => {
                let _ = LEAVE.run(&process.store, &[&process.members_key()], std::slice::from_ref(&process.replica)).await;
                return Ok(());
            }
        }
        match beat(process).await {
            Ok(is_member) if !is_member || process.contact.lock().must_return() => come_back(shared).await?,
            Ok(_) => state_again(shared).await?,
            // one late reply is no loss of contact
            Err(StoreError::Slow) if process.contact.lock().is_heard(Instant::now()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Shows that this replica hears the store. Returns whether it is a member.
async fn beat(process: &Process) -> Result<bool, StoreError> {
    let heard = process.contact.lock().sign_of_life();
    let arguments = [process.replica.clone(), process.run.lock().clone(), heard.to_string()];
    let asked = Instant::now();
    let said = BEAT.run(&process.store, &[&process.members_key()], &arguments).await?;
    process.hear(asked, said.at);
    let is_member = said.word == "heard";
    if is_member {
        let mut members = process.members.lock();
        members.list(&said, Instant::now());
        members.trouble = None;
    }
    Ok(is_member)
}

/// Tells the store what this replica has spent, and becomes a member again. Nothing is spent meanwhile.
async fn come_back(shared: &Shared) -> Result<(), StoreError> {
    let process = &*shared.0.process;
    process.contact.lock().begin_return();
    let back = return_to(shared, process).await;
    match back {
        Ok(()) => process.exchange.read_again(),
        Err(_) => process.contact.lock().fail_to_return(),
    }
    back
}

async fn return_to(shared: &Shared, process: &Process) -> Result<(), StoreError> {
    // whether the clock was moved must be known before any instant is stated
    beat(process).await?;
    if process.contact.lock().is_new() {
        // one that it takes the place of may have counted as present until now, and a clock is judged by two replies
        sleep(HEARD_FOR).await;
        beat(process).await?;
    }
    let moved = process.contact.lock().moved();
    for some in shared.accounts().chunks(MOST_ACCOUNTS) {
        try_join_all(some.iter().map(|limits| introduce_to(process, limits, moved, true))).await?;
    }
    enter(process, moved).await?;
    // so that others are known if the store forgets them
    beat(process).await.map(drop)
}

/// States the limits again to some of the accounts for which that is due, and introduces this replica to those that have forgotten it.
async fn state_again(shared: &Shared) -> Result<(), StoreError> {
    let process = &*shared.0.process;
    let moved = process.contact.lock().moved();
    let mut due = shared.accounts();
    due.retain(|limits| limits.is_due(STATED_EVERY));
    due.truncate(MOST_ACCOUNTS);
    try_join_all(due.iter().map(|limits| introduce_to(process, limits, moved, false))).await.map(drop)
}

/// Introduces this replica to an account. Without `units`, it only states its limits if the account knows it.
async fn introduce_to(
    process: &Process,
    limits: &SharedLimits,
    moved: i64,
    with_units: bool,
) -> Result<(), StoreError> {
    let run = process.run.lock().clone();
    let Introduction { mut what, mut epoch, moved: mut moved_since, statement, units } =
        limits.begin_introduction(&run, moved, with_units);
    let mut chunks = units.chunks(MOST_AT_ONCE);
    let mut chunk = chunks.next().unwrap_or_default();
    loop {
        let next = chunks.next();
        // others rely on its units once it has stated its limits, so that comes last
        let statement = if next.is_none() { statement.clone() } else { String::new() };
        let (replica, moved_by) = (process.replica.clone(), moved_since.to_string());
        let mut arguments = vec![replica, run.clone(), epoch, moved_by, what.to_owned(), statement];
        arguments.extend(chunk.iter().flatten().cloned());
        let asked = Instant::now();
        let said = INTRODUCE.run(&process.store, &[limits.key()], &arguments).await?;
        process.hear(asked, said.at);
        if !limits.is_introduced(&run, &said, moved, next.is_none()) {
            // it is told everything with the next beat
            process.introduce.notify_one();
            return Ok(());
        }
        let Some(next) = next else { return Ok(()) };
        (what, epoch, moved_since, chunk) = ("add", said.rest.first().cloned().unwrap_or_default(), 0, next);
    }
}

async fn enter(process: &Process, moved: i64) -> Result<(), StoreError> {
    let now = Instant::now();
    let (heard, moved_since) = {
        let contact = process.contact.lock();
        (contact.last_heard(), contact.moved_since_entered(moved))
    };
    let (replica, run) = (process.replica.clone(), process.run.lock().clone());
    let mut arguments = vec![replica, run, heard.to_string(), moved_since.to_string()];
    arguments.extend(process.members.lock().ages(now).into_iter().flat_map(|(name, age)| [name, age.to_string()]));
    let said = ENTER.run(&process.store, &[&process.members_key()], &arguments).await?;
    process.hear(now, said.at);
    process.contact.lock().enter(moved);
    Ok(())
}
