//! Says what a status outside 2xx means by itself, where the filter does not know the reply's words.
//!
//! A refusal is never taken for more than it says: a page that is not found denies no symbol, and a page that a firewall wrote
//! says nothing about a key.

use std::time::Duration;

use super::{RawReply, until};
use crate::failure::SourceError;
use crate::provider::description::{NotFound, SourceSettings};
use crate::provider::scrub::Scrub;

/// How long a vendor is left alone at most after too many calls, whatever time it names: a longer one is more often a
/// mistake than meant.
const LONGEST_RATE_LIMIT: Duration = Duration::from_secs(3600);

/// How long an announced outage is believed at most.
const LONGEST_OUTAGE: Duration = Duration::from_secs(3600);

/// How long a ban is believed at most.
const LONGEST_BAN: Duration = Duration::from_secs(24 * 3600);

/// The status with which exchanges ban an address that went on after a 429.
const BANNED: u16 = 418;

/// What a source's settings say about its statuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statuses {
    /// Whether its calls carry a key, which a refusal may be about.
    sends_key: bool,
    /// Whether it answers 404 to a symbol that it does not know.
    not_found_denies: bool,
}

impl Statuses {
    pub(super) fn of(source: &SourceSettings) -> Self {
        Statuses { sends_key: source.sends_key(), not_found_denies: source.not_found == NotFound::UnknownSymbol }
    }

    /// The error that a reply's status stands for; `None` for 2xx.
    pub(super) fn error(self, reply: &RawReply, scrub: &Scrub) -> Option<SourceError> {
        let status = reply.status;
        if (200..300).contains(&status) {
            return None;
        }
        let body = String::from_utf8_lossy(&reply.body);
        let words = body.trim_start();
        // a page for people would only be noise
        let detail = if words.is_empty() || words.starts_with('<') {
            format!("the source replied with status {status}")
        } else {
            scrub.clean(&format!("the source replied with status {status}: {words}"))
        };
        let retry_after = |reason| wait(reply, reason, None);
        Some(match status {
            401 => SourceError::Unauthorized(detail),
            402 => SourceError::QuotaExhausted { detail, retry_after: retry_after("quota_exhausted") },
            // an API that checks keys answers in the notation of its other replies; a firewall answers with a page
            403 if self.sends_key && is_json(&reply.body) => SourceError::Forbidden(detail),
            403 | 451 => SourceError::Blocked { detail: blocked(&detail, scrub), retry_after: retry_after("blocked") },
            404 if self.not_found_denies => SourceError::UnknownSymbol(detail),
            BANNED | 429 => SourceError::RateLimited { detail, retry_after: retry_after("rate_limited") },
            500..=599 => SourceError::unavailable(detail),
            _ => SourceError::HttpStatus {
                detail: redirected(reply, scrub).unwrap_or(detail),
                is_client_error: is_client_error(status),
            },
        })
    }
}

/// Where a redirect leads, and what to do about it. Redirects are not followed: they lead into private networks.
fn redirected(reply: &RawReply, scrub: &Scrub) -> Option<String> {
    let (status, target) = (reply.status, scrub.clean(reply.redirect.as_deref()?));
    Some(format!(
        "the source replied with status {status}: a redirect to {target}, which is not followed; if the source has moved \
         there, name that address in its url or base_url"
    ))
}

/// Whether a status finds fault with the call, and not with the source.
pub(super) fn is_client_error(status: u16) -> bool {
    (400..500).contains(&status)
}

/// The words about a block, which no key can lift.
pub(super) fn blocked(words: &str, scrub: &Scrub) -> String {
    scrub.clean(&format!("it does not serve this address: {words}"))
}

/// How long a refusal wants us to stay away: as the filter states it, as the header does, or as the words do; no longer than
/// such a refusal is believed.
pub(super) fn wait(reply: &RawReply, reason: &str, stated: Option<Duration>) -> Option<Duration> {
    let longest = match reason {
        "rate_limited" if reply.status == BANNED => LONGEST_BAN,
        "rate_limited" => LONGEST_RATE_LIMIT,
        "blocked" => LONGEST_BAN,
        _ => Duration::MAX,
    };
    let wait = stated.or(reply.retry_after).or_else(|| until::wait(reply))?;
    Some(wait.min(longest))
}

/// How long a vendor that is out of order wants to be left alone.
pub(super) fn outage(reply: &RawReply) -> Option<Duration> {
    reply.retry_after.map(|wait| wait.min(LONGEST_OUTAGE))
}

fn is_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
