//! Leaves a vendor alone when it asks for that: what replies say of limits, keys and quotas.

use tokio::sync::watch;
use tokio::time::Instant;

use super::Account;
use crate::failure::SourceError;
use crate::source::batch::Reply;
use crate::source::cooldown::{Cooldown, Cooldowns};

impl Account {
    /// The cooldown that holds now, if any.
    pub fn cooldown(&self, now: Instant) -> Option<Cooldown> {
        self.cooling.borrow().clone().filter(|cooldown| cooldown.until > now)
    }

    /// Hears of cooldowns that begin from now on.
    pub(in crate::source) fn watch_cooldowns(&self) -> watch::Receiver<Option<Cooldown>> {
        self.cooling.subscribe()
    }

    /// Learns from the reply to a call, sent at an instant, what the vendor says of limits, keys and quotas.
    pub(in crate::source) fn heed(&self, result: &Result<Reply, SourceError>, sent: Instant, now: Instant) {
        let refusal = match result {
            Err(error) => Some(error).filter(|error| Cooldowns::concerns(error)),
            Ok(reply) => {
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
        };
        let mut state = self.lock();
        let holds = self.cooldown(now);
        match refusal {
            // of several calls in the air that are refused for the same reason, the first one counts
            Some(error) if holds.as_ref().is_some_and(|holds| holds.error.reason() == error.reason()) => {}
            Some(error) => {
                state.revision += 1;
                let cooldown = state.cooldowns.begin(error, now);
                // and of two refusals the one that lasts longer
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
            error @ (SourceError::Unauthorized(_) | SourceError::Forbidden(_)) if self.has_key => {
                tracing::error!(account, "key refused, not asking for {seconds} s: {error}");
            }
            error => tracing::warn!(account, reason = error.reason(), "not asking for {seconds} s: {error}"),
        }
    }
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
            account.heed(&Ok(Reply { rows }), now, now);
            assert_eq!(account.cooldown(now).is_some(), is_put_aside);
        }
    }
}
