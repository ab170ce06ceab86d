//! One vendor's account: what it allows us, and for how long it wants to be left alone.
//!
//! The sources of one vendor share an account. Its [`Allowance`] counts the units of its limits; calls wait for them in
//! `rate_limit`.

mod remember;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::allowance::Allowance;
use super::batch::Reply;
use super::cooldown::{Cooldown, Cooldowns};
use crate::failure::SourceError;
use crate::fingerprint::Fingerprint;
use crate::shared::{AccountRefusal, HeardRefusal, Shared, SharedLimits};
use crate::units::Limit;
pub use remember::{AccountState, CooldownState};

/// The end of a single refusal is logged if it has lasted this long.
const A_WHILE: Duration = Duration::from_secs(60);

/// What was spent on accounts that are not configured, by name.
pub(crate) type Unconfigured = Mutex<BTreeMap<String, AccountState>>;

/// What one vendor allows us: its limits, what of them is spent, and whether it wants to be left alone.
#[derive(Debug)]
pub struct Account {
    /// Its name in log lines and in the state file.
    name: String,
    allowance: Allowance,
    refusals: Mutex<Refusals>,
    /// The cooldown that began last.
    cooling: watch::Sender<Option<Cooldown>>,
    /// What it shares with other replicas; `None` if that is nothing.
    shared: Mutex<Option<Sharing>>,
}

/// What an account shares with other replicas.
#[derive(Debug)]
struct Sharing {
    /// Its limits; `None` if it has none.
    limits: Option<Arc<SharedLimits>>,
    with: Shared,
}

/// The key that its calls carry.
#[derive(Debug, Default)]
struct Key {
    /// Whether there is no key, so that a refusal cannot be the key's fault.
    is_missing: bool,
    /// Tells one key from another, and reveals nothing of either.
    mark: Option<Fingerprint>,
}

/// How the vendor has refused us so far.
#[derive(Debug, Default)]
struct Refusals {
    key: Key,
    cooldowns: Cooldowns,
    /// What was logged of it.
    told: Option<Told>,
    /// Grows with everything that must outlive a restart.
    revision: u64,
}

/// Refusals for one reason, of which the first was logged.
#[derive(Debug)]
struct Told {
    reason: &'static str,
    since: Instant,
    last: Instant,
    times: u32,
}

impl Account {
    /// An account whose vendor states these limits.
    ///
    /// A limit per hour or longer also counts as a fifth of it over a fifth of its period, so that no five minutes use up a
    /// day.
    pub fn new(name: &str, stated: &[Limit]) -> Self {
        Account {
            name: name.to_owned(),
            allowance: Allowance::new(stated),
            refusals: Mutex::default(),
            cooling: watch::Sender::new(None),
            shared: Mutex::default(),
        }
    }

    /// The same for a vendor that is asked without a key.
    pub(super) fn without_key(self) -> Self {
        self.refusals.lock().key.is_missing = true;
        self
    }

    /// The same with a fingerprint of its key.
    pub fn marked(self, key_mark: Option<Fingerprint>) -> Self {
        self.refusals.lock().key.mark = key_mark;
        self
    }

    /// Sets the limits that hold from now on, and takes over the key of another account of this name. What was spent stays
    /// spent. A new key has not been refused yet.
    pub(super) fn renew(&self, limits: &[Limit], other: Account, now: Instant) {
        self.allowance.set_limits(limits, now);
        let new = other.refusals.into_inner().key;
        let mut refusals = self.refusals.lock();
        if refusals.key.mark != new.mark {
            refusals.revision += 1;
            let holds = self.cooldown(now).filter(|_| self.is_shared());
            // replicas that still have the old key would say again what holds for the account
            if !holds.is_some_and(|holds| Cooldowns::is_of_account(&holds.error)) {
                (refusals.cooldowns, refusals.told) = (Cooldowns::default(), None);
                self.cooling.send_replace(None);
            }
        }
        refusals.key = new;
    }

