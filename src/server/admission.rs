//! Admits requests: callers with a valid key, where keys are set, and no caller more often than the rate allows.
//!
//! A request that is refused here costs one comparison and one entry in a table. No source sees it.

pub(super) mod keys;
mod rates;

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::time::Instant;

use super::problem::Problem;
use crate::caller::Caller;
use crate::settings::access::AccessSettings;
use keys::{Keys, Shown};
use rates::Rates;

/// The keys and rates that decide which requests are admitted.
#[derive(Debug)]
pub(super) struct Admission {
    keys: Keys,
    rates: Arc<Rates>,
    /// Whether there are neither.
    admits_all: bool,
}

impl Admission {
    /// Admission as the settings say; without keys and rates, every request is admitted.
    pub(super) fn new(access: &AccessSettings) -> Self {
        let admits_all = access.keys.is_empty() && access.rate.is_empty();
        Admission { keys: Keys::new(access.keys.clone()), rates: Arc::new(Rates::new(access.rate.clone())), admits_all }
    }

    /// Goes on with what was counted before, if keys and rates are the same.
    pub(super) fn take_over(&mut self, before: &Admission) {
        if self.keys.are_those_of(&before.keys) && self.rates.have_the_limits_of(&before.rates) {
            self.rates = Arc::clone(&before.rates);
        }
    }

    /// Admits a request and returns its caller, or refuses it at once.
    pub(super) fn admit(&self, headers: &HeaderMap, client: Option<IpAddr>) -> Result<Caller, Problem> {
        // without keys and rates, there is nothing to look at, and no need to know the time
        if self.admits_all { Ok(Caller::at(client)) } else { self.judge(headers, client, Instant::now()) }
    }

    /// Admits a request at a time. The key is looked at first: a client without a valid key must not
    /// use up the rate of a client with one behind the same address.
    fn judge(&self, headers: &HeaderMap, client: Option<IpAddr>, now: Instant) -> Result<Caller, Problem> {
        let shown = self.keys.shown(headers);
        let caller = match shown {
            Shown::Known(key) => Caller::Key(key),
            _ => Caller::at(client),
        };
        self.rates.admit(caller, now).map_err(Problem::too_many_requests)?;
        if shown.is_admitted() { Ok(caller) } else { Err(Problem::Unauthorized { wrong_key: shown == Shown::Wrong }) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::header::AUTHORIZATION;

    use super::*;
    use crate::units::Limit;

    const KEY: &str = "correct-horse-battery";

    fn admission(keys: &[&str], rate: &str) -> Admission {
        let rate = vec![Limit::try_from(rate.to_owned()).unwrap()];
        let keys = keys.iter().map(|key| (*key).into()).collect();
        Admission::new(&AccessSettings { keys, rate, ..AccessSettings::default() })
    }

    fn with_key(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {key}").parse().unwrap())])
    }

    const CLIENT: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn a_wrong_key_counts_against_the_address_and_not_against_a_valid_key() {
        let (admission, now) = (admission(&[KEY, "another-key-of-theirs"], "2/s"), Instant::now());
        for headers in [HeaderMap::new(), with_key("wrong")] {
            let wrong_key = !headers.is_empty();
            assert_eq!(admission.judge(&headers, CLIENT, now), Err(Problem::Unauthorized { wrong_key }));
        }
        let too_many = Err(Problem::TooManyRequests { seconds: 1 });
        assert_eq!(admission.judge(&with_key("wrong"), CLIENT, now), too_many);
        for key in [KEY, "another-key-of-theirs"] {
            for _ in 0..2 {
                assert_eq!(admission.judge(&with_key(key), CLIENT, now).map(drop), Ok(()));
            }
            assert_eq!(admission.judge(&with_key(key), None, now), too_many, "the key's own rate, wherever it is used");
        }
        assert_eq!(admission.judge(&with_key(KEY), CLIENT, now + Duration::from_secs(1)).map(drop), Ok(()));
    }

    #[test]
    fn keys_alone_and_rates_alone_are_looked_at() {
        let with_keys = AccessSettings { keys: vec![KEY.into()], ..AccessSettings::default() };
        let refused = Err(Problem::Unauthorized { wrong_key: false });
        assert_eq!(Admission::new(&with_keys).admit(&HeaderMap::new(), CLIENT), refused);
        let with_rate = admission(&[], "1/h");
        assert_eq!(with_rate.admit(&HeaderMap::new(), CLIENT), Ok(Caller::at(CLIENT)));
        let refused = with_rate.admit(&HeaderMap::new(), CLIENT);
        assert!(matches!(refused, Err(Problem::TooManyRequests { .. })), "{refused:?}");
    }

    #[test]
    fn without_keys_and_rates_every_request_is_admitted() {
        let admission = Admission::new(&AccessSettings::default());
        let now = Instant::now();
        for headers in [HeaderMap::new(), with_key("whatever")] {
            (0..1000).for_each(|_| assert_eq!(admission.judge(&headers, CLIENT, now).map(drop), Ok(())));
            assert_eq!(admission.admit(&headers, CLIENT), admission.judge(&headers, CLIENT, now));
        }
    }
}
