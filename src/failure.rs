//! Names what can go wrong with one source: one variant for each case that an operator would handle differently.

use std::time::Duration;

use jiff::Timestamp;

/// Why a source gave no quote. The text is the `detail` that users read; it never holds a key (details are scrubbed).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No reply in time. Look at the vendor's latency, or allow more.
    #[error("no reply within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// No connection, or it broke before the reply was whole. Look at the network and at DNS.
    #[error("{0}")]
    Connection(String),
    /// The proxy could not be reached, or did not connect us, so the vendor has no part in it. Look at the proxy.
    #[error("{detail}")]
    Proxy {
        /// What went wrong, with the proxy's name.
        detail: String,
        /// Whether the next call may well succeed. Not if it refused a user name and a password.
        passing: bool,
    },
    /// The certificate or the handshake was refused. Look at the clock, the host name, the certificates.
    #[error("{0}")]
    Tls(String),
    /// An unexpected status (a redirect, 400, 404). Look at the URL.
    #[error("{detail}")]
    HttpStatus {
        /// The status, and the vendor's words.
        detail: String,
        /// Whether it is a 4xx, which finds fault with the call and not with the source.
        is_client_error: bool,
    },
    /// The vendor says that it is out of service (5xx). Wait.
    #[error("{detail}")]
    Unavailable {
        /// The vendor's words.
        detail: String,
        /// Whether the next call may well succeed: a gateway said so (502, 503, 504) and named no time to wait.
        passing: bool,
        /// How long it asks us to wait, if it stated a usable time.
        retry_after: Option<Duration>,
    },
    /// The reply is not what the filter was written for. Look at the filter, run `quotefold check`.
    #[error("{0}")]
    Malformed(String),
    /// The reply is longer than `max_body`. Raise it, or ask for less.
    #[error("the reply is longer than max_body = {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The reply was understood, but it holds nothing for this symbol.
    #[error("{0}")]
    Missing(String),
    /// The call failed because of another symbol in it, which the vendor names. Ask again without that one.
    #[error("{0}")]
    Overlooked(String),
    /// The key is wrong, or there is none. Set it.
    #[error("{0}")]
    Unauthorized(String),
    /// The vendor's API refuses the call (403), and does not say whether that is because of the key or because of this
    /// symbol. Set the key, or ask elsewhere.
    #[error("{0}")]
    Forbidden(String),
    /// The vendor's plan does not include this symbol. Ask elsewhere, or pay.
    #[error("{0}")]
    NotInPlan(String),
    /// The vendor knows no such symbol.
    #[error("{0}")]
    UnknownSymbol(String),
    /// The vendor says that we ask too often.
    #[error("{detail}")]
    RateLimited {
        /// The vendor's words.
        detail: String,
        /// How long it asks us to wait, if it stated a usable time.
        retry_after: Option<Duration>,
    },
    /// The vendor says that the day's or the month's calls are used up.
    #[error("{detail}")]
    QuotaExhausted {
        /// The vendor's words.
        detail: String,
        /// How long until the quota is refilled, if it stated a usable time.
        retry_after: Option<Duration>,
    },
    /// The vendor does not serve our address: because of its country, a firewall or a ban. No key helps. Ask from
    /// elsewhere, or wait.
    #[error("{detail}")]
    Blocked {
        /// The vendor's words.
        detail: String,
        /// How long the ban lasts, if it stated a usable time.
        retry_after: Option<Duration>,
    },
    /// Our own limit for this source has no room within the time a call may take. No call was made.
    #[error("our own limit of {limit} is used up")]
    Throttled {
        /// The limit, as configured.
        limit: String,
        /// How long until there is room.
        retry_after: Duration,
    },
    /// Calls to this source kept failing, so it is not asked for a while. No call was made. Look at its last error.
    #[error("{detail}")]
    CircuitOpen {
        /// What its last failure was.
        detail: String,
        /// How long until it is tried again.
        retry_after: Duration,
    },
    /// The caller did not wait for the reply, because enough other sources agreed. The source has no part in it.
    #[error("not waited for: enough other sources had agreed")]
    NotAwaited,
    /// The configuration was read again while the source was asked, and it describes another source now. Ask again.
    #[error("the configuration was read again meanwhile, and it describes this source differently now, or not at all")]
    Reconfigured,
    /// A fault of ours: a panic, or a task that ended without a result. Report it.
    #[error("{0}")]
    Internal(String),
}

