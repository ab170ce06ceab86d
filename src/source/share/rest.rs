//! Says when a source is left alone, and for what: the latest of all that speaks against a call decides.

use tokio::time::Instant;

use super::{Inner, Share};
use crate::source::breaker::Standing;
use crate::source::cooldown::Cooldown;

impl Share {
    /// Until when nothing is asked of the source, and what callers are told meanwhile; `None` if it may be asked.
    pub fn rest(&self, now: Instant) -> Option<Cooldown> {
        self.0.rest(now)
    }

    /// The first moment at which a call could be sent: the source is not left alone, and its limits have room.
    pub fn askable_at(&self, now: Instant) -> Instant {
        let rest = self.0.rest(now).map_or(now, |rest| rest.until);
        rest.max(self.0.parts.account.room_at(now))
    }
}

impl Inner {
    /// Until when nothing is asked of the source, and what callers are told meanwhile: its vendor wants that, its breaker is
    /// open, or its last call failed. Each of these must be over.
    pub(super) fn rest(&self, now: Instant) -> Option<Cooldown> {
        let open = match self.parts.breaker.standing(now) {
            Standing::Open(until) => self.parts.breaker.refusal(now).map(|error| Cooldown { until, error }),
            // a call that tries is under way: callers who come now wait for its end
            Standing::Closed | Standing::HalfOpen => None,
        };
        let all = [self.parts.account.cooldown(now), open, self.parts.backoff.rest(now)];
        let until = all.iter().flatten().map(|rest| rest.until).max()?;
        let error = all.into_iter().flatten().next()?.error;
        Some(Cooldown { until, error })
    }
}
