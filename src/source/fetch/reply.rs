//! Reads the head of a reply: redirects, dates, `Retry-After`.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use super::trouble::host;
use crate::clock::age;

/// Where a redirect from a URL leads: scheme, host and path, without the query, which may hold a key.
pub(super) fn redirect(status: StatusCode, headers: &HeaderMap, url: &Url) -> Option<String> {
    let location = headers.get(LOCATION).filter(|_| status.is_redirection())?.to_str().ok()?;
    let target = url.join(location).ok().filter(Url::has_host)?;
    Some(format!("{}://{}{}", target.scheme(), host(&target), target.path()))
}

/// When the vendor's server says that it replied.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    read_date(headers.get(DATE)?.to_str().ok()?)
}

/// The charset that a `Content-Type` names: `text/csv; charset="windows-1251"`.
pub(super) fn charset(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = text.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// How long a vendor wants to be left alone: `Retry-After` in seconds, or as a date, counted from the reply's own date, since
/// the vendor's clock wrote both. Zero, a past date and an unreadable value count as none.
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
    fn a_redirect_is_named_without_what_may_hold_a_key() {
        let redirect = |status: u16, location: &str| {
            let url = Url::parse("https://me:pass@a.test/v1/quote?key=1").unwrap();
            let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
            redirect(StatusCode::from_u16(status).unwrap(), &headers, &url)
        };
        assert_eq!(redirect(301, "https://b.test:8443/v2?key=1#top").as_deref(), Some("https://b.test:8443/v2"));
        assert_eq!(redirect(308, "http://you:key@b.test").as_deref(), Some("http://b.test/"));
        assert_eq!(redirect(302, "../login?next=x").as_deref(), Some("https://a.test/login"));
        assert_eq!(redirect(307, "//c.test/x").as_deref(), Some("https://c.test/x"));
        for (status, location) in [(301, "mailto:a@b.test"), (302, "http://["), (200, "/x"), (404, "/x")] {
            assert_eq!(redirect(status, location), None, "{location}");
        }
    }

    #[test]
    fn a_charset_is_a_parameter_of_the_content_type() {
        let charset = |text: &str| charset(&HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]));
        assert_eq!(charset("text/csv; charset=windows-1251").as_deref(), Some("windows-1251"));
        assert_eq!(charset("text/csv;header=present; Charset=\"GBK\"").as_deref(), Some("GBK"));
        assert_eq!(charset("application/json"), None);
        assert_eq!(charset("text/csv; charset"), None);
    }

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
