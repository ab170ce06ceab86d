//! Where a watch has its prices from: it asks for them, and then follows them where it can.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::following::{Answer, Following, prices};
use crate::cli::get::ask::{Asker, Trouble};

/// How often prices that are followed are asked for, if all is well with them. A stream tells of every change of a price and its
/// status, but not of every quote that is as it was, or that is missing now: these are in the proof. A watch that looks no more
/// often than this has no stream, which would only have the sources called in between.
const EVERY_FOLLOWED: Duration = Duration::from_secs(30);

/// What a look sees.
pub(super) struct Seen {
    /// The answer.
    pub(super) answer: Value,
    /// Who answered, in words, and whether its prices are simulated.
    pub(super) from: String,
}

/// Looks at prices, again and again.
pub(super) struct Looks {
    every: Duration,
    /// The last answer that was asked for, and who gave it.
    last: Option<(Answer, String)>,
    following: Option<Following>,
}

impl Looks {
    /// No look yet. The prices will be looked at as often as `every` says.
    pub(super) fn new(every: Duration) -> Self {
        Looks { every, last: None, following: None }
    }

    /// The latest prices, or why there are none. They are asked for unless a stream tells of them.
    pub(super) async fn look(&mut self, asker: &mut Asker) -> io::Result<Result<Seen, Trouble>> {
        let began = Instant::now();
        if self.must_be_asked(began) {
            match asker.ask().await? {
                Ok(answered) => {
                    let body = serde_json::from_slice(&answered.body)?;
                    let answer = Answer { body, asked: began, came: Instant::now() };
                    self.begin_to_follow(asker, &answer);
                    self.last = Some((answer, answered.from));
                }
                // the server is there: prices go on coming
                Err(_) if self.is_followed(Some(began)) => {}
                Err(trouble) => return Ok(Err(trouble)),
            }
        }
        let seen = self.last.as_ref().map(|(answer, from)| {
            let latest = self.following.as_ref().map(|following| following.latest(answer));
            Seen { answer: latest.unwrap_or_else(|| answer.body.clone()), from: from.clone() }
        });
        seen.map(Ok).ok_or_else(|| io::Error::other("no look has succeeded yet"))
    }

    fn must_be_asked(&self, now: Instant) -> bool {
        let Some((answer, _)) = &self.last else { return true };
        let pause = if self.is_well() { EVERY_FOLLOWED } else { Duration::ZERO };
        !self.is_followed(None) || now.saturating_duration_since(answer.came) >= pause
    }

    /// Whether a stream tells of every change of all that is shown, and has said something since then.
    fn is_followed(&self, since: Option<Instant>) -> bool {
        let (Some((answer, _)), Some(following)) = (&self.last, &self.following) else { return false };
        following.tells_all_of(answer) && since.is_none_or(|since| following.has_spoken_since(since))
    }

    /// Whether asking would change nothing: it has reserves asked as well, and what is not known stays so.
    fn is_well(&self) -> bool {
        let (Some((answer, _)), Some(following)) = (&self.last, &self.following) else { return false };
        let latest = following.latest(answer);
        prices(&latest).all(|entry| matches!(entry["status"].as_str(), Some("ok" | "unknown")))
    }

    /// Follows what has just been answered for the first time, if it is a server that did.
    fn begin_to_follow(&mut self, asker: &Asker, answer: &Answer) {
        if self.following.is_none() && self.every < EVERY_FOLLOWED {
            // only the proof of a single symbol is shown
            let needs_proof = prices(&answer.body).count() == 1;
            let stream = asker.stream(needs_proof);
            self.following = stream.map(|stream| Following::begin(stream, answer));
        }
    }
}