    /// Shares its limits and refusals with other replicas from now on. An attempt of its sources takes up to `longest`.
    pub(super) fn share(self: &Arc<Self>, shared: &Shared, longest: Duration) {
        let limits = self.allowance.limits();
        let is_limited = !limits.is_empty();
        let limits = is_limited.then(|| shared.limits(&self.name, limits.all(), longest));
        let is_new = self.shared.lock().replace(Sharing { limits, with: shared.clone() }).is_none();
        if is_new {
            let account = Arc::downgrade(self);
            shared.listen(&self.name, move |heard, now| {
                if let Some(account) = account.upgrade() {
                    account.hear(heard, now);
                }
            });
        }
    }

    /// Shares nothing with other replicas from now on.
    pub(super) fn keep_apart(&self) {
        *self.shared.lock() = None;
    }

    /// Whether it shares its limits and refusals with other replicas.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.lock().is_some()
    }

    /// Its limits in the store that replicas share.
    pub(super) fn shared(&self) -> Option<Arc<SharedLimits>> {
        self.shared.lock().as_ref()?.limits.clone()
    }

    /// Learns how the vendor has refused another replica. Only what is newer and lasts longer than what holds here changes anything.
    fn hear(&self, heard: &HeardRefusal, now: Instant) {
        let mut refusals = self.refusals.lock();
        let HeardRefusal { error, until, times, .. } = heard;
        let is_of_key = Cooldowns::is_of_key(error) && heard.is_of_key(refusals.key.mark.as_ref());
        let is_longer = self.cooldown(now).is_none_or(|holds| holds.until < *until);
        if (is_of_key || Cooldowns::is_of_account(error)) && is_longer && self.is_shared() {
            refusals.cooldowns.hear(error, *times, now);
            refusals.revision += 1;
            let seconds = until.saturating_duration_since(now).as_secs();
            tracing::info!(
                account = self.name,
                reason = error.reason(),
                "no call for {seconds} s, as another replica was told: {error}"
            );
            self.cooling.send_replace(Some(Cooldown { until: *until, error: error.clone() }));
        }
    }

    /// Tells other replicas how the vendor has refused this one, unless that is about its address.
    fn tell(&self, refusals: &mut Refusals, cooldown: &Cooldown) {
        let Cooldown { until, error } = cooldown;
        let Some(Sharing { with, .. }) = &*self.shared.lock() else { return };
        if Cooldowns::is_of_account(error) || Cooldowns::is_of_key(error) {
            let times = refusals.cooldowns.times(error);
            let key_mark = refusals.key.mark.clone();
            let (account, error) = (self.name.clone(), error.clone());
            with.tell(AccountRefusal { account, error, until: *until, times, key_mark });
        }
    }

    /// Counts what was spent on another account as spent here, too: from now on its sources belong to this one.
    pub(super) fn absorb(&self, other: &Account, now: Instant) {
        self.allowance.restore(other.allowance.spent_lately(now));
    }

    /// Tells the key that calls carry now from others.
    pub(super) fn key_mark(&self) -> Option<Fingerprint> {
        self.refusals.lock().key.mark.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The units of its limits.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// The cooldown that holds now, if any.
    pub fn cooldown(&self, now: Instant) -> Option<Cooldown> {
        self.cooling.borrow().clone().filter(|cooldown| cooldown.until > now)
    }

    /// Changes with each cooldown that begins from now on.
    pub(super) fn watch_cooldowns(&self) -> watch::Receiver<Option<Cooldown>> {
        self.cooling.subscribe()
    }

    /// Learns from the reply to a call, sent at an instant, what the vendor says of limits, keys and quotas. A refusal may
    /// begin a cooldown; a success makes the next one the shortest again.
    pub(super) fn apply_refusal(&self, result: &Result<Reply, SourceError>, sent: Instant, now: Instant) {
        let mut refusals = self.refusals.lock();
        let holds = self.cooldown(now);
        match refusal(result) {
            // of several calls in flight that are refused for the same reason, the first one counts
            Some(error) if holds.as_ref().is_some_and(|holds| holds.error.reason() == error.reason()) => {}
            Some(error) => {
                refusals.revision += 1;
                let cooldown = refusals.cooldowns.begin(error, now);
                // and of two refusals the one that lasts longer
                let longer = cooldown.filter(|new| holds.is_none_or(|holds| holds.until < new.until));
                if let Some(cooldown) = longer {
                    self.report(&mut refusals, &cooldown, now);
                    self.tell(&mut refusals, &cooldown);
                    self.cooling.send_replace(Some(cooldown));
                }
            }
            None if result.is_ok() => {
                self.report_end(&mut refusals, sent, now);
                let reset = refusals.cooldowns.reset(sent);
                refusals.revision += u64::from(reset);
            }
            None => {}
        }
    }

    /// Logs a cooldown, unless the one before it was for the same reason.
    fn report(&self, refusals: &mut Refusals, cooldown: &Cooldown, now: Instant) {
        let (account, seconds) = (&self.name, (cooldown.until - now).as_secs());
        let (error, has_key) = (&cooldown.error, !refusals.key.is_missing);
        if let Some(told) = refusals.told.as_mut().filter(|told| told.reason == error.reason()) {
            (told.times, told.last) = (told.times.saturating_add(1), now);
            tracing::debug!(account, reason = error.reason(), "still no call for {seconds} s: {error}");
            return;
        }
        refusals.told = Some(Told { reason: error.reason(), since: now, last: now, times: 1 });
        match error {
            error @ (SourceError::Unauthorized(_) | SourceError::Forbidden(_)) if has_key => {
                tracing::error!(account, "key refused; no call for {seconds} s: {error}");
            }
            error => tracing::warn!(account, reason = error.reason(), "no call for {seconds} s: {error}"),
        }
    }

    /// Logs that calls are answered again. After a single refusal for a moment, that goes without saying.
    fn report_end(&self, refusals: &mut Refusals, sent: Instant, now: Instant) {
        let Some(Told { reason, since, times, .. }) = refusals.told.take_if(|told| told.last < sent) else { return };
        let lasted = now.saturating_duration_since(since);
        if times > 1 || lasted >= A_WHILE {
            let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(account = self.name, reason, lasted_ms, refused = times, "its calls are answered again");
        }
    }
}

