//! Says what a status outside 2xx means on its own, when the filter does not recognise the reply.
//!
//! A refusal is never taken for more than it says: a page that is not found denies no symbol, and a page that a
//! firewall wrote says nothing about a key.

use std::time::Duration;

use super::{RawReply, until};
use crate::failure::SourceError;
use crate::provider::description::{NotFound, SourceSettings};
use crate::provider::scrub::Scrub;

/// How long a vendor is left alone at most after too many calls: if it names a longer time, that is more often a
/// mistake than meant.
const LONGEST_RATE_LIMIT: Duration = Duration::from_secs(3600);

/// How long a stated outage is believed at most.
const LONGEST_OUTAGE: Duration = Duration::from_secs(3600);

/// How long a ban is believed at most.
const LONGEST_BAN: Duration = Duration::from_secs(24 * 3600);

/// The status with which exchanges ban an address that kept calling after a 429.
const BANNED: u16 = 418;

/// What a source's settings say about the statuses of its replies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statuses {
    /// Whether its calls carry a key, which a refusal may be about.
    sends_key: bool,
    /// Whether it answers 404 if it does not know a symbol.
    not_found_denies: bool,
}

impl Statuses {
    pub(super) fn of(source: &SourceSettings) -> Self {
        Statuses { sends_key: source.sends_key(), not_found_denies: source.not_found == NotFound::UnknownSymbol }
    }

    /// The error that a reply's status means; `None` for 2xx.
    pub(super) fn error(self, reply: &RawReply, scrub: &Scrub) -> Option<SourceError> {
        let status = reply.status;
        if (200..300).contains(&status) {
            return None;
        }
        let body = String::from_utf8_lossy(&reply.body);
        let words = body.trim_start();
        // an HTML page would only be noise
        let detail = if words.is_empty() || words.starts_with('<') {
            format!("the source replied with status {status}")
        } else {
            scrub.clean(&format!("the source replied with status {status}: {words}"))
        };
        let retry_after = |reason| wait(reply, reason, None);
        Some(match status {
            401 => SourceError::Unauthorized(detail),
            402 => SourceError::QuotaExhausted { detail, retry_after: retry_after("quota_exhausted") },
            // an API that checks keys answers in JSON; a firewall answers with a page
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

/// The target of a redirect, and what to do about it. Redirects are not followed, because they can lead into private
/// networks.
fn redirected(reply: &RawReply, scrub: &Scrub) -> Option<String> {
    let (status, target) = (reply.status, scrub.clean(reply.redirect.as_deref()?));
    Some(format!(
        "the source replied with status {status}: a redirect to {target}, which is not followed; if the source has moved \
         there, name that address in its url or base_url"
    ))
}

/// Whether a status blames the call and not the source.
pub(super) fn is_client_error(status: u16) -> bool {
    (400..500).contains(&status)
}

/// The detail of a block, which no key can lift.
pub(super) fn blocked(words: &str, scrub: &Scrub) -> String {
    scrub.clean(&format!("it does not serve this address: {words}"))
}

/// How long a refusal asks us to stay away: the filter's figure, else the header's, else the one in the words; no
/// longer than such a refusal is believed.
pub(super) fn wait(reply: &RawReply, reason: &str, stated: Option<Duration>) -> Option<Duration> {
    let longest = match reason {
        "rate_limited" if reply.status == BANNED => LONGEST_BAN,
        "rate_limited" => LONGEST_RATE_LIMIT,
        "blocked" => LONGEST_BAN,
        _ => Duration::MAX,
    };
    // an outage ends when it ends: a time in its words is rarely a promise to us
    let in_words = || if reason == "unavailable" { None } else { until::wait(reply) };
    let wait = stated.or(reply.retry_after).or_else(in_words)?;
    Some(wait.min(longest))
}

/// How long a vendor that is down asks us to stay away: the filter's figure, else the header's, as far as that is believed.
pub(super) fn outage(reply: &RawReply, stated: Option<Duration>) -> Option<Duration> {
    stated.or(reply.retry_after).map(|wait| wait.min(LONGEST_OUTAGE))
}

fn is_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
