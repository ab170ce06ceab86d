//! What replicas tell each other of sources and accounts, as it is written in the store. Pure.
//!
//! All times are the store's. A field that a version does not know is skipped, so that a rollout may mix versions.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::script::StoreInstant;
use crate::board::QuoteState;
use crate::clock::{Moment, age};
use crate::text::as_string;

/// How far a quote's age by its replica's clock may be above its age by the store's clock before it is believed instead.
const WALL_TOLERANCE: Duration = Duration::from_secs(2);

/// How far in the future something may have happened: two replicas do not read the store's clock in the same way.
const AHEAD: Duration = Duration::from_secs(1);

/// One message: of one source, or of accounts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Message {
    /// The replica that tells it.
    pub(super) from: String,
    /// The source; empty in a message of accounts.
    #[serde(default)]
    pub(super) source: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) quotes: Vec<QuoteNews>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) denials: Vec<DenialNews>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) withdrawals: Vec<WithdrawalNews>,
    /// The symbols whose calls have ended with something that is told here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) done: Vec<String>,
    /// The symbols whose calls have ended with nothing, so that another replica may make them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) cooldowns: Vec<CooldownNews>,
}

/// A quote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct QuoteNews {
    /// When it arrived.
    pub(super) landed: StoreInstant,
    pub(super) quote: QuoteState,
}

/// A source has no such symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DenialNews {
    pub(super) symbol: String,
    pub(super) reason: String,
    /// The vendor's words, scrubbed.
    pub(super) detail: String,
    pub(super) landed: StoreInstant,
    pub(super) until: StoreInstant,
}

/// A quote belongs to another symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WithdrawalNews {
    pub(super) symbol: String,
    /// When the quote arrived.
    pub(super) landed: StoreInstant,
    /// The same by the wall clock of the replica where it did.
    #[serde(with = "as_string")]
    pub(super) received_at: Timestamp,
}

/// What a source has said last of a symbol, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    Quote(Box<QuoteNews>),
    Denial(DenialNews),
    Withdrawal(WithdrawalNews),
}

/// A vendor wants to be left alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CooldownNews {
    pub(super) account: String,
    pub(super) reason: String,
    /// The vendor's words, scrubbed.
    pub(super) detail: String,
    pub(super) until: StoreInstant,
    /// The same by the wall clock of the replica that was refused.
    #[serde(with = "as_string")]
    pub(super) until_by_wall: Timestamp,
    /// How often in a row the vendor has refused calls for this reason.
    pub(super) times: u32,
    /// Tells the key that was refused from others.
    pub(super) key: String,
}

impl Message {
    /// A message of everything that is kept of a source.
    pub(super) fn of_kept(source: &str, kept: Vec<Said>) -> Self {
        let mut message = Message { source: source.to_owned(), ..Message::default() };
        for said in kept {
            match said {
                Said::Quote(quote) => message.quotes.push(*quote),
                Said::Denial(denial) => message.denials.push(denial),
                Said::Withdrawal(withdrawal) => message.withdrawals.push(withdrawal),
            }
        }
        message
    }

    /// The message of a replica as it is sent.
    pub(super) fn text(self, from: &str) -> String {
        // these types have nothing that JSON cannot hold
        serde_json::to_string(&Message { from: from.to_owned(), ..self }).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.quotes.is_empty()
            && self.denials.is_empty()
            && self.withdrawals.is_empty()
            && self.cooldowns.is_empty()
            && self.done.is_empty()
            && self.failed.is_empty()
    }
}

/// When a quote of another replica arrived there. `by_store` is that instant by the store's clock, and `stated` the same by the wall
/// clock of the other replica. A store's clock that was moved back makes old quotes look young, so the other clock decides if it says
/// that a quote is much older. `None` if it would lie ahead.
pub(super) fn landed_at(by_store: Instant, stated: Timestamp, now: Moment) -> Option<Instant> {
    if by_store > now.monotonic + AHEAD {
        return None;
    }
    let by_store = by_store.min(now.monotonic);
    let by_wall = now.monotonic.checked_sub(age(now.wall, stated))?;
    let is_older = by_wall + WALL_TOLERANCE < by_store;
    Some(if is_older { by_wall } else { by_store })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_never_taken_for_younger_than_either_clock_says() {
        let now = Moment { wall: "2026-11-20T14:31:10Z".parse().unwrap(), monotonic: Instant::now() };
        let ago = |seconds: u64| now.monotonic.checked_sub(Duration::from_secs(seconds)).unwrap();
        let stated = |seconds: u64| now.wall_at(ago(seconds));
        // two clocks that agree, or nearly
        assert_eq!(landed_at(ago(5), stated(5), now), Some(ago(5)));
        assert_eq!(landed_at(ago(5), stated(6), now), Some(ago(5)));
        // the other replica's clock is ahead
        assert_eq!(landed_at(ago(5), stated(0), now), Some(ago(5)));
        // the store's clock was moved back by an hour
        assert_eq!(landed_at(ago(5), stated(3_605), now), Some(ago(3_605)));
        // a little ahead is now, and more is nonsense
        let ahead = |ms| now.monotonic + Duration::from_millis(ms);
        assert_eq!(landed_at(ahead(200), stated(0), now), Some(now.monotonic));
        assert_eq!(landed_at(ahead(1_200), stated(0), now), None);
    }

    #[test]
    fn a_message_of_a_later_version_is_read() {
        let text = r#"{"from":"a","source":"s","quotes":[],"volumes":[1],"withdrawals":[{"symbol":"X","landed":1,"received_at":"2026-11-20T14:31:10Z","y":2}]}"#;
        let message: Message = serde_json::from_str(text).unwrap();
        assert_eq!(message.withdrawals[0].landed, 1);
        assert!(!message.is_empty() && message.failed.is_empty());
    }
}
