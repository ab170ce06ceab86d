//! The scripts that run in the store, each at one instant of the store's clock, and what they reply.
//!
//! What is kept there:
//!
//! | key | is a sorted set of |
//! |---|---|
//! | `PREFIX:members` | replicas, by when each last showed that it hears the store |
//! | `PREFIX:account:NAME` | units, by the latest instant at which the call of each can have ended; and `of:REPLICA:REPLICAS:HOLD:LIMITS`, by the instant at which a replica stated that, below 0 |
//!
//! Each also holds `epoch:RUN:INSTANT`, by −1: since when nothing in it was forgotten, and in which run of the server. All
//! instants are microseconds since 1970.
//!
//! Beside these, `PREFIX:said:SOURCE` holds by symbol what a source has said last, and when; `PREFIX:cooldowns`
//! by account and reason for how long vendors want to be left alone, and `PREFIX:lease:SOURCE:SYMBOL` which replica asks for a
//! symbol. `PREFIX:news` is the channel on which replicas hear of these at once. `PREFIX:salt` is what fingerprints of keys are made
//! with.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Duration;

use super::StoreError;
use super::store::Store;

/// Microseconds since 1970, by the store's clock.
pub(super) type StoreInstant = i64;

/// A script. Each says at its beginning what it takes and gives.
#[cfg_attr(not(feature = "shared"), expect(dead_code, reason = "without the feature there is no store to run it"))]
pub(super) struct Script {
    pub(super) text: Cow<'static, str>,
    /// How long the store may take to reply.
    pub(super) timeout: Duration,
    /// The SHA-1 by which a server knows it, once that was worked out.
    pub(super) fingerprint: OnceLock<String>,
}

/// A call waits for these, or they show whether the store is heard.
const QUICK: Duration = Duration::from_millis(50);

/// These carry what a replica has spent, which may be much.
const LONG: Duration = Duration::from_secs(1);

pub(super) static RESERVE: Script = Script::new(include_str!("scripts/reserve.lua"), QUICK);
pub(super) static SETTLE: Script = Script::new(include_str!("scripts/settle.lua"), QUICK);
pub(super) static BEAT: Script = Script::new(include_str!("scripts/beat.lua"), QUICK);
pub(super) static INTRODUCE: Script = Script::new(include_str!("scripts/introduce.lua"), LONG);
pub(super) static ENTER: Script = Script::new(include_str!("scripts/enter.lua"), LONG);
/// No call waits for it.
pub(super) static TELL: Script = Script::new(include_str!("scripts/tell.lua"), LONG);
pub(super) static LEAVE: Script = Script::new(include_str!("scripts/leave.lua"), QUICK);

/// What a script replied: a word, the store's time, and what depends on the word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) word: String,
    pub(super) at: StoreInstant,
    pub(super) rest: Vec<String>,
}

impl Said {
    /// Reads a reply.
    ///
    /// # Errors
    /// It is not what our scripts reply.
    pub(super) fn read(reply: Vec<String>) -> Result<Self, StoreError> {
        let mut parts = reply.into_iter();
        let (word, at) = (parts.next(), parts.next().and_then(|at| at.parse().ok()));
        let strange = || StoreError::Refused("it replied what no script of this version replies".to_owned());
        let (word, at) = word.zip(at).ok_or_else(strange)?;
        Ok(Said { word, at, rest: parts.collect() })
    }

    /// A number of microseconds in the rest of the reply; 0 if there is none.
    pub(super) fn number(&self, place: usize) -> i64 {
        self.rest.get(place).and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

impl Script {
    pub(super) const fn new(text: &'static str, timeout: Duration) -> Self {
        Script { text: Cow::Borrowed(text), timeout, fingerprint: OnceLock::new() }
    }

    /// One that is made up at run time.
    pub(super) fn of(text: String, timeout: Duration) -> Self {
        Script { text: Cow::Owned(text), timeout, fingerprint: OnceLock::new() }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The store did not reply in time, or replied with an error.
    pub(super) async fn run(&self, store: &Store, keys: &[&str], arguments: &[String]) -> Result<Said, StoreError> {
        Said::read(store.run(self, keys, arguments).await?)
    }
}
