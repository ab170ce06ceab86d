//! Reads what the head of a reply says about it.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};

use crate::clock::age;

/// Whether a reply is for a browser: a captive portal, a firewall's refusal.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    kind.starts_with("text/html") || kind.starts_with("application/xhtml")
}

/// When the vendor's server says that it replied.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    read_date(headers.get(DATE)?.to_str().ok()?)
}

/// How long a vendor wants to be left alone: `Retry-After` in seconds, or as a date, of which the time from the reply's own
/// date is taken: the vendor's clock wrote both. Zero, past and unreadable count as none.
pub(super) fn retry_after(headers: &HeaderMap, date: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => age(read_date(text)?, date),
    };
    Some(wait).filter(|wait| !wait.is_zero())
}

fn read_date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nonsense_is_none() {
        let now: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("7"), Some(7));
        assert_eq!(read("86400"), Some(86_400));
        assert_eq!(read("Fri, 20 Nov 2026 14:31:30 GMT"), Some(30));
        for none in ["0", "-5", "soon", "Fri, 20 Nov 2026 14:30:00 GMT"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
