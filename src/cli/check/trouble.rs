//! Says in words why a source gave no price, and what to do about its key or its limit.

use std::time::Duration;

use jiff::Timestamp;

use crate::failure::SourceError;
use crate::provider::description::SourceSettings;
use crate::settings::Settings;
use crate::text::words::clock_time;

/// A source that gave no price, with the settings and the time.
pub(super) struct Trouble<'a> {
    pub(super) source: &'a SourceSettings,
    pub(super) settings: &'a Settings,
    /// When the source replied.
    pub(super) now: Timestamp,
}

impl Trouble<'_> {
    /// What went wrong for a symbol, with the reason first: "unauthorized: the key in FINNHUB_API_KEY was refused: …".
    pub(super) fn words(&self, error: &SourceError, symbol: &str) -> String {
        let words = match error {
            SourceError::Unauthorized(detail) | SourceError::Forbidden(detail) => {
                format!("{}: {detail}", self.refused())
            }
            SourceError::RateLimited { detail, retry_after } => {
                format!("it is asked too often; {}: {detail}", self.until(*retry_after))
            }
            SourceError::QuotaExhausted { detail, retry_after } => {
                format!("its quota is used up; {}: {detail}", self.until(*retry_after))
            }
            SourceError::Blocked { detail, retry_after: Some(wait) } => {
                format!("{}: {detail}", self.until(Some(*wait)))
            }
            SourceError::NotInPlan(detail) => format!("the plan does not include {symbol}: {detail}"),
            SourceError::UnknownSymbol(detail) => format!("it does not know {symbol}: {detail}"),
            other => other.to_string(),
        };
        format!("{}: {words}", error.reason())
    }

    /// Which key was refused, or which one is missing.
    fn refused(&self) -> String {
        let Trouble { source, settings, .. } = self;
        let get_one = source.get_a_key.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
        let from_variables = source.key_from.iter().any(|name| settings.read.contains(&format!("variable {name}")));
        match (&source.key, source.key_from.join(" and ")) {
            (Some(_), variables) if from_variables => format!("the key in {variables} was refused"),
            (Some(_), _) => format!("the key in sources.{}.key was refused", source.name),
            (None, variables) if !variables.is_empty() => format!("it requires a key: set {variables}{get_one}"),
            (None, _) => format!("it refused us; check url and headers of sources.{}", source.name),
        }
    }

    /// When the source may be asked again.
    fn until(&self, retry_after: Option<Duration>) -> String {
        let at = retry_after.and_then(|wait| self.now.checked_add(wait).ok());
        match at {
            Some(at) => format!("try again at {}", clock_time(at, self.now)),
            None => "it does not say when to try again".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{LoadOptions, load};

    /// The words about an error of this source, with these variables and this file.
    fn words(environment: &[(&str, &str)], file: &str, name: &str, error: &SourceError) -> String {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let text = Some(("x".to_owned(), file.to_owned()));
        let settings = load(&LoadOptions { text, environment, ..LoadOptions::default() }).unwrap();
        let source = settings.sources.iter().find(|source| source.name == name).unwrap();
        let now = "2026-11-20T14:31:00Z".parse().unwrap();
        Trouble { source, settings: &settings, now }.words(error, "AAPL")
    }

    #[test]
    fn a_refused_key_is_named_by_where_it_was_read() {
        let refused = SourceError::Unauthorized("Invalid API key.".to_owned());
        let words = |environment: &[(&str, &str)], file: &str, name: &str| words(environment, file, name, &refused);
        let key = [("FINNHUB_API_KEY", "abcdef")];
        assert_eq!(
            words(&key, "", "finnhub"),
            "unauthorized: the key in FINNHUB_API_KEY was refused: Invalid API key."
        );
        assert_eq!(
            words(&[], "[sources.finnhub]\nkey = \"abcdef\"", "finnhub"),
            "unauthorized: the key in sources.finnhub.key was refused: Invalid API key."
        );
        let desk = "[sources.desk]\nclasses = [\"equity\"]\nurl = \"http://x.test/{symbol}\"\njq = \".\"";
        assert!(words(&[], desk, "desk").contains("it refused us; check url and headers of sources.desk: "));
    }

    #[test]
    fn a_limit_says_when_to_try_again_if_the_vendor_does() {
        let limited = |seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            words(&[], "", "kraken", &SourceError::RateLimited { detail: "slow down".to_owned(), retry_after })
        };
        assert_eq!(limited(Some(40)), "rate_limited: it is asked too often; try again at 14:31:40 UTC: slow down");
        assert_eq!(limited(None), "rate_limited: it is asked too often; it does not say when to try again: slow down");
        let retry_after = Some(Duration::from_secs(86_400));
        let quota = SourceError::QuotaExhausted { detail: "25 a day".to_owned(), retry_after };
        assert!(words(&[], "", "kraken", &quota).contains("used up; try again at Sat 21 Nov 14:31:00 UTC: "));
    }
}
