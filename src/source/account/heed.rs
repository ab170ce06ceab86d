//! Leaves a vendor alone when it asks for that: what replies say of limits, keys and quotas.

use tokio::sync::watch;
use tokio::time::Instant;

use super::Account;
use crate::source::batch::Reply;
use crate::source::cooldown::{Cooldown, Cooldowns};
use crate::source::error::SourceError;

impl Account {
    /// The cooldown that holds now, if any.
    pub fn cooldown(&self, now: Instant) -> Option<Cooldown> {
        self.cooling.borrow().clone().filter(|cooldown| cooldown.until > now)
    }

    /// Hears of cooldowns that begin from now on.
    pub(in crate::source) fn watch_cooldowns(&self) -> watch::Receiver<Option<Cooldown>> {
        self.cooling.subscribe()
    }

    /// Takes to heart what the reply to a call, sent at an instant, says of limits, keys and quotas.
    pub(in crate::source) fn heed(&self, result: &Result<Reply, SourceError>, sent: Instant, now: Instant) {
        let refusal = match result {
            Err(error) => Some(error).filter(|error| Cooldowns::concerns(error)),
            Ok(reply) => {
                reply.rows.iter().filter_map(|(_, row)| row.as_ref().err()).find(|error| Cooldowns::concerns(error))
            }
        };
        let mut state = self.lock();
        let holds = self.cooldown(now);
        match refusal {
            // of several calls in the air that meet the same wall, the first one counts
            Some(error) if holds.as_ref().is_some_and(|holds| holds.error.reason() == error.reason()) => {}
            Some(error) => {
                state.revision += 1;
                let cooldown = state.cooldowns.begin(error, now);
                // and of two walls the one that stands longer
                let longer = cooldown.filter(|new| holds.is_none_or(|holds| holds.until < new.until));
                if let Some(cooldown) = longer {
                    self.report(&cooldown, now);
                    self.cooling.send_replace(Some(cooldown));
                }
            }
            None if result.is_ok() => {
                let reset = state.cooldowns.reset(sent);
                state.revision += u64::from(reset);
            }
            None => {}
        }
    }

    fn report(&self, cooldown: &Cooldown, now: Instant) {
        let (account, seconds) = (&self.name, (cooldown.until - now).as_secs());
        match &cooldown.error {
            error @ SourceError::Unauthorized(_) if self.has_key => {
                tracing::error!(account, "key refused, not asking for {seconds} s: {error}");
            }
            error => tracing::warn!(account, reason = error.reason(), "not asking for {seconds} s: {error}"),
        }
    }
}