/// What a vendor's refusal applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The symbol that was asked for; others may well be served.
    Symbol,
    /// The account that asks: its key, its rate, its quota.
    Account,
    /// The address the call came from, for any symbol and with any key.
    Address,
}

/// A failure to get a quote, as it is shown and remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub error: SourceError,
    /// When we learned of it.
    pub at: Timestamp,
    /// How long the call took; `None` when no call was made.
    pub latency: Option<Duration>,
    /// Whether it denies a symbol that the source itself quoted recently: one such reply is more often a mishap than a
    /// delisting.
    pub is_doubted: bool,
    /// When the source may be asked again. It may change until the answer is made, so only then is it filled in.
    pub retry_at: Option<Timestamp>,
}

impl SourceError {
    /// The reasons that only we give.
    pub(crate) const OURS: [&str; 9] = [
        "timeout",
        "connection",
        "tls",
        "too_large",
        "throttled",
        "circuit_open",
        "not_awaited",
        "reconfigured",
        "internal",
    ];

    /// The reasons that a filter can name in an error row.
    pub(crate) const NAMED_BY_FILTERS: [&str; 10] = [
        "http_status",
        "unavailable",
        "malformed",
        "missing",
        "unauthorized",
        "not_in_plan",
        "unknown_symbol",
        "rate_limited",
        "quota_exhausted",
        "blocked",
    ];