/// The error in a reply by which the vendor refuses the whole account, if there is one.
fn refusal(result: &Result<Reply, SourceError>) -> Option<&SourceError> {
    let reply = match result {
        Err(error) => return Some(error).filter(|error| Cooldowns::concerns(error)),
        Ok(reply) => reply,
    };
    // a reply with a quote in it shows that the key is good, whatever it says of another symbol
    let key_is_good = reply.rows.iter().any(|(_, row)| row.is_ok());
    let speaks_of_account = |error: &&SourceError| match error {
        SourceError::Unauthorized(_) => !key_is_good,
        // as the failure of one symbol, it was found to be about that symbol
        SourceError::Forbidden(_) => false,
        error => Cooldowns::concerns(error),
    };
    reply.rows.iter().filter_map(|(_, row)| row.as_ref().err()).find(speaks_of_account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote::Quote;
    use crate::symbol::Symbol;

    #[test]
    fn a_key_that_brings_a_quote_is_not_put_aside_for_what_the_reply_says_of_another_symbol() {
        let refused = || Err(SourceError::Unauthorized("BAD is restricted".to_owned()));
        let quoted = || Ok(Quote::bare(rust_decimal::Decimal::ONE, jiff::Timestamp::UNIX_EPOCH));
        for (first, is_put_aside) in [(quoted(), false), (refused(), true)] {
            let (account, now) = (Account::new("a", &[]), Instant::now());
            let symbol = |text| Symbol::parse(text).unwrap();
            let rows = vec![(symbol("AAPL"), first), (symbol("BAD"), refused())];
            account.apply_refusal(&Ok(Reply { rows }), now, now);
            assert_eq!(account.cooldown(now).is_some(), is_put_aside);
        }
    }
}