    /// The failure's name in answers and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            SourceError::Timeout(_) => "timeout",
            SourceError::Connection(_) | SourceError::Proxy { .. } => "connection",
            SourceError::Tls(_) => "tls",
            SourceError::HttpStatus { .. } => "http_status",
            SourceError::Unavailable { .. } => "unavailable",
            SourceError::Malformed(_) => "malformed",
            SourceError::TooLarge { .. } => "too_large",
            SourceError::Missing(_) | SourceError::Overlooked(_) => "missing",
            SourceError::Unauthorized(_) | SourceError::Forbidden(_) => "unauthorized",
            SourceError::NotInPlan(_) => "not_in_plan",
            SourceError::UnknownSymbol(_) => "unknown_symbol",
            SourceError::RateLimited { .. } => "rate_limited",
            SourceError::QuotaExhausted { .. } => "quota_exhausted",
            SourceError::Blocked { .. } => "blocked",
            SourceError::Throttled { .. } => "throttled",
            SourceError::CircuitOpen { .. } => "circuit_open",
            SourceError::NotAwaited => "not_awaited",
            SourceError::Reconfigured => "reconfigured",
            SourceError::Internal(_) => "internal",
        }
    }

    /// The error a filter names in an error row; `None` if there is no such reason.
    ///
    /// A filter can report any failure that the vendor can report, but none of our own.
    pub(crate) fn from_reason(reason: &str, detail: String, retry_after: Option<Duration>) -> Option<Self> {
        Some(match reason {
            "http_status" => SourceError::HttpStatus { detail, is_client_error: false },
            "unavailable" => SourceError::Unavailable { detail, passing: false, retry_after },
            "malformed" => SourceError::Malformed(detail),
            "missing" => SourceError::Missing(detail),
            "unauthorized" => SourceError::Unauthorized(detail),
            "not_in_plan" => SourceError::NotInPlan(detail),
            "unknown_symbol" => SourceError::UnknownSymbol(detail),
            "rate_limited" => SourceError::RateLimited { detail, retry_after },
            "quota_exhausted" => SourceError::QuotaExhausted { detail, retry_after },
            "blocked" => SourceError::Blocked { detail, retry_after },
            _ => return None,
        })
    }

    /// The failure with this name in an answer, and with this text. What its text does not say is left open.
    pub(crate) fn named(reason: &str, detail: String) -> Option<Self> {
        let none = Duration::ZERO;
        Some(match reason {
            "timeout" => SourceError::Timeout(none),
            "connection" => SourceError::Connection(detail),
            "tls" => SourceError::Tls(detail),
            "too_large" => SourceError::TooLarge { limit: 0 },
            "throttled" => SourceError::Throttled { limit: detail, retry_after: none },
            "circuit_open" => SourceError::CircuitOpen { detail, retry_after: none },
            "not_awaited" => SourceError::NotAwaited,
            "reconfigured" => SourceError::Reconfigured,
            "internal" => SourceError::Internal(detail),
            of_the_vendor => return SourceError::from_reason(of_the_vendor, detail, None),
        })
    }

    /// The vendor is out of service, and does not say for how long.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        SourceError::Unavailable { detail: detail.into(), passing: false, retry_after: None }
    }

    /// Whether the same call may well succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        use SourceError as E;
        matches!(self, E::Connection(_) | E::Unavailable { passing: true, .. } | E::Proxy { passing: true, .. })
    }

    /// Whether waiting is enough: the next call may succeed without a change on either side.
    pub(crate) fn ends_by_itself(&self) -> bool {
        use SourceError as E;
        match self {
            E::Timeout(_) | E::Connection(_) | E::Unavailable { .. } | E::RateLimited { .. } => true,
            E::Proxy { passing, .. } => *passing,
            E::QuotaExhausted { .. } | E::Throttled { .. } | E::CircuitOpen { .. } => true,
            E::NotAwaited | E::Reconfigured | E::Internal(_) => true,
            E::Tls(_) | E::HttpStatus { .. } | E::Malformed(_) | E::TooLarge { .. } => false,
            E::Missing(_) | E::Overlooked(_) => false,
            E::Unauthorized(_) | E::Forbidden(_) | E::NotInPlan(_) | E::UnknownSymbol(_) | E::Blocked { .. } => false,
        }
    }

    /// How long our own refusal lasts; `None` for anything that the vendor said or did.
    pub fn stands_for(&self) -> Option<Duration> {
        match self {
            SourceError::Throttled { retry_after, .. } | SourceError::CircuitOpen { retry_after, .. } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// The same error, without the time that is left: what is said of it at any moment.
    pub(crate) fn at_any_time(&self) -> Self {
        use SourceError as E;
        let mut error = self.clone();
        match &mut error {
            E::Unavailable { retry_after, .. }
            | E::RateLimited { retry_after, .. }
            | E::QuotaExhausted { retry_after, .. }
            | E::Blocked { retry_after, .. } => *retry_after = None,
            E::Throttled { retry_after, .. } | E::CircuitOpen { retry_after, .. } => *retry_after = Duration::ZERO,
            _ => {}
        }
        error
    }

    /// What it applies to, if it is the vendor's refusal.
    pub fn scope(&self) -> Option<Scope> {
        use SourceError as E;
        match self {
            E::UnknownSymbol(_) | E::NotInPlan(_) => Some(Scope::Symbol),
            E::Unauthorized(_) | E::Forbidden(_) => Some(Scope::Account),
            E::RateLimited { .. } | E::QuotaExhausted { .. } => Some(Scope::Account),
            E::Blocked { .. } => Some(Scope::Address),
            _ => None,
        }
    }

    /// Whether it finds fault with the call (a 4xx), and not with the source.
    pub(crate) fn is_about_call(&self) -> bool {
        matches!(self, SourceError::HttpStatus { is_client_error: true, .. })
    }

    /// Whether the source answered, and its answer is that it has no such symbol (for us).
    pub(crate) fn denies_symbol(&self) -> bool {
        self.scope() == Some(Scope::Symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_can_name_each_documented_reason_and_no_other() {
        for reason in SourceError::NAMED_BY_FILTERS {
            let named = SourceError::from_reason(reason, String::new(), None).unwrap();
            assert_eq!(named.reason(), reason);
        }
        assert!(SourceError::from_reason("timeout", String::new(), None).is_none());
    }

    #[test]
    fn a_failure_can_be_named_by_every_reason_that_answers_give() {
        for reason in SourceError::OURS.into_iter().chain(SourceError::NAMED_BY_FILTERS) {
            assert_eq!(SourceError::named(reason, String::new()).map(|error| error.reason()), Some(reason));
        }
        assert_eq!(SourceError::named("used", String::new()), None);
    }
}
